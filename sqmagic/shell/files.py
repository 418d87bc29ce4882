"""Where programs come from and where what is made of them goes."""

from __future__ import annotations

import os
import sys
from keyword import iskeyword
from pathlib import Path

STANDARD = "-"
"""Standard input, or output."""


class Failed(Exception):
    """A file that cannot be read or written, or a wish that cannot be met: exit code 2."""


def read(file: str) -> str:
    """The text of a program; line ends of any kind become newlines."""
    try:
        raw = sys.stdin.buffer.read() if file == STANDARD else Path(file).read_bytes()
        return raw.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError as wrong:
        raise Failed(f"{file} is not UTF-8: byte {wrong.start} stands for no character") from None
    except OSError as wrong:
        raise Failed(f"{file} cannot be read: {wrong.strerror}") from None


def write(target: str, made: str | bytes) -> None:
    """The whole file or, if that fails, the former one."""
    data = made.encode() if isinstance(made, str) else made
    if target == STANDARD:
        sys.stdout.buffer.write(data)
        sys.stdout.flush()
        return
    path = Path(target).resolve()
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        beside.write_bytes(data)
        if path.exists():
            beside.chmod(path.stat().st_mode)
        beside.replace(path)
    except OSError as wrong:
        beside.unlink(missing_ok=True)
        raise Failed(f"{target} cannot be written: {wrong.strerror}") from None


def target(file: str, suffix: str, wanted: str | None, several: bool) -> str:
    """Where what is made of a program goes: beside it unless something is wanted, a file or a folder."""
    if wanted is None:
        return STANDARD if file == STANDARD else str(Path(file).with_suffix(suffix))
    if wanted != STANDARD and Path(wanted).is_dir():
        return str(Path(wanted, f"{name(file)}{suffix}"))
    if several:
        raise Failed(f"several programs go into a folder, and {wanted} is none")
    return wanted


def name(file: str) -> str:
    """What a net is called that comes from a file: the file's name, as Python can have it."""
    stem = "net" if file == STANDARD else Path(file).stem
    made = "".join(sign if sign.isalnum() else "_" for sign in stem)
    return made if made.isidentifier() and not iskeyword(made) else f"net_{made}"
