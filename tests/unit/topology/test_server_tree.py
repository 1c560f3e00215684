# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import posixpath
from pathlib import Path

from ansible_collections.genai.comfyui.plugins.plugin_utils import _server_tree as tree
from ansible_collections.genai.comfyui.plugins.plugin_utils import _topology as topology

SETTINGS = {
    "home": "/opt/comfyui", "data_dir": "/srv/comfyui", "models_dir": "/srv/comfyui/models",
    "cache_dir": "/srv/comfyui/cache", "venv": "/opt/comfyui/venv", "user": "comfyui", "group": "comfyui",
    "listen": "127.0.0.1", "launch_args": [], "start_timeout": 300, "memory_max": "infinity", "guard": True,
}  # fmt: skip
TWO = topology.instances([{}, {"name": "b", "port": 2, "guest": True, "cors_origin": "https://ui"}], SETTINGS)


def test_parents_come_before_what_is_in_them() -> None:
    seen = {"/", "/opt", "/srv", "/etc/systemd/system"}
    laid = tree.server_tree(TWO, SETTINGS) + tree.server_lib("/opt/comfyui") + tree.server_units(TWO, SETTINGS, "x")
    for entry in laid:
        assert posixpath.dirname(entry["path"]) in seen, entry["path"]
        seen.add(entry["path"])


def test_the_service_user_owns_data_and_never_code_or_units() -> None:
    for entry in (
        tree.server_tree(TWO, SETTINGS)
        + tree.server_lib("/opt/comfyui")
        + tree.server_units(TWO, SETTINGS, "x")
        + tree.login_tree(TWO, "comfyui", True)
    ):
        if entry["state"] == "absent":
            continue
        assert entry["owner"] == ("comfyui" if entry["path"].startswith("/srv/comfyui") else "root"), entry["path"]


def test_a_unit_starts_through_the_locked_start_and_proves_itself() -> None:
    text = tree.dropin(TWO[1], SETTINGS)
    start = next(line for line in text.splitlines() if line.startswith("ExecStart=/"))
    assert "/lib/start.py --app /opt/comfyui/instances/b/ComfyUI" in start
    assert "--origin https://ui --allow-guest -- --listen 127.0.0.1 --port 2 " in start
    assert "ExecStartPost=/opt/comfyui/venv/bin/python -B /opt/comfyui/lib/prove.py" in text


def test_a_unit_insists_on_the_guard_unless_it_is_not_wanted() -> None:
    assert "--no-guard" not in tree.dropin(TWO[0], SETTINGS)
    assert "--no-guard" in tree.dropin(TWO[0], {**SETTINGS, "guard": False})


def test_removal_keeps_data_unless_told() -> None:
    kept = [entry["path"] for entry in tree.server_remains(TWO, SETTINGS, False)]
    assert "/srv/comfyui" not in kept
    assert "/opt/comfyui" in kept
    assert "/srv/comfyui" in [entry["path"] for entry in tree.server_remains(TWO, SETTINGS, True)]


def test_guests_and_the_guard_are_there_only_when_asked_for() -> None:
    with_guard = {entry["path"]: entry["state"] for entry in tree.login_tree(TWO, "comfyui", True)}
    assert with_guard["/opt/comfyui/instances/default/ComfyUI/login/GUEST_MODE"] == "absent"
    assert with_guard["/opt/comfyui/instances/b/ComfyUI/login/GUEST_MODE"] == "file"
    without = {entry["path"]: entry["state"] for entry in tree.login_tree(TWO, "comfyui", False)}
    assert without["/opt/comfyui/instances/b/ComfyUI/custom_nodes/ComfyUI-Login-Guard"] == "absent"
    assert without["/opt/comfyui/instances/b/ComfyUI/login/ACCEPT.json"] == "absent"
    assert "/opt/comfyui/instances/b/ComfyUI/login/ACCEPT.json" not in with_guard


def test_the_guard_comes_whole_and_knows_who_allows_guests() -> None:
    laid = {entry["path"]: entry.get("content") for entry in tree.login_tree(TWO, "comfyui", True)}
    watched = topology.unit_instances(TWO, "/opt/comfyui/venv")
    shipped = Path(tree.__file__).parents[2] / "roles/comfyui_login/files/guard"
    for name, guests in (("default", False), ("b", True)):
        node = f"/opt/comfyui/instances/{name}/ComfyUI/custom_nodes/ComfyUI-Login-Guard"
        for file in shipped.glob("*.py"):
            assert laid[f"{node}/{file.name}"] == file.read_text()
        # A process that is older than any of them is started anew.
        followed = next(one["watch"] for one in watched if one["name"] == name)
        assert {path for path in laid if path.startswith(f"{node}/")} <= set(followed)
        assert json.loads(laid[f"{node}/settings.json"] or "")["guests"] is guests
