# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the durable writer refuses, with which words; and that the target is as it was afterwards."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _durable

Mount = Callable[..., Path]


def refused(path: Path | str, reason: str, message: str, **options: Any) -> None:
    """Write *path* and expect the refusal *reason*, with *message* in its text and without the content."""
    options.setdefault("expected", b"one")
    with pytest.raises(_durable.DurableError, match=message) as caught:
        _durable.write(str(path), b"s3cret", **options)
    assert caught.value.reason == reason
    assert str(caught.value).startswith(str(path))
    assert "s3cret" not in str(caught.value)
    directory = Path(path).parent
    if directory.is_dir():
        assert not [entry for entry in os.listdir(directory) if "genai-tmp" in entry]


@pytest.fixture
def target(tmp_path: Path) -> Path:
    """A file with the content ``one``."""
    path = tmp_path / "secret"
    path.write_bytes(b"one")
    path.chmod(0o600)
    return path


def test_changed_meanwhile(target: Path) -> None:
    """Neither a changed file, nor one that appeared, nor one that vanished is overwritten."""
    refused(target, "changed_meanwhile", "changed by somebody else meanwhile; run again", expected=b"other")
    refused(target, "changed_meanwhile", "changed by somebody else", expected=None)
    assert target.read_bytes() == b"one"
    target.unlink()
    refused(target, "changed_meanwhile", "changed by somebody else", expected=b"one")
    assert not target.exists()


def test_symbolic_links(target: Path) -> None:
    """Neither the file nor its directory may be one; a dangling one is no new file."""
    link = target.parent / "link"
    link.symlink_to(target)
    refused(link, "symlink", "the file is a symbolic link; name the file it points to")
    (target.parent / "dangling").symlink_to(target.parent / "nothing")
    refused(target.parent / "dangling", "symlink", "symbolic link", expected=None)
    (target.parent / "folder").symlink_to(target.parent)
    refused(target.parent / "folder" / "secret", "symlink", "is a symbolic link; name the real directory")
    assert target.read_bytes() == b"one"
    assert not (target.parent / "nothing").exists()


def test_hard_links(target: Path) -> None:
    """A file with two names would keep the old content under one of them."""
    (target.parent / "other").hardlink_to(target)
    refused(target, "hard_link", r"the file has 2 names \(hard links\)")
    assert target.read_bytes() == b"one"


def test_non_files(tmp_path: Path) -> None:
    """Directories (what a container's mount of a missing file makes) and pipes are refused without waiting."""
    (tmp_path / "folder").mkdir()
    refused(tmp_path / "folder", "not_a_file", "no regular file")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not_a_file", "no regular file")


def test_paths(tmp_path: Path) -> None:
    """Relative paths, missing directories and files in the way are told apart."""
    refused("secret", "bad_path", "no absolute path")
    refused(f"{tmp_path}/", "bad_path", "no absolute path")
    refused(tmp_path / "no" / "secret", "no_directory", "the directory does not exist; create it first", expected=None)
    (tmp_path / "file").touch()
    refused(tmp_path / "file" / "secret", "no_directory", "not a directory", expected=None)
    (tmp_path / "big").write_bytes(b"x" * ((1 << 20) + 1))
    refused(tmp_path / "big", "too_big", "larger than 1048576 bytes")


def test_directory_open_to_everybody(target: Path) -> None:
    """In a directory where anybody may rename files nothing is safe, unless it is sticky."""
    target.parent.chmod(0o777)
    refused(target, "unsafe_directory", "everybody may write to the directory")
    target.parent.chmod(0o1777)
    _durable.write(str(target), b"two", expected=b"one")


def test_lock_that_is_a_trap(target: Path) -> None:
    """A symbolic link in the lock's place is not followed."""
    trap = target.parent / ".secret.lock"
    trap.symlink_to(target.parent / "elsewhere")
    refused(target, "symlink", "its lock file")
    with pytest.raises(_durable.DurableError, match="its lock file"):
        _durable.check_writable(str(target))
    assert not (target.parent / "elsewhere").exists()


def test_full_disk(tmp_path: Path, mount: Mount) -> None:
    """On a file system without space the old file stays whole and no temporary file is left."""
    small = tmp_path / "small"
    small.mkdir()
    mount(small, "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs")
    path = small / "secret"
    path.write_bytes(b"one")
    (small / ".secret.lock").touch(0o600)
    with (small / "filler").open("wb", buffering=0) as filler:
        while os.statvfs(small).f_bavail:
            filler.write(b"x" * 4096)
    refused(path, "no_space", "no space is left on the file system; free some and run again")
    assert path.read_bytes() == b"one"
    assert {entry.name for entry in small.iterdir()} == {"secret", "filler", ".secret.lock"}


def test_read_only_file_system(tmp_path: Path, mount: Mount) -> None:
    """It is told beforehand, and at the write."""
    place = tmp_path / "place"
    place.mkdir()
    mount(place, "-t", "tmpfs", "-o", "size=64k,mode=700", "tmpfs")
    (place / "secret").write_bytes(b"one")
    mount(place, "-o", "remount,ro")
    refused(place / "secret", "read_only", "the file system is read-only")
    with pytest.raises(_durable.DurableError, match="read-only"):
        _durable.check_writable(str(place / "secret"))
    assert (place / "secret").read_bytes() == b"one"


def test_bind_mounted_file(target: Path, mount: Mount) -> None:
    """A file that is a mount point keeps its inode: replacing it cannot work, and it is told beforehand."""
    source = target.parent / "with space"
    source.write_bytes(b"one")
    mount(target, "--bind", str(source))
    refused(target, "mount", "is a mount point; mount its directory instead of the file")
    with pytest.raises(_durable.DurableError, match="mount point"):
        _durable.check_writable(str(target))
    assert source.read_bytes() == b"one"


@pytest.mark.parametrize(
    ("name", "number", "reason"),
    [
        ("fsync", errno.ENOSPC, "no_space"),
        ("fsync", errno.EIO, "os_error"),
        ("write", errno.EDQUOT, "no_space"),
        ("fchmod", errno.EPERM, "permission"),
        ("rename", errno.EBUSY, "mount"),
        ("rename", errno.EXDEV, "cross_device"),
        ("rename", errno.EROFS, "read_only"),
        ("rename", errno.EPERM, "permission"),
    ],
)
def test_failing_system_calls(
    target: Path, monkeypatch: pytest.MonkeyPatch, name: str, number: int, reason: str
) -> None:
    """Each step that the system refuses ends in a typed error, the old file and no leftovers."""

    def fail(*_args: Any, **_kwargs: Any) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, name, fail)
    refused(target, reason, "secret: ")
    assert target.read_bytes() == b"one"


def test_lost_directory_sync(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When only the directory cannot be synced, the message does not claim that nothing happened."""
    real = os.fsync

    def fail(descriptor: int) -> None:
        if os.path.isdir(f"/proc/self/fd/{descriptor}"):
            raise OSError(errno.EIO, "Input/output error")
        real(descriptor)

    monkeypatch.setattr(os, "fsync", fail)
    refused(target, "not_durable", "the new content is in place, but a power loss may undo it")
    assert target.read_bytes() == b"s3cret"


def test_read_back(target: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody who writes right after us is noticed."""
    real = os.rename

    def rename(*args: Any, **kwargs: Any) -> None:
        real(*args, **kwargs)
        target.write_bytes(b"theirs")

    monkeypatch.setattr(os, "rename", rename)
    refused(target, "read_back", "what was read back is not what was written")
