"""Layers: which sizes they have, what is declared of them, and the shapes of their parameters."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from sqmagic.equations.shapes.classes import WIDE, Reason
from sqmagic.equations.shapes.unknowns import Fault, Form, Unknowns
from sqmagic.equations.system import Layer, Size


@dataclass(frozen=True, slots=True)
class Owner:
    """A layer's sizes: what it takes and gives, the size of a kernel, and for a free parameter or a
    module's result the whole shape; `told` if that is declared."""

    name: str
    function: str
    takes: int
    gives: int
    kernel: int
    shape: Form
    told: bool

    def parameter(self, parameter: str, unknowns: Unknowns) -> Form:
        if self.function == "param":
            return self.shape
        why = Reason("a parameter of `{0}`", (self.name,))
        return unknowns.of(_PARAMETERS[self.function][parameter](self), why)


_Axes = Callable[[Owner], tuple[int, ...]]

_PARAMETERS: dict[str, dict[str, _Axes]] = {
    "dense": {"weight": lambda o: (o.gives, o.takes), "bias": lambda o: (o.gives,)},
    "conv": {"weight": lambda o: (o.gives, o.takes, o.kernel, o.kernel), "bias": lambda o: (o.gives,)},
    "embed": {"weight": lambda o: (o.takes, o.gives)},
    "batch_norm": {"weight": lambda o: (o.takes,), "bias": lambda o: (o.takes,)},
    "layer_norm": {"weight": lambda o: (o.takes,), "bias": lambda o: (o.takes,)},
}


def owner_of(layer: Layer, unknowns: Unknowns, why: Reason, axis: Callable[[Size, Reason], int]) -> Owner:
    """The sizes of a layer, with what is declared of them for the reason `why`; `axis` gives a declared size."""
    takes, gives = unknowns.dimensions.fresh(WIDE), unknowns.dimensions.fresh(WIDE)
    kernel, told = unknowns.dimensions.fresh(), bool(layer.sizes_out)
    owner = Owner(layer.name, layer.function, takes, gives, kernel, Form(unknowns.none, gives), told)
    if layer.function in ("param", "module"):
        owner = replace(owner, shape=unknowns.free(WIDE))
        if layer.sizes_out:
            unknowns.equal(owner.shape, unknowns.of([axis(size, why) for size in layer.sizes_out], why), why)
        return owner
    for sizes, dimension in ((layer.sizes_in, takes), (layer.sizes_out, gives)):
        if sizes and (len(sizes) == 1 or layer.function == "conv"):  # of images, channels alone belong to the layer
            unknowns.equal_dimensions(dimension, axis(sizes[0], why), why)
        elif sizes:
            clash = "`{0}`: a layer of " + layer.function + " has one size on either side, that of the last axis"
            unknowns.fault(Fault(Reason("", why.about, why.line, why.span, clash, code="SQ305")))
    return owner


def layer_text(layer: Layer) -> str:
    """`M_1 : 784 -> 128`, `b : param(64)`."""
    if layer.function == "param":
        return f"{layer.name} : param({', '.join(str(s.value) for s in layer.sizes_out or ())})"
    return f"{layer.name} : {sizes_text(layer.sizes_in)} -> {sizes_text(layer.sizes_out)}"


def sizes_text(sizes: tuple[Size, ...] | None) -> str:
    return " x ".join(str(s.value) for s in sizes or ())
