"""A function of one's own in C: its types, and its rules as C text.

    x: f32[n], w: f32[n] -> y: f32[1]

    void forward(const real *x, const real *w, real *y, int32_t n) { … }
    void adjoint(const real *x, const real *w, const real *y, const real *d_y, real *d_x, real *d_w, int32_t n) { … }

Both are of one example. Sizes with names come last, in the order in which they first stand; any size fits. `adjoint` is
given zeros to add to; inputs that are i32 have none. Without it nothing flows back through the function.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from sqmagic.world.errors import DeclarationError, Fault

C_TYPES = {"f32": "real", "i32": "int32_t"}

_NAME = r"[A-Za-z_]\w*"
_SIDE = re.compile(rf"\s*({_NAME})\s*:\s*(\w+)\s*((?:\[\s*\w+\s*\]\s*)*)\s*$", re.ASCII)
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
    ins: tuple[Value, ...] = ()
    outs: tuple[Value, ...] = ()
    if found is None:
        faults.append(Fault("the first line tells the types:  x: f32[n] -> y: f32[n]", first + 1, 1, len(lines[first])))
    else:
        ins, outs = (tuple(_values(found[side], lines[first], first + 1, faults)) for side in ("ins", "outs"))
    code = "\n".join([""] * (first + 1) + lines[first + 1 :])
    signature = Signature(name, ins, outs, code, 1, bool(re.search(r"\badjoint\s*\(", code)))
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
            faults.append(
                Fault(f"an input or output is `name: type[size]…`, its type {types}", number, column, len(part.strip()))
            )
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
