"""What the rules ask of a program: its definitions, and what the environment's step gives."""

from __future__ import annotations

from dataclasses import dataclass, replace

from sqmagic.equations.system import Apply, Equation, Expr, Goal, Read, Running, System, walk
from sqmagic.notation.problems import Problem


@dataclass(frozen=True, slots=True)
class Facts:
    """What the rules ask of a program: its definitions and what the environment's step gives."""

    definitions: dict[str, Equation]
    outputs: tuple[str, ...]  # of `step`, in order: S, O, r, d, cut, O'

    @property
    def reward(self) -> str | None:
        return self.outputs[2] if len(self.outputs) > 2 else None

    @property
    def done(self) -> str | None:
        return self.outputs[3] if len(self.outputs) > 3 else None

    @property
    def flags(self) -> tuple[str, ...]:
        return self.outputs[3:5]


def read_facts(system: System) -> Facts:
    definitions = {
        t.state: e for e in system.equations for t in e.targets if t.context and isinstance(t.context[0], Running)
    }
    steps = [e for e in system.equations if isinstance(e.value, Apply) and e.value.op == "step"]
    return Facts(definitions, tuple(t.state for t in steps[0].targets) if steps else ())


def offset(read: Read) -> int | None:
    return read.context[0].offset if read.context and isinstance(read.context[0], Running) else None


def is_learned(value: Expr) -> bool:
    """Made by a layer: such a state, a baseline for one, may depend on all that its step shows."""
    return any(isinstance(n, Apply) and n.layer is not None for n in walk(value))


def warning(code: str, message: str, at: Equation | Goal, notes: tuple[str, ...], repair: str | None) -> Problem:
    return Problem(code, message, at.span, notes, repair, "warning")


def as_within(equation: Equation, problem: Problem) -> Problem:
    """The problem in the words of the macro's body that the equation comes from: `z_t`, not `Enc.z_t`."""
    if not equation.group:
        return problem
    prefix = ".".join(equation.group) + "."
    return replace(
        problem,
        message=problem.message.replace(prefix, ""),
        notes=tuple(note.replace(prefix, "") for note in problem.notes),
        repair=None if problem.repair is None else problem.repair.replace(prefix, ""),
    )
