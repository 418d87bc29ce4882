"""What is wrong with an environment or a function in C, at the author's own line."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong, the line of the author's text (from 1, or 0 for none), its column from 1 and how wide it is."""

    message: str
    line: int = 0
    column: int = 1
    width: int = 1


class WorldError(Exception):
    """An environment, a function or a buffer cannot be made or used as asked; the text says why."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a Python traceback."""
        return f"{type(self).__name__}: {self}".split("\n")


class DeclarationError(WorldError):
    """A declaration or its C cannot be understood. `faults` say where."""

    def __init__(self, name: str, text: str, faults: tuple[Fault, ...]) -> None:
        self.faults = faults
        super().__init__("\n".join(_shown(name, text.split("\n"), fault) for fault in faults))


def _shown(name: str, lines: list[str], fault: Fault) -> str:
    if not 1 <= fault.line <= len(lines):
        return f"{name}: {fault.message}"
    number = str(fault.line)
    under = " " * (fault.column - 1) + "^" * max(fault.width, 1)
    return (
        f"{name}, line {number}: {fault.message}\n  {number} | {lines[fault.line - 1]}\n  {' ' * len(number)} | {under}"
    )
