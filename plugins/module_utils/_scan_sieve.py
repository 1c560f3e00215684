# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Find the few texts worth a closer look, fast: by GNU grep, which reads all patterns in one pass, or by Python.

The patterns hold pieces of secrets. grep reads them from its standard input, never from its arguments.
"""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import IO

from ansible_collections.genai.comfyui.plugins.module_utils._scan_base import TIME_IS_UP, Clock, ended, kill, popen

_GREP = ("/usr/bin/grep", "/bin/grep")
_BATCH_BYTES = 96 * 1024
_BATCH_FILES = 1000
_TOLD = re.compile(rb"(.*): ([A-Z][^:\n]*)", re.S)


def gnu_grep() -> str | None:
    """Return the path of GNU grep, or None: others are slow or do not know these options."""
    for path in _GREP:
        with suppress(OSError, subprocess.TimeoutExpired):
            process = popen([path, "--version"], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            if b"GNU grep" in process.communicate(timeout=10)[0]:
                return path
    return None


class Sieve:
    """Sifts files and streams by one pattern."""

    def __init__(self, pattern: bytes, clock: Clock, grep: str | None, workers: int = 2) -> None:
        """Take a pattern that means the same to ``grep -E`` and to Python, and the path of GNU grep or None."""
        self._clock = clock
        self._grep: str | None = None
        self._workers = workers
        self._compiled = re.compile(pattern)
        self._memory = -1
        if grep:
            with suppress(OSError, AttributeError):
                # In memory only, without a name: the pattern holds pieces of secrets.
                self._memory = os.memfd_create("patterns", os.MFD_CLOEXEC)
                with os.fdopen(os.dup(self._memory), "wb") as stream:
                    stream.write(pattern + b"\n")
                os.close(self._patterns())
                self._grep = grep

    @property
    def engine(self) -> str:
        """What does the work: ``grep`` or ``python``."""
        return "grep" if self._grep else "python"

    def close(self) -> None:
        """Forget the pattern."""
        if self._memory >= 0:
            os.close(self._memory)
            self._memory = -1

    def _patterns(self) -> int:
        # A descriptor of its own for each grep: a shared one would share the position too.
        return os.open(f"/proc/self/fd/{self._memory}", os.O_RDONLY | os.O_CLOEXEC)

    def files(self, paths: Iterable[str]) -> Iterator[tuple[str, str | None]]:
        """Yield (path, None) for each file worth a closer look, and (path, reason) for each that could not be read.

        Not in the order of *paths*. Once the time is up every path that is left gives the reason ``time is up``.
        """
        if not self._grep:
            for path in paths:
                yield from self._by_python(path)
            return
        running: list[tuple[subprocess.Popen[bytes], list[str]]] = []
        for batch in _batches(paths):
            if len(running) >= self._workers:
                yield from self._finish(*running.pop(0))
            if self._clock.over():
                yield from ((path, TIME_IS_UP) for path in batch)
            else:
                running.append((self._start(batch), batch))
        for process, batch in running:
            yield from self._finish(process, batch)

    def _start(self, batch: list[str]) -> subprocess.Popen[bytes]:
        patterns = self._patterns()
        try:
            return popen(
                [str(self._grep), "-laZE", "-D", "skip", "-f", "-", "--", *batch],
                stdin=patterns, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
            )  # fmt: skip
        finally:
            os.close(patterns)

    def _finish(self, process: subprocess.Popen[bytes], batch: list[str]) -> Iterator[tuple[str, str | None]]:
        try:
            found, told = process.communicate(timeout=max(0.01, self._clock.left()))
        except subprocess.TimeoutExpired:
            kill(process)
            process.communicate()
            yield from ((path, TIME_IS_UP) for path in batch)
            return
        for name in found.split(b"\0")[:-1]:
            yield os.fsdecode(name), None
        mark = f"{self._grep}: ".encode()
        for told_of in (b"\n" + told).split(b"\n" + mark)[1:]:
            match = _TOLD.fullmatch(told_of.rstrip(b"\n"))
            if match:
                yield os.fsdecode(match.group(1)), match.group(2).decode("ascii", "replace").lower()

    def _by_python(self, path: str) -> Iterator[tuple[str, str | None]]:
        if self._clock.over():
            yield path, TIME_IS_UP
            return
        try:
            descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
            with os.fdopen(descriptor, "rb") as stream:
                if self._compiled.search(stream.read()):
                    yield path, None
        except OSError as error:
            yield path, (error.strerror or "cannot be read").lower()

    def lines(self, stream: IO[bytes]) -> Iterator[bytes]:
        """Yield the lines of *stream* that match, without their ends, until it ends or the time is up."""
        yield from (line for _offset, line in self._sifted(stream, ["-a"]))

    def offsets(self, stream: IO[bytes]) -> Iterator[int]:
        """Yield where in *stream* something matches, ascending, until it ends or the time is up."""
        yield from (offset for offset, _match in self._sifted(stream, ["-abo"]))

    def _sifted(self, stream: IO[bytes], options: list[str]) -> Iterator[tuple[int, bytes]]:
        if not self._grep:
            yield from self._lines_by_python(stream)
            return
        # Not from standard input, where the stream is: the pattern's file has no name but this one.
        patterns = self._patterns()
        try:
            process = popen(
                [self._grep, *options, "-E", "--line-buffered", "-f", f"/proc/self/fd/{patterns}"],
                stdin=stream, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, pass_fds=[patterns],
            )  # fmt: skip
        finally:
            os.close(patterns)
        with ended(process, self._clock):
            for line in process.stdout or ():
                offset, mark, text = line.partition(b":") if "-abo" in options else (b"0", b":", line)
                if mark and offset.isdigit():
                    yield int(offset), text.rstrip(b"\r\n")

    def _lines_by_python(self, stream: IO[bytes]) -> Iterator[tuple[int, bytes]]:
        offset = 0
        for line in stream:
            found = self._compiled.search(line)
            if found:
                yield offset + found.start(), line.rstrip(b"\r\n")
            offset += len(line)
            if self._clock.over():
                return


def _batches(paths: Iterable[str]) -> Iterator[list[str]]:
    batch: list[str] = []
    size = 0
    for path in paths:
        length = len(os.fsencode(path)) + 1
        if batch and (size + length > _BATCH_BYTES or len(batch) >= _BATCH_FILES):
            yield batch
            batch, size = [], 0
        batch.append(path)
        size += length
    if batch:
        yield batch
