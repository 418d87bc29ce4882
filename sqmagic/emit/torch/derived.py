"""Rows of the operators that only passes make, as torch has them; those of layers use what torch.nn.grad has."""

from __future__ import annotations

import math

from sqmagic.emit.torch.code import ATOM, SCALAR, SUM, Code, ranked, spread, within
from sqmagic.emit.torch.layers import padding
from sqmagic.emit.torch.place import Place, Rule, pair, tensor
from sqmagic.equations.system import Apply

Args = tuple[Code, ...]


def _joint(text: str, a: Code, b: Code) -> Code:
    shape = tuple(max(n, m) for n, m in zip(a.shape, b.shape, strict=True))
    return Code(text, max(a.lead, b.lead), shape)


def _equal(node: Apply, args: Args, place: Place) -> Code:
    if all(a.kind == "number" for a in args):
        return Code(f"float({args[0].text} == {args[1].text})", 0, SCALAR, "number")
    a, b = pair(args, place)
    return _joint(f"({within(a, SUM)} == {within(b, SUM)}).to({place.like}.dtype)", a, b)


def _power(node: Apply, args: Args, place: Place) -> Code:
    a, b = pair(args, place)
    return _joint(f"torch.pow({a.text}, {b.text})", a, b)


def _function(template: str) -> Rule:
    def rule(node: Apply, args: Args, place: Place) -> Code:
        x = tensor(args[0], place)
        return Code(template.format(x.text), x.lead, x.shape)

    return rule


_SLOPES = {
    "exp": "torch.exp({0})",
    "log": "1 / ({0})",
    "sqrt": "0.5 / torch.sqrt({0})",
    "square": "2 * ({0})",
    "abs": "torch.sign({0})",
    "sin": "torch.cos({0})",
    "cos": "-torch.sin({0})",
    "tanh": "(1 - torch.tanh({0}).square())",
    "sigmoid": "(torch.sigmoid({0}) * torch.sigmoid(-({0})))",
    "relu": "(({0}) > 0).double()",
    "softplus": "torch.sigmoid({0})",
    "gelu": "(torch.special.ndtr({0}) + ({0}) * torch.exp(-({0}).square() / 2) / (2 * torch.pi) ** 0.5)",
}


def _derivative(node: Apply, args: Args, place: Place) -> Code:
    x = tensor(args[0], place)
    return Code(f"({_SLOPES[str(node.attribute('function', ''))].format(x.text)})", x.lead, x.shape)


def _size(node: Apply, args: Args, place: Place) -> Code:
    return Code(str(math.prod(args[0].shape)), 0, SCALAR, "number")


def _step_share(node: Apply, args: Args, place: Place) -> Code:
    more = int(node.attribute("last", 0)) - int(node.attribute("first", 1)) + 1
    return Code(f"(1 / (T{f' {more:+d}' if more else ''}))".replace("+", "+ ").replace("-", "- "), 0, SCALAR, "number")


def _expand_as(node: Apply, args: Args, place: Place) -> Code:
    x, y = (tensor(a, place) for a in args)
    if len(x.shape) < len(y.shape) and x.shape != SCALAR:
        x = Code(within(x, ATOM) + "[..., None]", x.lead, (*x.shape, 1))
    x = ranked(x, len(y.shape))
    return spread(x, place.sizes[place.lead - max(x.lead, y.lead) :], y.shape)


def _pad(node: Apply, args: Args, place: Place) -> Code:
    x = tensor(args[0], place)
    before, after = int(node.attribute("before", 0)), int(node.attribute("after", 0))
    ends = ", ".join(["0, 0"] * (len(x.shape) - 1) + [f"{before}, {after}"])
    return Code(f"nn.functional.pad({x.text}, ({ends}))", x.lead, (x.shape[0] + before + after, *x.shape[1:]))


def _unflatten(node: Apply, args: Args, place: Place) -> Code:
    x, y = (tensor(a, place) for a in args)
    return Code(f"{within(x, ATOM)}.unflatten(-1, {y.shape})", x.lead, y.shape)


# --- layers --------------------------------------------------------------------------------------


def _weight(node: Apply, place: Place) -> str:
    assert node.layer is not None, f"{node.op} has a layer"
    return f"{place.owners[node.layer]}.weight"


def _dense_input(node: Apply, args: Args, place: Place) -> Code:
    g = tensor(args[0], place)
    shape = (*g.shape[:-1], place.parameters[f"{node.layer}.weight"][1])
    return Code(f"({within(g, SUM)} @ {_weight(node, place)})", g.lead, shape)


def _flat(code: Code, place: Place) -> str:
    """All steps of a window as one batch."""
    full = spread(tensor(code, place), place.sizes, code.shape)
    return within(full, ATOM) + ".flatten(0, 1)" * (place.lead > 1)


def _again(text: str, place: Place) -> str:
    return f"{text}.unflatten(0, (-1, batch))" if place.lead > 1 else text


def _conv_input(node: Apply, args: Args, place: Place) -> Code:
    g, x = (_flat(a, place) for a in args)
    settings = f"stride={int(node.attribute('stride', 1))}, padding={padding(node)}"
    text = f"nn.grad.conv2d_input({x}.shape, {_weight(node, place)}, {g}, {settings})"
    return Code(_again(text, place), place.lead, args[1].shape)


def _conv_weight(node: Apply, args: Args, place: Place) -> Code:
    """For each example: the batch is taken for groups of channels."""
    g, x = (_flat(a, place) for a in args)
    size, stride, pad = int(node.attribute("size", 3)), int(node.attribute("stride", 1)), padding(node)
    patches = f"nn.functional.unfold({x}, {size}, padding={pad}, stride={stride})"
    shape = (args[0].shape[0], args[1].shape[0], size, size)
    text = f"({g}.flatten(2) @ {patches}.transpose(1, 2)).unflatten(-1, {shape[1:]})"
    return Code(_again(text, place), place.lead, shape)


def _max_pool_input(node: Apply, args: Args, place: Place) -> Code:
    g, x = (_flat(a, place) for a in args)
    size = int(node.attribute("size", 2))
    stride = int(node.attribute("stride", 0)) or size
    which = f"nn.functional.max_pool2d({x}, {size}, {stride}, return_indices=True)[1].flatten(2)"
    text = f"torch.zeros_like({x}).flatten(2).scatter_add(2, {which}, {g}.flatten(2)).unflatten(2, {args[1].shape[1:]})"
    return Code(_again(text, place), place.lead, args[1].shape)


def _avg_pool_input(node: Apply, args: Args, place: Place) -> Code:
    g = _flat(args[0], place)
    channels, height, width = args[1].shape
    size = int(node.attribute("size", 2))
    stride = int(node.attribute("stride", 0)) or size
    ones = f"{place.like}.new_full(({channels}, 1, {size}, {size}), {1 / (size * size)!r})"
    rows, columns = ((n - size) % stride for n in (height, width))
    more = f"stride={stride}, output_padding=({rows}, {columns}), groups={channels}"
    text = f"nn.functional.conv_transpose2d({g}, {ones}, {more})"
    return Code(_again(text, place), place.lead, args[1].shape)


def _layer_norm_input(node: Apply, args: Args, place: Place) -> Code:
    g, x = pair(args, place)
    text = f"layer_norm_input({within(g, SUM)} * {_weight(node, place)}, {x.text}, {node.attribute('eps', 1e-5)})"
    return Code(text, max(g.lead, x.lead), x.shape)


def _layer_norm_weight(node: Apply, args: Args, place: Place) -> Code:
    g, x = pair(args, place)
    lead = max(g.lead, x.lead)
    text = (
        f"({within(g, SUM)} * nn.functional.layer_norm({x.text}, [{x.shape[-1]}], eps={node.attribute('eps', 1e-5)}))"
    )
    rest = len(x.shape) - 1
    return Code(text + f".flatten({lead}, {lead + rest - 1}).sum({lead})" * (rest > 0), lead, x.shape[-1:])


def _by_scopes(node: Apply, args: Args, place: Place) -> Code:
    raise AssertionError(f"{node.op} is written where its steps are known")


def _refused(node: Apply, args: Args, place: Place) -> Code:
    raise AssertionError(f"{node.op} is refused before")


DERIVED: dict[str, Rule] = {
    "window_sum": _by_scopes,
    "batch_mean": _by_scopes,
    "during": _by_scopes,
    "step_share": _step_share,
    "equal": _equal,
    "sign": _function("torch.sign({})"),
    "ndtr": _function("torch.special.ndtr({})"),
    "power": _power,
    "derivative": _derivative,
    "size": _size,
    "expand_as": _expand_as,
    "pad": _pad,
    "unflatten": _unflatten,
    "dense_input": _dense_input,
    "conv_input": _conv_input,
    "conv_weight": _conv_weight,
    "layer_norm_input": _layer_norm_input,
    "layer_norm_weight": _layer_norm_weight,
    "batch_norm_input": _refused,
    "batch_norm_weight": _refused,
    "max_pool_input": _max_pool_input,
    "avg_pool_input": _avg_pool_input,
}
