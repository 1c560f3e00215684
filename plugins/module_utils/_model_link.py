# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Putting a file of a shared store to its place, by a link where that goes."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from ansible_collections.genai.comfyui.plugins.module_utils._model_fetch import beside, forget, locked
from ansible_collections.genai.comfyui.plugins.module_utils._model_hash import Changed, Hasher, digest_of
from ansible_collections.genai.comfyui.plugins.module_utils._model_http import Progress
from ansible_collections.genai.comfyui.plugins.module_utils._models import ModelError

_FICLONE = 0x40049409

Finish = Callable[[int], None]


def put(
    source: str,
    path: str,
    *,
    ways: Iterable[str],
    sha256: str | None,
    finish: Finish,
    progress: Progress,
    pause: Callable[[float], None] = time.sleep,
) -> tuple[str, str]:
    """Put *source* to *path* in the first of *ways* that goes; return that way, and the sha256.

    What is hashed is what gets the name, not what the store had a moment before. *finish* is called with an open copy.

    :raises ModelError: no way goes, or the file is not the one of *sha256*.
    :raises FetchError: another run put something there.
    :raises OSError: the disk is full.
    """
    temporary, refused = beside(path, "link"), []
    with locked(path, progress, pause):
        try:
            for way in ways:
                try:
                    digest = _make(way, source, temporary, finish, progress)
                except OSError as error:
                    if error.errno in (errno.ENOSPC, errno.EDQUOT):
                        raise
                    _unlink(temporary)
                    refused.append(f"{way}: {error.strerror}")
                    continue
                if sha256 not in (None, digest):
                    raise ModelError(
                        f"{source}: its sha256 is {digest}, wanted is {sha256}; the store's file is another one"
                    )
                os.replace(temporary, path)
                # Of what came before by a download, nothing is needed.
                forget(beside(path, "part"))
                return way, digest
        except Changed:
            raise ModelError(f"{path}: {source} changed while it was read; run again") from None
        finally:
            # Also where it has the final name: of two names for one file, a rename takes none away.
            _unlink(temporary)
    raise ModelError(f"{source} cannot be put to {path}: {'; '.join(refused)}")


def _unlink(path: str) -> None:
    with suppress(FileNotFoundError):
        os.unlink(path)


def _make(way: str, source: str, temporary: str, finish: Finish, progress: Progress) -> str:
    if way == "hard":
        # A link to a link, as caches of hubs have them, would lead nowhere from another directory.
        os.link(os.path.realpath(source), temporary)
        return digest_of(temporary)
    if way == "symlink":
        os.symlink(os.path.abspath(source), temporary)
        return digest_of(temporary)
    with open(source, "rb", buffering=0) as read, open(temporary, "xb", buffering=0) as write:
        hasher = Hasher()
        if way == "reflink":
            fcntl.ioctl(write.fileno(), _FICLONE, read.fileno())
        else:
            hasher.carry(read.readinto, lambda piece: _write(write.fileno(), piece, progress))
        finish(write.fileno())
        os.fsync(write.fileno())
    return hasher.hexdigest() if way == "copy" else digest_of(temporary)


def _write(descriptor: int, piece: memoryview, progress: Progress) -> None:
    while piece:
        piece = piece[os.write(descriptor, piece) :]
    progress(os.lseek(descriptor, 0, os.SEEK_CUR))
