"""How the windows of a run are computed: acting and learning in C where they can be, and else by torch, and why."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from sqmagic.runtime import generated
from sqmagic.runtime.kernels.compiler import CannotCompile
from sqmagic.runtime.optimisers import Optimiser
from sqmagic.runtime.rollout import World
from sqmagic.runtime.windows import acting, moves, training
from sqmagic.runtime.windows.page import loaded
from sqmagic.runtime.windows.program import Windows

SWITCH = "SQMAGIC_WINDOWS"
"""An environment variable: with "torch", torch computes all windows."""


@dataclass(frozen=True, slots=True)
class Engine:
    """`acts` is acting in C or why torch acts, `trains` the same of whole windows."""

    acts: acting.Acting | str
    trains: training.Training | str

    def act(self, code: Any, world: World, memory: Any, steps: int) -> tuple[Any, dict[str, Tensor]]:
        """A window: the memory after it, and what learning reads."""
        if isinstance(self.acts, str):
            memory, recorded = generated.call(code, "act", world, memory, steps)
            return memory, recorded
        return acting.window(self.acts, world, memory)


def engine(
    windows: Windows | None, code: Any, world: World, steps: int, optimiser: Optimiser, whole: str = ""
) -> Engine:
    """For windows of so many steps, of a world that has been reset. `whole` says why learning must see each window."""
    if windows is None or os.environ.get(SWITCH) == "torch":
        told = f"{SWITCH} says so" if windows is not None else "it was not compiled for C"
        return Engine(told, told)
    if isinstance(windows.acting, str):
        return Engine(windows.acting, "torch acts")
    why = acting.obstacle(windows.acting, world)
    if why:
        return Engine(why, "torch acts")
    learning = windows.learning
    reason = whole or (learning if isinstance(learning, str) else moves.obstacle(optimiser))
    try:
        if isinstance(learning, str) or reason:
            (page,) = loaded([windows.acting.window], world.dtype)
            return Engine(acting.acting(windows.acting, page, code, world, steps), reason)
        page, other = loaded([windows.acting.window, learning.window], world.dtype)
        acts = acting.acting(windows.acting, page, code, world, steps)
        trains = training.training(acts, learning, other, code, world, optimiser)
        return Engine(acts, trains)
    except CannotCompile as cannot:
        return Engine(str(cannot), "torch acts")


def told(windows: Windows | None, ran: Engine | None) -> tuple[str, ...]:
    """Where acting and learning run, or ran last, as lines."""
    if windows is None:
        return ()
    both = (windows.acting, windows.learning) if ran is None else (ran.acts, ran.trains)
    acts, trains = (f"torch, because {each}" if isinstance(each, str) else "C" for each in both)
    only = ", on environments in C" if ran is None and acts == "C" else ""
    lines = [f"acting: {acts}{only}", f"learning: {trains}"]
    kept = () if isinstance(windows.learning, str) else windows.learning.kept
    if kept and not trains.startswith("torch"):
        lines.append(f"kept from acting, and not computed again: {', '.join(kept)}")
    if not isinstance(windows.learning, str) and not trains.startswith("torch"):
        lines += [
            f"computed only where {c} says that an episode ends: {s}, else {o}" for s, o, c in windows.learning.ends
        ]
    return tuple(lines)
