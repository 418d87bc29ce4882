"""The C for other instruction sets than this processor's best: what they compute, and that compilers take it."""

from __future__ import annotations

import platform
import subprocess
from pathlib import Path

import pytest
import torch
from test_kernels import CELLS, by_c, cell_inputs, gradients, outside, pair, same

from sqmagic.runtime.kernels import compiler

BARE = {"x86_64": "-march=x86-64"}.get(platform.machine(), "-O2")


@pytest.fixture
def portable(monkeypatch: pytest.MonkeyPatch) -> None:
    """As for a processor that has nothing but what all of its kind have."""
    monkeypatch.setattr(compiler, "FLAGS", tuple(BARE if f == "-march=native" else f for f in compiler.FLAGS))
    monkeypatch.setattr(compiler, "_loaded", {})


@pytest.mark.usefixtures("portable")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", ["lstm", "mixed"])
def test_the_portable_code_computes_the_same(name: str, dtype: torch.dtype) -> None:
    given = cell_inputs(name, 3, 9, 5, 19)
    compiled, plain = pair(CELLS[name].format(inputs=5, width=19), given, dtype, width=19)
    single = {k: v.to(dtype) for k, v in given.items()}
    tolerance = 1e-10 if dtype == torch.float64 else 2e-4
    with torch.no_grad():
        out, want = compiled(single), plain(single)
    for state in want:
        torch.testing.assert_close(out[state], want[state], rtol=tolerance, atol=tolerance, msg=state)
    same(*(gradients(module, single, outside(compiled)) for module in (compiled, plain)), tolerance)
    by_c(compiled)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="AVX-512 is x86-64's")
@pytest.mark.parametrize("real", ["float", "double"])
def test_a_compiler_takes_the_code_for_avx512_without_a_warning(real: str, tmp_path: Path) -> None:
    command, threads, _ = compiler._compiler()
    module, _ = pair(CELLS["lstm"].format(inputs=3, width=19), cell_inputs("lstm", 1, 1, 3, 19), width=19)
    for number, page in enumerate(module.scans[0].program.pages):
        for name, text in (*page.headers, (f"page{number}.c", page.text)):
            (tmp_path / name).write_text(text)
        flags = ("-std=gnu11", "-O1", "-march=x86-64-v4", "-Wall", "-Wextra", "-Werror", "-S")
        asked = (*command, *flags, *threads, *compiler.TYPES[real], str(tmp_path / f"page{number}.c"))
        done = subprocess.run((*asked, "-o", str(tmp_path / "page.s")), capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        assert "zmm" in (tmp_path / "page.s").read_text()
