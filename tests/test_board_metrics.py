"""The checklist of a good picture, measured on the programs of the seed and on generated ones."""

from __future__ import annotations

from pathlib import Path

import pytest
from boards import generated

from sqmagic.board.layout.scene import Scene, scene
from sqmagic.board.metrics.faults import faults
from sqmagic.board.metrics.figures import measured
from sqmagic.equations.elaborate import Kernel, elaborate
from sqmagic.equations.system import System
from sqmagic.notation.parse import parse
from sqmagic.notation.source import Source

GOLDEN = sorted((Path(__file__).parent / "golden").glob("*/program.sqn"))
CROSSINGS = {"lstm_seed": 1, "gru_inline": 1, "gru_macro": 1, "a2c_gae": 10}
CHUNKS, SEEDS = 10, 300


def meant(path: Path) -> System:
    text = path.read_text(encoding="utf-8")
    return elaborate(parse(text), Source.of(text), Kernel()).system


def laid(system: System, *expand: str) -> Scene:
    return scene(system, {}, expand)


@pytest.mark.parametrize("macros", ["all", "none"])
@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.parent.name)
def test_pictures_of_the_seed_tell_nothing_untrue(path: Path, macros: str) -> None:
    assert not [fault for fault in faults(laid(meant(path), macros)) if fault.grave]


@pytest.mark.parametrize("program", CROSSINGS)
def test_wires_cross_no_more_than_in_olahs_pictures(program: str) -> None:
    drawn = laid(meant(Path(__file__).parent / "golden" / program / "program.sqn"), "all")
    assert sum(figures.crossings for figures in measured(drawn).values()) <= CROSSINGS[program]


@pytest.mark.parametrize("chunk", range(CHUNKS))
def test_pictures_of_generated_programs_tell_nothing_untrue(chunk: int) -> None:
    for seed in range(chunk, SEEDS, CHUNKS):
        assert not [fault for fault in faults(laid(generated(seed), "all")) if fault.grave], seed
