# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a healthy server and a healthy client tell, to be spoiled one thing at a time."""

from __future__ import annotations

import copy
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils._diagnose import Evidence

TOKEN = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
MARK = fingerprint(TOKEN)
PASSWORD = "/opt/comfyui/instances/default/ComfyUI/login/PASSWORD"
Json = dict[str, Any]

WAY: Json = {
    "error": None, "detail": "", "addresses": ["10.0.0.1"], "port": 8188, "spoken": "plain", "status": 401,
    "comfyui": True, "server": "Python/3.11 aiohttp/3.14", "via": "", "challenge": "", "skew": 0.1,
}  # fmt: skip
LOCKED: Json = {"state": "locked", "detail": "strangers are refused", "fingerprint": MARK}
SYNC: Json = {"status": "in_sync", "detail": "token of version v7", "fingerprint": MARK, "line": 3}

INSTANCE: Json = {
    "name": "default", "url": "http://127.0.0.1:8188", "credential": "main", "origin": None, "port": 8188,
    "password_file": PASSWORD, "unit_name": "comfyui@default.service", "said": "", "import_failure": "",
    "unit": {"known": True, "active": "active", "sub": "running", "result": "success", "status": 0, "pid": 70},
    "process": {"pid": 70, "name": "python", "since": 1000.0, "cors": None, "nodes_off": False, "ports": [8188]},
    "node": "present", "session_key": "ok", "legacy": False, "guests": False,
    "password": {"state": "ok", "fingerprint": MARK, "changed": 900.0, "detail": ""},
    "accept": {"state": "missing", "fingerprints": [], "detail": ""},
    "way": {**WAY, "addresses": ["127.0.0.1"]}, "probe": LOCKED, "sync": SYNC,
}  # fmt: skip
CONSUMER: Json = {
    "id": "notebooks", "path": "/srv/.env", "codec": "dotenv", "key": "COMFYUI_API_TOKEN", "credential": "main",
    "field": "token", "url": "http://srv-1:8188", "unreadable": None, "variable": "COMFYUI_API_TOKEN",
    "processes": [], "way": WAY, "probe": LOCKED, "unsent": None, "sync": SYNC,
}  # fmt: skip
SERVER: Json = {
    "consumers": [], "instances": [INSTANCE], "addresses": ["10.0.0.1", "127.0.0.1"],
    "listeners": [{"address": "0.0.0.0", "port": 8188, "pid": 70, "name": "python", "loopback": False}],
}  # fmt: skip
CLIENT: Json = {"consumers": [CONSUMER], "instances": [], "addresses": ["10.0.0.9", "127.0.0.1"], "listeners": []}


def evidence(*changes: tuple[str, Any]) -> Evidence:
    """Return evidence with changes: ``client.way.error``, ``server.unit.pid``, ``listeners`` or ``truth``."""
    hosts = {"srv-1": copy.deepcopy(SERVER), "cli-1": copy.deepcopy(CLIENT)}
    truth: Json = {"main": {"version": "v7", "fingerprint": MARK}}
    for path, value in changes:
        place, *names = path.split(".")
        at: Any = {
            "client": next(iter(hosts["cli-1"]["consumers"]), None),
            "server": next(iter(hosts["srv-1"]["instances"]), None),
            "host": hosts["srv-1"],
            "truth": truth,
        }[place]
        for name in names[:-1]:
            at = at[name]
        at[names[-1]] = value
    return Evidence(hosts, {}, truth, "ansible-playbook -i inventory")
