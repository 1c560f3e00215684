# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""sha256 of large files, at the pace of the transfer: no buffer is made twice, and hashing has a thread of its own."""

from __future__ import annotations

import collections
import hashlib
import os
import queue
import threading

CHUNK = 1 << 20
"""Bytes in one buffer; a resumed download fetches at most this much twice."""
BUFFERS = 32
"""Most that are made: how far hashing may lag behind, where other work takes its processor away for a while."""


class Hasher:
    """A sha256 that is computed beside the transfer: hashlib lets go of the interpreter while it works.

    :meth:`room` gives a buffer to read into, :meth:`take` hands it over. The one who took a buffer may go on reading
    it until the next :meth:`room`.
    """

    def __init__(self) -> None:
        # The last one back is the first one out: it is still in the processor's cache.
        self._free: collections.deque[memoryview] = collections.deque()
        self._may = threading.Semaphore(BUFFERS)
        self._filled: queue.SimpleQueue[tuple[memoryview, int] | None] = queue.SimpleQueue()
        self._digest = hashlib.sha256()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Hasher:
        self._begin()
        return self

    def __exit__(self, *_raised: object) -> None:
        self._end()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._work, daemon=True)
        self._thread.start()

    def _end(self) -> None:
        if self._thread is not None:
            self._filled.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while True:
            given = self._filled.get()
            if given is None:
                return
            buffer, count = given
            self._digest.update(buffer[:count])
            self._give_back(buffer)

    def _give_back(self, buffer: memoryview) -> None:
        self._free.append(buffer)
        self._may.release()

    def room(self) -> memoryview:
        """Return a buffer to fill; waits until there is one."""
        self._may.acquire()
        try:
            return self._free.pop()
        except IndexError:
            return memoryview(bytearray(CHUNK))

    def take(self, buffer: memoryview, count: int) -> None:
        """Take the first *count* bytes of a buffer that :meth:`room` gave; 0 gives it back."""
        if count:
            self._filled.put((buffer, count))
        else:
            self._give_back(buffer)

    def take_file(self, descriptor: int, start: int, end: int) -> int:
        """Take the bytes of an open file from *start* to *end*, or to its end; return where it came to."""
        while start < end:
            buffer = self.room()
            count = os.preadv(descriptor, [buffer[: min(len(buffer), end - start)]], start)
            self.take(buffer, count)
            if count == 0:
                break
            start += count
        return start

    def restart(self) -> None:
        """Forget all bytes so far."""
        self._end()
        self._digest = hashlib.sha256()
        self._begin()

    def hexdigest(self) -> str:
        """Return the sha256 of all bytes; nothing can be taken any more."""
        self._end()
        return self._digest.hexdigest()


def digest_of(path: str) -> str:
    """Return a file's sha256; reads all of it."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with Hasher() as hasher:
            hasher.take_file(descriptor, 0, os.fstat(descriptor).st_size)
            return hasher.hexdigest()
    finally:
        os.close(descriptor)
