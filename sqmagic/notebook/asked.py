"""Where a kernel is asked for completions and help, and how our answers get there and away again."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from IPython.core.interactiveshell import InteractiveShell

from sqmagic.notebook.completion import matcher
from sqmagic.notebook.session import Session

_OURS = "sqmagic"


def answer(shell: InteractiveShell, parser: argparse.ArgumentParser, session: Session) -> None:
    """Completes and explains in cells of ours; in all others everything is as it was."""
    silent(shell)
    complete = matcher(parser, lambda: shell.user_ns, session.macros)
    if shell.Completer is not None:
        shell.Completer.custom_matchers.append(complete)
    kernel = getattr(shell, "kernel", None)
    if kernel is not None:
        kernel.do_inspect = _explaining(kernel.do_inspect, shell, parser, session)


def silent(shell: InteractiveShell) -> None:
    """Takes the answers away."""
    if shell.Completer is not None:
        others = [m for m in shell.Completer.custom_matchers if getattr(m, "matcher_identifier", "") != _OURS]
        shell.Completer.custom_matchers[:] = others
    kernel = getattr(shell, "kernel", None)
    if kernel is not None and hasattr(vars(kernel).get("do_inspect"), _OURS):
        del kernel.do_inspect  # the kernel's own comes to light again


def _explaining(
    inspect: Callable[..., Any], shell: InteractiveShell, parser: argparse.ArgumentParser, session: Session
) -> Callable[..., Any]:
    """To those who ask for help a kernel hands on a Python name alone; `h_{t-1}` is none, so it is asked here."""

    def do_inspect(code: str, cursor_pos: int, detail_level: int = 0, omit_sections: object = ()) -> Any:
        from sqmagic.notebook.help import about

        told = about(code, cursor_pos, shell.user_ns, session.macros, parser)
        if told is None:
            return inspect(code, cursor_pos, detail_level, omit_sections)
        return {"status": "ok", "found": True, "data": {"text/plain": told}, "metadata": {}}

    setattr(do_inspect, _OURS, True)
    return do_inspect
