# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module layout as Ansible runs it: a process of its own, arguments as JSON, one JSON answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

MODULE = "ansible_collections.genai.comfyui.plugins.modules.layout"


def run(place: Path, entries: list[dict[str, Any]], fails: bool = False, **settings: Any) -> dict[str, Any]:
    given = place / "arguments"
    arguments = {"entries": entries, "_ansible_tmpdir": str(place), **settings}
    given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
    done = subprocess.run(
        [sys.executable, "-m", MODULE, str(given)], capture_output=True, text=True, timeout=60, check=False
    )
    result: dict[str, Any] = json.loads(done.stdout)
    assert bool(result.get("failed")) == fails, result
    return result


def test_check_then_real_then_nothing(tmp_path: Path) -> None:
    base = tmp_path / "base"
    entries = [
        {"path": f"{base}", "state": "directory", "mode": "0750"},
        {"path": f"{base}/f", "state": "file", "content": "one\n", "validate": "grep -q one %s"},
        {"path": f"{base}/gone", "state": "absent"},
    ]
    planned = run(tmp_path, entries, _ansible_check_mode=True, _ansible_diff=True)
    assert not base.exists()
    real = run(tmp_path, entries, _ansible_diff=True)
    assert planned["changed_paths"] == real["changed_paths"] == [str(base), f"{base}/f"]
    assert planned["diff"] == real["diff"]
    assert {"before": "", "after": "one\n"}.items() <= real["diff"][2].items()
    assert [one["changed"] for one in real["entries"]] == [True, True, False]
    second = run(tmp_path, entries, _ansible_diff=True)
    assert (second["changed"], second["changed_paths"], second["diff"]) == (False, [], [])


def test_diff_shows_modes_and_spares_binary_content(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"\0\xff")
    file.chmod(0o600)
    entry = {"path": str(file), "state": "file", "content": "text", "mode": "0644"}
    attributes, content = run(tmp_path, [entry], _ansible_diff=True)["diff"]
    assert (attributes["before"], attributes["after"]) == ("mode: 0600\n", "mode: 0644\n")
    assert (content["before"], content["after"]) == ("(2 bytes)\n", "text")


def test_one_impossible_entry_changes_nothing(tmp_path: Path) -> None:
    result = run(
        tmp_path,
        [{"path": f"{tmp_path}/new", "state": "directory"}, {"path": f"{tmp_path}/no/f", "state": "file"}],
        fails=True,
    )
    assert result["changed"] is False
    assert result["msg"].endswith(
        f"its parent {tmp_path}/no does not exist; list it before, with state directory. Nothing was changed."
    )
    assert not (tmp_path / "new").exists()


def test_a_validator_sees_the_files_own_name_and_its_refusal_changes_nothing(tmp_path: Path) -> None:
    checker = tmp_path / "checker"
    checker.write_text('#!/bin/sh\n[ "$1" = "$(basename "$2")" ] && exit 0\necho "$2: line 3 is odd" >&2\nexit 4\n')
    checker.chmod(0o755)
    good = {
        "path": f"{tmp_path}/x@.service",
        "state": "file",
        "content": "a",
        # No shell: blanks and dollars in a word stay what they are.
        "validate": [str(checker), "x@.service", "%s", "$(false); `false`"],
    }
    bad = {**good, "path": f"{tmp_path}/y.service"}
    result = run(tmp_path, [good, bad], fails=True)
    assert result["msg"] == (
        f"{tmp_path}/y.service: {checker} refuses the new content (exit status 4): "
        f"{tmp_path}/y.service: line 3 is odd; correct the content. Nothing was changed."
    )
    assert not (tmp_path / "x@.service").exists()
    assert run(tmp_path, [good])["changed_paths"] == [good["path"]]
    # What is in place already is not judged again.
    checker.unlink()
    assert run(tmp_path, [good])["changed"] is False


def test_a_validator_without_a_place_for_the_file_or_that_is_missing(tmp_path: Path) -> None:
    entry = {"path": f"{tmp_path}/f", "state": "file", "content": "a", "validate": "true"}
    assert "'validate' must hold %s" in run(tmp_path, [entry], fails=True)["msg"]
    missing = run(tmp_path, [{**entry, "validate": "/nonexistent/checker %s"}], fails=True)["msg"]
    assert "/nonexistent/checker" in missing
    assert missing.endswith("Nothing was changed.")
    quoted = run(tmp_path, [{**entry, "validate": "checker '%s"}], fails=True)["msg"]
    assert "cannot be split into words" in quoted
    assert not (tmp_path / "f").exists()


def test_what_was_done_before_a_failure_is_told(tmp_path: Path) -> None:
    # Nobody, root included, may write to /proc; the plan cannot know.
    entries = [{"path": f"{tmp_path}/d", "state": "directory"}, {"path": "/proc/here", "state": "file", "content": "x"}]
    result = run(tmp_path, entries, fails=True)
    assert (result["changed"], result["changed_paths"]) == (True, [f"{tmp_path}/d"])
    assert result["msg"].startswith("/proc/here: ")
    assert os.path.isdir(tmp_path / "d")
