"""A function of one's own in C: its types, its three rules as C text, and the check of its adjoint.

    x: f32[n], w: f32[n] -> y: f32[1]

    void forward(const real *x, const real *w, real *y, int32_t n) { … }
    void adjoint(const real *x, const real *w, const real *y, const real *d_y, real *d_x, real *d_w, int32_t n) { … }

Both are of one example. Sizes with names come last, in the order in which they first stand; any size fits. `adjoint` is
given zeros to add to; inputs that are i32 have none. Without it nothing flows back through the function.
"""

from __future__ import annotations

import ctypes
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sqmagic.world.compiler import Library, compiled
from sqmagic.world.errors import DeclarationError, Fault, WorldError
from sqmagic.world.spaces import Array

C_TYPES = {"f32": "real", "i32": "int32_t"}
EXAMPLES, STEP, NEAR = 4, 1e-5, 1e-5
PRIMES = (3, 5, 2, 7, 11, 13)
"""In a check, sizes with names are different primes, so that no mistaken size fits by chance."""

_NAME = r"[A-Za-z_]\w*"
_SIDE = re.compile(rf"\s*({_NAME})\s*:\s*(\w+)\s*((?:\[\s*\w+\s*\]\s*)*)\s*$")
_HEAD = re.compile(r"^(?P<ins>[^-]+)->(?P<outs>[^/]+?)\s*(?://.*)?$")


@dataclass(frozen=True, slots=True)
class Value:
    """An input or output; sizes are numbers or names."""

    name: str
    type: str
    sizes: tuple[str, ...]

    def shape(self, known: Mapping[str, int]) -> tuple[int, ...]:
        return tuple(int(s) if s.isdigit() else known[s] for s in self.sizes)


@dataclass(frozen=True, slots=True)
class Signature:
    name: str
    inputs: tuple[Value, ...]
    outputs: tuple[Value, ...]
    code: str
    line: int
    has_adjoint: bool

    @property
    def sizes(self) -> tuple[str, ...]:
        """The sizes that have names, in the order in which they first stand."""
        return tuple(dict.fromkeys(s for v in (*self.inputs, *self.outputs) for s in v.sizes if not s.isdigit()))

    @property
    def differentiable(self) -> tuple[Value, ...]:
        return tuple(v for v in self.inputs if v.type == "f32")


def parse(name: str, text: str, home: str = "") -> Signature:
    """The signature that the first line of a text tells. Raises DeclarationError."""
    lines = text.split("\n")
    first = next((n for n, line in enumerate(lines) if line.strip() and not line.strip().startswith("//")), 0)
    found = _HEAD.match(lines[first])
    faults: list[Fault] = []
    sides: list[tuple[Value, ...]] = [(), ()]
    if found is None:
        faults.append(Fault("the first line tells the types:  x: f32[n] -> y: f32[n]", first + 1, 1, len(lines[first])))
    else:
        sides = [tuple(_values(found[side], lines[first], first + 1, faults)) for side in ("ins", "outs")]
    code = "\n".join([""] * (first + 1) + lines[first + 1 :])
    signature = Signature(name, *sides, code, 1, bool(re.search(r"\badjoint\s*\(", code)))
    if not faults:
        faults += _odd(signature, first + 1)
    if not re.search(r"\bforward\s*\(", code):
        faults.append(Fault(f"there is no function `{prototype(signature, 'forward')}`"))
    if faults:
        raise DeclarationError(home or name, text, tuple(faults))
    return signature


def _values(side: str, line: str, number: int, faults: list[Fault]) -> Iterator[Value]:
    for part in side.split(","):
        found = _SIDE.match(part)
        if found is None or found[2] not in C_TYPES:
            column = line.index(part) + len(part) - len(part.lstrip()) + 1
            types = " or ".join(C_TYPES)
            faults.append(Fault(f"an input or output is `name: type[size]…`, its type {types}", number, column, len(part.strip())))
        else:
            yield Value(found[1], found[2], tuple(re.findall(r"\w+", found[3])))


def _odd(signature: Signature, line: int) -> Iterator[Fault]:
    names = [v.name for v in (*signature.inputs, *signature.outputs)]
    for name in names:
        if names.count(name) > 1:
            yield Fault(f"`{name}` stands twice", line)
    told = {s for v in signature.inputs for s in v.sizes}
    for size in signature.sizes:
        if size not in told:
            yield Fault(f"the size `{size}` of an output is that of no input", line)
    if any(v.type != "f32" for v in signature.outputs):
        yield Fault("outputs are of type f32", line)


def prototype(signature: Signature, which: str) -> str:
    """How `forward` or `adjoint` must be declared."""
    ins = [f"const {C_TYPES[v.type]} *{v.name}" for v in signature.inputs]
    outs = [v.name for v in signature.outputs]
    if which == "forward":
        own = [*ins, *(f"real *{name}" for name in outs)]
    else:
        own = [*ins, *(f"const real *{n}" for n in outs), *(f"const real *d_{n}" for n in outs)]
        own += [f"real *d_{v.name}" for v in signature.differentiable]
    return f"void {which}({', '.join([*own, *(f'int32_t {s}' for s in signature.sizes)])})"


def generate(signature: Signature, home: str) -> str:
    """The C of a function: the author's, and the loops over a batch, `sq_forward` and `sq_adjoint`."""
    rules = ["forward", *["adjoint"] * signature.has_adjoint]
    quoted = home.replace("\\", "\\\\").replace('"', '\\"')
    return "\n".join(
        [
            '#include "sq_env.h"',
            "",
            *(f"static inline {prototype(signature, rule)};" for rule in rules),
            f'#line {signature.line} "{quoted}"',
            signature.code,
            f'#line 1 "{signature.name}.batch.c"',
            *(_loop(signature, rule) for rule in rules),
            "",
        ]
    )


def _loop(signature: Signature, rule: str) -> str:
    """Every array is [batch][its size], and comes as one of a list of pointers."""
    values = [(f"const {C_TYPES[v.type]}", v) for v in signature.inputs]
    values += [("real" if rule == "forward" else "const real", v) for v in signature.outputs]
    if rule == "adjoint":
        values += [("const real", v) for v in signature.outputs] + [("real", v) for v in signature.differentiable]
    arrays = [f"({kind} *)arrays[{k}] + b * ({_size(v, signature)})" for k, (kind, v) in enumerate(values)]
    sizes = [f"sizes[{k}]" for k in range(len(signature.sizes))]
    unused = "" if sizes else "    (void)sizes;\n"
    visible = '__attribute__((visibility("default")))'
    return (
        f"{visible} void sq_{rule}(int64_t batch, void *const *arrays, const int32_t *sizes);\n"
        f"void sq_{rule}(int64_t batch, void *const *arrays, const int32_t *sizes) {{\n{unused}"
        f"    for (int64_t b = 0; b < batch; b++)\n        {rule}({', '.join([*arrays, *sizes])});\n}}"
    )


def _size(value: Value, signature: Signature) -> str:
    order = signature.sizes
    return " * ".join(["(int64_t)1", *(s if s.isdigit() else f"sizes[{order.index(s)}]" for s in value.sizes)])


# --- calling, and checking ---------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Function:
    """A function that can be called with arrays [batch, *shape], float64 or float32 according to `double`."""

    signature: Signature
    single: Library
    double: Library
    text: str = ""

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
                raise WorldError(
                    f"`{value.name}` of {self.signature.name} is {listed}, and was given {' x '.join(map(str, shape)) or '1'}"
                    + (f" where {', '.join(f'{k} = {v}' for k, v in known.items())}" if known else "")
                )
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
    weights = [chance.normal(size=o.shape) for o in outputs]
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
    example = [f"{v.name} = {np.array2string(x[place[0]], precision=3)}" for v, x in zip(signature.inputs, inputs, strict=True)]
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
    return chance.normal(size=shape)


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
