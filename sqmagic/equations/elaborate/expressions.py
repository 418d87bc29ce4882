"""Expressions of the notation as expressions of the System, and the layers that they use."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import reduce
from itertools import pairwise
from operator import or_
from typing import assert_never

from sqmagic.equations.elaborate.declare import Declarations
from sqmagic.equations.elaborate.functions import (
    Builtin,
    Dense,
    Instance,
    Module,
    Unknown,
    in_lower_case,
    is_loss,
    meaning,
)
from sqmagic.equations.elaborate.lines import Fault, Kernel
from sqmagic.equations.elaborate.names import Names
from sqmagic.equations.elaborate.settings import setting, settings
from sqmagic.equations.elaborate.transforms import unwrapped
from sqmagic.equations.ops import ALIASES, OPS, TRANSFORMS, Op
from sqmagic.equations.system import Apply, Const, Expr, Layer, Position, Read, Update, Value, Weight
from sqmagic.notation.problems import Problem
from sqmagic.notation.show import show_expression
from sqmagic.notation.source import NOWHERE, Span
from sqmagic.notation.syntax import (
    Bar,
    Binary,
    Call,
    Expression,
    Keyword,
    Name,
    Negative,
    Number,
    Slice,
    Subscript,
    Tuple,
)

_OPERATORS = {"+": "add", "-": "sub", "*": "mul", "/": "div", "@": "matmul"}
_OF_TWO = {"max": "maximum", "min": "minimum"}
_MARKS = {"freeze": "frozen", "target": "target", "cache": "cache", "recompute": "recompute"}
_OPTIMISERS = ("adam_opt", "sgd_opt")


@dataclass(frozen=True, slots=True)
class Lowering:
    """How expressions are lowered in this program, and the layers met on the way.

    `matrices` are the capitalised names that stand for a layer's weight (`M @ x`).
    """

    names: Names
    kernel: Kernel
    declarations: Declarations
    matrices: frozenset[str]
    _layers: dict[str, Layer] = field(default_factory=dict)

    def value(self, e: Expression) -> Expr:
        match e:
            case Number(value):
                return Const(value, span=e.span)
            case Negative(Number(value)):
                return Const(-value, span=e.span)
            case Negative(operand):
                return Apply("neg", (self.value(operand),), span=e.span)
            case Name():
                return self._name(e)
            case Binary("/", Number() | Negative(Number()), Number(0.0)):
                raise Fault(Problem("SQ242", f"`{show_expression(e)}` divides a number by zero", e.span))
            case Binary(operator, left, right):
                return Apply(_OPERATORS[operator], (self.value(left), self.value(right)), span=e.span)
            case Bar(parts):
                return Apply("concat", tuple(self.value(p) for p in parts), span=e.span)
            case Subscript(operand, index):
                return Apply("index", (self.value(operand), self.value(index)), span=e.span)
            case Slice(operand, start, stop):
                ends = (("start", setting(start, self.kernel)), ("stop", setting(stop, self.kernel)))
                return Apply("slice", (self.value(operand),), None, ends, span=e.span)
            case Call():
                return self._call(e)
            case Tuple():
                text = show_expression(e)
                note = "`|` joins states to one; `,` lists arguments and results."
                raise Fault(
                    Problem("SQ236", f"a list stands where one value is meant: `{text}`", e.span, notes=(note,))
                )
            case _:
                assert_never(e)

    def _name(self, e: Name) -> Expr:
        point = self.names.position(e.text)
        if point is not None:
            return Position(point, span=e.span)
        if e.text in self.declarations.free:
            self._use(Layer(e.text, "param", None, self.declarations.free[e.text].sizes_out), e.span)
            return Weight(e.text, span=e.span)
        if e.text in self.matrices:
            self._use(self._declared(e.text, "dense"), e.span)
            return Weight(f"{e.text}.weight", span=e.span)
        state, context = self.names.state(e.text)
        return Read(state, context, span=e.span)

    # --- calls -----------------------------------------------------------------------------------

    def _call(self, e: Call) -> Expr:
        name, wraps = unwrapped(e.function)
        match meaning(name.text, {}, self.kernel):
            case Builtin(op, layer):
                op = OPS[_OF_TWO[op.name]] if op.name in _OF_TWO and len(e.arguments) == 2 else op
                return self._builtin(op, layer, e, wraps)
            case Module(layer):
                arguments = tuple(self.value(a) for a in e.arguments)
                self._use(Layer(layer, "module", updates=self._updates(wraps)), name.span)
                marks = self._marks(e.keywords, wraps)
                return Apply("module", arguments, layer, marks, span=e.span)
            case Dense() | Instance() | Unknown():
                raise AssertionError(f"{name.text} is left by the rules that should have resolved it")
            case other:
                assert_never(other)

    def _builtin(self, op: Op, layer: str | None, e: Call, wraps: tuple[Call, ...]) -> Expr:
        most = len(e.arguments) if op.most is None else op.most
        arguments, positional = e.arguments[:most], e.arguments[most:]
        if len(arguments) < op.least or len(positional) > len(op.settings):
            raise Fault(_arity(op, layer, e))
        own = tuple(k for k in e.keywords if k.name != "batch")
        fixed = settings(own, positional, op.settings, op.name, self.kernel)
        marks = self._marks(tuple(k for k in e.keywords if k.name == "batch"), wraps)
        values = tuple(self.value(a) for a in arguments)  # what is applied first is met first
        if layer is not None and op.parameters:
            declared = self._declared(layer, op.name, self._updates(wraps))
            self._use(declared, e.span)
        return Apply(op.name, values, layer, tuple(sorted(fixed + marks)), span=e.span)

    def _marks(self, batch: tuple[Keyword, ...], wraps: tuple[Call, ...]) -> tuple[tuple[str, Value], ...]:
        marks: list[tuple[str, Value]] = [("batch", setting(k.value, self.kernel)) for k in batch]
        marks += [(_MARKS[n], True) for n in map(_transform, wraps) if n in _MARKS]
        return tuple(sorted(set(marks)))

    def _updates(self, wraps: tuple[Call, ...]) -> tuple[Update, ...]:
        return tuple(self._update(w) for w in wraps if TRANSFORMS[_transform(w)] or _transform(w) == "target")

    def _update(self, wrap: Call) -> Update:
        name = _transform(wrap)
        return Update(name, settings(wrap.keywords, wrap.arguments[1:], TRANSFORMS[name], name, self.kernel))

    # --- layers ----------------------------------------------------------------------------------

    def _declared(self, name: str, function: str, updates: tuple[Update, ...] = ()) -> Layer:
        found = self.declarations.weights.get(name)
        if found is None:
            return Layer(name, function, updates=updates)
        return Layer(name, function, found.sizes_in, found.sizes_out, updates)

    def _use(self, layer: Layer, span: Span) -> None:
        """Enters a use of a layer: one function for each name, one optimiser for each parameter."""
        known = self._layers.get(layer.name, replace(layer, updates=(), span=span))
        if known.function != layer.function:
            message = f"`{layer.name}` is a layer of `{known.function}` elsewhere, and of `{layer.function}` here"
            raise Fault(Problem("SQ237", message, span))
        updates = known.updates + tuple(u for u in layer.updates if u not in known.updates)
        clash = [u for u in updates if u.transform in _OPTIMISERS]
        if len(clash) > 1:
            message = (
                f"two optimisers for the parameters of `{layer.name}`: {_spelled(clash[0])} and {_spelled(clash[1])}"
            )
            raise Fault(
                Problem("SQ238", message, span, notes=("an optimiser belongs to the parameter, not to a use.",))
            )
        slow = [u for u in updates if u.transform == "target"]
        if len(slow) > 1:
            both = f"{_spelled(slow[0])} and by {_spelled(slow[1])}"
            message = f"`{layer.name}` has one slow copy, and it is to follow by {both}"
            notes = ("all uses of the copy name the same `tau`, 0.005 where none is named.",)
            raise Fault(Problem("SQ239", message, span, notes=notes))
        self._layers[layer.name] = replace(known, updates=updates)

    def layers(self) -> tuple[Layer, ...]:
        return tuple(self._layers.values())

    # --- losses ----------------------------------------------------------------------------------

    def loss(self, e: Expression) -> tuple[str, tuple[tuple[str, Value], ...], Expr | None]:
        """A loss's name, settings and weight: `0.5 * huber(delta=2)`."""
        match e:
            case Name(text) if is_loss(text):
                return ALIASES.get(text, text), (), None
            case Call(Name(text), arguments, keywords) if is_loss(text):
                full = ALIASES.get(text, text)
                return full, settings(keywords, arguments, OPS[full].settings, full, self.kernel), None
            case Binary("*", left, right) if self._names_loss(right):
                kind, found, weight = self.loss(right)
                return kind, found, self._times(self.value(left), weight)
            case Binary("*", left, right) if self._names_loss(left):
                kind, found, weight = self.loss(left)
                return kind, found, self._times(weight, self.value(right))
            case _:
                text = show_expression(e)
                note = "a loss is a name, perhaps times a weight: `==[0.5 * mse]=>`."
                raise Fault(Problem("SQ207", f"`{text}` is no loss", e.span, notes=(note,)))

    def _times(self, a: Expr | None, b: Expr | None) -> Expr | None:
        return Apply("mul", (a, b), span=a.span) if a is not None and b is not None else a or b

    def _names_loss(self, e: Expression) -> bool:
        match e:
            case Name(text) | Call(Name(text)):
                return is_loss(text)
            case Binary("*", left, right):
                return self._names_loss(left) or self._names_loss(right)
            case _:
                return False


def _transform(wrap: Call) -> str:
    assert isinstance(wrap.function, Name), "a transform is called by its name"
    return wrap.function.text


def _spelled(update: Update) -> str:
    inner = ", ".join(f"{name}={value}" for name, value in update.settings)
    return f"`{update.transform}({inner})`" if inner else f"`{update.transform}`"


def _arity(op: Op, layer: str | None, e: Call) -> Problem:
    count = len(e.arguments)
    words = {0: "nothing", 1: "one argument", 2: "two arguments", 3: "three arguments"}
    takes, most = words.get(op.least, str(op.least)), 2 if op.name in _OF_TWO else op.most
    if most != op.least:
        takes = (
            f"at least {takes}"
            if most is None
            else f"{takes} or {words.get(most, str(most)).removesuffix(' arguments')}"
        )
    shown = layer if op.name == "dense" and layer else op.name
    message = f"`{shown}` takes {takes}, not {count}"
    function = in_lower_case(layer) if op.name == "dense" and layer else None
    if function is not None:
        name, _ = unwrapped(e.function)
        note = f"a capitalised name is a layer with weights of its own; the function is written `{function}`."
        return Problem("SQ236", f"the layer {message}", name.span, notes=(note,), instead=function)
    if op.parameters and count > 1:
        return _several(message, e)
    return Problem("SQ236", message, e.span, notes=_composed(op, e))


def _composed(op: Op, e: Call) -> tuple[str, ...]:
    """`--[softmax(W)]->`: a layer within the brackets of a function that is given its value by an arrow."""
    name, _ = unwrapped(e.function)
    within = [a for a in e.arguments if a.span.start >= name.span.stop]
    match within:
        case [Name(text)] if text[0].isupper() and len(e.arguments) == 2 and op.most == 1:
            return (f"functions between the brackets of an arrow are composed by `|`: `--[{text} | {name.text}]->`.",)
        case _:
            return ()


def _several(message: str, e: Call) -> Problem:
    """A layer that is given several values: they are joined where they stand side by side, and numbers in the brackets
    of its name are taken away."""
    name, _ = unwrapped(e.function)
    own = [a for a in e.arguments if a.span.start >= name.span.stop]
    together = reduce(or_, (a.span for a in e.arguments), NOWHERE)
    gaps = tuple(Span(a.span.stop, b.span.start) for a, b in pairwise(e.arguments))
    if len(own) in (0, len(e.arguments)) and all(gap.start < gap.stop for gap in gaps):
        return Problem("SQ236", message, together, bars=gaps)
    if not all(isinstance(a, Number) for a in own):
        return Problem("SQ236", message, e.span, notes=("`a | b` is one value, `a, b` are two.",))
    note = "sizes are declared, as in `x : 4` and `k : class(5)`, or follow: none stands with a layer's name."
    brackets = Span(name.span.stop, e.span.stop)
    plain = e.function == name and not e.keywords
    if not (plain and all(brackets.start < a.span.start < a.span.stop < brackets.stop for a in own)):
        return Problem("SQ236", message, reduce(or_, (a.span for a in own), NOWHERE), notes=(note,))
    return Problem("SQ236", message, brackets, notes=(note,), instead="")
