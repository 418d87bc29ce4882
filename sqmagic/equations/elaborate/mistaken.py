"""Names that mean something else than what they are called in the kernel: a layer that is called as a tensor is."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqmagic.equations.elaborate.lines import Kernel
from sqmagic.equations.system import Layer
from sqmagic.notation.problems import Problem


def learned_anew(layers: Sequence[Layer], matrices: Collection[str], kernel: Kernel) -> Iterator[Problem]:
    """SQ628 `A @ m_{t-1}`, where A is a tensor of the kernel: rule C.2 makes a layer of it, which is learned. A layer
    that is called is meant as one, whatever else bears its name."""
    for layer in layers:
        shape = kernel.tensors.get(layer.name)
        if shape is not None and layer.name in matrices and layer.sizes_in is None:
            yield _told(layer, shape)


def _told(layer: Layer, shape: tuple[int, ...]) -> Problem:
    name = layer.name
    message = (
        f"`{name}` is a layer that is learned, and not the tensor `{name}` of the kernel: a capitalised name that "
        "nothing defines is a layer"
    )
    sizes = [str(size) for size in shape if size > 0] or ["1"]
    given = f"{name} : {' x '.join(sizes)}"
    notes = (
        f"declared as `{given}` it is data, given to each call, one for each example of the batch;",
        f"as `{name} : param({', '.join(sizes)})`, read as `stop({name})`, it is a value of the net's own that stands "
        f"still, and is set once: `net.{name}.data[:] = {name}`.",
    )
    return Problem("SQ628", message, layer.span, notes, severity="warning", before=given)
