"""How C is compiled, for the extension and for cells: flags, instruction sets, and the generated files of the build."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sqmagic.world.declaration import parse
from sqmagic.world.generate import generate

FLAGS = (
    *("-std=gnu11", "-O3", "-g0", "-Wall", "-Wextra", "-Werror=implicit-function-declaration"),
    *("-fno-wrapv", "-fvisibility=hidden", "-ffp-contract=off"),
)
"""`-fno-wrapv` undoes what Python's own flags would do to loops; without contraction all machines compute alike."""

FAST = ("-fno-math-errno", "-fno-trapping-math")
"""They let loops become vector instructions and change no result."""

SINGLE = "-fsingle-precision-constant"
"""So that `0.5` is a float where `real` is one. Clang has no such flag: there it costs time and changes last digits."""

Builds = tuple[tuple[str, tuple[str, ...]], ...]

BUILDS: Builds = (
    ("avx512", (*FAST, SINGLE, "-march=x86-64-v4", "-mprefer-vector-width=512")),
    ("avx2", (*FAST, SINGLE, "-march=x86-64-v3")),
    ("portable", (*FAST, SINGLE)),
    ("float64", ("-DSQ_DOUBLE",)),
)
"""The best first; the last two are for any machine."""


def sources(folder: Path) -> dict[str, str]:
    """The C of every environment of a folder, by name."""
    files = sorted(folder.glob("*.seqenv"))
    return {f.stem: generate(parse(f.stem, f.read_text(encoding="utf-8"), f.name)) for f in files}


def registry(names: Sequence[str], builds: Builds) -> str:
    """The table of all environments for all instruction sets."""
    pairs = [(isa, name) for isa, _ in builds for name in names]
    lines = [f"extern const sq_env_spec sq_env_{name}_{isa};" for isa, name in pairs]
    rows = [f'    {{"{isa}", "{name}", &sq_env_{name}_{isa}}},' for isa, name in pairs]
    table = ["const sq_entry sq_entries[] = {", *rows, "    {NULL, NULL, NULL},", "};"]
    return "\n".join(['#include "module.h"', "", *lines, "", *table, ""])


def header_text(text: str) -> str:
    """The public header as a C string: the extension hands it to the compiler of cells, so the two always agree."""
    escaped = (line.replace("\\", "\\\\").replace('"', '\\"') for line in text.split("\n"))
    return "static const char sq_header_text[] =\n" + "\n".join(f'    "{line}\\n"' for line in escaped) + ";\n"
