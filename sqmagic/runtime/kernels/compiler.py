"""C pages as functions: compiled for this processor, and kept in the user's cache by what they are made from.

A compiled page is found again by its text, its header, the compiler, its flags and the processor, so that an object
made elsewhere is never loaded here. Files are put in place whole, so that processes may build the same page at once.
"""

from __future__ import annotations

import os
import platform
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path
from struct import Struct
from threading import Lock
from typing import Any

from cffi import FFI

from sqmagic.runtime.kernels.program import Page

FLAGS = ("-std=gnu11", "-O2", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
"""None of them changes what is computed: no -ffast-math, when compiling or linking."""

TYPES = {"float": (), "double": ("-DSQ_DOUBLE",)}


class CannotCompile(Exception):
    """Why there is no compiled code, in words that follow "because"."""


class Library:
    """A page that is loaded: its functions, and how what they take is laid out. `places` are the struct's members by
    name, in the order in which `run` takes their values."""

    def __init__(self, path: Path, declaration: str, real: str) -> None:
        self._ffi = FFI()
        self._ffi.cdef(f"typedef {real} real;\n{declaration}")
        self.functions: Any = self._ffi.dlopen(str(path))
        self._run = self.functions.run
        fields = self._ffi.typeof("scan").fields
        self.places = {name: place for place, (name, _) in enumerate(fields)}
        self._pack = Struct("@" + "".join(_LETTERS.get(f.type.cname, "P") for _, f in fields)).pack
        self._scan = self._ffi.typeof("scan *")

    def run(self, values: Sequence[int]) -> None:
        """Calls the scan with a value for each member."""
        packed = self._pack(*values)
        self._run(self._ffi.from_buffer(self._scan, packed))


_LETTERS = {"long": "l", "int": "i"}
"""Of members that are no pointers, as `struct` calls them."""


_loaded: dict[tuple[Page, str], Library | CannotCompile] = {}
_locks: defaultdict[tuple[Page, str], Lock] = defaultdict(Lock)


def library(page: Page, real: str) -> Library:
    """The page compiled for "float" or "double". Raises CannotCompile, at once where it has been tried before."""
    key = (page, real)
    found = _loaded.get(key)
    if found is None:
        with _locks[key]:
            found = _loaded.get(key) or _tried(page, real)
            _loaded[key] = found
    if isinstance(found, CannotCompile):
        raise CannotCompile(*found.args)
    return found


def libraries(pages: tuple[Page, ...], real: str) -> list[Library]:
    """Several pages, compiled side by side. Raises CannotCompile."""
    if all((page, real) in _loaded for page in pages):
        return [library(page, real) for page in pages]
    with ThreadPoolExecutor(len(pages)) as pool:
        return list(pool.map(library, pages, [real] * len(pages)))


def _tried(page: Page, real: str) -> Library | CannotCompile:
    try:
        return Library(built(page, real), page.declaration, real)
    except CannotCompile as reason:
        return reason


def built(page: Page, real: str) -> Path:
    """The shared object of a page, compiled unless the cache has it."""
    compiler, version = _compiler()
    flags = (*FLAGS, *_threads(compiler), *TYPES[real])
    parts = (page.text, *(text for _, text in page.headers), version, " ".join(flags), _processor())
    name = sha256("\0".join(parts).encode()).hexdigest()[:32]
    place = _cache() / f"{name}.so"
    if not place.exists():
        _compile(page, (*compiler, *flags), place)
    return place


def _compile(page: Page, command: tuple[str, ...], place: Path) -> None:
    try:
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            source, made = (Path(folder) / name for name in ("scan.c", "scan.so"))
            for name, text in (("scan.c", page.text), *page.headers):
                (Path(folder) / name).write_text(text, encoding="utf-8")
            done = _run((*command, str(source), "-o", str(made), "-lm"), 120)
            if done.returncode:
                raise CannotCompile(f"the C compiler refused the code: {done.stderr.strip()[:500]}")
            os.replace(made, place)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotCompile(f"compiling C failed: {error}") from error


def _run(command: tuple[str, ...], seconds: int) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds, check=False)


@cache
def _compiler() -> tuple[tuple[str, ...], str]:
    """The C compiler ($CC, or the first there is), and what it says of itself."""
    wanted = os.environ.get("CC")
    for command in [shlex.split(wanted)] if wanted else [["gcc"], ["cc"], ["clang"]]:
        found = shutil.which(command[0]) if command else None
        if found:
            try:
                said = _run((found, *command[1:], "--version"), 20)
            except (OSError, subprocess.TimeoutExpired):
                continue
            if said.returncode == 0:
                return (found, *command[1:]), said.stdout
    raise CannotCompile("there is no C compiler")


@cache
def _threads(compiler: tuple[str, ...]) -> tuple[str, ...]:
    """OpenMP, where the compiler has it; the library that torch has loaded serves it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "try.c"
        source.write_text("#include <omp.h>\nint main(void) { return omp_get_num_threads() - 1; }\n")
        try:
            done = _run((*compiler, "-fopenmp", str(source), "-o", str(Path(folder) / "try")), 60)
        except (OSError, subprocess.TimeoutExpired):
            return ()
    return ("-fopenmp",) if done.returncode == 0 else ()


@cache
def _processor() -> str:
    """What tells one kind of processor from another."""
    found = [platform.machine(), sys.platform]
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").split("\n\n", 1)[0].split("\n")
        kept = ("model name", "vendor_id", "cpu family", "model", "flags", "Features", "CPU part")
        found += [line for line in lines if line.partition(":")[0].strip() in kept]
    except OSError:
        found.append(platform.processor())
    return "\n".join(found)


@cache
def _cache() -> Path:
    """A folder that is the user's own; one for this process alone where there can be none."""
    chosen = os.environ.get("SQMAGIC_CACHE") or os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    place = Path(chosen).expanduser() / "sqmagic" / "kernels"
    try:
        place.mkdir(parents=True, exist_ok=True, mode=0o700)
        if hasattr(os, "getuid") and place.stat().st_uid != os.getuid():
            raise OSError("another user's folder")
        with tempfile.TemporaryFile(dir=place):
            return place
    except OSError:
        return Path(tempfile.mkdtemp(prefix="sqmagic-"))
