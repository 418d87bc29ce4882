"""C pages as functions: compiled for this processor, and kept in the user's cache by what they are made from.

A compiled page is found again by its text, its header, the compiler, its flags and the processor, so that an object
made elsewhere is never loaded here. Files are put in place whole, so that processes may build the same page at once.
"""

from __future__ import annotations

import ctypes
import os
import platform
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from hashlib import sha256
from pathlib import Path
from struct import Struct
from threading import Lock

from sqmagic.runtime.kernels.program import Page

FLAGS = ("-std=gnu11", "-O2", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
"""None of them changes what is computed: no -ffast-math, when compiling or linking."""

TYPES = {"float": (), "double": ("-DSQ_DOUBLE",)}


class CannotCompile(Exception):
    """Why there is no compiled code, in words that follow "because"."""


class Library:
    """A page that is loaded: its functions, and how what they take is laid out. `places` are the struct's members by
    name, in the order in which `run` takes their values."""

    def __init__(self, path: Path, declaration: str) -> None:
        functions = ctypes.CDLL(str(path))
        self.memory = functions.scan_memory
        """How many numbers a call takes, of steps, examples and threads."""
        self.memory.argtypes, self.memory.restype = (ctypes.c_long, ctypes.c_long, ctypes.c_int), ctypes.c_long
        self._run = functions.run
        self._run.argtypes, self._run.restype = (ctypes.c_char_p,), None
        members = list(_members(declaration))
        self.places = {name: place for place, (name, _) in enumerate(members)}
        self._pack = Struct("@" + "".join(letter for _, letter in members)).pack

    def run(self, values: Sequence[int]) -> None:
        """Calls the scan with a value for each member."""
        self._run(self._pack(*values))


def _members(declaration: str) -> Iterator[tuple[str, str]]:
    """The members of a page's struct, with the letter that `struct` has for each: numbers and pointers alone."""
    for kind, names in re.findall(r"(?:const )?\b(real|long|int) ([^;()]*);", declaration.partition("}")[0]):
        for name in names.split(","):
            pointer = name.strip().startswith("*")
            yield name.strip(" *"), "P" if pointer else {"long": "l", "int": "i"}[kind]


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
        return Library(built(page, real), page.declaration)
    except CannotCompile as reason:
        return reason


def built(page: Page, real: str) -> Path:
    """The shared object of a page, compiled unless the cache has it."""
    compiler, threads, version = _compiler()
    flags = (*FLAGS, *threads, *TYPES[real])
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
def _compiler() -> tuple[tuple[str, ...], tuple[str, ...], str]:
    """The C compiler ($CC, or the first there is), its flags for threads, and what it says of itself."""
    wanted = os.environ.get("CC")
    for command in [shlex.split(wanted)] if wanted else [["gcc"], ["cc"], ["clang"]]:
        found = shutil.which(command[0]) if command else None
        if found:
            try:
                return (found, *command[1:]), *_told((found, *command[1:]))
            except (OSError, subprocess.SubprocessError):
                continue
    raise CannotCompile("there is no C compiler")


def _told(command: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    """What a compiler tells of itself, which is asked once and kept as long as its file is the same: to ask takes
    longer than to load a page from the cache. Raises OSError or SubprocessError where it does not run."""
    binary = Path(command[0]).resolve()
    same = binary.stat()
    name = sha256("\0".join((*command, str(binary), str(same.st_mtime_ns), str(same.st_size))).encode()).hexdigest()[
        :32
    ]
    place = _cache() / f"{name}.compiler"
    try:
        threads, version = place.read_text(encoding="utf-8").split("\n", 1)
    except (OSError, ValueError):
        version = subprocess.run([*command, "--version"], capture_output=True, text=True, timeout=20, check=True).stdout
        threads = "-fopenmp" if _has_threads(command) else ""
        with tempfile.TemporaryDirectory(dir=place.parent) as folder:
            made = Path(folder) / place.name
            made.write_text(f"{threads}\n{version}", encoding="utf-8")
            os.replace(made, place)
    return tuple(threads.split()), version


def _has_threads(compiler: tuple[str, ...]) -> bool:
    """Whether it has OpenMP; the library that torch has loaded serves it."""
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "try.c"
        source.write_text("#include <omp.h>\nint main(void) { return omp_get_num_threads() - 1; }\n")
        return _run((*compiler, "-fopenmp", str(source), "-o", str(Path(folder) / "try")), 60).returncode == 0


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
