# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Is a file a whole picture that shows something? PNG is decoded to the last pixel; other kinds are only recognised."""

from __future__ import annotations

import struct
import zlib
from typing import NamedTuple

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_MOST_PIXELS = 1 << 28


class PictureError(ValueError):
    """Why the bytes are no whole picture."""


class Picture(NamedTuple):
    """What was found. *varied*: at least two pixels differ; None where the pixels were not decoded."""

    kind: str
    width: int | None
    height: int | None
    varied: bool | None


def look(data: bytes) -> Picture:
    """Return what *data* shows. :raises PictureError: no known picture, cut off, or damaged."""
    if data.startswith(_SIGNATURE):
        return _png(data)
    if data.startswith(b"\xff\xd8\xff"):
        if not data.rstrip(b"\0").endswith(b"\xff\xd9"):
            raise PictureError("the JPEG ends too early")
        return Picture("jpeg", None, None, None)
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        if len(data) < 8 + int.from_bytes(data[4:8], "little"):
            raise PictureError("the WebP ends too early")
        return Picture("webp", None, None, None)
    raise PictureError("it is no PNG, JPEG or WebP")


def _png(data: bytes) -> Picture:
    at, packed, head, ended = len(_SIGNATURE), [], None, False
    while at < len(data) and not ended:
        length = int.from_bytes(data[at : at + 4], "big")
        chunk = data[at + 4 : at + 8 + length]
        checksum = data[at + 8 + length : at + 12 + length]
        if len(chunk) != length + 4 or len(checksum) != 4:
            raise PictureError("the PNG ends too early")
        if zlib.crc32(chunk) != int.from_bytes(checksum, "big"):
            raise PictureError("the PNG is damaged (a checksum is wrong)")
        kind, body = chunk[:4], chunk[4:]
        if kind == b"IHDR" and len(body) == 13:
            head = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed.append(body)
        ended = kind == b"IEND"
        at += 12 + length
    if head is None or not ended:
        raise PictureError("the PNG ends too early")
    width, height, depth, colour, compression, filtering, interlaced = head
    if colour not in _SAMPLES or depth not in (1, 2, 4, 8, 16) or compression or filtering:
        raise PictureError("the PNG is of a form that does not exist")
    if not 0 < width * height <= _MOST_PIXELS:
        raise PictureError(f"the PNG claims to be {width} x {height}")
    if interlaced:
        return Picture("png", width, height, None)
    stride = (width * depth * _SAMPLES[colour] + 7) // 8
    wanted = (stride + 1) * height
    try:
        unpacker = zlib.decompressobj()
        rows = unpacker.decompress(b"".join(packed), wanted + 1)
    except zlib.error:
        raise PictureError("the PNG's pixels cannot be unpacked") from None
    if len(rows) != wanted:
        raise PictureError("the PNG has fewer or more pixels than it says")
    step = depth * _SAMPLES[colour] // 8
    varied = _varied(rows, stride, step) if step else None
    return Picture("png", width, height, varied)


def _varied(rows: bytes, stride: int, step: int) -> bool:
    """Whether two pixels differ; *rows* are filtered lines. Ends at the first difference."""
    before = bytes(stride)
    first = b""
    for start in range(0, len(rows), stride + 1):
        line = _unfilter(rows[start], bytearray(rows[start + 1 : start + 1 + stride]), before, step)
        first = first or bytes(line[:step])
        if line != first * (stride // step):
            return True
        before = bytes(line)
    return False


def _unfilter(kind: int, line: bytearray, before: bytes, step: int) -> bytearray:
    if kind > 4:
        raise PictureError("the PNG has a filter that does not exist")
    if kind == 0:
        return line
    for at, value in enumerate(line):
        left = line[at - step] if at >= step else 0
        up = before[at]
        if kind == 4:
            corner = before[at - step] if at >= step else 0
            guess = left + up - corner
            add = min((left, up, corner), key=lambda one: abs(guess - one))
        else:
            add = (0, left, up, (left + up) // 2)[kind]
        line[at] = (value + add) & 0xFF
    return line
