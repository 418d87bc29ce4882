"""What a net says of itself in words."""

from __future__ import annotations

from sqmagic.runtime.blueprint import InputSpec, Settled


def signature(name: str, settled: Settled) -> str:
    """`lstm(x_t 28, y class(10))`."""
    return f"{name}({', '.join(f'{s.label} {_shape(s)}' for s in settled.inputs)})"


def counted(number: int, word: str) -> str:
    """`1 step`, `3 steps`."""
    return f"{number} {word}{'' if number == 1 else 's'}"


def listed(names: tuple[str, ...]) -> str:
    return " and ".join(f"`{name}`" for name in names) or "data"


def not_settled(settled: Settled) -> str:
    """Which shapes are not known yet, and the two ways out."""
    labels = [s for s in settled.inputs if s.state in settled.missing or s.label in settled.missing]
    declare = "; ".join(f"`{s.label} : …`" for s in labels) or "the sizes that are open"
    still = [s.label for s in labels if not s.indexed and s.kind == "real" and any(o.indexed for o in settled.inputs)]
    learned = "; ".join(f"`{label} : param(…)`" for label in still)
    call = ", ".join(f"{s.name}={s.name}" for s in settled.inputs)
    like = ",".join(s.name for s in settled.inputs)
    return (
        f"the net has no parameters yet: the shape of {listed(settled.missing)} is not known\n"
        f"  declare it in the program: {declare}\n"
        + (f"  or, if it is to be learned and not given: {learned}\n" if learned else "")
        + f"  or show the net data once: net.settle({call}), or `%%seqnet … --like {like}`"
    )


def _shape(spec: InputSpec) -> str:
    if spec.kind != "real" and spec.classes is not None:
        return f"{spec.kind}({spec.classes})"
    return "?" if spec.shape is None else "x".join(map(str, spec.shape))
