"""sqmagic: a chalkboard notation for deep sequential networks.

    %load_ext sqmagic              in Jupyter; then %%seqnet cells
    sqmagic.compile(text)          the same without a notebook

Importing this package loads neither torch nor IPython; what needs them loads them when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from sqmagic.grading.check import check as check
    from sqmagic.nets import compile as compile
    from sqmagic.notation.problems import NotationError as NotationError
    from sqmagic.notation.problems import NotationWarning as NotationWarning
    from sqmagic.runtime.environments import environment as environment
    from sqmagic.runtime.net import Net as Net
    from sqmagic.runtime.replay import Buffer as Buffer

__version__ = "0.1.0"

_PUBLIC = {
    "check": "sqmagic.grading.check",
    "compile": "sqmagic.nets",
    "Net": "sqmagic.runtime.net",
    "NotationError": "sqmagic.notation.problems",
    "NotationWarning": "sqmagic.notation.problems",
    "environment": "sqmagic.runtime.environments",
    "Buffer": "sqmagic.runtime.replay",
}

__all__ = [
    "Buffer",
    "Net",
    "NotationError",
    "NotationWarning",
    "__version__",
    "check",
    "compile",
    "environment",
    "load_ipython_extension",
    "unload_ipython_extension",
]


def __getattr__(name: str) -> object:
    if name not in _PUBLIC:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found: object = getattr(import_module(_PUBLIC[name]), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted(__all__)


def _jupyter_labextension_paths() -> list[dict[str, str]]:
    """Where `jupyter labextension` and `jupyter-builder develop` find the built extension."""
    return [{"src": "_labextension", "dest": "sqmagic-labextension"}]


def load_ipython_extension(shell: InteractiveShell) -> None:
    """`%load_ext sqmagic`."""
    from sqmagic.notebook import magics, world

    magics.load(shell)
    world.load(shell)


def unload_ipython_extension(shell: InteractiveShell) -> None:
    """`%unload_ext sqmagic`; nets, macros and weights stay."""
    from sqmagic.notebook import magics, world

    magics.unload(shell)
    world.unload(shell)
