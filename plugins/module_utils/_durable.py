# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The only code that writes files holding a secret: whole or not at all, never readable by others, durable.

A file is replaced by renaming a finished temporary file over it. Order: lock, compare, temporary file (0600 from
its first instant, complete, with owner, mode and extended attributes), fsync, rename, fsync of the directory, read
back. Several files are never replaced together: a caller that writes two can be interrupted between them.

Two kinds of own files appear beside the target, both 0600: the lock ``.NAME.lock``, which stays for ever (to delete
a lock file is to let two writers in), and temporary files, which a later write removes if a crash left them.

:func:`read`, :func:`write`, :func:`set_attributes` and :func:`check_writable` raise :class:`DurableError` and no
other exception. For hosts and for the controller alike.
"""

from __future__ import annotations

import errno
import fcntl
import os
import re
import secrets
import stat
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Callable

from ansible_collections.genai.comfyui.plugins.module_utils._place import (
    DEFAULT_MODE,
    DurableError,
    Snapshot,
    checked_stat,
    content,
    opened_directory,
    opened_file,
    read,
    refuse_mount,
    snapshot,
    translated,
)

__all__ = ["DurableError", "Snapshot", "check_writable", "locked", "read", "set_attributes", "write"]

_ACL = "system.posix_acl_access"
# They belong to the old content; the kernel or its tools make new ones.
_CONTENT_BOUND = frozenset({"security.ima", "security.evm", "security.capability"})


def check_writable(path: str) -> None:
    """Raise what can be known beforehand to stop :func:`write`: mounts, read-only file systems, permissions."""
    with opened_directory(path) as (directory, name):
        _check_lock_place(directory, name, path)
        refuse_mount(directory, name, path)
        effective = os.access in os.supports_effective_ids
        if not os.access(".", os.W_OK | os.X_OK, dir_fd=directory, effective_ids=effective):
            raise translated(OSError(errno.EACCES, ""), path)


def _check_lock_place(directory: int, name: str, path: str) -> None:
    """Raise when something other than a lock file stands where the lock belongs."""
    with suppress(FileNotFoundError):
        checked_stat(os.stat(f".{name}.lock", dir_fd=directory, follow_symlinks=False), f"{path} (its lock file)")


def write(
    path: str,
    data: bytes,
    *,
    expected: bytes | None,
    mode: int | None = None,
    owner: int | None = None,
    group: int | None = None,
    validator: Callable[[str], object] | None = None,
    timeout: float = 30.0,
) -> None:
    """Make *data* the content of *path*, provided that the content is still *expected*.

    :param path: absolute; see :mod:`_place` for what is checked about it.
    :param expected: the bytes seen before, or None for "there must be no such file".
    :param mode, owner, group: permission bits and numeric ids; None keeps those of the old file. A new file gets
        0600 and the ids of this process. Access control lists and other extended attributes of an old file are kept.
    :param validator: called with the path of the finished temporary file before the rename; whatever it raises
        stops the write.
    :param timeout: seconds to wait for another writer's lock.
    """
    with locked(path, timeout) as (directory, name):
        old = snapshot(directory, name, path)
        if old.data != expected:
            message = "the file was changed by somebody else meanwhile; run again"
            raise DurableError("changed_meanwhile", path, message)
        refuse_mount(directory, name, path)
        wanted = mode if mode is not None else old.mode if old.mode is not None else DEFAULT_MODE
        uid = owner if owner is not None else old.uid
        gid = group if group is not None else old.gid
        temporary = f"{_prefix(name)}{secrets.token_hex(8)}"
        try:
            with opened_file(directory, name, path) as source:
                _fill(directory, temporary, path, data, source, (wanted, uid, gid))
            _validate(validator, os.path.join(os.path.dirname(path), temporary), path)
            os.rename(temporary, name, src_dir_fd=directory, dst_dir_fd=directory)
        except OSError as error:
            raise translated(error, path) from None
        finally:
            with suppress(OSError):
                os.unlink(temporary, dir_fd=directory)
        _settle(directory, path)
        new = snapshot(directory, name, path)
        if (new.data, new.mode) != (data, wanted) or uid not in (None, new.uid) or gid not in (None, new.gid):
            raise DurableError("read_back", path, "what was read back is not what was written; look who else writes it")


def set_attributes(
    path: str,
    *,
    expected: bytes,
    mode: int | None = None,
    owner: int | None = None,
    group: int | None = None,
    timeout: float = 30.0,
) -> None:
    """Change permission bits and ids of the file at *path* without touching its content or its time of change.

    *expected* is the content seen before: another one is refused as in :func:`write`. None keeps a value.
    """
    with locked(path, timeout) as place, opened_file(*place, path) as descriptor:
        if descriptor is None or content(descriptor, path) != expected:
            raise DurableError("changed_meanwhile", path, "the file was changed by somebody else meanwhile; run again")
        refuse_mount(*place, path)
        try:
            # First the mode, which only ever takes rights away from the old owner's group before it changes hands.
            if mode is not None:
                os.fchmod(descriptor, mode & stat.S_IMODE(os.fstat(descriptor).st_mode))
            _own(descriptor, owner, group)
            if mode is not None:
                os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        except OSError as error:
            raise translated(error, path) from None


@contextmanager
def locked(path: str, timeout: float = 30.0) -> Iterator[tuple[int, str]]:
    """Hold the lock of *path*; yield the descriptor of its directory and its name. Leftovers of crashes are gone.

    Not reentrant: :func:`write` and :func:`set_attributes` take the lock themselves.
    """
    with opened_directory(path) as (directory, name):
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
            _check_lock_place(directory, name, path)
            lock = os.open(f".{name}.lock", flags, 0o600, dir_fd=directory)
        except OSError as error:
            raise translated(error, path) from None
        try:
            checked_stat(os.fstat(lock), f"{path} (its lock file)")
            _wait(lock, path, timeout)
            _clean(directory, name)
            yield directory, name
        finally:
            os.close(lock)


def _wait(lock: int, path: str, timeout: float) -> None:
    deadline = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise translated(error, path) from None
        if time.monotonic() >= deadline:
            raise DurableError("locked", path, f"somebody else held the lock for {timeout:g} s; run again later")
        time.sleep(0.02)


def _prefix(name: str) -> str:
    return f".{name}.genai-tmp-"


def _clean(directory: int, name: str) -> None:
    # Every writer holds the lock while its temporary file exists, so under the lock each one found is a leftover.
    ours = re.compile(re.escape(_prefix(name)) + r"[0-9a-f]{16}")
    with suppress(OSError):
        for entry in os.listdir(directory):
            if ours.fullmatch(entry):
                os.unlink(entry, dir_fd=directory)


def _fill(
    directory: int,
    temporary: str,
    path: str,
    data: bytes,
    source: int | None,
    attributes: tuple[int, int | None, int | None],
) -> None:
    """Make the temporary file, complete and on disk. Raises OSError."""
    mode, uid, gid = attributes
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(temporary, flags, 0o600, dir_fd=directory)
    try:
        # The umask may take bits away; it can add none.
        os.fchmod(descriptor, 0o600)
        view = memoryview(data)
        while view:
            view = view[os.write(descriptor, view) :]
        _own(descriptor, uid, gid)
        if source is not None:
            _copy_xattrs(source, descriptor, path, mode)
        os.fchmod(descriptor, mode)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _own(descriptor: int, uid: int | None, gid: int | None) -> None:
    status = os.fstat(descriptor)
    uid = status.st_uid if uid is None else uid
    gid = status.st_gid if gid is None else gid
    if (uid, gid) != (status.st_uid, status.st_gid):
        os.fchown(descriptor, uid, gid)


def _copy_xattrs(source: int, target: int, path: str, mode: int) -> None:
    if not hasattr(os, "listxattr"):
        return
    try:
        names = os.listxattr(source)
    except OSError:
        return
    for name in names:
        if name in _CONTENT_BOUND:
            continue
        try:
            value = os.getxattr(source, name)
            if name == _ACL:
                value = _fit_acl(value, mode)
            try:
                unchanged = os.getxattr(target, name) == value
            except OSError:
                unchanged = False
            if not unchanged:
                os.setxattr(target, name, value)
        except OSError as error:
            message = f"its extended attribute {name} cannot be kept ({error.strerror}); run with become, or remove it"
            raise DurableError("attributes", path, message) from None


def _fit_acl(value: bytes, mode: int) -> bytes:
    """Return a binary access control list whose owner, mask and others say what *mode* says.

    To set the old one as it is would open the new file for as long as the mode is not set.
    """
    bits = {0x01: mode >> 6 & 7, 0x10: mode >> 3 & 7, 0x20: mode & 7}
    entries = [struct.unpack_from("<HHI", value, offset) for offset in range(4, len(value) - 7, 8)]
    return value[:4] + b"".join(struct.pack("<HHI", tag, bits.get(tag, perm), who) for tag, perm, who in entries)


def _validate(validator: Callable[[str], object] | None, temporary: str, path: str) -> None:
    if validator is None:
        return
    try:
        validator(temporary)
    except DurableError:
        raise
    except Exception as error:
        # Its text may quote the file, so only its kind is told.
        message = f"the new content was refused by its validator ({type(error).__name__}); nothing was changed"
        raise DurableError("refused_by_validator", path, message) from None


def _settle(directory: int, path: str) -> None:
    try:
        os.fsync(directory)
    except OSError as error:
        if error.errno in (errno.EINVAL, errno.ENOTSUP):
            return
        message = f"the new content is in place, but a power loss may undo it ({error.strerror}); run again"
        raise DurableError("not_durable", path, message) from None
