"""A function of one's own in C that can be called; refused unless its adjoint is the derivative of its forward."""

from __future__ import annotations

import ctypes
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sqmagic.world.compiler import Library, compiled
from sqmagic.world.errors import DeclarationError, Fault, WorldError
from sqmagic.world.signature import Signature, Value, generate, parse, prototype
from sqmagic.world.spaces import Array

EXAMPLES, STEP, NEAR = 4, 1e-5, 1e-5
PRIMES = (3, 5, 2, 7, 11, 13)
"""In a check, sizes with names are different primes, so that no mistaken size fits by chance."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called with arrays [batch, *shape], float64 or float32 according to `double`."""

    signature: Signature
    single: Library
    double: Library
    text: str = ""

    def __reduce__(self) -> tuple[object, tuple[str, str]]:
        """What is kept of it is its text: elsewhere it is compiled again."""
        return define, (self.signature.name, self.text)

    def __deepcopy__(self, memo: object) -> Function:
        return self

    def call(self, rule: str, arrays: Sequence[int], batch: int, sizes: Sequence[int], double: bool) -> None:
        """Runs a rule over a batch; `arrays` are addresses of contiguous memory, in the order of the rule."""
        library = self.double if double else self.single
        pointers = (ctypes.c_void_p * len(arrays))(*arrays)
        counts = (ctypes.c_int32 * max(len(sizes), 1))(*sizes)
        library.handle[f"sq_{rule}"](ctypes.c_int64(batch), pointers, counts)

    def sizes(self, shapes: Sequence[tuple[int, ...]]) -> dict[str, int]:
        """The sizes that have names, from the shapes of the inputs. Raises WorldError where they do not fit."""
        known: dict[str, int] = {}
        for value, shape in zip(self.signature.inputs, shapes, strict=True):
            wanted = value.sizes
            fits = len(shape) == len(wanted)
            for size, given in zip(wanted, shape, strict=False):
                fits = fits and given == (int(size) if size.isdigit() else known.setdefault(size, given))
            if not fits:
                listed = " x ".join(wanted) or "a single number"
                told = f"and was given {' x '.join(map(str, shape)) or '1'}"
                where = f" where {', '.join(f'{k} = {v}' for k, v in known.items())}" if known else ""
                raise WorldError(f"`{value.name}` of {self.signature.name} is {listed}, {told}{where}")
        return known


def define(name: str, text: str, home: str = "") -> Function:
    """The function of a text. Raises DeclarationError at the text's own lines, and WorldError if its adjoint does not
    agree with finite differences of its forward."""
    own = home or name
    signature = parse(name, text, own)
    made = generate(signature, own)
    try:
        single, double = (compiled(name, made, text, own, double=wide) for wide in (False, True))
    except DeclarationError as refused:
        raise DeclarationError(own, text, (*refused.faults, *_hints(signature, refused.faults))) from None
    function = Function(signature, single, double, text)
    _check(function)
    return function


def _hints(signature: Signature, faults: Sequence[Fault]) -> Iterator[Fault]:
    """What a rule must look like, where it looks otherwise."""
    for rule in ("forward", "adjoint"):
        if any("conflicting types" in f.message and rule in f.message for f in faults):
            yield Fault(f"it must be  {prototype(signature, rule)}")


def _check(function: Function) -> None:
    """Forward is finite at random points, and the adjoint its derivative."""
    signature, chance = function.signature, np.random.default_rng(7)
    known = dict(zip(signature.sizes, PRIMES * 4, strict=False))
    inputs = [_random(v, known, chance) for v in signature.inputs]
    outputs = _forward(function, inputs, known)
    if not all(np.isfinite(o).all() for o in outputs):
        raise WorldError(f"forward of {signature.name} gives what is not finite at random inputs around 0")
    if not signature.has_adjoint:
        return
    weights: list[Array] = [np.asarray(chance.normal(size=o.shape)) for o in outputs]
    slopes = [np.zeros(v.shape) for v, own in zip(inputs, signature.inputs, strict=True) if own.type == "f32"]
    _run(function, "adjoint", [*inputs, *outputs, *weights, *slopes], known)
    for value, slope in zip(signature.differentiable, slopes, strict=True):
        at = signature.inputs.index(value)
        should = _differences(function, inputs, at, weights, known)
        wrong = ~(np.abs(slope - should) <= NEAR * (1 + np.abs(should)))
        if wrong.any():
            raise WorldError(_disagreement(signature, value, slope, should, wrong, inputs, known))


def _disagreement(
    signature: Signature,
    value: Value,
    slope: Array,
    should: Array,
    wrong: Array,
    inputs: Sequence[Array],
    known: Mapping[str, int],
) -> str:
    place = tuple(int(k) for k in np.argwhere(wrong)[0])
    index = "".join(f"[{k}]" for k in place[1:])
    example = [
        f"{v.name} = {np.array2string(x[place[0]], precision=3)}" for v, x in zip(signature.inputs, inputs, strict=True)
    ]
    sizes = f" ({', '.join(f'{k} = {v}' for k, v in known.items())})" if known else ""
    return (
        f"the adjoint of {signature.name} does not agree with finite differences of its forward, so it is refused\n"
        f"  d_{value.name}{index} is {slope[place]:.6g} and should be {should[place]:.6g}{sizes}\n"
        + "\n".join(f"  at {line}" for line in example)
    )


def _random(value: Value, known: Mapping[str, int], chance: np.random.Generator) -> Array:
    shape = (EXAMPLES, *value.shape(known))
    if value.type == "i32":
        return np.zeros(shape, np.int32)  # what whole numbers mean only the author knows; 0 is mostly among them
    return np.asarray(chance.normal(size=shape))


def _forward(function: Function, inputs: Sequence[Array], known: Mapping[str, int]) -> list[Array]:
    outputs = [np.zeros((EXAMPLES, *v.shape(known))) for v in function.signature.outputs]
    _run(function, "forward", [*inputs, *outputs], known)
    return outputs


def _run(function: Function, rule: str, arrays: Sequence[Array], known: Mapping[str, int]) -> None:
    function.call(rule, [a.ctypes.data for a in arrays], EXAMPLES, [known[s] for s in function.signature.sizes], True)


def _differences(
    function: Function, inputs: Sequence[Array], at: int, weights: Sequence[Array], known: Mapping[str, int]
) -> Array:
    """How the weighted sum of all outputs changes with each number of one input, by central differences."""
    should, count = np.zeros(inputs[at].shape), math.prod(inputs[at].shape[1:])
    for k in range(count):
        sums = []
        for way in (STEP, -STEP):
            moved = [x.copy() for x in inputs]
            moved[at].reshape(EXAMPLES, count)[:, k] += way
            outputs = _forward(function, moved, known)
            sums.append(sum((w * o).reshape(EXAMPLES, -1).sum(1) for w, o in zip(weights, outputs, strict=True)))
        should.reshape(EXAMPLES, count)[:, k] = (sums[0] - sums[1]) / (2 * STEP)
    return should
