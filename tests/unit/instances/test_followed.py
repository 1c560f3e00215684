# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A newer PASSWORD costs no restart where the guard follows ACCEPT.json, and only there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from module_host import DIGIT, LETTER, Host, hosted

CURRENT, PENDING = {"token": LETTER, "version": "v1"}, {"token": DIGIT, "version": "v2"}
DISTRIBUTED = {"main": {**CURRENT, "pending": PENDING, "serve": "pending"}}


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    with hosted(tmp_path) as made:
        yield made


def rotated(host: Host, *tokens: str, guard: bool = True) -> dict[str, Any]:
    """Start an instance with LETTER, then give it DIGIT in PASSWORD and *tokens* in ACCEPT.json."""
    one = host.unit("a")
    folder = host.folder("a")
    entries = [{"version": f"v{number}", "token": token, "expires": None} for number, token in enumerate(tokens, 1)]
    (folder / "ACCEPT.json").write_text(json.dumps({"schema": 1, "epoch": 0, "tokens": entries}))
    if guard:
        (folder / "guard").write_text("")
    host.start("a")
    host.password("a", DIGIT, ago=-1)
    return {**one, "watch": [], "password": str(folder / "PASSWORD"), "accept": str(folder / "ACCEPT.json")}


def test_with_the_guard_nothing_is_restarted(host: Host) -> None:
    one = rotated(host, LETTER, DIGIT)
    result = host.run(one, credentials=DISTRIBUTED)
    assert result["changed"] is False
    assert result["instances"][0]["probe"]["state"] == "locked"


def test_without_the_guard_it_is_restarted_though_the_token_may_get_in(host: Host) -> None:
    one = rotated(host, LETTER, DIGIT, guard=False)
    changed = f"{one['password']} changed after the process started"
    (record,) = host.run(one, credentials=DISTRIBUTED)["instances"]
    assert record["reasons"] == [changed, "the process holds another token than the truth"]
    host.password("a", DIGIT, ago=-1)
    # It holds the right token already, but its web form may still know the file as it was.
    (record,) = host.run(one, credentials=DISTRIBUTED)["instances"]
    assert (record["action"], record["reasons"]) == ("restarted", [changed])


def test_a_list_without_the_token_or_without_a_file_is_no_reason_to_stay(host: Host) -> None:
    one = rotated(host, DIGIT)
    elsewhere = {**one, "accept": str(host.home / "nowhere.json")}
    assert host.run(elsewhere, credentials=DISTRIBUTED)["instances"][0]["action"] == "restarted"
    host.password("a", DIGIT, ago=-1)
    nothing = {key: value for key, value in one.items() if key != "accept"}
    assert host.run(nothing, credentials=DISTRIBUTED)["instances"][0]["action"] == "restarted"


def test_other_files_still_count(host: Host) -> None:
    one = rotated(host, LETTER, DIGIT)
    code = host.home / "node.py"
    code.write_text("")
    (record,) = host.run({**one, "watch": [str(code)]}, credentials=DISTRIBUTED)["instances"]
    assert record["reasons"] == [f"{code} changed after the process started"]


def test_drained_waits_for_what_would_have_to_be_restarted(host: Host) -> None:
    one = rotated(host, LETTER, DIGIT, guard=False)
    queue = host.folder("a") / "queue"
    queue.write_text("2")
    (record,) = host.run(one, credentials=DISTRIBUTED, state="drained", drain=10)["instances"]
    assert (record["queue"], record["action"], record["active"]) == (0, "none", True)
    queue.write_text("50")
    result = host.run(one, credentials=DISTRIBUTED, state="drained", drain=1)
    assert result["changed"] is False
    assert result["instances"][0]["queue"] > 40
    assert host.calls() == []
    # With the token that it should hold nothing has to be restarted, so nothing is waited for.
    (record,) = host.run(one, state="drained", drain=60)["instances"]
    assert record["queue"] == 0
    assert int(queue.read_text()) > 40


def test_a_restart_says_how_long_nobody_answered(host: Host) -> None:
    one = rotated(host, LETTER, DIGIT, guard=False)
    (record,) = host.run(one, credentials=DISTRIBUTED)["instances"]
    assert record["action"] == "restarted"
    assert 0 < record["gap"] < 30
    assert host.run(one, credentials=DISTRIBUTED, state="status")["instances"][0]["gap"] is None
