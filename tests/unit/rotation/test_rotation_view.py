# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the truth wants of the field in each phase, and what its form refuses."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rotation_truths import NEW, OLD, OVERLAP_END, OVERLAP_END_SECONDS, idle, rotating

from ansible_collections.genai.comfyui.plugins.module_utils._agree import agree
from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth import TruthError


def wants(document: Any) -> tuple[str, str, list[tuple[str, int | None]]]:
    shown = _truth.view(document, "main")
    for one in shown["accept"]:
        assert one["token"] == {"v1": OLD, "v2": NEW}[one["version"]]
    return shown["distribute"], shown["serve"], [(one["version"], one["expires"]) for one in shown["accept"]]


OLD_FIRST = [("v1", None), ("v2", None)]
NEW_FIRST = [("v2", None), ("v1", None)]


@pytest.mark.parametrize(
    ("phase", "more", "expected"),
    [
        ("pending", {}, (None, None, OLD_FIRST)),
        ("accepted", {}, ("pending", None, OLD_FIRST)),
        ("distributed", {}, ("pending", "pending", NEW_FIRST)),
        ("switched", {}, ("current", "current", [("v2", None), ("v1", OVERLAP_END_SECONDS)])),
        ("pending", {"acceptor": "none"}, (None, None, OLD_FIRST)),
        ("accepted", {"acceptor": "none"}, ("pending", "pending", NEW_FIRST)),
        ("switched", {"acceptor": "none"}, ("current", "current", [("v2", None)])),
        ("pending", {"reason": "compromise"}, ("pending", "pending", [("v2", None)])),
        ("accepted", {"reason": "compromise"}, ("pending", "pending", [("v2", None)])),
        ("distributed", {"reason": "compromise"}, ("pending", "pending", [("v2", None)])),
        ("switched", {"reason": "compromise"}, ("current", "current", [("v2", None)])),
        ("accepted", {"aborting": True}, ("current", "current", OLD_FIRST)),
        ("pending", {"aborting": True}, ("current", "current", [("v1", None)])),
    ],
)
def test_each_phase_wants_its_own_field(phase: str, more: dict[str, Any], expected: Any) -> None:
    assert wants(rotating(phase, **more)) == expected


def test_without_a_rotation_the_current_token_counts() -> None:
    assert wants(idle()) == ("current", "current", [("v1", None)])


def test_what_is_withdrawn_shows_as_previous() -> None:
    shown = _truth.view(rotating("accepted", aborting=True), "main")
    assert "pending" not in shown
    assert shown["previous"] == {"token": NEW, "version": "v2"}


def test_another_password_goes_with_its_version() -> None:
    new: Any = {"password": {"managed": True, "value": "Other-Horse-2"}}
    before, after = rotating("accepted", **new), rotating("switched", **new)
    assert _truth.view(before, "main")["pending"]["password"] == "Other-Horse-2"
    assert _truth.view(after, "main")["previous"]["password"] == "Other-Horse-2"
    unknown = rotating("accepted", password={"managed": False})
    assert _truth.view(unknown, "main")["pending"]["password"] is None


@pytest.mark.parametrize(
    ("phase", "more", "codec", "found", "left"),
    [
        ("pending", {}, "raw", "old", "old"),
        ("pending", {}, "raw", "new", "new"),
        ("accepted", {}, "raw", "old", "new"),
        ("accepted", {}, "login_password", "new", "new"),
        ("accepted", {}, "login_password", "old", "old"),
        ("distributed", {}, "login_password", "old", "new"),
        ("switched", {}, "raw", "old", "new"),
        ("accepted", {"aborting": True}, "raw", "new", "old"),
        ("pending", {"reason": "compromise"}, "raw", "old", "new"),
    ],
)
def test_sync_does_what_the_view_says(phase: str, more: Any, codec: str, found: str, left: str, tmp_path: Path) -> None:
    tokens = {"old": OLD, "new": NEW}
    path = tmp_path / "file"
    ending = "\nadmin" if codec == "login_password" else ""
    path.write_text(tokens[found] + ending)
    path.chmod(0o600)
    consumer = {"id": "one", "path": str(path), "codec": codec}
    view = _truth.view(rotating(phase, **more), "main")
    outcome = agree([consumer], {"main": view}, False, str(tmp_path / "state"))
    assert outcome.error is None
    assert path.read_text().split()[0] == tokens[left]
    assert outcome.records[0]["version"] == {"old": "v1", "new": "v2"}[left]


def test_the_epoch_is_handed_out() -> None:
    document = idle()
    document["credentials"]["main"]["sessions_epoch"] = 1770000000
    assert _truth.view(_truth.parse(_truth.render(document)), "main")["epoch"] == 1770000000


@pytest.mark.parametrize(
    ("phase", "more", "text"),
    [
        ("pending", {"acceptor": "gateway"}, "rotation.acceptor: must be one of guard, none"),
        ("pending", {"servers": [7]}, "rotation.servers: must be a list of server ids"),
        ("pending", {"overlap_until": OVERLAP_END}, "rotation.overlap_until: is set before the labels have moved"),
        ("distributed", {"aborting": True}, "rotation.aborting: is set in phase distributed"),
        ("pending", {"password": {"managed": True}}, "rotation.password.value: must be text"),
        ("pending", {"shape": 1}, "rotation: 'shape' is unknown here"),
    ],
)
def test_a_malformed_rotation_is_refused(phase: str, more: dict[str, Any], text: str) -> None:
    with pytest.raises(TruthError, match=text):
        rotating(phase, **more)
