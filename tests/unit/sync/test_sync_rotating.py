# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""During a rotation the credential says which version is wanted, and each record which version is there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from sync_cases import DIGIT, DOT, LETTER, PASSWORD, ROTATING, SLASH, STRANGER, consumer, credential, file, sync

from ansible_collections.genai.comfyui.plugins.module_utils._consumers import read_field
from ansible_collections.genai.comfyui.plugins.module_utils._secrets import secrets_of

NAMES = {LETTER: "v7", DIGIT: "v8", DOT: "v6", SLASH: "v5", STRANGER: None, DIGIT + "\r": None}
HELD = [
    # what is there, and the status when current or pending is wanted
    (LETTER, "in_sync", "current"),
    (DIGIT, "pending", "in_sync"),
    (DOT, "previous", "previous"),
    (SLASH, "stale", "stale"),
    (STRANGER, "unknown", "unknown"),
    (DIGIT + "\r", "damaged", "damaged"),
]


@pytest.mark.parametrize("wanted", ["current", "pending"])
@pytest.mark.parametrize(("held", "if_current", "if_pending"), HELD)
def test_wanted_version(tmp_path: Path, wanted: str, held: str, if_current: str, if_pending: str) -> None:
    """Whatever is there, the wanted version comes; status, version and damage are told of what was there."""
    status = if_current if wanted == "current" else if_pending
    path = file(tmp_path / "token", held)
    # serve says the opposite, which is no business of a client's file.
    main = {**ROTATING, "distribute": wanted, "serve": "pending" if wanted == "current" else "current"}
    look = sync(consumer(path, "raw", required=False), main=main, check=True)
    record = look.records[0]
    assert (look.error, record["status"], record["version"]) == (None, status, NAMES[held])
    assert (record["required"], record["reload"], record["changed"]) == (False, None, status != "in_sync")
    if status == "damaged":
        assert "token of version v8, damaged: a carriage return" in record["detail"]
    done = sync(consumer(path, "raw"), main=main)
    assert (done.error, done.diff) == (None, look.diff)
    token, version = (LETTER, "v7") if wanted == "current" else (DIGIT, "v8")
    assert (done.records[0]["status"], done.records[0]["was"]) == ("in_sync", status)
    assert (done.records[0]["version"], read_field(str(path), "raw")) == (version, token)
    assert sync(consumer(path, "raw"), main=main).changed_paths == []


@pytest.mark.parametrize(("serve", "token"), [("current", LETTER), ("pending", DIGIT)])
def test_server_follows_serve(tmp_path: Path, serve: str, token: str) -> None:
    """The server's own file has a switch of its own."""
    main = {**ROTATING, "distribute": "pending" if serve == "current" else "current", "serve": serve}
    for text in (f"{LETTER}\nadmin\n", f"{DIGIT}\nadmin\n", f"{DOT}\nadmin\n"):
        path = file(tmp_path / "PASSWORD", text)
        result = sync(consumer(path, "login_password"), main=main)
        assert (result.error, result.changed_paths != []) == (None, not text.startswith(token))
        assert path.read_text(encoding="utf-8") == f"{token}\nadmin\n"
        assert result.records[0]["version"] == ("v7" if serve == "current" else "v8")


def test_without_the_word_all_is_as_before(tmp_path: Path) -> None:
    """A credential that says nothing wants the current version and leaves the pending one alone."""
    kept, old = file(tmp_path / "kept", DIGIT), file(tmp_path / "old", DOT)
    result = sync(consumer(kept, "raw"), consumer(old, "raw"))
    assert [record["status"] for record in result.records] == ["pending", "in_sync"]
    assert [record["version"] for record in result.records] == ["v8", "v7"]
    assert result.changed_consumers == ["old"]


def test_other_fields_follow(tmp_path: Path) -> None:
    """A password that does not change belongs to the wanted version; one that does is replaced with its token."""
    main = {**ROTATING, "distribute": "pending"}
    path = file(tmp_path / "env", f"P='{PASSWORD}'\nB='Bearer {LETTER}'\n")
    both = [consumer(path, id="p", key="P", field="password"), consumer(path, id="b", key="B", field="bearer")]
    look = sync(*both, main=main, check=True)
    assert [(record["status"], record["version"]) for record in look.records] == [("in_sync", "v8"), ("current", "v7")]
    new = {"token": DIGIT, "version": "v8", "password": "Another-Horse-2"}
    done = sync(*both, main={**main, "pending": new})
    assert [record["was"] for record in done.records] == ["current", "current"]
    assert read_field(str(path), "dotenv", "P") == "Another-Horse-2"
    assert read_field(str(path), "dotenv", "B", "bearer") == DIGIT


@pytest.mark.parametrize(
    ("others", "message"),
    [
        ({"distribute": "pending"}, "distribute of credential main is pending, but there is no pending token"),
        ({"distribute": "previous"}, "distribute of credential main is neither current nor pending; mend the truth"),
    ],
)
def test_impossible_wishes(tmp_path: Path, others: dict[str, Any], message: str) -> None:
    """A credential that wants what it does not have is refused, and the file stays."""
    path = file(tmp_path / "token", DOT)
    result = sync(consumer(path, "raw"), main=credential(**others))
    assert message in str(result.error)
    assert path.read_text(encoding="utf-8") == DOT


def test_damage_keeps_its_version_out_of_the_record(tmp_path: Path) -> None:
    """A gate that counts versions must not count a spelling that its readers change."""
    path = file(tmp_path / "env", f"T={DIGIT}\n")
    record = sync(consumer(path), main={**ROTATING, "distribute": "pending"}, check=True).records[0]
    assert (record["status"], record["version"]) == ("damaged", None)
    assert record["detail"].startswith("token of version v8, but without quotes")


def test_every_secret_is_hidden() -> None:
    """Tokens in lists, too, are what the module hides in its output."""
    accept = [{"version": "v7", "token": LETTER, "expires": None}, {"version": "v6", "token": DOT, "expires": 1}]
    found = secrets_of({"main": {**ROTATING, "accept": accept, "previous": None, "epoch": 0}})
    assert {LETTER, DIGIT, DOT, PASSWORD} <= found
    assert not {"v7", "admin", "v6"} & found


@pytest.mark.parametrize("held", [*NAMES, "changeme", ""])
def test_without_a_servers_word_only_a_whole_token_that_the_truth_does_not_know_is_left(
    tmp_path: Path, held: str
) -> None:
    """It may be newer than the truth; nothing else can be."""
    path = file(tmp_path / "token", held)
    outcome = sync(consumer(path, "raw"), unknown="refuse_token")
    if held == STRANGER:
        assert "that the truth does not know, and no server was looked at in this run" in str(outcome.error)
        assert "adopt the token" in str(outcome.error)
        assert path.read_text(encoding="utf-8") == held
    else:
        assert outcome.error is None
    # Who declares a consumer knows better.
    assert sync(consumer(path, "raw", unknown="replace"), unknown="refuse_token").error is None
