"""What is usual elsewhere: other comments, the modules of Python, losses in words, a function without brackets."""

from __future__ import annotations

import re

from sqmagic.notation.mistakes.place import Mistake, Place

_MODULES = re.compile(r"\b(?:torch|nn|functional|F|np|numpy|math|jax|jnp|tf|keras)$")
_TO_LOWER = re.compile(r"(?:loss|min|minimi[sz]e)$")
_TO_RAISE = re.compile(r"(?:objective|max|maximi[sz]e)$")
_OF_TWO = re.compile(r"\(\s*([\w'′{}+-]+)\s*,\s*([\w'′{}+-]+)\s*\)\s*$")


def comment(place: Place) -> Mistake | None:
    sign = "//" if place.word == "/" and place.after.startswith("/") else place.word
    if place.left or sign not in ("%", "//"):
        return None
    stop = place.start + len(sign)
    return Mistake("SQ102", "a comment begins with `#`", place.start, stop, (place.start, stop, "#"))


def module(place: Place) -> Mistake | None:
    """`torch.tanh`, `nn.Linear`."""
    owner = _MODULES.search(place.before) if place.word == "." else None
    called = re.match(r"(?:\w+\.)*(\w+)", place.after)
    if owner is None or called is None:
        return None
    stop = place.stop + called.end()
    if called[1][0].islower():
        edit = (owner.start(), place.stop + called.start(1), "")
        return Mistake("SQ102", f"a function has no module before its name: `{called[1]}`", owner.start(), stop, edit)
    message = f"a torch module is made in Python, `f = {owner[0]}.{called[0]}(…)`, and called here by that name"
    return Mistake("SQ102", message, owner.start(), stop)


def goal_in_words(place: Place) -> Mistake | None:
    """`loss mse(p, y)`, `max log(p)`."""
    if place.kind != "NAME":
        return None
    if _TO_RAISE.match(place.left):
        message = "an objective follows what it is for: `p $ log(p)`"
        return Mistake("SQ101", message, 0, place.stop)
    if not _TO_LOWER.match(place.left):
        return None
    sides = _OF_TWO.match(place.after)
    edit = (0, place.stop + sides.end(), f"{sides[1]} ==[{place.word}]=> {sides[2]}") if sides else None
    message = "a loss is drawn between two sides: `p => y`, or with its name `p ==[mse]=> y`"
    return Mistake("SQ101", message, 0, place.stop, edit)


def after_a_binding(place: Place) -> Mistake | None:
    """`p := F(x) => y`."""
    if place.kind not in ("ARROW", "OPEN", "GOAL", "LOSS", "DOLLAR") or "NAME" in place.expected:
        return None
    bound = re.match(r"\s*([\w'′{}+-]+)\s*:=\s*(\S.*)$", place.left, re.DOTALL)
    if bound is None:
        return None
    message = f"what `:=` names goes no further: begin with the value, `value -> {bound[1]} {place.word} …`"
    edit = (bound.start(1), len(place.left), f"{bound[2]} -> {bound[1]}")
    return Mistake("SQ101", message, place.start, place.stop, edit)
