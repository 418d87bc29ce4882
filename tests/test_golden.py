"""Every program under golden/: the filled-in program and the diagnosis, exactly as a user sees them.

A folder holds `program.sqn`, and if it takes macros of an earlier cell `after.txt` with that program's folder.
`elaborated.txt` and `diagnosis.txt` (errors and warnings; missing if there are none) are compared, and written anew by
`pytest --update-golden`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.notation.parse import parse
from sqmagic.notation.problems import NotationError, describe
from sqmagic.notation.source import Source
from sqmagic.notation.syntax import Macro
from sqmagic.pipeline import understand

FOLDERS = sorted(path.parent for path in (Path(__file__).parent / "golden").glob("*/program.sqn"))


def macros_before(folder: Path) -> Mapping[str, Macro]:
    after = folder / "after.txt"
    if not after.exists():
        return {}
    text = (folder.parent / after.read_text().strip() / "program.sqn").read_text()
    return elaborate(parse(text), Source.of(text)).macros


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_filled_in_program(folder: Path, golden: Callable[[Path, str], None]) -> None:
    text = (folder / "program.sqn").read_text()
    filled = elaborate(parse(text), Source.of(text), Kernel(macros_before(folder)))
    golden(folder / "elaborated.txt", filled.text() + "\n")


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_diagnosis(folder: Path, golden: Callable[[Path, str], None]) -> None:
    text = (folder / "program.sqn").read_text()
    diagnosis = folder / "diagnosis.txt"
    try:
        warnings = understand(text, Kernel(macros_before(folder))).warnings
        said = "\n\n".join("\n".join(describe(w, Source.of(text))) for w in warnings)
    except NotationError as error:
        said = str(error)
    if said or diagnosis.exists():
        golden(diagnosis, said + "\n")
