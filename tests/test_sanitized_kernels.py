"""Recurrences in C under the sanitizers of the C compiler: a few programs, where `make sanitize-kernels` takes all.

Nothing is made fast here (-O0): that halves the time it takes, most of which is the compiler's.
"""

from __future__ import annotations

import subprocess
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import sanitize

SINGLE, FREELY, UNEVENLY = sanitize.SINGLE, sanitize.FREELY, sanitize.UNEVENLY


@cache
def _runs(which: str) -> bool:
    """Whether a program that does nothing runs under a sanitizer here: some kernels lay out memory as none expects."""
    with TemporaryDirectory() as folder:
        (Path(folder) / "empty.c").write_text("int main(void) { return 0; }\n")
        made = subprocess.run(["gcc", *sanitize.FLAGS[which], "empty.c", "-o", "empty"], cwd=folder, check=False)
        return made.returncode == 0 and subprocess.run(["./empty"], cwd=folder, check=False).returncode == 0


def _needs(which: str) -> None:
    if not _runs(which):
        pytest.skip(f"an empty program does not run under the {which} sanitizer on this machine")


@pytest.mark.parametrize(
    ("which", "name", "kind"),
    [
        ("address", "gru", SINGLE),
        ("address", "norm_of_state", FREELY),
        ("address", "two_ends", SINGLE),
        ("address", "additive attention", SINGLE),
        ("thread", "gru", FREELY),
        ("thread", "second_order", SINGLE),
        ("thread", "learned_end", FREELY),
        ("thread", "applied_twice", FREELY),
        ("thread", "attending_to_its_past", FREELY),
        ("address", "attending_to_others_past", UNEVENLY),
        ("thread", "gru", UNEVENLY),
        ("thread", "cell memory", UNEVENLY),
        ("address", "two_ends", UNEVENLY),
    ],
)
def test_scans_forward_and_back_are_clean(which: str, name: str, kind: tuple[str, ...], tmp_path: Path) -> None:
    _needs(which)
    assert sanitize.check(sanitize.SUBJECTS[name], tmp_path, which, "-march=native", (kind,), "-O0") == 2


FAULTS = {
    "a number too far": ("address", SINGLE, "s->batch, ALL", "s->batch + 1, ALL", "heap-buffer-overflow"),
    "threads that do not wait": ("thread", SINGLE, "if (me->by_units)", "if (0)", "data race"),
    "known operands not waited for": (
        "thread",
        FREELY,
        "        meet(me);\n    }\n    share",
        "    }\n    share",
        "data race",
    ),
    "examples that two threads have": (
        "thread",
        UNEVENLY,
        "hand_over(&those, t, ROWS)",
        "share other = those; hand_over(&other, t, ROWS)",
        "data race",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_told(
    fault: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The sanitizers look at what these programs do: one that is put into a page ends it."""
    which, kind, right, wrong, told = FAULTS[fault]
    _needs(which)
    program = next(sanitize.programs(sanitize.SUBJECTS["gru"]))
    assert right in program
    monkeypatch.setattr(sanitize, "programs", lambda text: [program.replace(right, wrong)])
    with pytest.raises(subprocess.CalledProcessError):
        sanitize.check(sanitize.SUBJECTS["gru"], tmp_path, which, "-march=native", (kind,), "-O0")
    assert told in capfd.readouterr().err
