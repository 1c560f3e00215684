# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ACCEPT.json as Ansible writes it, read by the guard's own strict reader."""

from __future__ import annotations

import importlib.util
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

ROOT = Path(__file__).resolve().parents[3]
MODULE = "ansible_collections.genai.comfyui.plugins.modules.accept"
LETTER = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
DIGIT = "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O"
DOT = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"
CURRENT = {"username": "admin", "password": "Correct-Horse-1", "token": LETTER, "version": "v7", "retired": []}
ROTATING = {
    **CURRENT,
    "pending": {"token": DIGIT, "version": "v8"},
    "accept": [
        {"version": "v7", "token": LETTER, "expires": None},
        {"version": "v8", "token": DIGIT, "expires": None},
    ],
    "epoch": 1790000000,
}


def guard() -> ModuleType:
    """Return the guard's reader."""
    spec = importlib.util.spec_from_file_location(
        "guard_accept_reader", ROOT / "roles/comfyui_login/files/guard/accept.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


def run(place: Path, credential: Any, fails: bool = False, names: tuple[str, ...] = ("a",), **more: Any) -> Any:
    instances = [{"name": name, "path": str(place / name / "ACCEPT.json")} for name in names]
    given = place / "arguments"
    arguments = {"instances": instances, "credentials": {"main": credential}, **more}
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    done = subprocess.run(
        [sys.executable, "-m", MODULE, str(given)], capture_output=True, text=True, timeout=60, check=False
    )
    for secret in (LETTER, DIGIT, DOT, "Correct-Horse-1"):
        assert secret not in done.stdout + done.stderr
    result = json.loads(done.stdout)
    assert bool(result.get("failed")) == fails, result
    return result


@pytest.fixture
def login(tmp_path: Path) -> Path:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    return tmp_path / "a" / "ACCEPT.json"


def test_first_run_second_run_and_a_rotation(tmp_path: Path, login: Path) -> None:
    planned = run(tmp_path, CURRENT, _ansible_check_mode=True, _ansible_diff=True)
    assert planned["changed"] is True
    assert planned["instances"][0]["status"] == "missing"
    assert planned["diff"][0]["after"] == f"v7 ({fingerprint(LETTER)})\nsessions count from 0\n"
    assert not login.exists()

    (first,) = run(tmp_path, CURRENT)["instances"]
    assert (first["status"], first["was"], first["changed"]) == ("in_sync", "missing", True)
    assert (first["versions"], first["fingerprints"], first["epoch"]) == (["v7"], [fingerprint(LETTER)], 0)
    assert stat.S_IMODE(login.stat().st_mode) == 0o600
    accepted = guard().parse_accept(login.read_bytes())
    assert [(one.version, one.token.decode(), one.expires) for one in accepted.tokens] == [("v7", LETTER, None)]
    inode = login.stat().st_ino
    assert run(tmp_path, CURRENT)["changed"] is False
    assert login.stat().st_ino == inode

    (second,) = run(tmp_path, ROTATING)["instances"]
    assert (second["was"], second["versions"], second["epoch"]) == ("other", ["v7", "v8"], 1790000000)
    accepted = guard().parse_accept(login.read_bytes())
    assert accepted.epoch == 1790000000
    assert accepted.find(DIGIT.encode(), 0) is not None
    assert accepted.find(LETTER.encode(), 0) is not None

    ends = [{"version": "v8", "token": DIGIT, "expires": None}, {"version": "v7", "token": LETTER, "expires": 1000}]
    switched = {"token": DIGIT, "version": "v8", "previous": {"token": LETTER, "version": "v7"}, "accept": ends}
    run(tmp_path, switched)
    accepted = guard().parse_accept(login.read_bytes())
    assert accepted.find(LETTER.encode(), 999) is not None
    assert accepted.find(LETTER.encode(), 1000) is None


@pytest.mark.parametrize("content", [b"", b"{", b"\xff\xfe", b"[]", b'{"schema": 1, "epoch": 0, "tokens": []}'])
def test_a_damaged_file_is_written_anew(tmp_path: Path, login: Path, content: bytes) -> None:
    login.write_bytes(content)
    login.chmod(0o600)
    (record,) = run(tmp_path, CURRENT)["instances"]
    assert (record["was"], record["status"]) == ("damaged", "in_sync")
    assert guard().parse_accept(login.read_bytes()).tokens[0].version == "v7"


def test_a_file_that_others_may_read_is_closed(tmp_path: Path, login: Path) -> None:
    run(tmp_path, CURRENT)
    login.chmod(0o644)
    found = run(tmp_path, CURRENT, _ansible_check_mode=True)["instances"][0]
    assert (found["status"], found["detail"][:9]) == ("too_open", "mode 0644")
    assert run(tmp_path, CURRENT)["changed"] is True
    assert stat.S_IMODE(login.stat().st_mode) == 0o600
    assert run(tmp_path, CURRENT)["changed"] is False


def test_a_field_newer_than_the_truth_is_refused_and_nothing_is_written(tmp_path: Path, login: Path) -> None:
    run(tmp_path, {**CURRENT, "token": DIGIT, "version": "v8"})
    before = login.read_bytes()
    result = run(tmp_path, CURRENT, names=("b", "a"), fails=True)
    assert f"lists v8 ({fingerprint(DIGIT)}), which the truth's credential main does not know" in result["msg"]
    assert "adopt the token that the server holds" in result["msg"]
    assert result["instances"][1]["found_fingerprints"] == [fingerprint(DIGIT)]
    assert [one["status"] for one in result["instances"]] == ["missing", "unknown"]
    assert login.read_bytes() == before
    assert os.listdir(tmp_path / "b") == []
    # What the truth has retired is known to it, and replaced.
    retired = [{"version": "v8", "fingerprint": fingerprint(DIGIT), "retired": "2026-01-02T03:04:05Z"}]
    assert run(tmp_path, {**CURRENT, "retired": retired})["changed"] is True


V8 = {"version": "v8", "token": DIGIT, "expires": None}
V7 = {"version": "v7", "token": LETTER, "expires": None}
SWITCHED = {"token": DIGIT, "version": "v8", "previous": {"token": LETTER, "version": "v7"}}


@pytest.mark.parametrize(
    ("newer", "older", "again"),
    [
        ({**SWITCHED, "accept": [V8]}, ROTATING, True),
        ({**SWITCHED, "accept": [V8, {**V7, "expires": 9}]}, ROTATING, True),
        ({**SWITCHED, "accept": [V8]}, {**SWITCHED, "accept": [V8, {**V7, "expires": 9}]}, True),
        # What rotations do: both, then an end, then one; both, then one at once; and back.
        (ROTATING, {**SWITCHED, "accept": [V8, {**V7, "expires": 9}]}, False),
        ({**SWITCHED, "accept": [V8, {**V7, "expires": 9}]}, {**SWITCHED, "accept": [V8]}, False),
        (ROTATING, {**SWITCHED, "accept": [V8]}, False),
        (ROTATING, {**CURRENT, "accept": [V7], "previous": {"token": DIGIT, "version": "v8"}}, False),
    ],
)
def test_a_token_that_was_shut_out_is_not_let_in_again(
    tmp_path: Path, login: Path, newer: Any, older: Any, again: bool
) -> None:
    """A truth from the middle of a rotation knows every token, and is old all the same."""
    run(tmp_path, newer)
    before = login.read_bytes()
    result = run(tmp_path, older, fails=again)
    assert (login.read_bytes() == before) == again
    if again:
        assert "would let v7 in again, so the server is newer than the truth" in result["msg"]
        assert "adopt the token that the server holds" in result["msg"]
        assert result["instances"][0]["status"] == "unknown"


WITHDRAWN = {**CURRENT, "previous": {"token": DIGIT, "version": "v8"}, "accept": [V7]}
RETIRED = {"version": "v8", "fingerprint": fingerprint(DIGIT), "retired": "2026-01-02T03:04:05Z"}
ABORTED = {**CURRENT, "accept": [V7], "retired": [RETIRED]}


def test_a_copy_of_a_rotation_that_was_aborted_since_is_refused(tmp_path: Path, login: Path) -> None:
    """Once the way back is done nothing else tells that copy from a rotation that has just begun."""
    run(tmp_path, ROTATING)
    assert run(tmp_path, WITHDRAWN)["changed"] is True
    # It is there before the truth forgets, so that no crash comes in between.
    assert run(tmp_path, ABORTED)["changed"] is False
    again = run(tmp_path, ABORTED)
    assert (again["changed"], again["instances"][0]["status"]) == (False, "in_sync")
    receipt = login.with_name("RETIRED.json")
    assert stat.S_IMODE(receipt.stat().st_mode) == 0o600
    assert json.loads(receipt.read_text()) == {"schema": 1, "retired": [fingerprint(DIGIT)]}
    before = login.read_bytes(), receipt.read_bytes()
    for older in (ROTATING, {**SWITCHED, "accept": [V8]}, {**SWITCHED, "accept": [V8, {**V7, "expires": 9}]}):
        result = run(tmp_path, older, fails=True)
        assert f"would let v8 ({fingerprint(DIGIT)}) in, which was retired or withdrawn here" in result["msg"]
        assert "restore the newest copy, or adopt the token that the server holds" in result["msg"]
        assert result["instances"][0]["status"] == "unknown"
        assert (login.read_bytes(), receipt.read_bytes()) == before
    # Another token of that name is another rotation, and who retired a token may want it again.
    fresh = {"pending": {"token": DOT, "version": "v9"}, "accept": [V7, {**V8, "version": "v9", "token": DOT}]}
    run(tmp_path, {**ABORTED, **fresh})
    login.unlink()
    run(tmp_path, {**ABORTED, "token": DIGIT, "version": "v10", "previous": V7, "accept": [{**V8, "version": "v10"}]})
    # Without it, or with one that is broken, runs go on, and it is there again.
    for broken in (b"{", b'{"schema": 1, "retired": ["x"]}'):
        receipt.write_bytes(broken)
        login.unlink()
        assert run(tmp_path, ABORTED)["changed"] is True
        assert json.loads(receipt.read_text())["retired"] == [fingerprint(DIGIT)]


def test_a_receipt_that_cannot_be_written_stops_the_rest(tmp_path: Path, login: Path) -> None:
    run(tmp_path, ROTATING)
    before = login.read_bytes()
    login.with_name("RETIRED.json").symlink_to(tmp_path / "elsewhere")
    assert "RETIRED.json" in run(tmp_path, WITHDRAWN, fails=True)["msg"]
    assert login.read_bytes() == before


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"accept": []}, "0 tokens to accept"),
        ({"accept": [{"version": "v7", "token": "nonsense", "expires": None}]}, "v7 is not a bcrypt hash"),
        ({"accept": [{"version": "v7", "token": LETTER, "expires": 5}]}, "login/PASSWORD is not among those"),
        ({"accept": [{"version": "v8", "token": DIGIT, "expires": None}]}, "login/PASSWORD is not among those"),
        ({"serve": "pending", "pending": {"token": DOT, "version": "v9"}}, "login/PASSWORD is not among those"),
        ({"accept": [{"version": "no name", "token": LETTER, "expires": None}]}, "no short plain name"),
        ({"accept": [{"version": "v7", "token": LETTER, "expires": "soon"}]}, "neither null nor whole seconds"),
        ({"epoch": -1}, "epoch is not whole seconds"),
    ],
)
def test_what_would_lock_a_server_out_is_refused(tmp_path: Path, login: Path, change: Any, said: str) -> None:
    result = run(tmp_path, {**ROTATING, **change}, fails=True)
    assert said in result["msg"]
    assert not login.exists()


def test_bare_host_in_check_mode_and_a_credential_still_to_be_made(tmp_path: Path) -> None:
    planned = {"username": "", "password": None, "token": None, "version": None, "planned": True}
    (record,) = run(tmp_path, planned, names=("none",), _ansible_check_mode=True)["instances"]
    assert (record["status"], record["changed"], record["versions"]) == ("missing", True, [])
    assert run(tmp_path, None, fails=True)["msg"].startswith("accept: nothing was written: a: credentials holds no")


def test_absent_removes_and_says_so(tmp_path: Path, login: Path) -> None:
    run(tmp_path, CURRENT)
    assert run(tmp_path, {}, state="absent", _ansible_check_mode=True)["changed"] is True
    assert login.exists()
    (record,) = run(tmp_path, {}, state="absent", credentials={})["instances"]
    assert (record["status"], record["was"]) == ("absent", "other")
    assert not login.exists()
    assert run(tmp_path, {}, state="absent")["changed"] is False
