"""Pictures of environments that their authors did not draw, and films of pictures.

A film is an animated PNG: nothing is needed to write it but zlib, it loses no colour, and every browser plays it.
"""

from __future__ import annotations

import base64
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sqmagic.world.spaces import Array, Space

INKS = np.array([[34, 34, 34], [204, 77, 77], [5, 107, 208], [46, 139, 87], [202, 152, 101], [129, 132, 203]], np.uint8)
PAPER = 255


def plain(seen: Array, space: Space, height: int, width: int) -> Array:
    """An observation as it is: a picture with a colour for each channel, or a bar for each number."""
    if len(space.shape) == 3:
        return _enlarged(_coloured(seen), height, width)
    if len(space.shape) == 2:
        return _enlarged(_coloured(seen[None]), height, width)
    return _bars(seen.reshape(-1).astype(float), height, width)


def _coloured(channels: Array) -> Array:
    picture = np.full((*channels.shape[1:], 3), PAPER, np.uint8)
    for number, channel in enumerate(channels):
        picture[channel > 0] = INKS[number % len(INKS)]
    return picture


def _enlarged(picture: Array, height: int, width: int) -> Array:
    rows = np.arange(height) * picture.shape[0] // height
    columns = np.arange(width) * picture.shape[1] // width
    return np.ascontiguousarray(picture[rows][:, columns])


def _bars(values: Array, height: int, width: int) -> Array:
    """Upwards from the middle for positive numbers; tanh holds large ones on the paper."""
    picture = np.full((height, width, 3), PAPER, np.uint8)
    middle, each = height // 2, width / len(values)
    for number, value in enumerate(np.tanh(np.nan_to_num(values))):
        left, right = round(each * (number + 0.15)), round(each * (number + 0.85))
        end = middle - round(value * 0.9 * middle)
        picture[min(middle, end) : max(middle, end) + 1, left : max(right, left + 1)] = INKS[number % len(INKS)]
    return picture


@dataclass(frozen=True, slots=True)
class Film:
    """Pictures [height, width, 3] at `rate` a second; shows itself in a notebook. `said` stands below it."""

    frames: tuple[Array, ...]
    rate: int = 30
    said: str = ""

    def png(self) -> bytes:
        """The film as an animated PNG that plays again and again."""
        return b"".join(_animated(self.frames, self.rate))

    def save(self, path: str | Path) -> None:
        """Writes the film to a file, as PNG whatever the file is called."""
        Path(path).write_bytes(self.png())

    def __repr__(self) -> str:
        return f"a film of {len(self.frames)} pictures" + (f": {self.said}" if self.said else "")

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, str]:
        coded = base64.b64encode(self.png()).decode()
        picture = f'<img src="data:image/png;base64,{coded}" alt="{self!r}"/>'
        return {"text/plain": repr(self), "text/html": f"<p>{picture}<br>{self.said}</p>"}


def _animated(frames: Sequence[Array], rate: int) -> Iterator[bytes]:
    height, width, _ = frames[0].shape
    yield b"\x89PNG\r\n\x1a\n"
    yield _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    yield _chunk(b"acTL", struct.pack(">II", len(frames), 0))
    number = 0
    for index, frame in enumerate(frames):
        yield _chunk(b"fcTL", struct.pack(">IIIIIHHBB", number, width, height, 0, 0, 1, rate, 0, 0))
        data = zlib.compress(_filtered(frame), 6)
        number += 1
        if index == 0:
            yield _chunk(b"IDAT", data)
        else:
            yield _chunk(b"fdAT", struct.pack(">I", number) + data)
            number += 1
    yield _chunk(b"IEND", b"")


def _filtered(frame: Array) -> bytes:
    """Each row as its difference to the row above, which is mostly zero."""
    above = np.zeros_like(frame)
    above[1:] = frame[:-1]
    rows = (frame - above).reshape(len(frame), -1)
    return np.hstack([np.full((len(frame), 1), 2, np.uint8), rows]).tobytes()


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
