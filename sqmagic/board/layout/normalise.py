"""Equations and goals become nodes: one for each operator that a reader sees.

An activation shares its layer's box, numbers are folded into the operator that uses them (`1−`, `×γ`), `stop` is a
dashed wire, and a state that is merely another name is a merge of one wire.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import assert_never

from sqmagic.board.binding import Notes
from sqmagic.board.layout.folding import folded, folds, text_of
from sqmagic.board.layout.glyphs import ACTIVATIONS, GLYPHS
from sqmagic.board.layout.graph import BLOCKS, NOTHING, Kind, Label, Node, Use, Value
from sqmagic.board.names import name, state_name
from sqmagic.equations.ops import OPS
from sqmagic.equations.system import (
    Apply,
    Const,
    Equation,
    Expr,
    Fixed,
    Goal,
    Index,
    Last,
    Layer,
    Point,
    Position,
    Range,
    Read,
    Running,
    Weight,
    reads,
)
from sqmagic.notation.source import Placed, Span


def nodes(
    equations: Iterable[Equation],
    goals: Iterable[Goal],
    layers: Sequence[Layer],
    known: Notes,
    titles: Mapping[int, str],
    faults: Collection[Span] = (),
) -> list[Node]:
    """The nodes of some equations and goals, in program order.

    `titles` are the lines of the user's text, `faults` the places in it of what is wrong and to be marked.
    """
    drawn = tuple(equations)
    made = frozenset(t.state for e in drawn for t in e.targets)
    bench = _Bench(known, {layer.name: layer for layer in layers}, frozenset(faults), made)
    for equation in drawn:
        bench.begin(equation, equation.group, titles)
        _define(equation, bench)
    for goal in goals:
        bench.begin(goal, (), titles)
        _aim(goal, bench)
    return bench.nodes


def value_label(value: Value) -> Label:
    """A state's name as it stands on a wire or in a circle; a macro's local goes by its last name."""
    parts = state_name(value.state, value.context)
    return Label(parts.base, ",".join(parts.below), serif=True)


def layer_label(layer: str, slow: bool = False) -> Label:
    parts = name(layer)
    short = len(parts.base.rstrip("\u2032")) == 1
    return Label(parts.base + ("⁻" if slow else ""), ",".join(parts.below), serif=short)


# --- one operator after the other ------------------------------------------------------------------


@dataclass(slots=True)
class _Bench:
    """What is being built, the states that are made in it, and the statement that it is built from."""

    known: Notes
    layers: Mapping[str, Layer]
    faults: frozenset[Span]
    made: frozenset[str]
    nodes: list[Node] = field(default_factory=list)
    merged: dict[tuple[tuple[str, ...], Expr], Value] = field(default_factory=dict)
    group: tuple[str, ...] = ()
    title: str = ""
    faulty: bool = False

    def begin(self, statement: Equation | Goal, group: tuple[str, ...], titles: Mapping[int, str]) -> None:
        self.group, self.title = group, titles.get(statement.line, "")
        self.faulty = statement.span in self.faults

    def add(self, of: Placed, drawn: Node) -> None:
        """The node of a part of the statement."""
        faulty = self.faulty or of.span in self.faults
        self.nodes.append(replace(drawn, group=self.group, title=self.title, faulty=faulty))

    def fresh(self) -> Value:
        return Value("", (), len(self.nodes))


def _define(equation: Equation, bench: _Bench) -> None:
    outs = tuple(Value(t.state, t.context) for t in equation.targets)
    match equation.value:
        case Apply(op) if GLYPHS[op].way in BLOCKS or len(outs) != 1:
            _function(equation.value, outs, bench)
        case Apply(op) if GLYPHS[op].way != "held":
            _operator(equation.value, outs[0], bench)
        case value if len(outs) == 1:
            _alias(value, outs[0], bench)
        case value:
            raise AssertionError(f"several states are given by one value: {value}")


def _alias(value: Expr, out: Value, bench: _Bench) -> None:
    """A state that is another one, or a number: a wire that goes on under a new name."""
    if folds(value, bench.known):
        bench.add(value, Node("pointwise", Label(text_of(value, bench.known)), (), (out,)))
    else:
        bench.add(value, Node("merge", NOTHING, (_use(value, bench),), (out,)))


def _use(expr: Expr, bench: _Bench) -> Use:
    """The wire on which an expression arrives."""
    match expr:
        case Read(state, (Range() as index,)) if state in bench.made and (parts := _parts(index)):
            return Use(_joined(expr, [Value(state, (part,)) for part in parts], bench))
        case Read(state, context):
            return Use(Value(state, context), faulty=expr.span in bench.faults)
        case Apply("stop", (inner,)):
            return replace(_use(inner, bench), held=True)
        case Apply(op) if GLYPHS[op].way in BLOCKS:
            out = bench.fresh()
            _function(expr, (out,), bench)
            return Use(out)
        case Apply():
            return Use(_operator(expr, None, bench))
        case Weight(parameter):
            out = bench.fresh()
            bench.add(expr, Node("layer", layer_label(parameter.removesuffix(".weight")), (), (out,)))
            return Use(out)
        case Const() | Position():
            out = bench.fresh()
            bench.add(expr, Node("pointwise", Label(text_of(expr, bench.known)), (), (out,)))
            return Use(out)
        case _:
            assert_never(expr)


def _operator(expr: Apply, out: Value | None, bench: _Bench) -> Value:
    """A node for an operator, after the nodes of its operands; gives the value that it makes."""
    expr = _once(expr)
    inner = expr.args[0] if len(expr.args) == 1 else None
    match inner:
        case Apply(op) if expr.op in ACTIVATIONS and _is_layer(inner):
            word = _word(expr.op)
            return _layer(inner, " | ".join(filter(None, (GLYPHS[op].text, word))), out, bench)
    if _is_layer(expr):
        return _layer(expr, GLYPHS[expr.op].text, out, bench)
    kind = _KINDS[GLYPHS[expr.op].way]
    if kind == "merge" and len(expr.args) > 2:  # lines join one after the other
        expr = replace(expr, args=(replace(expr, args=expr.args[:-1]), expr.args[-1]))
    if kind == "merge" and out is None:
        return _merge(expr, bench)
    label, operands = folded(expr, bench.known)
    uses = tuple(_use(a, bench) for a in operands)
    made = out or bench.fresh()
    bench.add(expr, Node(kind, label, uses, (made,)))
    return made


def _once(expr: Apply) -> Apply:
    """`a*a` and `a+a` as signs into which a single wire leads."""
    match expr:
        case Apply("mul", (Read() as left, right)) if left == right:
            return replace(expr, op="square", args=(left,))
        case Apply("add", (Read() as left, right)) if left == right:
            return replace(expr, op="mul", args=(left, Const(2)))
        case _:
            return expr


def _merge(expr: Apply, bench: _Bench) -> Value:
    """What is joined in the same way several times is drawn joined once, within one instance of a macro."""
    key = (bench.group, expr)
    if key not in bench.merged:
        uses = tuple(_use(a, bench) for a in expr.args)
        bench.merged[key] = bench.fresh()
        bench.add(expr, Node("merge", NOTHING, uses, (bench.merged[key],)))
    return bench.merged[key]


def _parts(index: Range) -> tuple[Index, ...]:
    """A range with the step's own in it: what other steps have of it, and the own in its place. (A range of an input is
    given as it is, and so is one of all steps.)"""
    match index:
        case Range(Running(name, first) as start, Last() as end) if first <= 0:
            own = Running(name)
        case Range(Fixed() as start, Running(name, last) as end) if last >= 0:
            own = Running(name)
        case Range(Running(name, first) as start, Running(_, last) as end) if first <= 0 <= last and first != last:
            own = Running(name)
        case _:
            return ()
    before = () if start == own else (_span(start, Running(name, -1)),)
    return (*before, own, *(() if end == own else (_span(Running(name, 1), end),)))


def _span(first: Point, last: Point) -> Index:
    return first if first == last else Range(first, last)


def _joined(read: Read, parts: Sequence[Value], bench: _Bench) -> Value:
    """A range whose parts are joined one after the other, once within one instance of a macro."""
    key = (bench.group, read)
    if key not in bench.merged:
        joined = parts[0]
        for part in parts[1:]:
            uses = tuple(Use(each, faulty=read.span in bench.faults) for each in (joined, part))
            joined = bench.fresh()
            bench.add(read, Node("merge", NOTHING, uses, (joined,)))
        bench.merged[key] = joined
    return bench.merged[key]


_KINDS: dict[str, Kind] = {"pointwise": "pointwise", "merge": "merge", "loss": "loss"}


def _word(op: str) -> str:
    return GLYPHS[op].text


def _is_layer(expr: Apply) -> bool:
    return GLYPHS[expr.op].way == "layer" or (expr.op == "matmul" and isinstance(expr.args[0], Weight))


def _layer(expr: Apply, text: str, out: Value | None, bench: _Bench) -> Value:
    owner, operands = expr.layer or "", expr.args
    if expr.op == "matmul" and isinstance(expr.args[0], Weight):
        owner, operands = expr.args[0].parameter.removesuffix(".weight"), expr.args[1:]
    uses = tuple(_use(a, bench) for a in operands)
    made = out or bench.fresh()
    own = layer_label(owner, bool(expr.attribute("target", False)))
    frame = _transforms(bench.layers.get(owner), expr)
    tab, label = (own, Label(text)) if text else (None, own)
    bench.add(expr, Node("layer", label, uses, (made,), tab, frame, state=owner))
    return made


def _transforms(layer: Layer | None, expr: Apply) -> str:
    """`clip_grad(0.5)`: what is written on hover where a layer's update is transformed; of the slow copy, how it
    follows, which is nothing to the layer itself."""
    slow = bool(expr.attribute("target", False))
    own = [] if layer is None else [u for u in layer.updates if (u.transform == "target") == slow]
    updates = [u.transform + _settings(u.settings) for u in own]
    return ", ".join(updates + (["frozen"] if expr.attribute("frozen", False) else []))


def _settings(settings: Sequence[tuple[str, object]]) -> str:
    return f"({', '.join(f'{k}={v}' for k, v in settings)})" if settings else ""


def _function(expr: Expr, outs: tuple[Value, ...], bench: _Bench) -> None:
    assert isinstance(expr, Apply), "only a function has several results"
    glyph, uses = GLYPHS[expr.op], tuple(_use(a, bench) for a in expr.args)
    if glyph.way == "buffer":
        bench.add(expr, Node("buffer", layer_label(expr.layer or glyph.text), uses, outs, state=expr.layer or ""))
    else:
        label = Label(glyph.text + (f"_{expr.layer}" if expr.layer else ""))
        bench.add(expr, Node("function", label, uses, outs))


# --- goals -----------------------------------------------------------------------------------------


def _aim(goal: Goal, bench: _Bench) -> None:
    """A hexagon for each loss in the sum, or one for the objective, which `through` reaches in any case."""
    if goal.kind == "loss":
        for term in _terms(goal.value):
            _lower(term, bench)
        return
    uses = [_use(goal.value, bench)]
    live = set(reads(goal.value)) - {r for n in _stopped(goal.value) for r in reads(n)}
    uses += [Use(Value(r.state, r.context)) for r in goal.through if r not in live]
    bench.add(goal, Node("objective", Label("max"), tuple(uses)))


def _stopped(expr: Expr) -> list[Expr]:
    match expr:
        case Apply(op, args):
            return [expr] if OPS[op].blocks else [n for a in args for n in _stopped(a)]
        case Const() | Read() | Weight() | Position():
            return []
        case _:
            assert_never(expr)


def _terms(expr: Expr) -> list[Expr]:
    out: list[Expr] = []
    while isinstance(expr, Apply) and expr.op == "add":
        expr, right = expr.args
        out.append(right)
    return [expr, *reversed(out)]


def _lower(term: Expr, bench: _Bench) -> None:
    """One loss: its prediction, its target on a dashed wire, its weight in the label or on a further wire."""
    factors = _factors(term)
    losses = [f for f in factors if isinstance(f, Apply) and OPS[f.op].loss]
    if len(losses) != 1:
        bench.add(term, Node("loss", Label("loss"), (_use(term, bench),)))
        return
    loss = losses[0]
    weights = [f for f in factors if f is not loss]
    told = "".join(text_of(_inside(w), bench.known) for w in weights if folds(_inside(w), bench.known))
    uses = [_use(a, bench) for a in (*loss.args, *(w for w in weights if not folds(_inside(w), bench.known)))]
    text = GLYPHS[loss.op].text
    bench.add(term, Node("loss", Label(f"{told}·{text}" if told else text), tuple(uses)))


def _factors(expr: Expr) -> list[Expr]:
    match expr:
        case Apply("mul", (left, right)):
            return [*_factors(left), *_factors(right)]
        case _:
            return [expr]


def _inside(expr: Expr) -> Expr:
    return expr.args[0] if isinstance(expr, Apply) and expr.op == "stop" else expr
