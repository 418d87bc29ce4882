"""A piece of Python that computes a value, and what must be known of it to put it into a larger one.

A tensor has leading axes before its own: `lead` 2 is [time, batch, *shape], 1 is [batch, *shape], 0 is a parameter's
*shape. torch aligns axes from the right, so values of different `lead` mix freely as long as their shapes have the
same rank; `ranked` sees to that, and `spread` copies where an operator needs all axes to be there. An axis of size -1
is one whose size the text leaves open; it is taken to fit.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

Shape = tuple[int, ...]

# How tightly Python binds what stands at the top of the text.
SUM, PRODUCT, SIGN, ATOM = range(4)

SCALAR: Shape = (1,)


@dataclass(frozen=True, slots=True)
class Code:
    """`kind` "number" is a Python number, "integer" a tensor of whole numbers, "boolean" is not used as a value."""

    text: str
    lead: int
    shape: Shape
    kind: Literal["number", "real", "integer"] = "real"
    tight: int = ATOM


def number(value: float) -> Code:
    """`1`, `0.999`: whole numbers are written without a point, as one would."""
    text = str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    text = f'float("{text}")' if text.endswith(("inf", "nan")) else text
    return Code(text, 0, SCALAR, "number", SIGN if value < 0 else ATOM)


def within(code: Code, least: int) -> str:
    """The text, in parentheses where Python would otherwise read it differently."""
    return code.text if code.tight >= least else f"({code.text})"


def ranked(code: Code, rank: int) -> Code:
    """A scalar with as many axes as the values that it meets, or a vector that meets the rows of a matrix."""
    missing = rank - len(code.shape)
    if missing <= 0 or code.kind == "number":
        return code
    own = "" if code.shape == SCALAR else ", :"
    text = within(code, ATOM) + f"[...{', None' * missing}{own}]"
    return replace(code, text=text, shape=(1,) * missing + code.shape, tight=ATOM)


def led(code: Code, lead: int) -> Code:
    """The value with all leading axes there, of size 1 where it is the same along them."""
    missing = lead - code.lead
    if missing <= 0 or code.kind == "number":
        return code
    return replace(code, text=within(code, ATOM) + f"[{', '.join(['None'] * missing)}]", lead=lead, tight=ATOM)


def spread(code: Code, sizes: tuple[str, ...], shape: Shape) -> Code:
    """The value copied (by a view) along leading axes of these sizes (`("T", "batch")`), and to this shape."""
    lead = len(sizes)
    if code.lead == lead and _fits(code.shape, shape):
        return code
    full = ranked(code, len(shape))
    kept = [] if code.lead == 0 else ["-1"] * code.lead
    axes = [*sizes[: lead - len(kept)], *kept]
    axes += ["-1" if have in (want, -1) else str(want) for have, want in zip(full.shape, shape, strict=True)]
    return replace(full, text=f"{within(full, ATOM)}.expand({', '.join(axes)})", lead=lead, shape=shape, tight=ATOM)


def _fits(have: Shape, want: Shape) -> bool:
    return len(have) == len(want) and all(a in (b, -1) or b == -1 for a, b in zip(have, want, strict=True))


def joint_shape(shapes: tuple[Shape, ...]) -> Shape:
    """The shape of a pointwise result: a width of 1 meets any width, and a vector each row of a matrix."""
    rank = max(len(s) for s in shapes)
    padded = [(1,) * (rank - len(s)) + s for s in shapes]
    return tuple(next((n for n in axis if n != 1), 1) for axis in zip(*padded, strict=True))
