"""The table of operators for torch: one row for each row of `equations.ops`, how it is written in Python.

A rule is given the operator's node, its arguments as Python and the place, and returns Python. Rows of layers are in
`layers.py`, rows of losses in `losses.py`; `RULES` there joins them.
"""

from __future__ import annotations

from sqmagic.emit.torch.code import (
    ATOM,
    PRODUCT,
    SCALAR,
    SIGN,
    SUM,
    Code,
    joint_shape,
    led,
    ranked,
    spread,
    within,
)
from sqmagic.emit.torch.place import Place, Rule, real, tensor
from sqmagic.equations.system import Apply, Const

# --- arithmetic ----------------------------------------------------------------------------------


def _infix(sign: str, tight: int) -> Rule:
    def rule(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
        left, right = _aligned(args, place)
        text = f"{within(left, tight)} {sign} {within(right, tight + 1)}"
        return _pointwise(text, (left, right), tight)

    return rule


def _negative(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    (x,) = _aligned(args, place)
    return _pointwise(f"-{within(x, SIGN)}", (x,), SIGN)


def _aligned(args: tuple[Code, ...], place: Place) -> tuple[Code, ...]:
    rank = max(len(a.shape) for a in args)
    return tuple(ranked(real(a, place), rank) for a in args)


def _pointwise(text: str, args: tuple[Code, ...], tight: int = ATOM) -> Code:
    """What comes of values that were aligned; of Python numbers, a Python number."""
    if all(a.kind == "number" for a in args):
        return Code(text, 0, SCALAR, "number", tight)
    shape = joint_shape(tuple(a.shape for a in args if a.kind != "number"))
    return Code(text, max(a.lead for a in args), shape, "real", tight)


# --- pointwise functions -------------------------------------------------------------------------


def _function(template: str) -> Rule:
    """A function of one tensor, by name (`torch.tanh`)."""

    def rule(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
        x = tensor(args[0], place)
        return Code(template.format(x.text), x.lead, x.shape)

    return rule


def _method(template: str) -> Rule:
    """A method of one tensor (`.square()`)."""

    def rule(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
        x = tensor(args[0], place)
        return Code(within(x, ATOM) + template, x.lead, x.shape)

    return rule


def _extreme(function: str, bound: str) -> Rule:
    """The larger or smaller of two: a number is a bound, two tensors are compared."""

    def rule(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
        tensors = [a for a in args if a.kind != "number"]
        numbers = [a for a in args if a.kind == "number"]
        if len(numbers) == 1:
            (x,) = _aligned(tuple(tensors), place)
            return Code(f"{within(x, ATOM)}.clamp({bound}={numbers[0].text})", x.lead, x.shape)
        pair = _aligned(tuple(tensor(a, place) for a in args), place)
        return _pointwise(f"{function}({pair[0].text}, {pair[1].text})", pair)

    return rule


def _where(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    both = args[1].kind == args[2].kind == "number"
    first = tensor(args[1], place) if both else args[1]
    condition, x, y = _aligned((tensor(args[0], place), first, args[2]), place)
    text = f"torch.where({within(condition, SUM)} != 0, {x.text}, {y.text})"
    return _pointwise(text, (condition, x, y))


def _clip(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x, low, high = args
    if low.kind == high.kind == "number":
        x = tensor(x, place)
        return Code(f"{within(x, ATOM)}.clamp({low.text}, {high.text})", x.lead, x.shape)
    x, low, high = _aligned(tuple(tensor(a, place) for a in args), place)
    return _pointwise(f"torch.minimum(torch.maximum({x.text}, {low.text}), {high.text})", (x, low, high))


# --- over components -----------------------------------------------------------------------------


def _reduction(method: str) -> Rule:
    """Over the last axis; of a vector a width of 1 is left."""

    def rule(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
        x = tensor(args[0], place)
        kept = ", keepdim=True" * (len(x.shape) == 1)
        shape = x.shape[:-1] or SCALAR
        return Code(f"{within(x, ATOM)}.{method}(-1{kept})", x.lead, shape)

    return rule


def _norm(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    kept = ", keepdim=True" * (len(x.shape) == 1)
    return Code(f"torch.linalg.vector_norm({x.text}, dim=-1{kept})", x.lead, x.shape[:-1] or SCALAR)


def _argmax(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    kept = ", keepdim=True" * (len(x.shape) == 1)
    return Code(f"{within(x, ATOM)}.argmax(-1{kept})", x.lead, x.shape[:-1] or SCALAR, "integer")


def _one_hot(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    size = int(node.attribute("size", 0))
    text = f"nn.functional.one_hot({whole(args[0], place)}.squeeze(-1), {size}).to({place.like}.dtype)"
    return Code(text, args[0].lead or 1, (size,))


def whole(code: Code, place: Place) -> str:
    """Whole numbers, as an index must be."""
    return within(code, ATOM) if code.kind == "integer" else within(tensor(code, place), ATOM) + ".long()"


# --- structure -----------------------------------------------------------------------------------


def _concat(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    """Along the first axis, that of features: components of vectors, rows of matrices, channels of images."""
    full = [_joined(a, place, max(min(1, place.lead), *(b.lead for b in args))) for a in args]
    rank = max(len(a.shape) for a in full)
    shape = (sum(a.shape[0] for a in full), *full[0].shape[1:])
    return Code(f"torch.cat([{', '.join(a.text for a in full)}], dim=-{rank})", full[0].lead, shape)


def _joined(code: Code, place: Place, lead: int) -> Code:
    code = tensor(code, place)
    return spread(code, place.sizes[place.lead - lead :], code.shape)


def _matmul(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    a, b = (tensor(x, place) for x in args)
    lead = max(a.lead, b.lead)
    match len(a.shape), len(b.shape):
        case 2, 1 if a.lead == 0:
            return Code(f"nn.functional.linear({b.text}, {a.text})", lead, a.shape[:1])
        case 2, 1:
            return Code(f"({within(a, PRODUCT)} @ {within(b, ATOM)}[..., None]).squeeze(-1)", lead, a.shape[:1])
        case 1, 2:
            return Code(f"({within(a, ATOM)}[..., None, :] @ {within(b, ATOM)}).squeeze(-2)", lead, b.shape[1:])
        case 1, 1:
            return Code(f"({within(a, PRODUCT)} * {within(b, SIGN)}).sum(-1, keepdim=True)", lead, SCALAR)
        case _:
            shape = (*a.shape[:-1], b.shape[-1])
            return Code(f"{within(a, PRODUCT)} @ {within(b, ATOM)}", lead, shape, "real", PRODUCT)


def _index(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    """A component of a vector, a row of a matrix."""
    x, number = tensor(args[0], place), args[1]
    axis, shape = -len(x.shape), x.shape[1:] or SCALAR
    after = ", :" * (len(x.shape) - 1)
    if number.kind == "number" and isinstance(node.args[1], Const):
        place_of = int(float(number.text))
        chosen = f"{place_of}:{place_of + 1}" if axis == -1 else str(place_of)
        return Code(f"{within(x, ATOM)}[..., {chosen}{after}]", x.lead, shape)
    number = tensor(number, place) if number.kind == "number" else number
    lead = max(x.lead, number.lead)
    which = f"{whole(led(ranked(number, len(x.shape)), lead), place)}"
    text = f"torch.take_along_dim({led(x, lead).text}, {which}, dim={axis})"
    return Code(text + f".squeeze({axis})" * (axis < -1), lead, shape)


def _slice(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    start, stop = int(node.attribute("start", 0)), int(node.attribute("stop", 0))
    after = ", :" * (len(x.shape) - 1)
    return Code(f"{within(x, ATOM)}[..., {start}:{stop}{after}]", x.lead, (stop - start, *x.shape[1:]))


def _split(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    """Equal parts along the feature axis; the caller names them, so the shape is that of one part."""
    x = tensor(args[0], place)
    count = int(node.attribute("parts", 1))
    shape = (x.shape[0] // count, *x.shape[1:])
    return Code(f"{within(x, ATOM)}.chunk({count}, dim=-{len(x.shape)})", x.lead, shape)


def _transpose(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    return Code(f"{within(x, ATOM)}.transpose(-1, -2)", x.lead, (*x.shape[:-2], x.shape[-1], x.shape[-2]))


def _outer(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x, y = (tensor(a, place) for a in args)
    text = f"{within(x, ATOM)}[..., :, None] * {within(y, ATOM)}[..., None, :]"
    return Code(text, max(x.lead, y.lead), (x.shape[0], y.shape[0]), "real", PRODUCT)


def _flatten(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = tensor(args[0], place)
    size = 1
    for n in x.shape:
        size *= n
    return Code(f"{within(x, ATOM)}.flatten(-{len(x.shape)})", x.lead, (size,))


# --- gradient and chance -------------------------------------------------------------------------


def _stop(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    x = args[0]
    if x.kind != "real":
        return x
    return Code(within(x, ATOM) + ".detach()", x.lead, x.shape)


def _gauss(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    shape = tuple(int(n) for n in str(node.attribute("shape", "1")).split("x"))
    sizes = ", ".join([*place.sizes, *map(str, shape)])
    text = f"torch.randn({sizes}, dtype={place.like}.dtype, device={place.like}.device)"
    return Code(text, place.lead, shape)


def _sample(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    p = tensor(args[0], place)
    x = within(p, ATOM)
    text = f"torch.multinomial({x}.detach(), 1)"
    if p.lead == 2:
        text = f"torch.multinomial({x}.detach().flatten(0, 1), 1).unflatten(0, (-1, batch))"
    return Code(text, p.lead, SCALAR, "integer")


def _eps_greedy(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    q = tensor(args[0], place)
    best = f"{within(q, ATOM)}.argmax(-1, keepdim=True)"
    text = f"eps_greedy({best}, {q.shape[-1]}, {node.attribute('eps', 0.1)})"
    return Code(text, q.lead, SCALAR, "integer")


def _log_prob(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    chosen = _index(node, args, place)
    return Code(f"torch.log({chosen.text})", chosen.lead, SCALAR)


def _entropy(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    """Of each row of a matrix."""
    p = tensor(args[0], place)
    if len(p.shape) > 1:
        return Code(f"torch.special.entr({p.text}).sum(-1)", p.lead, p.shape[:-1])
    return Code(f"torch.special.entr({p.text}).sum(-1, keepdim=True)", p.lead, SCALAR)


OPERATORS: dict[str, Rule] = {
    "add": _infix("+", SUM),
    "sub": _infix("-", SUM),
    "mul": _infix("*", PRODUCT),
    "div": _infix("/", PRODUCT),
    "neg": _negative,
    "matmul": _matmul,
    "concat": _concat,
    "index": _index,
    "slice": _slice,
    "split": _split,
    "transpose": _transpose,
    "outer": _outer,
    "flatten": _flatten,
    "exp": _function("torch.exp({})"),
    "log": _function("torch.log({})"),
    "sqrt": _function("torch.sqrt({})"),
    "square": _method(".square()"),
    "abs": _function("torch.abs({})"),
    "sin": _function("torch.sin({})"),
    "cos": _function("torch.cos({})"),
    "tanh": _function("torch.tanh({})"),
    "sigmoid": _function("torch.sigmoid({})"),
    "relu": _function("torch.relu({})"),
    "gelu": _function("nn.functional.gelu({})"),
    # torch's softplus is the straight line beyond 20, where it is off by 2e-9; beyond 40 nothing is lost in float64
    "softplus": _function("nn.functional.softplus({}, threshold=40)"),
    "maximum": _extreme("torch.maximum", "min"),
    "minimum": _extreme("torch.minimum", "max"),
    "where": _where,
    "clip": _clip,
    "softmax": _function("torch.softmax({}, dim=-1)"),
    "log_softmax": _function("torch.log_softmax({}, dim=-1)"),
    "sum": _reduction("sum"),
    "mean": _reduction("mean"),
    "norm": _norm,
    "max": _reduction("amax"),
    "min": _reduction("amin"),
    "argmax": _argmax,
    "one_hot": _one_hot,
    "stop": _stop,
    "old": _stop,
    "sample": _sample,
    "gauss": _gauss,
    "log_prob": _log_prob,
    "entropy": _entropy,
    "eps_greedy": _eps_greedy,
}
