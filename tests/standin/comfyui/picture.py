# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures in place of tensors: 8-bit RGB, written and read as PNG with the standard library."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

SIGNATURE = b"\x89PNG\r\n\x1a\n"


@dataclass(frozen=True)
class Picture:
    """`pixels` holds width * height * 3 bytes, row by row."""

    width: int
    height: int
    pixels: bytes


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def to_png(picture: Picture, texts: dict[str, str]) -> bytes:
    """A PNG with one tEXt chunk for each of `texts` (latin-1 text only)."""
    stride = picture.width * 3
    rows = b"".join(b"\0" + picture.pixels[y * stride : (y + 1) * stride] for y in range(picture.height))
    header = struct.pack(">IIBBBBB", picture.width, picture.height, 8, 2, 0, 0, 0)
    notes = b"".join(_chunk(b"tEXt", f"{key}\0{value}".encode("latin-1")) for key, value in texts.items())
    return SIGNATURE + _chunk(b"IHDR", header) + notes + _chunk(b"IDAT", zlib.compress(rows, 4)) + _chunk(b"IEND", b"")


def _unfilter(rows: bytes, width: int, height: int, size: int) -> bytes:
    stride = width * size
    before = bytearray(stride)
    out = bytearray()
    for y in range(height):
        start = y * (stride + 1)
        kind, line = rows[start], bytearray(rows[start + 1 : start + 1 + stride])
        for x in range(stride):
            left = line[x - size] if x >= size else 0
            up, corner = before[x], before[x - size] if x >= size else 0
            if kind == 4:
                guess = left + up - corner
                add = min((left, up, corner), key=lambda value: abs(guess - value))
            else:
                add = (0, left, up, (left + up) // 2)[kind]
            line[x] = (line[x] + add) & 0xFF
        out += line
        before = line
    return bytes(out)


def from_png(data: bytes) -> Picture:
    """Read an 8-bit RGB or RGBA PNG without interlacing; anything else is a ValueError."""
    if not data.startswith(SIGNATURE):
        raise ValueError("cannot identify image file: the stand-in reads PNG only")
    at, packed, head = len(SIGNATURE), b"", None
    while at < len(data):
        (length,) = struct.unpack_from(">I", data, at)
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            head = struct.unpack(">IIBBBBB", body)
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    if head is None or head[2] != 8 or head[3] not in (2, 6) or head[6]:
        raise ValueError("cannot read this PNG: the stand-in knows 8-bit RGB and RGBA without interlacing")
    width, height, size = head[0], head[1], 3 if head[3] == 2 else 4
    pixels = _unfilter(zlib.decompress(packed), width, height, size)
    if size == 4:
        pixels = b"".join(pixels[i : i + 3] for i in range(0, len(pixels), 4))
    return Picture(width, height, pixels)
