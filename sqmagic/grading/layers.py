"""Which layer of one net is which layer of another, and in which order each takes what is joined for it.

Two nets that differ in the names of their layers, or in the order of what a layer is given (`h|x` or `x|h`), are the
same function of their parameters; here is what tells the one from the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, permutations, product
from math import factorial, prod

import torch
from torch import Tensor

from sqmagic.equations.show import show
from sqmagic.equations.system import Apply, Expr, Read, Running, System, walk

Weights = Mapping[str, Tensor]
Pairing = Mapping[str, str]
"""The reference's layer for each of the student's."""

Signature = tuple[tuple[str, tuple[int, ...]], ...]
Shapes = Mapping[str, tuple[int, ...]]


def signatures(weights: Weights) -> dict[str, Signature]:
    """For each layer its parameters, and buffers, with their shapes."""
    found: dict[str, list[tuple[str, tuple[int, ...]]]] = {}
    for name, value in weights.items():
        layer, _, own = name.rpartition(".")
        found.setdefault(layer or name, []).append((own if layer else "", tuple(value.shape)))
    return {layer: tuple(sorted(parts)) for layer, parts in found.items()}


def told(signature: Signature) -> str:
    """`5 -> 3` for a dense layer, else its parameters with their shapes."""
    shapes = dict(signature)
    weight = shapes.get("weight", ())
    if len(weight) == 2 and set(shapes) <= {"weight", "bias"}:
        return f"{weight[1]} -> {weight[0]}"
    return ", ".join(f"{name or 'value'} {' x '.join(map(str, shape))}" for name, shape in signature)


def pairings(own: Mapping[str, Signature], reference: Mapping[str, Signature], most: int) -> Iterator[Pairing]:
    """Every way to call layers of the same shapes by other names, names that are alike first; at most `most`."""
    classes = {signature: sorted(n for n, s in reference.items() if s == signature) for signature in own.values()}
    groups = []
    for signature, theirs in classes.items():
        ours = sorted((n for n, s in own.items() if s == signature), key=lambda name: (name not in theirs, name))
        alike = [name for name in ours if name in theirs]
        base = alike + [name for name in theirs if name not in alike]
        groups.append((ours, base))
    if prod(factorial(len(ours)) for ours, _ in groups) <= most:
        orders = [sorted(permutations(base), key=lambda p, b=base: _moved(p, b)) for _, base in groups]  # type: ignore[misc]
    else:
        orders = [[tuple(base)] for _, base in groups]
    ways = sorted(islice(product(*orders), most), key=lambda way: sum(map(_moved, way, [b for _, b in groups])))
    for way in ways:
        yield {
            name: theirs
            for (ours, _), order in zip(groups, way, strict=True)
            for name, theirs in zip(ours, order, strict=True)
        }


def _moved(order: Sequence[str], base: Sequence[str]) -> int:
    return sum(a != b for a, b in zip(order, base, strict=True))


def renamed(weights: Weights, pairing: Pairing, columns: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The reference's weights as the student's net names and orders them."""
    found = {}
    for ours, theirs in pairing.items():
        for name, value in weights.items():
            layer, _, own = name.rpartition(".")
            if (layer or name) != theirs:
                continue
            if own == "weight" and ours in columns and value.dim() == 2:
                value = value[:, columns[ours]]
            found[f"{ours}.{own}" if layer else ours] = value
    return found


# --- the order of what is joined -------------------------------------------------------------------


def columns(own: System, reference: System, shapes: Shapes, pairing: Pairing) -> dict[str, Tensor]:
    """For each layer that is given the same things in another order, where each of its columns stands in the
    reference's weight."""
    ours, theirs = joined(own), joined(reference)
    both = defined(own) & defined(reference)
    mine, other = Spelling(own, both, pairing), Spelling(reference, both, {})
    found = {}
    for layer, name in pairing.items():
        given, wanted = map(mine.text, ours.get(layer, ())), theirs.get(name, ())
        order, texts = list(given), [other.text(part) for part in wanted]
        if order == texts or sorted(order) != sorted(texts):
            continue
        places = _places(wanted, texts, shapes)
        if places is not None and len(places) == len(wanted):
            found[layer] = torch.cat([places[text] for text in order])
    return found


def defined(system: System) -> frozenset[str]:
    return frozenset(t.state for e in system.equations for t in e.targets)


@dataclass(frozen=True, slots=True)
class Spelling:
    """How what a layer is given is spelled, so that the same is spelled the same in both programs.

    A state that not `both` of them name is spelled by what defines it, a layer by its name in the reference, and what
    may stand in any order in one.
    """

    system: System
    both: frozenset[str]
    layers: Pairing

    def text(self, value: Expr, within: frozenset[str] = frozenset()) -> str:
        match value:
            case Read(state, (Running(_, 0),) | ()) if state not in self.both | within:
                meant = self._meant(state)
                return show(value) if meant is None else self.text(meant, within | {state})
            case Apply(op, args, layer, attributes):
                parts = [self.text(arg, within) for arg in args]
                if op == "dense":
                    parts = sorted(self.text(part, within) for part in _parts(args[0], _aliases(self.system)))
                elif op in ("add", "mul"):
                    parts.sort()
                named = self.layers.get(layer, layer) if layer else ""
                return f"{op}{attributes or ''} {named}({', '.join(parts)})"
            case _:
                return show(value)

    def _meant(self, state: str) -> Expr | None:
        """What defines a state at its own step, where that is one equation."""
        found = [e for e in self.system.equations if any(t.state == state for t in e.targets)]
        alone = len(found) == 1 and len(found[0].targets) == 1
        return found[0].value if alone else None


def joined(system: System) -> dict[str, tuple[Expr, ...]]:
    """What each dense layer is given, in its order; a layer that is used twice is left out."""
    aliases = _aliases(system)
    found: dict[str, tuple[Expr, ...] | None] = {}
    for equation in system.equations:
        for node in walk(equation.value):
            if isinstance(node, Apply) and node.op == "dense" and node.layer is not None:
                parts = tuple(_parts(node.args[0], aliases))
                found[node.layer] = parts if found.get(node.layer, parts) == parts else None
    return {layer: parts for layer, parts in found.items() if parts is not None}


def _aliases(system: System) -> dict[str, Expr]:
    """The states that are names for what is joined."""
    return {e.targets[0].state: e.value for e in system.equations if len(e.targets) == 1 and _is_joined(e.value)}


def _is_joined(value: Expr) -> bool:
    return isinstance(value, Apply) and value.op == "concat"


def _parts(value: Expr, aliases: Mapping[str, Expr]) -> Iterator[Expr]:
    match value:
        case Apply("concat", args):
            for arg in args:
                yield from _parts(arg, aliases)
        case Read(state, (Running(_, 0),) | ()) if state in aliases:
            yield from _parts(aliases[state], {k: v for k, v in aliases.items() if k != state})
        case _:
            yield value


def _places(parts: Sequence[Expr], texts: Sequence[str], shapes: Shapes) -> dict[str, Tensor] | None:
    """The columns of each part, by its text; None where a width is not known."""
    found, at = {}, 0
    for part, text in zip(parts, texts, strict=True):
        width = _width(part, shapes)
        if width is None:
            return None
        found[text] = torch.arange(at, at + width)
        at += width
    return found


def _width(part: Expr, shapes: Shapes) -> int | None:
    """The width of a read, or of an operation element by element on reads."""
    match part:
        case Read(state):
            shape = shapes.get(state)
            return shape[0] if shape is not None and len(shape) == 1 else None
        case Apply("mul" | "add" | "sub" | "div" | "tanh" | "sigmoid" | "relu" | "neg" | "stop", args):
            widths = [w for arg in args if (w := _width(arg, shapes)) is not None]
            return max(widths, default=None)
        case _:
            return None
