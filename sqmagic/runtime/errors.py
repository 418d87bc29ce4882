"""What goes wrong while a net runs, said in the notation's words; a notebook shows the words without a traceback."""

from __future__ import annotations


class Told(Exception):
    """An error whose text says all: what is wrong, why, and the ways out."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a Python traceback."""
        return f"{type(self).__name__}: {self}".split("\n")


class InputError(Told, ValueError):
    """What a net was given does not fit the program: missing, extra, misshapen, of the wrong kind."""


class UnsettledError(Told, RuntimeError):
    """Something is asked of a net whose shapes are not all known yet."""


class UnsupportedError(Told, RuntimeError):
    """A program cannot do what is asked of it."""
