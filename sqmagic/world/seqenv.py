"""An environment of one's own, from a text: what a `%%seqenv` cell does, also outside notebooks.

Cart = define("Cart", text)         # or load("cart.seqenv")
Cart(64).reset()
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from sqmagic.world.compiler import compiled
from sqmagic.world.declaration import Declaration, parse
from sqmagic.world.errors import Fault, WorldError
from sqmagic.world.generate import generate
from sqmagic.world.lanes import Kind, Lanes

TRIAL = 64
"""So many steps of sixteen environments, with actions drawn at random, show most of what is wrong with a new one."""

_INCLUDE = re.compile(r'\s*#\s*include\s+"([^"]+)"')


@dataclass(frozen=True, slots=True)
class Defined:
    """A new environment, and what is to be said of it."""

    kind: Kind
    warnings: tuple[Fault, ...] = ()


def define(name: str, text: str, home: str = "", precision: str = "float32") -> Kind:
    """The environment that a text declares. Raises DeclarationError at the text's own lines, and WorldError if a trial
    shows what cannot be: numbers that are not finite."""
    return defined(name, text, home, precision).kind


def defined(name: str, text: str, home: str = "", precision: str = "float32", folder: Path | None = None) -> Defined:
    """The same, with the compiler's warnings and what a trial found odd; headers are looked for in `folder`."""
    own = home or name
    declared = parse(name, text, own)
    if folder is not None:
        declared = replace(declared, code=_with_headers(declared, folder))
    library = compiled(name, generate(declared), text, own, double=precision == "float64")
    kind = Kind(name, library.address("sq_env"), library, text, own)
    return Defined(kind, (*library.warnings, *_tried(kind)))


def load(path: str | Path, name: str | None = None) -> Kind:
    """The environment of a file, called like the file unless named."""
    file = Path(path)
    return defined(name or file.stem, file.read_text(encoding="utf-8"), file.name, folder=file.parent).kind


def _with_headers(declared: Declaration, folder: Path) -> str:
    """The C with the text of the headers that lie beside it, so that a change of theirs makes another library."""
    lines = declared.code.split("\n")
    for at, line in enumerate(lines):
        found = _INCLUDE.match(line)
        if found and (folder / found[1]).is_file():
            text = (folder / found[1]).read_text(encoding="utf-8").rstrip()
            lines[at] = f'#line 1 "{found[1]}"\n{text}\n#line {declared.line + at + 1} "{declared.home}"'
    return "\n".join(lines)


def _tried(kind: Kind) -> tuple[Fault, ...]:
    lanes, chance = Lanes(kind, 16, seed=1), np.random.default_rng(1)
    space = lanes.observation
    lanes.reset()
    for step in range(TRIAL + 1):
        if not (np.isfinite(lanes.obs).all() and np.isfinite(lanes.final).all() and np.isfinite(lanes.reward).all()):
            where = "at the first observation" if step == 0 else f"after {step} step{'s' * (step > 1)}"
            what = (
                "what is seen" if not np.isfinite(lanes.final).all() or not np.isfinite(lanes.obs).all() else "a reward"
            )
            raise WorldError(f"{kind.name}: {what} is not finite {where} of a trial with random actions")
        seen = lanes.final if step else lanes.obs
        if (seen < space.low).any() or (seen > space.high).any():
            worst = seen[((seen < space.low) | (seen > space.high)).reshape(16, -1).any(1)][0]
            return (
                Fault(f"what is seen leaves the declared bounds in a trial: {np.array2string(worst, threshold=8)}"),
            )
        lanes.step(_actions(lanes, chance))
    return ()


def _actions(lanes: Lanes, chance: np.random.Generator) -> np.ndarray[tuple[int, ...], np.dtype[np.generic]]:
    space = lanes.action
    if space.count:
        return chance.integers(0, space.count, lanes.batch, np.int32)
    low, high = (np.where(np.isfinite(edge), edge, unit) for edge, unit in ((space.low, -1), (space.high, 1)))
    return chance.uniform(low, high, (lanes.batch, *space.shape)).astype(np.float32)
