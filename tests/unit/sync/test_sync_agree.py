# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consumers are found, written and reported as they should be."""

from __future__ import annotations

import os
from pathlib import Path
from urllib.parse import quote

import pytest
from sync_cases import (
    DIGIT,
    DOT,
    FINGERPRINTS,
    LETTER,
    PASSWORD,
    PLANNED,
    SLASH,
    STRANGER,
    TOKENS,
    consumer,
    credential,
    file,
    sync,
)

from ansible_collections.genai.comfyui.plugins.module_utils import _agree, _durable, _sync, _sync_write
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._consumers import read_field

CODECS = ("login_password", "dotenv", "systemd_env", "json", "raw")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("name", TOKENS)
def test_new_files(tmp_path: Path, codec: str, name: str) -> None:
    """A missing file is made, private and readable by its codec; the second run does nothing at all."""
    one = consumer(tmp_path / "file", codec)
    main = credential(token=TOKENS[name])
    look = sync(one, main=main, check=True)
    assert (look.error, look.changed_paths, os.listdir(tmp_path)) == (None, [one["path"]], [])
    assert (look.records[0]["status"], look.records[0]["was"]) == ("missing_file", "missing_file")
    first = sync(one, main=main)
    assert first.error is None
    assert first.changed_consumers == ["file"]
    record = first.records[0]
    assert (record["status"], record["was"]) == ("in_sync", "missing_file")
    assert record["fingerprint"] == FINGERPRINTS[name]
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o600
    assert read_field(one["path"], codec, one["key"]) == TOKENS[name]
    before = (tmp_path / "file").stat()
    again = sync(one, main=main)
    assert (again.error, again.changed_consumers, again.changed_paths, again.diff) == (None, [], [], [])
    assert again.records[0]["status"] == again.records[0]["was"] == "in_sync"
    assert (tmp_path / "file").stat() == before


def test_no_lock_file_without_a_write(tmp_path: Path) -> None:
    """A run that has nothing to do leaves nothing behind."""
    path = file(tmp_path / "env", f"T='{LETTER}'\n")
    assert sync(consumer(path)).error is None
    assert sync(consumer(path), check=True).error is None
    assert os.listdir(tmp_path) == ["env"]


@pytest.mark.parametrize(
    ("text", "was"),
    [
        (f"T='{DOT}'\n", "previous"),
        (f"T='{SLASH}'\n", "stale"),
        (f"T='{STRANGER}'\n", "unknown"),
        (f"T='{LETTER.replace('$', '$$')}'\n", "damaged"),
        (f"T='{PASSWORD}'\n", "damaged"),
        (f"T={LETTER}\n", "damaged"),
        ("T=\n", "damaged"),
        ("A=1\n", "missing_key"),
        ("", "missing_key"),
    ],
)
def test_what_was_found_is_told_and_mended(tmp_path: Path, text: str, was: str) -> None:
    """Check mode tells the status and writes nothing; the real run reports the same as ``was``."""
    path = file(tmp_path / "env", text)
    look = sync(consumer(path), check=True)
    assert (look.error, look.records[0]["status"], look.changed_consumers) == (None, was, ["env"])
    assert path.read_text(encoding="utf-8") == text
    done = sync(consumer(path))
    assert done.error is None
    assert (done.records[0]["was"], done.records[0]["status"]) == (was, "in_sync")
    assert (done.records[0]["detail"], done.diff) == (look.records[0]["detail"], look.diff)
    assert read_field(str(path), "dotenv", "T") == LETTER


def test_bare_token_is_respelled(tmp_path: Path) -> None:
    """The right token in a spelling that Compose and shells change is damage, and a probe may not use it."""
    path = file(tmp_path / "env", f"T={LETTER}\n")
    with pytest.raises(CodecError, match=f"^{path}: without quotes Compose and shells change this value"):
        read_field(str(path), "dotenv", "T")
    assert "token of version v7, but without quotes" in sync(consumer(path)).records[0]["detail"]
    assert path.read_text(encoding="utf-8") == f"T='{LETTER}'\n"
    raw = file(tmp_path / "unit.env", f"T={LETTER}\n")
    assert sync(consumer(raw, "systemd_env")).changed_paths == []


def test_pending_is_left_alone(tmp_path: Path) -> None:
    """A consumer that holds the pending token keeps it, also when its mode or its spelling is mended."""
    kept = file(tmp_path / "env", f"T='{DIGIT}'\n")
    opened = file(tmp_path / "open", f"T='{DIGIT}'\n", 0o644)
    bare = file(tmp_path / "bare", f"T={DIGIT}\n")
    server = file(tmp_path / "PASSWORD", f"{DIGIT}\nadmin\n")
    result = sync(consumer(kept), consumer(opened), consumer(bare), consumer(server, "login_password"))
    assert result.error is None
    assert [record["status"] for record in result.records] == ["pending"] * 4
    assert [record["was"] for record in result.records] == ["pending", "too_open", "damaged", "pending"]
    assert result.changed_consumers == ["open", "bare"]
    for path in (kept, opened, bare):
        assert path.read_text(encoding="utf-8") == f"T='{DIGIT}'\n"
        assert path.stat().st_mode & 0o777 == 0o600


@pytest.mark.skipif(os.geteuid() != 0, reason="not root: owners were not checked")
def test_mode_and_owner(tmp_path: Path) -> None:
    """Wrong rights are ``too_open``; they are mended without a new file; a wish for none keeps what is there."""
    path = file(tmp_path / "env", f"T='{LETTER}'\n", 0o644)
    before = path.stat()
    one = consumer(path, owner="65534", group="daemon", mode="0640")
    look = sync(one, check=True)
    assert (look.records[0]["status"], look.records[0]["changed"]) == ("too_open", True)
    assert "mode 0644, wanted 0640, owner 0, wanted 65534, group 0, wanted 1" in look.records[0]["detail"]
    assert "mode 0640, owner 65534, group 1" in look.diff[0]["after"]
    assert path.stat() == before
    done = sync(one)
    assert (done.records[0]["was"], done.records[0]["status"]) == ("too_open", "in_sync")
    after = path.stat()
    assert (after.st_mode & 0o777, after.st_uid, after.st_gid) == (0o640, 65534, 1)
    assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)
    assert sync(one).changed_paths == sync(consumer(path, mode=0o640)).changed_paths == []


def test_several_in_one_file_are_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """All fields of a file come in one replacement, and everything else in it stays."""
    path = file(tmp_path / "env", "# mine\r\nU=old\r\nX=1\r\n")
    writes: list[str] = []
    real = _durable.write

    def write(path: str, *args: bytes, **kwargs: int) -> None:
        writes.append(path)
        real(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(_durable, "write", write)
    url = "http://host:8188/ws?a=1"
    result = sync(
        consumer(path, id="t"),
        consumer(path, id="b", key="B", field="bearer"),
        consumer(path, id="p", key="P", field="password"),
        consumer(path, id="n", key="N", field="username"),
        consumer(path, id="u", key="U", field="url", url=url),
    )
    assert result.error is None
    assert writes == [str(path)]
    assert result.changed_paths == [str(path)]
    assert path.read_bytes().decode() == (
        f"# mine\r\nU='{url}&token={quote(LETTER, safe='')}'\r\nX=1\r\nT='{LETTER}'\r\nB='Bearer {LETTER}'\r\n"
        f"P='{PASSWORD}'\r\nN='admin'\r\n"
    )
    assert [record["line"] for record in result.records] == [4, 5, 6, 7, 2]
    assert [record["fingerprint"] is None for record in result.records] == [False, False, True, True, False]
    assert read_field(str(path), "dotenv", "B", "bearer") == read_field(str(path), "dotenv", "U", "url") == LETTER


def test_two_credentials(tmp_path: Path) -> None:
    """Each consumer gets its own credential, and only what changed is named."""
    one, two = file(tmp_path / "one", f"T='{LETTER}'\n"), file(tmp_path / "two", f"T='{LETTER}'\n")
    team = credential(token=DIGIT, version="t1", username="team")
    result = sync(consumer(one), consumer(two, credential="team"), main=credential(), team=team)
    assert result.changed_consumers == ["two"]
    assert read_field(str(two), "dotenv", "T") == DIGIT


def test_login_password(tmp_path: Path) -> None:
    """The server's file: both lines are ours; an unknown hash is refused unless told otherwise."""
    path = tmp_path / "PASSWORD"
    one = consumer(path, "login_password")
    for text, was in [
        (f"{LETTER}\r\nadmin\r\n", "damaged"),
        (f"\ufeff{LETTER}\nadmin\n", "damaged"),
        (f"{LETTER}\n", "damaged"),
        (f"{LETTER}\nother\n", "damaged"),
        (f"{DOT}\nadmin\n", "previous"),
        (f"{PASSWORD}\nadmin\n", "damaged"),
        ("", "missing_key"),
        ("\nadmin\n", "damaged"),
    ]:
        file(path, text)
        result = sync(one)
        assert (result.error, result.records[0]["was"]) == (None, was), text
        assert path.read_text(encoding="utf-8") == f"{LETTER}\nadmin\n"
    for text in (f"{STRANGER}\nadmin\n", "something\n"):
        file(path, text)
        result = sync(one)
        assert "does not overwrite; adopt it into the credential, or set unknown to replace" in str(result.error)
        assert path.read_text(encoding="utf-8") == text
        assert sync({**one, "unknown": "replace"}).error is None
    file(path, f"{LETTER}\nadmin")
    assert sync(one).changed_paths == []


def test_unknown_may_be_refused_anywhere(tmp_path: Path) -> None:
    """``unknown: refuse`` keeps a stranger's value in any file."""
    path = file(tmp_path / "env", f"A=1\nT='{STRANGER}'\n")
    result = sync(consumer(path, unknown="refuse"))
    assert "line 2: a value that belongs to no known version" in str(result.error)
    assert path.read_text(encoding="utf-8") == f"A=1\nT='{STRANGER}'\n"


def test_planned_credentials(tmp_path: Path) -> None:
    """Before the truth exists, check mode tells what is there; a real run fails clearly."""
    there = file(tmp_path / "env", f"T='{STRANGER}'\n", 0o644)
    missing = consumer(tmp_path / "no" / "folder" / "PASSWORD", "login_password", owner="nobody-yet")
    look = sync(consumer(there), consumer(tmp_path / "new"), missing, main=PLANNED, check=True)
    assert look.error is None
    assert [record["status"] for record in look.records] == ["unknown", "missing_file", "missing_file"]
    assert all(record["changed"] for record in look.records)
    assert "the credential will be created by this run" in look.records[0]["detail"]
    assert "the credential will be created by this run" in look.records[1]["detail"]
    done = sync(consumer(there), main=PLANNED)
    assert "the credential 'main' has no token yet; create it first" in str(done.error)
    assert done.records[0]["changed"] is False


def test_optional_consumers(tmp_path: Path) -> None:
    """What is not required may be missing: it is reported and is no failure."""
    gone = consumer(tmp_path / "no" / "env", required=False)
    absent = consumer(tmp_path / "absent", required=False, create=False)
    result = sync(gone, absent)
    assert (result.error, result.changed_paths) == (None, [])
    assert [record["status"] for record in result.records] == ["missing_file", "missing_file"]
    needed = sync({**gone, "required": True}, {**absent, "required": True})
    assert "the directory does not exist; create it first" in str(needed.error)
    assert "the file does not exist, and create is false; create it" in str(needed.error)


def test_interrupted_run_says_what_was_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When the second of three files fails, the message names all three and the records tell the truth."""
    paths = [file(tmp_path / name, "") for name in ("one", "two", "three")]
    real = _durable.write

    def write(path: str, *args: bytes, **kwargs: int) -> None:
        if path.endswith("two"):
            raise _durable.DurableError("no_space", path, "no space is left")
        real(path, *args, **kwargs)  # type: ignore[arg-type]

    monkeypatch.setattr(_durable, "write", write)
    result = _agree.agree([consumer(path) for path in paths], {"main": credential()}, False)
    assert str(result.error).startswith(f"{paths[1]}: no space is left; consumers of this file: two; already written")
    assert f"already written in this call: {paths[0]}; not written: {paths[2]}. Files are never" in str(result.error)
    assert [record["status"] for record in result.records] == ["in_sync", "missing_key", "missing_key"]
    assert result.changed_consumers == ["one"]
    monkeypatch.undo()
    assert sync(*[consumer(path) for path in paths]).changed_consumers == ["two", "three"]


def test_lost_update_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An edit between our look and our write stops the write."""
    path = file(tmp_path / "env", "A=1\n")
    real = _sync_write.apply

    def apply(plan: _sync.FilePlan, secrets: set[str]) -> None:
        file(path, "A=2\n")
        real(plan, secrets)

    monkeypatch.setattr(_sync_write, "apply", apply)
    assert "changed by somebody else meanwhile; run again" in str(sync(consumer(path)).error)
    assert path.read_text(encoding="utf-8") == "A=2\n"
