# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sha256 of large files, at the pace of the transfer."""

from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable

CHUNK = 4 << 20
"""Bytes in one buffer; a resumed download fetches at most this much twice."""
CARRIERS = 2
"""Threads that bring a file, and buffers that there are."""


class Hasher:
    """A sha256 that is computed while its bytes are on their way."""

    def __init__(self) -> None:
        self._digest = hashlib.sha256()

    def carry(self, fill: Callable[[memoryview], int], keep: Callable[[memoryview], None]) -> None:
        """Let *fill* put bytes into a buffer, *keep* take them, and hash them, until *fill* returns 0.

        While a piece is hashed, the next one is filled and kept; hence a kill costs one at most. What *fill* or *keep*
        raises is raised when everything that came before is kept and hashed; nothing after it is kept.
        """

        def kept(buffer: memoryview) -> memoryview:
            piece = buffer[: fill(buffer)]
            if piece:
                keep(piece)
            return piece

        def hashed(piece: memoryview) -> memoryview:
            self._digest.update(piece)
            return piece

        # A piece stays with one thread, hence in the cache of one processor. With a thread that only hashes, every byte
        # would be fetched from another processor's cache, which costs more than half as much as its hash.
        relay = _Relay((kept, hashed))
        threads = [threading.Thread(target=relay.run, daemon=True) for _number in range(CARRIERS)]
        try:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        finally:
            relay.stop()
        if relay.errors:
            raise relay.errors[0]

    def take_file(self, descriptor: int, start: int, end: int) -> int:
        """Take the bytes of an open file from *start* to *end*, or to its end; return where it came to."""
        place = start

        def fill(buffer: memoryview) -> int:
            nonlocal place
            count = os.preadv(descriptor, [buffer[: min(len(buffer), end - place)]], place) if place < end else 0
            place += count
            return count

        if end - start > CHUNK:
            self.carry(fill, lambda _piece: None)
        else:
            # Not worth a thread.
            buffer = memoryview(bytearray(end - start))
            while count := fill(buffer):
                self._digest.update(buffer[:count])
        return place

    def restart(self) -> None:
        """Forget all bytes so far."""
        self._digest = hashlib.sha256()

    def hexdigest(self) -> str:
        """Return the sha256 of all bytes."""
        return self._digest.hexdigest()


class _Relay:
    """Buffers that go from stage to stage, each with its thread; a stage takes them in the order in which they came."""

    def __init__(self, stages: tuple[Callable[[memoryview], memoryview], ...]) -> None:
        self._stages = stages
        self._turns = [threading.Lock() for _stage in stages]
        self._over = [False for _stage in stages]
        self.errors: list[BaseException] = []

    def run(self) -> None:
        """Carry one buffer through all stages, again and again, until one of them gives nothing on or raises."""
        buffer, at = memoryview(bytearray(CHUNK)), 0
        try:
            while True:
                piece = buffer
                for at, stage in enumerate(self._stages):
                    self._turns[at].acquire()
                    if at:
                        # Only now, so that nobody overtakes.
                        self._turns[at - 1].release()
                    piece = piece[:0] if self._over[at] else stage(piece)
                    if not piece:
                        return
                self._turns[at].release()
        except BaseException as error:  # the thread that waits for this one raises it
            self.errors.append(error)
        finally:
            # What came before goes on; what comes after ends here too.
            self._over[at] = True
            self._turns[at].release()

    def stop(self) -> None:
        """Begin with no other piece."""
        self._over[0] = True


class Changed(Exception):
    """A file was written to, or another one took its place, while it was read."""


def digest_of(path: str) -> str:
    """Return a file's sha256; reads all of it. Raises Changed."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        before = os.fstat(descriptor)
        hasher = Hasher()
        hasher.take_file(descriptor, 0, before.st_size)
        after = os.stat(path)
        if _mark(before) != _mark(after):
            raise Changed
        return hasher.hexdigest()
    finally:
        os.close(descriptor)


def _mark(found: os.stat_result) -> tuple[int, ...]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns
