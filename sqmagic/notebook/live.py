"""A place in a notebook whose picture is drawn anew while a run goes on."""

from __future__ import annotations

import sys
from typing import Any


def place() -> Any:
    """An output below the cell that is empty at first."""
    from IPython.display import display

    from sqmagic.runtime.live import Nothing

    return display(Nothing(), display_id=True)  # type: ignore[no-untyped-call]


def offer() -> None:
    """Tells what runs that there is such a place; to be called once torch is loaded."""
    runtime = sys.modules.get("sqmagic.runtime.live")
    if runtime is not None and place not in runtime.PLACES:
        runtime.PLACES.append(place)
