# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bytes that are received, kept and hashed at the same time, and in their order."""

from __future__ import annotations

import hashlib
import io
import os
import random
import threading
import time
from pathlib import Path

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _model_hash
from ansible_collections.genai.comfyui.plugins.module_utils._model_hash import Hasher, digest_of

CHUNK = 1 << 16
DATA = random.Random(4).randbytes(20 * CHUNK + 7)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let little data be many pieces."""
    monkeypatch.setattr(_model_hash, "CHUNK", CHUNK)


@pytest.mark.parametrize("carriers", [1, 2, 3, 5])
def test_everything_is_kept_and_hashed_in_order(monkeypatch: pytest.MonkeyPatch, carriers: int) -> None:
    monkeypatch.setattr(_model_hash, "CARRIERS", carriers)
    chance, source, kept = random.Random(carriers), io.BytesIO(DATA), bytearray()

    def fill(buffer: memoryview) -> int:
        time.sleep(chance.random() / 500)
        return source.readinto(buffer[: chance.randrange(1, len(buffer))])

    def keep(piece: memoryview) -> None:
        time.sleep(chance.random() / 500)
        kept.extend(piece)

    hasher = Hasher()
    hasher.carry(fill, keep)
    assert bytes(kept) == DATA
    assert hasher.hexdigest() == hashlib.sha256(DATA).hexdigest()


def test_receiving_goes_on_while_others_hash(monkeypatch: pytest.MonkeyPatch) -> None:
    source, came, kept = io.BytesIO(DATA), threading.Semaphore(0), bytearray()

    class Slow:
        def __init__(self) -> None:
            self.hashed = 0

        def update(self, piece: memoryview) -> None:
            if not self.hashed:
                # This piece, and the one after it.
                assert came.acquire(timeout=5)
                assert came.acquire(timeout=5), "nothing came meanwhile"
            self.hashed += len(piece)

    slow = Slow()
    monkeypatch.setattr(hashlib, "sha256", lambda: slow)

    def keep(piece: memoryview) -> None:
        kept.extend(piece)
        came.release()

    Hasher().carry(source.readinto, keep)
    assert bytes(kept) == DATA
    assert slow.hashed == len(DATA)


@pytest.mark.parametrize("carriers", [2, 3, 5])
def test_never_more_than_a_piece_has_come_and_is_not_kept(monkeypatch: pytest.MonkeyPatch, carriers: int) -> None:
    monkeypatch.setattr(_model_hash, "CARRIERS", carriers)
    source, kept, most = io.BytesIO(DATA), bytearray(), [0]

    def fill(buffer: memoryview) -> int:
        assert len(kept) == source.tell(), "what came before is kept first"
        return source.readinto(buffer)

    def keep(piece: memoryview) -> None:
        most[0] = max(most[0], source.tell() - len(kept))
        time.sleep(0.001)
        kept.extend(piece)

    Hasher().carry(fill, keep)
    assert bytes(kept) == DATA
    assert most[0] == CHUNK


@pytest.mark.parametrize("good", [0, 1, 2, 7])
def test_what_came_before_a_break_is_kept(good: int) -> None:
    source, kept, failures = io.BytesIO(DATA), bytearray(), [ConnectionResetError("gone")]

    def fill(buffer: memoryview) -> int:
        if source.tell() == good * CHUNK and failures:
            raise failures.pop()
        return source.readinto(buffer)

    with pytest.raises(ConnectionResetError, match="gone"):
        Hasher().carry(fill, kept.extend)
    assert bytes(kept) == DATA[: good * CHUNK]


@pytest.mark.parametrize("good", [0, 1, 2, 7])
def test_nothing_is_kept_after_what_could_not_be(good: int) -> None:
    source, kept, failures = io.BytesIO(DATA), bytearray(), [OSError("full")]

    def keep(piece: memoryview) -> None:
        if len(kept) == good * CHUNK and failures:
            # There would be room for the next one.
            raise failures.pop()
        kept.extend(piece)

    with pytest.raises(OSError, match="full"):
        Hasher().carry(source.readinto, keep)
    assert bytes(kept) == DATA[: good * CHUNK], "there is no hole in it"
    assert source.tell() <= (good + 1) * CHUNK, "and no more is received"


@pytest.mark.parametrize(("start", "end"), [(0, len(DATA)), (5, 5), (3, 1000), (CHUNK, 9 * CHUNK + 1), (10, 10**9)])
def test_a_part_of_a_file(tmp_path: Path, start: int, end: int) -> None:
    path = tmp_path / "x"
    path.write_bytes(DATA)
    descriptor = os.open(path, os.O_RDONLY)
    try:
        hasher = Hasher()
        assert hasher.take_file(descriptor, start, end) == min(end, len(DATA))
        assert hasher.hexdigest() == hashlib.sha256(DATA[start:end]).hexdigest()
    finally:
        os.close(descriptor)
    assert digest_of(str(path)) == hashlib.sha256(DATA).hexdigest()
