"""What the rules work on while a System is read: a shape for each state, the layers' sizes, and reasons with places."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from sqmagic.equations.ops import OPS
from sqmagic.equations.shapes.classes import WIDE, Given, Reason, Said
from sqmagic.equations.shapes.dimension import Shape
from sqmagic.equations.shapes.layers import Owner, layer_text, owner_of
from sqmagic.equations.shapes.unknowns import Fault, Form, Side, Unknowns
from sqmagic.equations.shapes.waiting import Broadcast, Once
from sqmagic.equations.show import show_state
from sqmagic.equations.system import Apply, Layer, Running, Size, System, Value
from sqmagic.notation.source import NOWHERE, Source, Span

Measure: TypeAlias = Callable[[str, tuple[Shape, ...]], Shape | None]
Argument: TypeAlias = Form | None
"""A value's shape, or None for a number, which has none: it fits everywhere."""

_DECLARATION = re.compile(r"^[ \t]*([^\s:{]+)(\{[^}]*\})?[ \t]*:(?!=)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Site:
    """A use of an operator and the statement that it stands in."""

    expr: Apply
    line: int = 0
    span: Span = NOWHERE

    def why(self, link: str, *about: Said, clash: str = "", heads: tuple[str, ...] = ()) -> Reason:
        """`{0}` in the texts is the first of `about`; without any it is the use itself."""
        span = self.expr.span if self.expr.span != NOWHERE else self.span
        return Reason(link, about or (self.expr,), self.line, span, clash, heads)

    def setting(self, name: str) -> Value:
        return self.expr.attribute(name, dict(OPS[self.expr.op].settings).get(name, 0))


@dataclass(slots=True)
class Builder:
    """The shapes that a System's equations are stated on. A state that is a number has None."""

    system: System
    sizes: Mapping[str, int]
    source: Source | None
    measure: Measure | None
    unknowns: Unknowns = field(default_factory=Unknowns)
    states: dict[str, Argument] = field(default_factory=dict)
    layers: dict[str, Owner] = field(default_factory=dict)
    parameters: dict[str, Form] = field(default_factory=dict)
    slots: list[Form] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    undecided: frozenset[str] = frozenset()
    broadcasts: dict[int, Broadcast] = field(default_factory=dict)
    buffers: dict[str, list[Form]] = field(default_factory=dict)
    _named: dict[str, int] = field(default_factory=dict)
    _indexed: dict[str, str] = field(default_factory=dict)
    _declared: dict[str, Layer] = field(default_factory=dict)
    _lines: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._lines = _declared_lines(self.source) if self.source is not None else {}
        self._declared = {layer.name: layer for layer in self.system.layers}
        for equation in self.system.equations:
            for target in equation.targets:
                for index in target.context:
                    if isinstance(index, Running):
                        self._indexed[target.state] = index.index
        name = self.system.indices[0].name if self.system.indices else "t"
        self._indexed |= {i.state: name for i in self.system.inputs if i.indexed}

    # --- words -----------------------------------------------------------------------------------

    def written(self, state: str) -> str:
        """`h_t` for a state that runs, `p` for a bare one."""
        index = self._indexed.get(state)
        return show_state(state, (Running(index),)) if index else state

    def declaration(self, name: str, text: str, span: Span, owner: str = "") -> Reason:
        """That something is declared, as in `x_t : 28`, with the line where it is."""
        return Reason("{0}", (text, name), self._lines.get(name, 0), span, owner=owner, declares=True)

    # --- sizes -----------------------------------------------------------------------------------

    def size(self, size: Size, why: Reason) -> int:
        """The dimension that a declared size stands for; a name means the same one everywhere."""
        if isinstance(size.value, int):
            return self.unknowns.number(size.value, why)
        if size.value not in self._named:
            self._named[size.value] = found = self.unknowns.dimensions.fresh(WIDE)
            if size.value in self.sizes:
                known = Reason("{0} is {1} in the kernel", (size.value, str(self.sizes[size.value])))
                self.unknowns.give(found, self.sizes[size.value], Given(known))
        own = self.unknowns.dimensions.fresh()
        self.unknowns.equal_dimensions(own, self._named[size.value], why)
        return own

    def integer(self, value: Value, site: Site) -> int | None:
        """A setting that must be a whole number; a name is looked up in the kernel."""
        found = self.sizes.get(value) if isinstance(value, str) else value
        if found is not None and found == int(found):
            return int(found)
        clash = "`{1}` in `{0}` is no whole number, and none of the kernel has that name"
        self.unknowns.fault(Fault(site.why("", site.expr, str(value), clash=clash)._replace(code="SQ307")))
        return None

    # --- layers ----------------------------------------------------------------------------------

    def owner(self, site: Site) -> Owner:
        name = site.expr.layer
        assert name is not None, f"{site.expr.op} has no layer: elaboration names every one"
        return self.owner_of(name, site.expr.op)

    def owner_of(self, name: str, function: str) -> Owner:
        """The sizes of a layer, made when it is first met."""
        if name not in self.layers:
            layer = self._declared.get(name, Layer(name, function))
            why = self.declaration(name, layer_text(layer), layer.span, name)
            self.layers[name] = owner_of(layer, self.unknowns, why, self.size)
        return self.layers[name]

    def use(self, owner: Owner, *parameters: str) -> None:
        for parameter in parameters:
            key = owner.name if owner.function == "param" else f"{owner.name}.{parameter}"
            if key not in self.parameters:
                self.parameters[key] = owner.parameter(parameter, self.unknowns)

    def weight(self, parameter: str) -> Form:
        """The shape of a parameter that is read as a value."""
        name, _, own = parameter.rpartition(".")
        layer = self._declared.get(parameter)
        if layer is not None and layer.function == "param":
            self.use(self.owner_of(parameter, "param"), "")
        else:
            self.use(self.owner_of(name, "dense"), own)
        return self.parameters[parameter]

    def same_classes(self, a: Form, b: Form, why: Reason) -> None:
        """Integers that are one value have one number of values."""
        if a.classes is not None and b.classes is not None:
            self.unknowns.equal_dimensions(a.classes, b.classes, why)

    # --- waiting ---------------------------------------------------------------------------------

    def form(self, argument: Argument, site: Site) -> Form:
        """A number where a shape is needed is a scalar."""
        return argument if argument is not None else self.unknowns.scalar(site.why("a number is a scalar"))

    def once(self, shapes: Sequence[Form], then: Callable[[], None], makes: Sequence[Form] = ()) -> None:
        """Calls `then` as soon as the ranks of the shapes are known."""
        self.unknowns.wait(Once(tuple(shapes), then), shapes=shapes, makes=makes)

    def once_sizes(self, dimensions: Sequence[int], then: Callable[[], None], makes: Sequence[int] = ()) -> None:
        rule = Once((), then, tuple(dimensions))
        self.unknowns.wait(rule, dimensions=dimensions, makes_dimensions=makes)

    def refuse(self, site: Site, clash: str, side: Side, *about: Said, code: str = "SQ305") -> None:
        """A shape that an operator does not take: `{a}` in the text is that shape, `{0}` what has it."""
        self.unknowns.fault(Fault(site.why("", *about, clash=clash)._replace(code=code), (side,)))


def _declared_lines(source: Source) -> dict[str, int]:
    """The line on which each name is declared: a System's spans are those of uses."""
    found: dict[str, int] = {}
    for match in _DECLARATION.finditer(source.text):
        line = source.line_number(match.start(1))
        found.setdefault(match[1] + (match[2] or ""), line)
        if match[2]:
            found.setdefault(match[1].removesuffix("_"), line)
    return found
