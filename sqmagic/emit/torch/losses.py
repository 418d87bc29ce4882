"""Losses: one number for each example and step, `[…, 1]`; and the whole table of operators."""

from __future__ import annotations

from sqmagic.emit.torch.code import ATOM, PRODUCT, SCALAR, SIGN, SUM, Code, led, spread, within
from sqmagic.emit.torch.derived import DERIVED
from sqmagic.emit.torch.layers import LAYERS
from sqmagic.emit.torch.operators import OPERATORS, whole
from sqmagic.emit.torch.place import Place, Rule, pair, translate
from sqmagic.equations.system import Apply


def _same(args: tuple[Code, ...], place: Place) -> tuple[Code, Code]:
    """Both with every axis there, as torch's own losses want them."""
    p, y = pair(args, place)
    sizes = place.sizes[place.lead - max(p.lead, y.lead) :]
    shape = p.shape if len(p.shape) > len(y.shape) or p.shape != (1,) * len(p.shape) else y.shape
    return spread(p, sizes, shape), spread(y, sizes, shape)


def _mean(text: str, p: Code, y: Code, tight: int = ATOM) -> Code:
    """The mean over the components."""
    inner = text if tight == ATOM else f"({text})"
    rank = len(p.shape)
    flat = f".flatten(-{rank})" * (rank > 1)
    return Code(f"{inner}{flat}.mean(-1, keepdim=True)", max(p.lead, y.lead), SCALAR)


def _mse(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    p, y = _same(args, place)
    return _mean(f'nn.functional.mse_loss({p.text}, {y.text}, reduction="none")', p, y)


def _mae(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    p, y = pair(args, place)
    return _mean(f"({within(p, SUM)} - {within(y, PRODUCT)}).abs()", p, y)


def _huber(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    p, y = _same(args, place)
    delta = node.attribute("delta", 1.0)
    return _mean(f'nn.functional.huber_loss({p.text}, {y.text}, reduction="none", delta={delta})', p, y)


def _cross_entropy(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    p, y = pair(args, place)
    return _summed(f"-torch.xlogy({y.text}, {p.text})", p, y)


def _cross_entropy_logits(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    match node.args[1]:
        case Apply("one_hot", (label,)) | Apply("stop", (Apply("one_hot", (label,)),)) if len(args[0].shape) == 1:
            return _of_class(args[0], translate(label, place, RULES), place)
    a, y = pair(args, place)
    return _summed(f"-({within(y, PRODUCT)} * torch.log_softmax({a.text}, dim=-1))", a, y)


def _of_class(a: Code, label: Code, place: Place) -> Code:
    """With whole numbers as target, the one logarithm that counts."""
    lead = max(a.lead, label.lead)
    logs, which = led(Code(f"torch.log_softmax({a.text}, dim=-1)", a.lead, a.shape), lead), led(label, lead)
    text = f"-torch.take_along_dim({logs.text}, {whole(which, place)}, dim=-1)"
    return Code(text, lead, SCALAR, "real", SIGN)


def _summed(text: str, p: Code, y: Code) -> Code:
    """The sum over the classes, and where each example has several distributions (a matrix) their mean."""
    lead, sign, inner = max(p.lead, y.lead), text[0], text[1:]
    if len(p.shape) == 1:
        return Code(f"{sign}{inner}.sum(-1, keepdim=True)", lead, SCALAR, "real", SIGN)
    flat = f".flatten(-{len(p.shape) - 1})" * (len(p.shape) > 2)
    return Code(f"{sign}{inner}.sum(-1){flat}.mean(-1, keepdim=True)", lead, SCALAR, "real", SIGN)


def _binary_cross_entropy(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    p, y = pair(args, place)
    one_less = f"torch.special.xlog1py(1 - {within(y, PRODUCT)}, -{within(p, SIGN)})"
    mean = _mean(f"torch.xlogy({y.text}, {p.text}) + {one_less}", p, y, SUM)
    return Code(f"-{mean.text}", mean.lead, SCALAR, "real", SIGN)


def _binary_cross_entropy_logits(node: Apply, args: tuple[Code, ...], place: Place) -> Code:
    a, y = _same(args, place)
    call = f'nn.functional.binary_cross_entropy_with_logits({a.text}, {y.text}, reduction="none")'
    return _mean(call, a, y)


LOSSES: dict[str, Rule] = {
    "mse": _mse,
    "mae": _mae,
    "huber": _huber,
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "cross_entropy_logits": _cross_entropy_logits,
    "binary_cross_entropy_logits": _binary_cross_entropy_logits,
}

RULES: dict[str, Rule] = OPERATORS | LAYERS | LOSSES | DERIVED
