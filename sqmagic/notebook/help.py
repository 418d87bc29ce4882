"""What Shift-Tab tells of a name in a cell: of a state its equation, shape, domain and uses; of a layer its
parameters; of a macro its text; of a function that is there from the start its three rules; of an option what it
does."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping

from sqmagic.board.lines import Line, lines, notes
from sqmagic.board.meaning import meaning
from sqmagic.board.plain import line_plain
from sqmagic.equations.system import Apply, Equation, Expr, Goal, Layer, Weight, reads, walk
from sqmagic.notation.letters import ascii_name, base_of
from sqmagic.notation.show import show_statement
from sqmagic.notation.syntax import Macro
from sqmagic.notebook.scope import Scope, place, scope, word_at
from sqmagic.schedule.domains import Interval

WORDS = {
    "class": "y : class(10)\n  a whole number from 0 to 9: a label. After softmax it is read as one_hot.",
    "action": "a_t : action(2)\n  a whole number from 0 to 1: what an agent does.",
    "param": "b : param(64)\n  a free parameter of 64 numbers, which learns as those of layers do.",
    "buffer": "B : buffer(50000, batch=256)\n  a replay buffer: Add_B(...) puts a row in, Get_B() draws a batch.",
    "over": "over n\n  the running index is n in place of t; its last value is its capital, N.",
    "reset": "reset h on cut\n  where cut_t is set, h_{t-1} is read as the value that h begins with.",
    "return": "return h_t\n  what a macro gives.",
}
"""The words of the notation that are no functions, each with an example."""


def about(
    cell: str,
    cursor: int,
    namespace: Mapping[str, object],
    macros: Mapping[str, Macro],
    parser: argparse.ArgumentParser | None = None,
) -> str | None:
    """The help for the name at a cursor; None where there is none, or in cells that are not ours.

    `parser` is that of the magic's options.
    """
    here = place(cell, cursor)
    if here is None:
        return None
    if here.head is not None:
        return None if parser is None else _option(cell, cursor, parser)
    word = word_at(cell, cursor)
    return told(word, scope(here.body, namespace, macros)) if word else None


def _option(cell: str, cursor: int, parser: argparse.ArgumentParser) -> str | None:
    """What the option around a cursor does, as `%%seqnet?` has it."""
    start = max(cell.rfind(sign, 0, cursor) for sign in " \n") + 1
    word = cell[start:].split(maxsplit=1)[0] if cell[start:].strip() else ""
    found = next((a for a in parser._actions if word.partition("=")[0] in a.option_strings), None)
    if found is None:
        return None
    values = (
        f" {{{', '.join(map(str, found.choices))}}}" if found.choices else f" {found.metavar or found.dest.upper()}"
    )
    head = ", ".join(found.option_strings) + ("" if found.nargs == 0 else values)
    return f"{head}\n  {found.help}" if found.help else head


def told(word: str, known: Scope) -> str | None:
    """What is known of a name."""
    name, base = ascii_name(word), base_of(word)
    layers = {layer.name: layer for layer in known.system.layers}
    owner = next((n for n in (name, name.partition("_{")[2].rstrip("}"), name.partition("_")[2]) if n in layers), "")
    states = [s for s in known.states if s in (name, base)] or [s for s in known.states if s.rpartition(".")[2] == base]
    if states:
        return "\n\n".join("\n".join(_state(state, known)) for state in states)
    inner = [n for n in layers if n.rpartition(".")[2] == name]  # within a macro, as it is written there
    owners = [owner] if owner else inner
    if owners:
        return "\n\n".join("\n".join(_layer(layers[each], known)) for each in owners)
    if name in known.macros or base in known.macros:
        return show_statement(known.macros[name if name in known.macros else base])
    if name in WORDS:
        return WORDS[name]
    buffer = next((b for b in known.system.buffers if b.name == name), None)
    if buffer is not None:
        number = known.source.line_number(buffer.span.start)
        return f"{name}: a replay buffer\n  declared  line {number}: {known.source.line(number).strip()}"
    words = (name, base, name.partition("_")[0])
    found = next((m for m in map(meaning, words) if m is not None), None)
    if found is None:
        return None
    rules = [("Forward", (found.forward,)), ("Autodiff", found.autodiff), ("Update", found.update)]
    return "\n".join([f"{found.heading}: {found.summary}", *_table(rules)])


def _table(rows: list[tuple[str, tuple[str, ...]]]) -> Iterator[str]:
    width = max(len(label) for label, _ in rows)
    for label, texts in rows:
        for number, text in enumerate(texts):
            yield f"  {'' if number else label:<{width}}  {text}"


def _state(state: str, known: Scope) -> Iterator[str]:
    system = known.system
    kind = "an input" if any(i.state == state for i in system.inputs) else "a state"
    shape = known.shapes.states.get(state)
    classes = known.shapes.classes.get(state)
    size = " x ".join(map(str, shape)) if shape else "not fixed by the text"
    yield f"{state}: {kind}"
    rows = [("defined", tuple(_defining(state, known))), ("shape", (f"one of {classes} classes" if classes else size,))]
    if state in known.domains:
        rows += [("domain", (_interval(known.domains[state]),))]
    yield from _table([*rows, ("used", tuple(_uses(state, known)) or ("nowhere",))])


def _defining(state: str, known: Scope) -> Iterator[str]:
    """The equations of a state; what is given from outside has none."""
    told = lines(known.system, notes(known.system, known.shapes.states, linear=True))
    equations = [line for line in told if line.relation in {"=", "∼"} and line.left is not None]
    for equation, line in zip((e for e in known.system.equations if e.targets), equations, strict=False):
        if any(target.state == state for target in equation.targets):
            yield _at(line)


def _at(line: Line) -> str:
    return f"line {line.line}: {line_plain(line)}" if line.line else line_plain(line)


def _uses(state: str, known: Scope) -> Iterator[str]:
    statements: list[Equation | Goal] = [*known.system.equations, *known.system.goals]
    numbers = sorted({s.line for s in statements if any(r.state == state for r in reads(s.value)) and s.line})
    yield from (f"line {number}: {known.source.line(number).strip()}" for number in numbers)


def _layer(layer: Layer, known: Scope) -> Iterator[str]:
    own = layer.name
    found = {n: s for n, s in known.shapes.parameters.items() if n == own or n.startswith(f"{own}.")}
    shapes = tuple(f"{n}: {' x '.join(map(str, s))}" for n, s in found.items()) or ("shapes not fixed by the text",)
    users = [e for e in known.system.equations for part in walk(e.value) if _is_of(part, own)]
    numbers = sorted({e.line for e in users if e.line})
    yield f"{own}: a free parameter" if layer.function == "param" else f"{own}: a layer ({layer.function})"
    rows = [("parameters", shapes), ("used", tuple(f"line {n}: {known.source.line(n).strip()}" for n in numbers))]
    yield from _table(rows)
    found_meaning = meaning(layer.function, own)
    if found_meaning is not None:
        named = [
            ("Forward", (found_meaning.forward,)),
            ("Autodiff", found_meaning.autodiff),
            ("Update", found_meaning.update),
        ]
        yield from _table(named)


def _is_of(part: Expr, layer: str) -> bool:
    """Whether a part of an equation uses the parameters of a layer: applies it, or reads one of its weights."""
    match part:
        case Apply():
            return part.layer == layer
        case Weight():
            return part.parameter == layer or part.parameter.startswith(f"{layer}.")
        case _:
            return False


def _interval(interval: Interval) -> str:
    last = f"T{interval.last:+d}" if interval.last else "T"
    return f"steps {interval.first} to {last}"
