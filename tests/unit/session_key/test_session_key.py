# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Session keys: what the login node would take, and the module as Ansible runs it."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _session_key

MODULE = "ansible_collections.genai.comfyui.plugins.modules.session_key"
NOW = datetime(2026, 11, 22, 20, 0, 0)
KEY = base64.urlsafe_b64encode(bytes(range(32)))
FAR = KEY + b",9999-12-31T00:00:00"
NOT_ONE = "it is not one record of key and time"
UNREADABLE = "its key or its time cannot be read"


def as_the_node_reads(path: Path) -> tuple[str, datetime]:
    """Read a key file as the node does: split at the comma, the time in ISO form, not too old, a Fernet key."""
    key, made = path.read_text().split(",")
    assert datetime.now() - datetime.fromisoformat(made) <= timedelta(days=30)
    assert len(base64.urlsafe_b64decode(key)) == 32
    return key, datetime.fromisoformat(made)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (FAR, None),
        (KEY + b"," + NOW.isoformat().encode(), None),
        (KEY + b"," + (NOW - timedelta(days=28)).isoformat().encode(), None),
        (KEY + b",2026-11-22T20:00:00.123456", None),
        (
            KEY + b"," + (NOW - timedelta(days=29, seconds=1)).isoformat().encode(),
            "it is so old that the node would renew",
        ),
        (KEY + b",2020-01-01T00:00:00", "it is so old that the node would renew it"),
        (None, "there is none"),
        (b"", "it is empty"),
        (b" \n", "it is empty"),
        (KEY, NOT_ONE),
        (FAR + b"\n", NOT_ONE),
        (FAR + b"\r\n", NOT_ONE),
        (b"\xef\xbb\xbf" + FAR, NOT_ONE),
        (FAR + b"," + KEY, NOT_ONE),
        (KEY[:-2] + b"=,9999-12-31T00:00:00", NOT_ONE),
        (KEY.replace(b"A", b"+") + b",9999-12-31T00:00:00", NOT_ONE),
        (KEY + b",9999-12-31T00:00:00+00:00", NOT_ONE),
        (KEY + b",9999-13-31T00:00:00", UNREADABLE),
        (KEY + b",-----------", UNREADABLE),
        (b"\0" * 64, NOT_ONE),
    ],
)
def test_flaw(data: bytes | None, reason: str | None) -> None:
    found = _session_key.flaw(data, NOW)
    assert (found or "").startswith(reason or "")
    assert (found is None) == (reason is None)


def test_new_records_differ_and_last(tmp_path: Path) -> None:
    records = {_session_key.new_record() for _number in range(50)}
    assert len(records) == 50
    for record in records:
        assert _session_key.flaw(record, datetime.max) is None
    (tmp_path / "key").write_bytes(records.pop())
    assert as_the_node_reads(tmp_path / "key")[1].isoformat() == "9999-12-31T00:00:00"


def test_a_fingerprint_stands_for_the_key_and_not_for_its_time() -> None:
    assert _session_key.key_fingerprint(FAR) == _session_key.key_fingerprint(KEY + b",2020-01-01T00:00:00")
    assert _session_key.key_fingerprint(b"damaged") is None
    assert _session_key.key_fingerprint(None) is None


def run(place: Path, paths: list[Path], fails: bool = False, **settings: Any) -> dict[str, Any]:
    keys_before = [path.read_bytes() for path in paths if path.is_file()]
    given = place / "arguments"
    arguments = {"paths": [str(path) for path in paths], **settings}
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    done = subprocess.run(
        [sys.executable, "-m", MODULE, str(given)], capture_output=True, text=True, timeout=60, check=False
    )
    result: dict[str, Any] = json.loads(done.stdout)
    assert bool(result.get("failed")) == fails, result
    for data in keys_before + [path.read_bytes() for path in paths if path.is_file()]:
        key = data.split(b",")[0].decode("ascii", "replace")
        assert len(key) < 20 or key not in done.stdout + done.stderr
    return result


def test_first_run_then_nothing(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    planned = run(tmp_path, paths, _ansible_check_mode=True, _ansible_diff=True)
    assert [one["fingerprint"] for one in planned["files"]] == [None, None]
    assert not paths[0].exists()
    first = run(tmp_path, paths)
    assert [(one["changed"], one["reason"]) for one in first["files"]] == [(True, "there is none")] * 2
    assert as_the_node_reads(paths[0])[0] != as_the_node_reads(paths[1])[0]
    assert stat.S_IMODE(paths[0].stat().st_mode) == 0o600
    assert first["files"][0]["fingerprint"] == _session_key.key_fingerprint(paths[0].read_bytes())
    second = run(tmp_path, paths)
    assert second["changed"] is False
    assert [one["fingerprint"] for one in second["files"]] == [one["fingerprint"] for one in first["files"]]


@pytest.mark.parametrize("content", [b"", b"broken", KEY + b",2020-01-01T00:00:00", FAR + b"\n"])
def test_what_is_no_use_is_replaced_with_the_reason(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "key"
    path.write_bytes(content)
    path.chmod(0o644)
    planned = run(tmp_path, [path], _ansible_check_mode=True)
    assert path.read_bytes() == content
    real = run(tmp_path, [path], _ansible_diff=True)
    reason = _session_key.flaw(content, datetime.now())
    assert reason is not None
    assert planned["files"][0]["reason"] == real["files"][0]["reason"] == reason
    assert reason in real["diff"]["after"]
    as_the_node_reads(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_the_same_key_twice(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(FAR)
    two.write_bytes(KEY + b",9999-01-01T00:00:00")
    for path in (one, two):
        path.chmod(0o600)
    planned = run(tmp_path, [one, two], _ansible_check_mode=True)["files"]
    assert [key["reason"] for key in planned] == ["", "another instance has the same key"]
    run(tmp_path, [one, two])
    assert one.read_bytes() == FAR
    assert as_the_node_reads(two)[0] != KEY.decode()
    assert run(tmp_path, [one, two])["changed"] is False


def test_a_key_that_stays_gets_its_mode_back_and_keeps_its_time(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(FAR)
    path.chmod(0o644)
    os.utime(path, (100, 100))
    (record,) = run(tmp_path, [path])["files"]
    assert (record["changed"], record["reason"]) == (True, "owner, group or mode differ")
    assert path.read_bytes() == FAR
    # A newer file would mean a restart, and nothing that the process holds has changed.
    assert (stat.S_IMODE(path.stat().st_mode), path.stat().st_mtime) == (0o600, 100)


def test_renewed_ends_all_sessions(tmp_path: Path) -> None:
    paths = [tmp_path / "a", tmp_path / "b"]
    run(tmp_path, paths)
    before = [path.read_bytes() for path in paths]
    renewed = run(tmp_path, paths, state="renewed")
    assert [one["reason"] for one in renewed["files"]] == ["a new key was asked for"] * 2
    assert all(path.read_bytes() != old for path, old in zip(paths, before))


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_owner_and_group(tmp_path: Path) -> None:
    path = tmp_path / "key"
    run(tmp_path, [path], owner="nobody", group="daemon", mode="0440")
    status = path.stat()
    assert status.st_uid != 0
    assert (status.st_gid, stat.S_IMODE(status.st_mode)) == (1, 0o440)
    assert run(tmp_path, [path], owner="nobody", group="daemon", mode="0440")["changed"] is False
    assert run(tmp_path, [path], owner="root", group="daemon", mode="0440")["files"][0]["changed"] is True


def test_check_mode_on_a_bare_host(tmp_path: Path) -> None:
    path = tmp_path / "none" / "key"
    result = run(tmp_path, [path], owner="no-such-user-here", group="no-such-group-here", _ansible_check_mode=True)
    assert (result["changed"], result["files"][0]["reason"]) == (True, "there is none")
    real = run(tmp_path, [path], fails=True)
    assert real["msg"] == f"{path}: the directory does not exist; create it first"
    unknown = run(tmp_path, [tmp_path / "key"], owner="no-such-user-here", fails=True)
    assert unknown["msg"] == "owner 'no-such-user-here' does not exist on this host; create it first"
    assert not (tmp_path / "key").exists()


def test_refusals_leave_the_key_alone(tmp_path: Path) -> None:
    path, link = tmp_path / "key", tmp_path / "link"
    path.write_bytes(b"")
    link.symlink_to(path)
    assert "the file is a symbolic link" in run(tmp_path, [link], fails=True)["msg"]
    assert "must be octal text that gives others nothing" in run(tmp_path, [path], mode="0644", fails=True)["msg"]
    assert "names a file twice" in run(tmp_path, [path, path], fails=True)["msg"]
    assert path.read_bytes() == b""
