# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bringing one large file to its place: downloaded or put there from a store, hashed, renamed only when right."""

from __future__ import annotations

import fcntl
import io
import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Protocol

from ansible_collections.genai.comfyui.plugins.module_utils._model_hash import Hasher
from ansible_collections.genai.comfyui.plugins.module_utils._model_http import (
    FetchError,
    Interrupted,
    Progress,
    Remote,
    digest_in,
    unwritten,
    write_to,
)

RETRIES = 5
"""Attempts in a row that bring no byte before a download is given up."""

_PATIENCE = 60.0


class Source(Protocol):
    """Where a file comes from, and by which means."""

    @property
    def shown(self) -> str:
        """Its address, without anything secret."""

    def ask(self, stream: io.FileIO) -> Remote:
        """Return what the server says of the file that *stream* shall become. Raises FetchError or Interrupted."""

    def receive(self, stream: io.FileIO, part: str, total: int, progress: Progress, hasher: Hasher) -> int:
        """Append to *stream*, which stands at its end, what it lacks of *total*, and hand all of it to *hasher*.

        Returns the bytes that came. Raises FetchError, or Interrupted, whose ``came`` says it then.
        """

    def close(self) -> None:
        """Let go of what is open."""


def fetch(
    source: Source,
    path: str,
    *,
    sha256: str | None,
    size: int | None,
    progress: Progress = lambda _done: None,
    pause: Callable[[float], None] = time.sleep,
    finish: Callable[[int], None] = lambda _descriptor: None,
) -> dict[str, Any]:
    """Download *source* to *path*. Returns ``sha256``, ``bytes`` and ``fetched`` (bytes that came over the network).

    What is on its way lies beside *path* as ``.<name>.part`` and stays there after a failure, to be resumed. *sha256*
    and *size* are what the file must be; the server's own word is taken for those that are None, and a file for which
    neither side has a sha256 is refused. *finish* is called with the open file before it gets its name.

    :raises FetchError: it cannot succeed, or nothing came in RETRIES attempts in a row.
    """
    part = beside(path, "part")
    fetched, idle = 0, 0
    with locked(path, progress, pause) as stream:
        while True:
            before = fetched
            try:
                remote = source.ask(stream)
                wanted = _wanted(source, remote, sha256, size)
                digest, came = _continue(source, stream, part, remote, wanted[1], progress)
                fetched += came
                break
            except Interrupted as error:
                fetched += error.came
                idle = 0 if fetched > before else idle + 1
                if idle >= RETRIES:
                    raise FetchError("network", f"{source.shown}: {error}; gave up after {RETRIES} attempts") from None
                pause(max(error.wait, min(_PATIENCE, 0.5 * 2**idle)))
            finally:
                source.close()
        if digest != wanted[0]:
            # Nothing in it can be trusted to be resumed.
            forget(part)
            raise FetchError(
                "hash", f"{source.shown}: its sha256 is {digest}, wanted is {wanted[0]}; it was thrown away"
            )
        write_to(path, lambda: finish(stream.fileno()))
        write_to(path, lambda: os.fsync(stream.fileno()))
        os.replace(part, path)
        with suppress(OSError):
            os.unlink(part + ".json")
    return {"sha256": digest, "bytes": wanted[1], "fetched": fetched}


def beside(path: str, what: str) -> str:
    """Return the name of what is on its way to *path*: ``part`` of a download, ``link`` from a store."""
    folder, name = os.path.split(path)
    return os.path.join(folder, f".{name}.{what}")


def _stamp(path: str) -> tuple[int, int] | None:
    with suppress(OSError):
        found = os.stat(path)
        return found.st_ino, found.st_mtime_ns
    return None


def _wanted(source: Source, remote: Remote, sha256: str | None, size: int | None) -> tuple[str, int]:
    digest = sha256 or remote.sha256
    if digest is None:
        raise FetchError("hash", f"{source.shown}: the server names no sha256; give the one it must have")
    total = size if size is not None else remote.size
    if total is None:
        raise FetchError("size", f"{source.shown}: the server names no size; give it")
    if remote.size not in (None, total):
        raise FetchError(
            "size", f"{source.shown} has {remote.size} bytes, wanted are {total}; is it the right revision?"
        )
    digest = digest.lower()
    if remote.sha256 not in (None, digest):
        said = f"the hub says its sha256 is {remote.sha256}, wanted is {digest}"
        raise FetchError("hash", f"{source.shown}: {said}; is it the right revision?")
    return digest, total


class locked:
    """The one run that may give a file the name *path*; it has the part file, open. Another run's end is awaited.

    :raises FetchError: the file cannot be made, or the other run gave something that name (``busy``).
    """

    def __init__(self, path: str, progress: Progress, pause: Callable[[float], None]) -> None:
        self._path, self._part, self._progress, self._pause = path, beside(path, "part"), progress, pause

    def __enter__(self) -> io.FileIO:
        there = _stamp(self._path)
        stream = self._wait()
        if _stamp(self._path) != there:
            forget(self._part)
            stream.close()
            raise FetchError("busy", f"{self._path} was laid down by another run meanwhile; run again")
        # Of a run that was cut off; nobody else makes one now.
        with suppress(OSError):
            os.unlink(beside(self._path, "link"))
        return stream

    def _wait(self) -> io.FileIO:
        while True:
            try:
                descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                raise unwritten(self._part, error.errno or 0) from None
            self._stream = io.FileIO(descriptor, "r+b")
            if self._take():
                return self._stream
            self._stream.close()

    def _take(self) -> bool:
        while True:
            try:
                fcntl.flock(self._stream.fileno(), fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._progress(os.fstat(self._stream.fileno()).st_size)
                self._pause(1.0)
                continue
            break
        # The other run may have given the very file its final name meanwhile.
        with suppress(OSError):
            return os.path.samestat(os.fstat(self._stream.fileno()), os.lstat(self._part))
        return False

    def __exit__(self, *_raised: object) -> None:
        if os.fstat(self._stream.fileno()).st_size == 0:
            forget(self._part)
        self._stream.close()


def forget(part: str) -> None:
    """Throw away what came of a download."""
    for one in (part, part + ".json"):
        with suppress(OSError):
            os.unlink(one)


def _continue(
    source: Source, stream: io.FileIO, part: str, remote: Remote, total: int, progress: Progress
) -> tuple[str, int]:
    """Fetch what *stream* lacks; return the sha256 of the whole and the bytes that came."""
    mark = {"etag": (remote.etag or "").removeprefix("W/").strip('"'), "size": total}
    if digest_in(remote.etag) is None:
        # Only a sha256 means the same content at a mirror, too.
        mark["url"] = source.shown
    with suppress(OSError, ValueError), open(part + ".json", encoding="utf-8") as known:
        if json.load(known) != mark:
            # The content changed under the same address: the halves would not fit.
            stream.truncate(0)
    write_to(part, lambda: _note(part + ".json", mark))
    have = os.fstat(stream.fileno()).st_size
    if have > total:
        stream.truncate(0)
        have = 0
    hasher = Hasher()
    hasher.take_file(stream.fileno(), 0, have)
    stream.seek(have)
    progress(have)
    came = 0 if have == total else source.receive(stream, part, total, progress, hasher)
    return hasher.hexdigest(), came


def _note(path: str, content: Mapping[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
