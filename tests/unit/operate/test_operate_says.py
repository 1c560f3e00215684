# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What operations say, and what an upgrade would go back to."""

from __future__ import annotations

import json

from ansible_collections.genai.comfyui.plugins.plugin_utils import _operate

OLD, NEW, NODE = "a" * 40, "b" * 40, "c" * 40
RECORD = {
    "python": "python3", "torch": ["torch==2.13.0"], "index": "", "extra": ["requests"], "constraints": [],
    "version": "master", "repo": "https://git.example.com/ComfyUI.git", "packages": ["git"],
}  # fmt: skip
LOGIN = {"requirements": ["bcrypt"], "version": NODE, "repo": "https://git.example.com/Login.git", "comfyui": "..."}


def former(**heads: str) -> dict[str, object]:
    return _operate.former_pins(json.dumps(RECORD), json.dumps(LOGIN), {"comfyui": OLD, "login_node": NODE, **heads})


def test_a_branch_becomes_the_commit_that_was_checked_out() -> None:
    pins = former()
    assert pins["comfyui_version"] == OLD
    assert pins["comfyui_torch_packages"] == ["torch==2.13.0"]
    assert pins["comfyui_login_requirements"] == ["bcrypt"]
    assert set(pins) == {*_operate.PINS, *_operate.LOGIN_PINS}


def test_without_a_checkout_there_is_nothing_to_go_back_to() -> None:
    assert former(comfyui="") == {}
    assert former(login_node="") == {}
    assert _operate.upgrade_says({}, {}) == "nothing is installed yet, so there is nothing to go back to"


def test_without_a_record_only_the_code_goes_back() -> None:
    for text in ("", "{", "[]", '{"version": 1}'):
        pins = _operate.former_pins(text, json.dumps(LOGIN), {"comfyui": OLD, "login_node": NODE})
        assert pins == {"comfyui_version": OLD, "comfyui_login_version": NODE}


def test_only_other_packages_need_a_stop_first() -> None:
    wanted = {**former(), "comfyui_version": NEW}
    assert _operate.packages_change(former(), wanted) == []
    wanted["comfyui_torch_packages"] = ["torch==2.14.0"]
    assert _operate.packages_change(former(), wanted) == ["comfyui_torch_packages"]
    assert _operate.upgrade_says(former(), wanted) == (
        'comfyui_torch_packages: ["torch==2.13.0"] -> ["torch==2.14.0"]; comfyui_version: aaaaaaaaaaaa -> bbbbbbbbbbbb'
    )
    assert _operate.upgrade_says(former(), former()) == "nothing changes"


def test_an_operation_is_told_in_lines() -> None:
    running = {
        "name": "default", "active": True, "action": "restarted", "reasons": ["a restart was asked for"], "pid": 7,
        "since": 0.5, "probe": {"state": "locked"}, "queue": 0, "gap": 2.5, "detail": "", "log": ["one", "two"],
    }  # fmt: skip
    stopped = {"name": "b", "active": False, "action": "none", "reasons": [], "detail": "failed, exit-code"}
    assert _operate.operation_lines([running, stopped]) == [
        "default: active, restarted (a restart was asked for), process 7 since 1970-01-01T00:00:00Z, locked, "
        "0 jobs queued, 2.5 s without an answer",
        "  one",
        "  two",
        "b: not active, failed, exit-code",
    ]
