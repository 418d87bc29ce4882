"""Rules of the operators on images, which are channels x height x width: convolution and pooling."""

from __future__ import annotations

from sqmagic.equations.shapes.builder import Argument, Builder, Site
from sqmagic.equations.shapes.classes import Given, Said
from sqmagic.equations.shapes.unknowns import Fault, Form


def _conv(b: Builder, site: Site, args: list[Argument]) -> Argument:
    """Height and width become (n + 2*pad - size) // stride + 1, where "same" pads by half of the size."""
    x, owner = b.form(args[0], site), b.owner(site)
    b.use(owner, "weight", "bias")
    channels, height, width = _image(b, site, x)
    link = "`{0}` is given to `{1}`"
    clash = "`{1}` takes {b} channels, but `{0}` has {a}"
    heads = ("the number of {0}'s channels is", "{1} takes")
    why = site.why(link, site.expr.args[0], owner.name, clash=clash, heads=heads)._replace(through=owner.name)
    b.unknowns.equal_dimensions(channels, owner.takes, why)
    size, stride, pad = b.integer(site.setting("size"), site), b.integer(site.setting("stride"), site), _pad(b, site)
    gives = site.why("`{0}` has the channels that `{1}` gives", site.expr, owner.name)
    if size is None or stride is None or pad is None:
        return b.unknowns.of((owner.gives, b.unknowns.dimensions.fresh(), b.unknowns.dimensions.fresh()), gives)
    clash = "`{1}` has a kernel of size {a} elsewhere, and of {b} here"
    kernel = site.why("the kernel of `{1}` is of size {2}", site.expr, owner.name, str(size), clash=clash)
    b.unknowns.give(owner.kernel, size, Given(kernel))
    sides = [_side(b, site, side, size, stride, pad) for side in (height, width)]
    return b.unknowns.of((owner.gives, *sides), gives)


def _pad(b: Builder, site: Site) -> int | None:
    size = b.integer(site.setting("size"), site) or 1
    match site.setting("pad"):
        case "valid":
            return 0
        case "same" if size % 2:
            return size // 2
        case "same":
            clash = "`pad=same` needs a kernel of odd size in `{0}`: one of even size has no middle"
            b.unknowns.fault(Fault(site.why("", clash=clash)._replace(code="SQ305")))
            return None
        case other:
            return b.integer(other, site)


def _pool(b: Builder, site: Site, args: list[Argument]) -> Argument:
    x = b.form(args[0], site)
    channels, height, width = _image(b, site, x)
    size, stride = b.integer(site.setting("size"), site) or 2, b.integer(site.setting("stride"), site)
    sides = [_side(b, site, side, size, stride or size, 0) for side in (height, width)]
    return b.unknowns.of((channels, *sides), site.why("`{0}` has the channels of `{1}`", site.expr, site.expr.args[0]))


def _image(b: Builder, site: Site, x: Form) -> tuple[int, int, int]:
    """Channels, height and width of what must be an image."""
    channels, height, width = (b.unknowns.dimensions.fresh() for _ in range(3))
    clash = "`" + site.expr.op + "` takes an image, channels x height x width, but `{0}` is {a}"
    why = site.why(
        "`{0}` is an image in `{1}`", site.expr.args[0], site.expr, clash=clash, heads=("{0} is", "it must be")
    )
    b.unknowns.equal(x, b.unknowns.of((channels, height, width), why), why)
    return channels, height, width


def _side(b: Builder, site: Site, before: int, size: int, stride: int, pad: int) -> int:
    """Height or width after a window of `size` has gone over it in strides."""
    if stride == 1 and 2 * pad == size - 1:
        return before
    after = b.unknowns.dimensions.fresh()
    image: Said = site.expr.args[0]

    def then() -> None:
        known = b.unknowns.dimensions.get(before)
        assert known is not None, "it waits for the size"
        found = (known + 2 * pad - size) // stride + 1 if isinstance(known, int) else 0
        if found > 0:
            why = site.why(f"of {known} `{{0}}` leaves {found}", site.expr)
            b.unknowns.give(after, found, Given(why, ((image, before),)))
        else:
            clash = "`{0}` is too large for an image of {a}"
            why = site.why("", site.expr, clash=clash, heads=("its side is", ""))
            b.unknowns.fault(Fault(why._replace(code="SQ308"), (b.unknowns.side(before),)))

    b.once_sizes((before,), then, makes=(after,))
    return after


RULES = {"conv": _conv, "max_pool": _pool, "avg_pool": _pool}
