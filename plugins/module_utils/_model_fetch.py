# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Downloading one large file: resumed, hashed while it streams, renamed only when right."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import http.client
import io
import json
import os
import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._model_http import (
    FetchError,
    Interrupted,
    Remote,
    Source,
    ask,
    open_source,
    refuse_page,
)

CHUNK = 1 << 20
"""Bytes read at a time; a resumed download fetches at most this much twice."""
RETRIES = 5
"""Attempts in a row that bring no byte before a download is given up."""

_PATIENCE = 60.0

Progress = Callable[[int], None]
"""Told how many bytes of the file are there."""


def fetch(
    source: Source,
    path: str,
    *,
    sha256: str | None,
    size: int | None,
    progress: Progress = lambda _done: None,
    pause: Callable[[float], None] = time.sleep,
) -> dict[str, Any]:
    """Download *source* to *path*. Returns ``sha256``, ``bytes`` and ``fetched`` (bytes that came over the network).

    What is on its way lies beside *path* as ``.<name>.part`` and stays there after a failure, to be resumed. *sha256*
    and *size* are what the file must be; the server's own word is taken for those that are None, and a file for which
    neither side has a sha256 is refused.

    :raises FetchError: it cannot succeed, or nothing came in RETRIES attempts in a row.
    """
    folder, name = os.path.split(path)
    part = os.path.join(folder, f".{name}.part")
    fetched, idle = 0, 0
    there = _stamp(path)
    with _locked(part, progress, pause) as stream:
        if _stamp(path) != there:
            _forget(part)
            raise FetchError("busy", f"{path} was laid down by another run meanwhile; run again")
        while True:
            before = fetched
            try:
                remote = ask(source)
                wanted = _wanted(source, remote, sha256, size)
                digest, came = _continue(source, stream, part, remote, wanted[1], progress)
                fetched += came
                break
            except Interrupted as error:
                fetched += getattr(error, "came", 0)
                idle = 0 if fetched > before else idle + 1
                if idle >= RETRIES:
                    raise FetchError("network", f"{source.shown}: {error}; gave up after {RETRIES} attempts") from None
                pause(max(error.wait, min(_PATIENCE, 0.5 * 2**idle)))
        if digest != wanted[0]:
            # Nothing in it can be trusted to be resumed.
            _forget(part)
            raise FetchError(
                "hash", f"{source.shown}: its sha256 is {digest}, wanted is {wanted[0]}; it was thrown away"
            )
        _write(source, path, lambda: os.fsync(stream.fileno()))
        os.replace(part, path)
        with suppress(OSError):
            os.unlink(part + ".json")
    return {"sha256": digest, "bytes": wanted[1], "fetched": fetched}


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
    return digest.lower(), total


class _locked:
    """The part file, opened and locked. Where another run has it, its end is awaited."""

    def __init__(self, part: str, progress: Progress, pause: Callable[[float], None]) -> None:
        self._part, self._progress, self._pause = part, progress, pause

    def __enter__(self) -> io.FileIO:
        while True:
            try:
                descriptor = os.open(self._part, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            except OSError as error:
                raise FetchError("write", f"{self._part}: {error.strerror}") from None
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
            _forget(self._part)
        self._stream.close()


def _forget(part: str) -> None:
    for one in (part, part + ".json"):
        with suppress(OSError):
            os.unlink(one)


def _write(source: Source, path: str, do: Callable[[], Any]) -> None:
    try:
        do()
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise FetchError("space", f"{path}: {error.strerror}") from None
        raise FetchError("write", f"{path}: {error.strerror}") from None


def _continue(
    source: Source, stream: io.FileIO, part: str, remote: Remote, total: int, progress: Progress
) -> tuple[str, int]:
    """Fetch what *stream* lacks; return the sha256 of the whole and the bytes that came."""
    mark = {"url": source.shown, "etag": remote.etag, "size": total}
    with suppress(OSError, ValueError), open(part + ".json", encoding="utf-8") as known:
        if json.load(known) != mark:
            # The content changed under the same address: the halves would not fit.
            stream.truncate(0)
    _write(source, part, lambda: _note(part + ".json", mark))
    have = os.fstat(stream.fileno()).st_size
    if have > total:
        stream.truncate(0)
        have = 0
    with Hasher() as hasher:
        stream.seek(0)
        for data in iter(lambda: stream.read(CHUNK), b""):
            hasher.add(data)
        progress(have)
        came = 0 if have == total else _receive(source, stream, part, remote, total, progress, hasher)
        return hasher.hexdigest(), came


def _receive(
    source: Source, stream: io.FileIO, part: str, remote: Remote, total: int, progress: Progress, hasher: Hasher
) -> int:
    have = stream.tell()
    headers = {"Range": f"bytes={have}-"} if have else {}
    if have and remote.etag and not remote.etag.startswith("W/") and not remote.sha256:
        headers["If-Range"] = remote.etag
    answer, _linked = open_source(source, "GET", headers)
    came = 0
    with answer:
        refuse_page(source, answer)
        if have and answer.status != 206:
            stream.truncate(0)
            have = 0
            hasher.restart()
        elif have and not (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
            raise FetchError("network", f"{source.shown}: the server sends another part than was asked for")
        stream.seek(have)
        while have < total:
            try:
                data = answer.read(min(CHUNK, total - have))
            except (OSError, http.client.HTTPException) as error:
                raise _broken(f"the connection broke ({type(error).__name__})", came) from None
            if not data:
                raise _broken("the server ended too early", came)
            hasher.add(data)
            _write(source, part, lambda: _write_all(stream, data))  # noqa: B023 - called at once
            have += len(data)
            came += len(data)
            progress(have)
    return came


class Hasher:
    """A sha256 that is computed beside the transfer: hashlib lets go of the interpreter while it works."""

    def __init__(self) -> None:
        self._queue: queue.Queue[bytes | None] = queue.Queue(4)
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
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        for data in iter(self._queue.get, None):
            self._digest.update(data)

    def add(self, data: bytes) -> None:
        """Take the next bytes."""
        self._queue.put(data)

    def restart(self) -> None:
        """Forget all bytes so far."""
        self._end()
        self._digest = hashlib.sha256()
        self._begin()

    def hexdigest(self) -> str:
        """Return the sha256 of all bytes; nothing can be added any more."""
        self._end()
        return self._digest.hexdigest()


def _write_all(stream: io.FileIO, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[stream.write(view) :]


def _broken(message: str, came: int) -> Interrupted:
    error = Interrupted(message)
    error.came = came  # type: ignore[attr-defined]
    return error


def _note(path: str, content: Mapping[str, Any]) -> None:
    with open(path, "w", encoding="utf-8") as stream:
        json.dump(content, stream)
