# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the durable writer does when all goes well: order, modes, attributes, locks."""

from __future__ import annotations

import fcntl
import os
import struct
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _durable

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="not root: owners were not checked")


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o7777


def names(folder: Path) -> set[str]:
    return {entry.name for entry in folder.iterdir()}


def test_new_file_is_private(tmp_path: Path) -> None:
    """A file that did not exist gets 0600, whatever the umask; its lock too; nothing else is left."""
    path = tmp_path / "secret"
    old = os.umask(0)
    try:
        _durable.write(str(path), b"one\n", expected=None)
    finally:
        os.umask(old)
    assert path.read_bytes() == b"one\n"
    assert mode_of(path) == mode_of(tmp_path / ".secret.lock") == 0o600
    assert names(tmp_path) == {"secret", ".secret.lock"}
    assert _durable.read(str(path)) == _durable.Snapshot(str(path), b"one\n", 0o600, os.geteuid(), os.getegid())


def test_replaced_by_rename_and_mode_kept(tmp_path: Path) -> None:
    """The old file is never opened for writing: it is another inode, and keeps its mode unless told otherwise."""
    path = tmp_path / "secret"
    path.write_bytes(b"one")
    path.chmod(0o640)
    with path.open("rb") as before:
        _durable.write(str(path), b"two", expected=b"one")
        assert before.read() == b"one"
    assert (path.read_bytes(), mode_of(path)) == (b"two", 0o640)
    _durable.write(str(path), b"three", expected=b"two", mode=0o600)
    assert mode_of(path) == 0o600


@ROOT
def test_owner_is_kept_or_set(tmp_path: Path) -> None:
    """Owner and group survive a replacement; each can be set alone."""
    path = tmp_path / "secret"
    path.write_bytes(b"one")
    os.chown(path, 65534, 65533)
    _durable.write(str(path), b"two", expected=b"one")
    assert (path.stat().st_uid, path.stat().st_gid) == (65534, 65533)
    _durable.write(str(path), b"three", expected=b"two", owner=12345)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 65533)
    _durable.set_attributes(str(path), expected=b"three", owner=0, group=0, mode=0o400)
    assert (path.stat().st_uid, path.stat().st_gid, mode_of(path)) == (0, 0, 0o400)
    _durable.write(str(tmp_path / "new"), b"x", expected=None, group=54321)
    assert (tmp_path / "new").stat().st_gid == 54321


def test_order_and_modes_of_system_calls(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attributes, then fsync of the file, then rename, then fsync of the directory; never a truncation."""
    path = tmp_path / "secret"
    path.write_bytes(b"one")
    path.chmod(0o640)
    calls: list[str] = []
    kind = {True: "directory", False: "file"}

    def record(name: str) -> None:
        real = getattr(os, name)

        def call(*args: Any, **kwargs: Any) -> Any:
            result = real(*args, **kwargs)
            if name == "open":
                assert not args[1] & os.O_TRUNC
                if args[1] & os.O_EXCL:
                    assert args[1] & os.O_NOFOLLOW
                    assert args[2] == 0o600
                    calls.append("create")
            elif name == "fsync":
                calls.append("fsync " + kind[os.path.isdir(f"/proc/self/fd/{args[0]}")])
            elif name == "fchmod":
                calls.append(f"fchmod {args[1]:o}")
            else:
                calls.append(name)
            return result

        monkeypatch.setattr(os, name, call)

    for name in ("open", "write", "fchmod", "fsync", "rename"):
        record(name)
    _durable.write(str(path), b"two", expected=b"one")
    assert calls == ["create", "fchmod 600", "write", "fchmod 640", "fsync file", "rename", "fsync directory"]


def test_short_writes_are_continued(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A system that takes one byte at a time gets them all."""
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, bytes(data)[:1]))
    _durable.write(str(tmp_path / "secret"), b"abc" * 20, expected=None)
    assert (tmp_path / "secret").read_bytes() == b"abc" * 20


def test_readers_never_see_half_a_file(tmp_path: Path) -> None:
    """While it is replaced again and again, no look finds it missing, empty, mixed or open to others."""
    path = tmp_path / "secret"
    contents = [bytes([65 + index]) * 4096 for index in range(40)]
    _durable.write(str(path), contents[0], expected=None)
    wrong: list[str] = []
    looks = 0
    stop = threading.Event()

    def look() -> None:
        nonlocal looks
        while not stop.is_set():
            looks += 1
            data = path.read_bytes()
            if data not in contents:
                wrong.append(f"{len(data)} bytes, {len(set(data))} kinds")
            wrong.extend(
                f"{entry.name} {entry.stat().st_mode:o}"
                for entry in os.scandir(tmp_path)
                if _mode_or_none(entry) not in (None, 0o600)
            )

    reader = threading.Thread(target=look)
    reader.start()
    for before, after in zip(contents, contents[1:]):
        _durable.write(str(path), after, expected=before)
    stop.set()
    reader.join()
    assert looks > 10
    assert wrong == []


def _mode_or_none(entry: os.DirEntry[str]) -> int | None:
    try:
        return entry.stat().st_mode & 0o777
    except FileNotFoundError:
        return None


def test_set_attributes_leaves_content_and_time(tmp_path: Path) -> None:
    """To correct a mode is no reason to restart anybody: same inode, same time of change."""
    path = tmp_path / "secret"
    path.write_bytes(b"one")
    path.chmod(0o644)
    before = path.stat()
    _durable.set_attributes(str(path), expected=b"one", mode=0o600)
    after = path.stat()
    assert mode_of(path) == 0o600
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    with pytest.raises(_durable.DurableError, match="changed by somebody else"):
        _durable.set_attributes(str(path), expected=b"two", mode=0o600)


def test_extended_attributes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """User attributes and access control lists go with the file, the list never wider than the mode."""
    path = tmp_path / "secret"
    path.write_bytes(b"one")
    path.chmod(0o600)
    # Version 2; the owner, user 12345 with rw, the group, the mask, others: what setfacl -m u:12345:rw makes.
    entries = [(1, 6, 0xFFFFFFFF), (2, 6, 12345), (4, 0, 0xFFFFFFFF), (0x10, 6, 0xFFFFFFFF), (0x20, 0, 0xFFFFFFFF)]
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)
    try:
        os.setxattr(path, "user.note", b"kept")
        os.setxattr(path, "system.posix_acl_access", acl)
    except OSError as error:
        pytest.skip(f"no extended attributes here, so they were not checked: {error}")
    assert mode_of(path) == 0o660
    _durable.write(str(path), b"two", expected=b"one")
    assert os.getxattr(path, "user.note") == b"kept"
    assert os.getxattr(path, "system.posix_acl_access") == acl
    real = os.setxattr

    def watched(target: int, name: str, value: bytes) -> None:
        real(target, name, value)
        assert os.fstat(target).st_mode & 0o077 == 0

    monkeypatch.setattr(os, "setxattr", watched)
    _durable.write(str(path), b"three", expected=b"two", mode=0o600)
    assert mode_of(path) == 0o600
    kept = os.getxattr(path, "system.posix_acl_access")
    assert struct.unpack_from("<HHI", kept, 12) == (2, 6, 12345)
    assert struct.unpack_from("<HHI", kept, 28)[:2] == (0x10, 0)


def test_validator_sees_the_finished_file(tmp_path: Path) -> None:
    """It gets a path with content and mode in place; what it raises stops the write and is not quoted."""
    path = tmp_path / "secret"
    seen: list[tuple[bytes, int]] = []

    def look(temporary: str) -> None:
        seen.append((Path(temporary).read_bytes(), mode_of(Path(temporary))))

    _durable.write(str(path), b"one", expected=None, mode=0o640, validator=look)
    assert seen == [(b"one", 0o640)]

    def refuse(temporary: str) -> None:
        raise ValueError(Path(temporary).read_text(encoding="ascii"))

    with pytest.raises(_durable.DurableError, match=r"refused by its validator \(ValueError\)") as caught:
        _durable.write(str(path), b"s3cret", expected=b"one", validator=refuse)
    assert caught.value.reason == "refused_by_validator"
    assert "s3cret" not in str(caught.value)
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == {"secret", ".secret.lock"}


def test_stale_temporaries_are_removed(tmp_path: Path) -> None:
    """What a killed writer left goes with the next write; files that only look alike stay."""
    script = (
        "import os, sys\n"
        "from ansible_collections.genai.comfyui.plugins.module_utils import _durable\n"
        "_durable.write(sys.argv[1], b'two', expected=b'one', validator=lambda name: os._exit(9))\n"
    )
    path = tmp_path / "secret"
    path.write_bytes(b"one")
    path.chmod(0o600)
    assert subprocess.run([sys.executable, "-c", script, str(path)], check=False).returncode == 9
    (left,) = [name for name in names(tmp_path) if "tmp" in name]
    assert mode_of(tmp_path / left) == 0o600
    assert path.read_bytes() == b"one"
    others = {".secret.genai-tmp-x", ".other.genai-tmp-0123456789abcdef", "secret.genai-tmp-0123456789abcdef"}
    for name in others:
        (tmp_path / name).touch()
    _durable.write(str(path), b"two", expected=b"one")
    assert names(tmp_path) == {"secret", ".secret.lock"} | others


def test_waits_for_the_lock(tmp_path: Path) -> None:
    """A second writer waits while the lock is held, and says so when that takes too long."""
    path = tmp_path / "secret"
    _durable.write(str(path), b"one", expected=None)
    with (tmp_path / ".secret.lock").open("rb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(_durable.DurableError, match=r"held the lock for 0\.05 s") as caught:
            _durable.write(str(path), b"two", expected=b"one", timeout=0.05)
        assert caught.value.reason == "locked"
        writer = threading.Thread(target=_durable.write, args=(str(path), b"two"), kwargs={"expected": b"one"})
        writer.start()
        assert path.read_bytes() == b"one"
        fcntl.flock(lock, fcntl.LOCK_UN)
        writer.join()
    assert path.read_bytes() == b"two"


def test_one_of_many_writers_wins(tmp_path: Path) -> None:
    """Of writers that all saw the same content exactly one succeeds; the others are told."""
    path = tmp_path / "secret"
    _durable.write(str(path), b"one", expected=None)
    reasons: list[str] = []

    def contend(index: int) -> None:
        try:
            _durable.write(str(path), b"%d" % index, expected=b"one")
            reasons.append("won")
        except _durable.DurableError as error:
            reasons.append(error.reason)

    writers = [threading.Thread(target=contend, args=(index,)) for index in range(8)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert sorted(reasons) == ["changed_meanwhile"] * 7 + ["won"]
