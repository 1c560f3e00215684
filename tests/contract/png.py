# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Just enough of PNG to look at every pixel of a test picture, independent of the server's writer."""

from __future__ import annotations

import struct
import zlib


def pixels(data: bytes) -> tuple[int, int, set[tuple[int, ...]]]:
    """Width, height and the set of colours of an 8-bit RGB PNG without interlacing."""
    lines = rows(data)
    colours = {tuple(line[i : i + 3]) for line in lines for i in range(0, len(line), 3)}
    return len(lines[0]) // 3, len(lines), colours


def rows(data: bytes) -> list[bytes]:
    """Each row's pixels, three bytes each, of an 8-bit RGB PNG without interlacing."""
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    at, packed, head = 8, b"", b""
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        assert struct.unpack(">I", data[at + 8 + length : at + 12 + length])[0] == zlib.crc32(kind + body)
        head = body if kind == b"IHDR" else head
        packed += body if kind == b"IDAT" else b""
        at += 12 + length
    width, height, depth, colour, _compression, _filter, interlaced = struct.unpack(">IIBBBBB", head)
    assert (depth, colour, interlaced) == (8, 2, 0)
    raw, previous, lines = zlib.decompress(packed), [0] * width * 3, []
    for row in range(height):
        start = row * (width * 3 + 1)
        line = list(raw[start + 1 : start + 1 + width * 3])
        for i, value in enumerate(line):
            a, b, c = (line[i - 3], previous[i], previous[i - 3]) if i > 2 else (0, previous[i], 0)
            paeth = min((a, b, c), key=lambda known, p=a + b - c: abs(p - known))  # type: ignore[misc]
            line[i] = (value + (0, a, b, (a + b) // 2, paeth)[raw[start]]) % 256
        lines.append(bytes(line))
        previous = line
    return lines
