# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carry out the steps that ``_layout.plan`` made. Files are replaced by rename; nothing here follows a link."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import stat
from collections.abc import Iterator

from ansible_collections.genai.comfyui.plugins.module_utils._layout import (
    DEFAULT_MODES,
    Entry,
    Step,
    gid_of,
    uid_of,
)


def apply(step: Step) -> None:
    """Make the path of *step* as its entry wants it. Raises OSError; a file is then old or new, never half."""
    entry = step.entry
    if not step.changed:
        return
    parent, name = os.path.split(entry.path)
    with _opened(parent) as directory:
        if entry.state == "absent":
            _remove(entry.path, name, directory)
        elif entry.state == "directory":
            if "state" in step.changes:
                # Closed until owner and mode are set, so that nobody can slip something in.
                os.mkdir(name, 0o700, dir_fd=directory)
            _adjust(entry, name, directory, new="state" in step.changes)
        elif entry.state == "link":
            _link(entry, name, directory, step)
        elif {"state", "content"} & set(step.changes):
            _replace(entry, name, directory)
        else:
            _adjust(entry, name, directory, new=False)


@contextlib.contextmanager
def _opened(path: str) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _numbers(entry: Entry) -> tuple[int, int]:
    uid = None if entry.owner is None else uid_of(entry.owner)
    gid = None if entry.group is None else gid_of(entry.group)
    return (-1 if uid is None else uid, -1 if gid is None else gid)


def _adjust(entry: Entry, name: str, directory: int, new: bool) -> None:
    descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=directory)
    try:
        _own(entry, descriptor, stat.S_IMODE(os.fstat(descriptor).st_mode) if not new else DEFAULT_MODES[entry.state])
    finally:
        os.close(descriptor)


def _own(entry: Entry, descriptor: int, mode: int) -> None:
    uid, gid = _numbers(entry)
    now = os.fstat(descriptor)
    if uid not in (-1, now.st_uid) or gid not in (-1, now.st_gid):
        os.fchown(descriptor, uid, gid)
    os.fchmod(descriptor, mode if entry.mode is None else entry.mode)


def _replace(entry: Entry, name: str, directory: int) -> None:
    old: os.stat_result | None = None
    with contextlib.suppress(FileNotFoundError):
        old = os.stat(name, dir_fd=directory, follow_symlinks=False)
    temporary = f".{name[:200]}.{secrets.token_hex(6)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write((entry.content or "").encode("utf-8"))
            stream.flush()
            if old is not None:
                os.fchown(descriptor, old.st_uid, old.st_gid)
                _copy_label(os.path.join(os.path.dirname(entry.path), name), descriptor)
            _own(entry, descriptor, DEFAULT_MODES["file"] if old is None else stat.S_IMODE(old.st_mode))
            # Without it a power failure may leave an empty unit file behind the new name.
            os.fsync(descriptor)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        raise
    os.fsync(directory)


def _copy_label(path: str, descriptor: int) -> None:
    # An SELinux label that an administrator set by hand must outlive the new content.
    with contextlib.suppress(OSError, AttributeError):
        os.setxattr(descriptor, "security.selinux", os.getxattr(path, "security.selinux", follow_symlinks=False))


def _link(entry: Entry, name: str, directory: int, step: Step) -> None:
    uid, gid = _numbers(entry)
    if not {"state", "target"} & set(step.changes):
        os.chown(name, uid, gid, dir_fd=directory, follow_symlinks=False)
        return
    temporary = f".{name[:200]}.{secrets.token_hex(6)}.tmp"
    os.symlink(entry.src or "", temporary, dir_fd=directory)
    try:
        if (uid, gid) != (-1, -1):
            os.chown(temporary, uid, gid, dir_fd=directory, follow_symlinks=False)
        os.replace(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=directory)
        raise


def _remove(path: str, name: str, directory: int) -> None:
    if stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode):
        shutil.rmtree(path)
    else:
        os.unlink(name, dir_fd=directory)
