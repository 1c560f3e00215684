# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where a secret may stand: opening a directory and a file without being led astray, and saying why not.

What is checked. The directory itself must not be a symbolic link and must not be writable by everybody unless it is
sticky. Directories above it are taken as the system resolves them. Everything after that happens relative to the
opened directory, so nobody can exchange it meanwhile. The file must be a regular one with a single name, and no mount
point of its own. A mount of that file in *another* namespace (a container's) cannot be seen from here.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

DEFAULT_MODE = 0o600
LIMIT = 1 << 20
"""Bytes. A larger file is no configuration file, and is refused."""

_REASONS = {
    errno.ENOENT: ("no_directory", "the directory does not exist; create it first"),
    errno.ENOTDIR: ("no_directory", "a part of the path is not a directory; mend the path"),
    errno.ENOSPC: ("no_space", "no space is left on the file system; free some and run again"),
    errno.EDQUOT: ("no_space", "the disk quota is used up; free some space and run again"),
    errno.EROFS: ("read_only", "the file system is read-only; remount it or move the file"),
    errno.EXDEV: ("cross_device", "the file is on another file system than its directory; mount the directory instead"),
    errno.EBUSY: ("mount", "the file is a mount point; mount its directory instead of the file"),
    errno.EACCES: ("permission", "permission denied; run as the owner of the directory, or with become"),
    errno.EPERM: ("permission", "not permitted; run with become, and look for the immutable attribute (lsattr)"),
}


class DurableError(OSError):
    """A refusal or a failure. ``str()`` names the path and the mend, and holds nothing of the content.

    ``reason`` is one of: ``bad_path``, ``no_directory``, ``no_file`` (only from readers), ``symlink``, ``hard_link``,
    ``not_a_file``, ``mount``, ``unsafe_directory``, ``read_only``, ``cross_device``, ``no_space``, ``permission``,
    ``too_big``, ``locked``, ``changed_meanwhile``, ``refused_by_validator``, ``attributes``, ``os_error``,
    ``read_back``, ``not_durable``. Unless it is one of the last two, the content of the target is as it was.
    """

    def __init__(self, reason: str, path: str, message: str) -> None:
        super().__init__(f"{path}: {message}")
        self.reason = reason
        self.path = path


class Snapshot(NamedTuple):
    """A file as it was found. ``data`` and what follows is None when there is no such file."""

    path: str
    data: bytes | None = None
    mode: int | None = None
    uid: int | None = None
    gid: int | None = None


def translated(error: OSError, path: str) -> DurableError:
    """Return *error* as a :class:`DurableError` about *path*."""
    if isinstance(error, DurableError):
        return error
    reason, message = _REASONS.get(error.errno or 0, ("os_error", error.strerror or type(error).__name__))
    return DurableError(reason, path, message)


def split(path: str) -> tuple[str, str]:
    """Return directory and name of *path*, which must be absolute and name a file."""
    directory, name = os.path.split(path)
    try:
        os.fsencode(path)
    except UnicodeEncodeError:
        raise DurableError("bad_path", "(path)", "the path is not valid Unicode; mend it") from None
    if not os.path.isabs(path) or name in ("", ".", "..") or "\0" in path:
        raise DurableError("bad_path", path, "this is no absolute path of a file; give the whole path")
    return directory, name


@contextmanager
def opened_directory(path: str) -> Iterator[tuple[int, str]]:
    """Open the directory of *path* and yield its descriptor and the file's name. Raises :class:`DurableError`."""
    directory, name = split(path)
    try:
        descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError as error:
        if os.path.islink(directory):
            message = f"the directory {directory} is a symbolic link; name the real directory"
            raise DurableError("symlink", path, message) from None
        raise translated(error, path) from None
    try:
        mode = os.fstat(descriptor).st_mode
        if mode & stat.S_IWOTH and not mode & stat.S_ISVTX:
            message = f"everybody may write to the directory {directory}; take that right away (chmod o-w)"
            raise DurableError("unsafe_directory", path, message)
        yield descriptor, name
    finally:
        os.close(descriptor)


def checked_stat(status: os.stat_result, path: str) -> os.stat_result:
    """Return *status* if it is that of a regular file with one name; raise :class:`DurableError` otherwise."""
    if stat.S_ISLNK(status.st_mode):
        raise DurableError("symlink", path, "the file is a symbolic link; name the file it points to")
    if not stat.S_ISREG(status.st_mode):
        raise DurableError("not_a_file", path, "this is no regular file; mend the path, or the mount that made it")
    if status.st_nlink > 1:
        message = f"the file has {status.st_nlink} names (hard links), of which only one would be replaced; remove them"
        raise DurableError("hard_link", path, message)
    return status


@contextmanager
def opened_file(directory: int, name: str, path: str) -> Iterator[int | None]:
    """Open the file *name* of *directory* for reading and yield its descriptor, or None if there is none."""
    descriptor: int | None = None
    try:
        checked_stat(os.stat(name, dir_fd=directory, follow_symlinks=False), path)
        # O_NONBLOCK, for somebody may put a fifo there in between.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(name, flags, dir_fd=directory)
        checked_stat(os.fstat(descriptor), path)
    except FileNotFoundError:
        descriptor = None
    except OSError as error:
        if descriptor is not None:
            os.close(descriptor)
        if error.errno == errno.ELOOP:
            raise DurableError("symlink", path, "the file is a symbolic link; name the file it points to") from None
        raise translated(error, path) from None
    try:
        yield descriptor
    finally:
        if descriptor is not None:
            os.close(descriptor)


def content(descriptor: int, path: str) -> bytes:
    """Return all bytes of an open file; refuse more than ``LIMIT``."""
    pieces: list[bytes] = []
    size = 0
    try:
        while True:
            piece = os.read(descriptor, 1 << 16)
            if not piece:
                return b"".join(pieces)
            size += len(piece)
            if size > LIMIT:
                raise DurableError("too_big", path, f"the file is larger than {LIMIT} bytes; check the path")
            pieces.append(piece)
    except OSError as error:
        raise translated(error, path) from None


def snapshot(directory: int, name: str, path: str) -> Snapshot:
    """Return what the file is now. Raises :class:`DurableError` for anything that must not be replaced."""
    with opened_file(directory, name, path) as descriptor:
        if descriptor is None:
            return Snapshot(path)
        status = os.fstat(descriptor)
        mode = stat.S_IMODE(status.st_mode)
        return Snapshot(path, content(descriptor, path), mode, status.st_uid, status.st_gid)


def read(path: str) -> Snapshot:
    """Return the file at *path* (absolute) as it is; ``data`` is None when it does not exist.

    Refuses what :func:`_durable.write` would refuse to replace because of what it is: links, non-files, huge files.
    """
    with opened_directory(path) as (directory, name):
        return snapshot(directory, name, path)


def refuse_mount(directory: int, name: str, path: str) -> None:
    """Raise ``mount`` when the file is a mount point of its own, and ``read_only`` for a read-only file system."""
    try:
        if os.fstatvfs(directory).f_flag & os.ST_RDONLY:
            raise DurableError("read_only", path, _REASONS[errno.EROFS][1])
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        mounted = status.st_dev != os.fstat(directory).st_dev or _is_mount_point(directory, name)
    except FileNotFoundError:
        return
    except OSError as error:
        raise translated(error, path) from None
    if mounted:
        raise DurableError("mount", path, _REASONS[errno.EBUSY][1])


def _is_mount_point(directory: int, name: str) -> bool:
    # A bind mount within one file system has the device of its directory: only the table of mounts tells.
    try:
        place = os.path.join(os.readlink(f"/proc/self/fd/{directory}"), name)
        with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as table:
            return any(_unescaped(line.split(" ")[4]) == place for line in table)
    except (OSError, IndexError):
        # No such table (macOS, a bare chroot): there the rename itself fails with EBUSY.
        return False


def _unescaped(field: str) -> str:
    return re.sub(r"\\([0-7]{3})", lambda found: chr(int(found.group(1), 8)), field)
