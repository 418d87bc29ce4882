"""What a cell cannot do in this kernel, said without Python frames."""

from __future__ import annotations

import builtins
import keyword
from collections.abc import Mapping


class Refusal(Exception):
    """A cell was understood but not carried out; nothing in the kernel has changed."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a Python traceback."""
        return str(self).split("\n")


def refuse_name(name: str, namespace: Mapping[str, object], ours: type, force: bool) -> None:
    """Raises `Refusal` unless a net may be called that: a name of Python's that is free, or one of ours."""
    if not name.isidentifier() or keyword.iskeyword(name):
        raise Refusal(f"`{name}` cannot be the name of a net: it is no name in Python")
    if force or isinstance(namespace.get(name), ours):
        return
    if name in namespace:
        what = type(namespace[name]).__name__
        raise Refusal(f"`{name}` is already bound to something else ({_article(what)})\n{_way_out(name)}")
    if hasattr(builtins, name):
        raise Refusal(f"`{name}` is one of Python's own functions\n{_way_out(name)}")


def _article(noun: str) -> str:
    return f"an {noun}" if noun[0].lower() in "aeiou" else f"a {noun}"


def _way_out(name: str) -> str:
    return f"  give the net another name, or replace it: %%seqnet {name} --force"
