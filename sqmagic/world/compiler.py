"""C to a library that is loaded: with the system's compiler, once for the same text, and with errors at its own lines.

Libraries lie in the user's cache folder, named by all that they depend on, so that a change makes a new one; they are
put there in one move, so that no one ever loads half of one.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sqmagic.world import _core
from sqmagic.world.build import FAST, FLAGS, SINGLE
from sqmagic.world.errors import DeclarationError, Fault, WorldError

HEADER = "sq_env.h"
SECONDS = 120
_DIAGNOSTIC = re.compile(
    r"(?P<home>.*?):(?P<line>\d+):(?P<column>\d+): (?P<kind>fatal error|error|warning|note): (?P<text>.*)"
)


@dataclass(frozen=True, slots=True)
class Library:
    """A library in memory; `warnings` are what the compiler said of it (nothing if it was compiled before)."""

    handle: ctypes.CDLL
    path: Path
    warnings: tuple[Fault, ...] = ()

    def address(self, symbol: str) -> int:
        return ctypes.addressof(ctypes.c_char.in_dll(self.handle, symbol))


@dataclass(frozen=True, slots=True)
class Compiler:
    command: tuple[str, ...]
    version: str

    @property
    def is_clang(self) -> bool:
        return "clang" in self.version


def folder() -> Path:
    """Where libraries are kept: SQMAGIC_CACHE, or `sqmagic` in the user's cache folder."""
    own = os.environ.get("SQMAGIC_CACHE")
    if own:
        return Path(own)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "sqmagic"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "sqmagic"


def compiled(name: str, generated: str, text: str, home: str, *, double: bool = False) -> Library:
    """The library of generated C; `text` is the author's, whose lines `home` names in the generated one.

    Raises DeclarationError with what the compiler says of the author's lines, WorldError if there is no compiler.
    """
    compiler = _compiler(os.environ.get("CC", ""))
    flags = _flags(compiler, double)
    parts = (generated, _core.header, *flags, *compiler.command, compiler.version, _processor())
    key = hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]
    path = folder() / f"{name}-{key}.so"
    warnings = () if path.exists() else _build(compiler, flags, generated, path, (name, text, home))
    try:
        return Library(ctypes.CDLL(str(path)), path, warnings)
    except OSError as reason:
        raise WorldError(f"{home}: the compiled library cannot be loaded: {reason}") from reason


def _build(
    compiler: Compiler, flags: tuple[str, ...], generated: str, path: Path, author: tuple[str, str, str]
) -> tuple[Fault, ...]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as made:
        source, result = Path(made) / f"{author[0]}.c", Path(made) / "made.so"
        source.write_text(generated, encoding="utf-8")
        (Path(made) / HEADER).write_text(_core.header, encoding="utf-8")
        command = [*compiler.command, *flags, f"-I{made}", str(source), "-o", str(result), "-lm"]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        except subprocess.TimeoutExpired as late:
            raise WorldError(f"{author[2]}: the compiler was not done after {SECONDS} seconds") from late
        except OSError as reason:
            raise WorldError(f"{author[2]}: the compiler cannot be run: {reason}") from reason
        faults = _faults(done.stderr, author)
        if done.returncode:
            _, text, home = author
            raise DeclarationError(home, text, faults[0] or (Fault(done.stderr.strip() or "the compiler failed"),))
        os.replace(result, path)
    return faults[1]


def _faults(said: str, author: tuple[str, str, str]) -> tuple[tuple[Fault, ...], tuple[Fault, ...]]:
    """Errors and warnings of the author's lines; errors elsewhere only where there are none."""
    _, text, home = author
    lines = text.split("\n")
    errors: list[Fault] = []
    elsewhere: list[Fault] = []
    warnings: list[Fault] = []
    for found in map(_DIAGNOSTIC.match, said.split("\n")):
        if found is None:
            continue
        own, kind = Path(found["home"]).name == Path(home).name, found["kind"]
        line, column = (int(found["line"]), int(found["column"])) if own else (0, 1)
        where = "" if own or "/" in found["home"] else f"{found['home']}, line {found['line']}: "
        fault = Fault(where + found["text"], line, column, _width(lines, line, column))
        if "error" in kind:
            (errors if own else elsewhere).append(fault)
        elif kind == "warning" and own:
            warnings.append(fault)
    return tuple(errors or elsewhere), tuple(warnings)


def _width(lines: list[str], line: int, column: int) -> int:
    """How far the name at a place reaches."""
    if not 1 <= line <= len(lines):
        return 1
    found = re.match(r"\w+", lines[line - 1][column - 1 :])
    return len(found[0]) if found else 1


@cache
def _compiler(wanted: str) -> Compiler:
    for command in filter(None, (wanted, "cc", "gcc", "clang")):
        words = tuple(shlex.split(command))
        if shutil.which(words[0]):
            said = subprocess.run([*words, "--version"], capture_output=True, text=True, timeout=30, check=False)
            if not said.returncode:
                return Compiler(words, said.stdout.split("\n")[0])
    raise WorldError(
        "there is no C compiler here, so C of your own cannot be compiled; our own environments need none\n"
        "  install one (Debian: apt install gcc; macOS: xcode-select --install; conda: conda install c-compiler), "
        "or name one in CC"
    )


def _flags(compiler: Compiler, double: bool) -> tuple[str, ...]:
    fast = ("-DSQ_DOUBLE",) if double else FAST if compiler.is_clang else (*FAST, SINGLE)
    here = ("-march=native",) if platform.machine().lower() in ("x86_64", "amd64") else ()
    told = ("-fno-diagnostics-show-caret", "-fno-caret-diagnostics")[compiler.is_clang]
    return (*FLAGS, *fast, *here, told, "-fPIC", "-shared")


@cache
def _processor() -> str:
    """What `native` stands for here."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n")
    except OSError:
        return f"{platform.machine()} {platform.processor()}"
    return next((line for line in lines if line.startswith("flags")), platform.machine())
