"""What a net says of itself in words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqmagic.runtime.blueprint import InputSpec, Settled


@dataclass(frozen=True, slots=True)
class Plan:
    """What runs where, as text; `scans` says how each recurrence ran last, by the name of its method; `rewrites` are
    the steps by which recurrences were made faster for torch, each by a rule.
    """

    text: str
    scans: Mapping[str, str]
    rewrites: tuple[object, ...] = ()

    def __str__(self) -> str:
        ran = [f"{name}: {path}" for name, path in self.scans.items()]
        rules = len(self.rewrites)
        rewritten = [f"rewritten for torch in {rules} steps, each by a rule: see `plan.rewrites`"] * bool(rules)
        return "\n".join([self.text, *rewritten, *ran])

    __repr__ = __str__


def signature(name: str, settled: Settled) -> str:
    """`lstm(x_t 28, y class(10))`."""
    return f"{name}({', '.join(f'{s.label} {_shape(s)}' for s in settled.inputs)})"


def listed(names: tuple[str, ...]) -> str:
    return " and ".join(f"`{name}`" for name in names) or "data"


def not_settled(settled: Settled) -> str:
    """Which shapes are not known yet, and the two ways out."""
    labels = [s for s in settled.inputs if s.state in settled.missing or s.label in settled.missing]
    declare = "; ".join(f"`{s.label} : …`" for s in labels) or "the sizes that are open"
    call = ", ".join(f"{s.name}={s.name}" for s in settled.inputs)
    like = ",".join(s.name for s in settled.inputs)
    return (
        f"the net has no parameters yet: the shape of {listed(settled.missing)} is not known\n"
        f"  declare it in the program: {declare}\n"
        f"  or show the net data once: net.settle({call}), or `%%seqnet … --like {like}`"
    )


def _shape(spec: InputSpec) -> str:
    if spec.kind != "real" and spec.classes is not None:
        return f"{spec.kind}({spec.classes})"
    return "?" if spec.shape is None else "x".join(map(str, spec.shape))
