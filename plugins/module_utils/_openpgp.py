# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which keys does an OpenPGP key file hold, and until when: enough to trust a repository by fingerprint.

Private to the collection. Standard library only, because a bare host has no gpg. Signatures are not verified here:
a fingerprint covers the whole key, and apt verifies what the key signed.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass

_BEGIN = re.compile(r"-----BEGIN PGP PUBLIC KEY BLOCK-----[^\n]*\n(.*?)-----END PGP PUBLIC KEY BLOCK-----", re.DOTALL)
_PUBLIC_KEY, _SIGNATURE = 6, 2
_SELF_SIGNATURES = (0x10, 0x11, 0x12, 0x13, 0x1F)


class KeyFileError(ValueError):
    """The file holds no readable key; the message says why."""


@dataclass(frozen=True)
class Key:
    """One primary key: upper-case hexadecimal fingerprint, seconds since 1970, ``expires`` 0 for never."""

    fingerprint: str
    created: int
    expires: int


def dearmor(data: bytes) -> bytes:
    """Return the packets of *data*, which may be armored text (several blocks too) or packets already.

    :raises KeyFileError: it is neither
    """
    if data[:1] and data[0] & 0x80:
        return data
    blocks = _BEGIN.findall(data.decode("latin-1").replace("\r\n", "\n"))
    if not blocks:
        raise KeyFileError("it holds no OpenPGP public key block")
    packets = b""
    for block in blocks:
        # Headers end with an empty line; the checksum line begins with "=".
        body = block.split("\n\n", 1)[-1]
        text = "".join(line for line in body.splitlines() if line and not line.startswith("="))
        try:
            packets += base64.b64decode(text, validate=True)
        except (binascii.Error, ValueError):
            raise KeyFileError("its key block is damaged") from None
    return packets


def armor(packets: bytes) -> str:
    """Return *packets* as armored text, the only form that fits into a text file."""
    text = base64.b64encode(packets).decode("ascii")
    lines = [text[start : start + 64] for start in range(0, len(text), 64)]
    crc = 0xB704CE
    for byte in packets:
        crc ^= byte << 16
        for _bit in range(8):
            crc <<= 1
            if crc & 0x1000000:
                crc ^= 0x1864CFB
    check = base64.b64encode((crc & 0xFFFFFF).to_bytes(3, "big")).decode("ascii")
    frame = "PGP PUBLIC KEY BLOCK-----"
    return "\n".join([f"-----BEGIN {frame}", "", *lines, f"={check}", f"-----END {frame}", ""])


def read_keys(data: bytes) -> list[Key]:
    """Return the primary keys of a key file, in order.

    :raises KeyFileError: damaged, empty, or a key of a version whose fingerprint is not known here
    """
    keys: list[Key] = []
    for tag, body in _packets(dearmor(data)):
        if tag == _PUBLIC_KEY:
            if len(body) < 6 or body[0] != 4:
                raise KeyFileError("it holds a key that is not of version 4")
            # SHA-1 is what version 4 defines as the fingerprint.
            digest = hashlib.sha1(b"\x99" + len(body).to_bytes(2, "big") + body)  # noqa: S324
            keys.append(Key(digest.hexdigest().upper(), int.from_bytes(body[1:5], "big"), 0))
        elif tag == _SIGNATURE and keys:
            seconds = _validity(body)
            if seconds:
                last = keys[-1]
                keys[-1] = Key(last.fingerprint, last.created, max(last.expires, last.created + seconds))
    if not keys:
        raise KeyFileError("it holds no OpenPGP public key")
    return keys


def _packets(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield (tag, body) of each packet.

    :raises KeyFileError: the lengths do not add up
    """
    at = 0
    while at < len(data):
        head = data[at]
        at += 1
        if not head & 0x80:
            raise KeyFileError("it is damaged")
        if head & 0x40:
            tag = head & 0x3F
            length, used = _new_length(data, at)
        else:
            tag, kind = head >> 2 & 0x0F, head & 3
            if kind == 3:
                raise KeyFileError("it holds a packet without a length")
            used = 1 << kind
            length = int.from_bytes(data[at : at + used], "big")
        at += used
        if at + length > len(data):
            raise KeyFileError("it is cut off")
        yield tag, data[at : at + length]
        at += length


def _new_length(data: bytes, at: int) -> tuple[int, int]:
    """Return (length, octets that say it) in the newer format."""
    if at >= len(data):
        raise KeyFileError("it is cut off")
    first = data[at]
    if first < 192:
        return first, 1
    if first < 224:
        return ((first - 192) << 8) + int.from_bytes(data[at + 1 : at + 2], "big") + 192, 2
    if first == 255:
        return int.from_bytes(data[at + 1 : at + 5], "big"), 5
    raise KeyFileError("it holds a packet in parts")


def _validity(body: bytes) -> int:
    """Return for how many seconds a self-signature lets the primary key be valid; 0: it does not say."""
    if len(body) < 6 or body[0] != 4 or body[1] not in _SELF_SIGNATURES:
        return 0
    area = body[6 : 6 + int.from_bytes(body[4:6], "big")]
    at = 0
    while at < len(area):
        length, used = _new_length(area, at)
        at += used
        if length >= 5 and area[at] & 0x7F == 9:
            return int.from_bytes(area[at + 1 : at + 5], "big")
        at += length
    return 0
