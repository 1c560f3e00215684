# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action as Ansible runs it: exit codes, files and table, with one host that cannot be reached."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

TOKEN = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
RECORD = {
    "id": "a",
    "path": "/etc/" + "long/" * 30 + "a.env",
    "codec": "dotenv",
    "key": "K",
    "status": "in_sync",
    "was": "in_sync",
}
LOCKED = {"url": "http://127.0.0.1:8188", "state": "locked", "detail": "strangers are refused", "waited": 0.25}
SEEN: dict[str, Any] = {
    "sync": {"changed": False, "consumers": [RECORD]},
    "probes": {"changed": False, "targets": [{**LOCKED, "name": "default"}, {**LOCKED, "name": "a"}]},
    "instance": {
        "changed": False,
        "instances": [{"name": "default", "unit": "comfyui@default.service", "active": True, "action": "none"}],
    },
}
PLAY = [
    {
        "hosts": "comfyui_servers:comfyui_clients",
        "gather_facts": False,
        "tasks": [
            {"ansible.builtin.raw": "true", "register": "contact", "ignore_unreachable": True},
            {"ansible.builtin.meta": "end_host", "when": "contact.unreachable | default(false)"},
            {
                "ansible.builtin.set_fact": {
                    "r_sync": "{{ seen.sync }}",
                    "r_probes": "{{ seen.probes }}",
                    "r_instance": "{{ seen.instance }}",
                }
            },
        ],
    },
    {
        "hosts": "localhost",
        "gather_facts": False,
        "tasks": [
            {
                "genai.comfyui.report": {
                    "name": "{{ kind }}",
                    "hosts": "{{ groups.comfyui_clients + groups.comfyui_servers }}",
                    "sync": ["r_sync"],
                    "probes": ["r_probes"],
                    "instances": "r_instance",
                    "contact": "contact",
                    "failure": "r_failure",
                    "dir": "{{ directory }}",
                    "fail_on": "{{ fail_on }}",
                }
            }
        ],
    },
]


class Run:
    """One run of the playbook and what it left."""

    def __init__(self, place: Path, seen: dict[str, Any], kind: str, fail_on: str, away: bool, **more: str) -> None:
        consumers = [{"id": "a", "path": "/etc/a.env", "codec": "dotenv", "key": "K", "url": LOCKED["url"]}]
        server = {"ansible_connection": "local", "comfyui_consumers": consumers, "comfyui_listen": "0.0.0.0"}
        client = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_retries": 0}
        clients = {"cli-1": {**client, "comfyui_consumers": consumers}} if away else {}
        groups = {"comfyui_servers": {"hosts": {"srv-1": server}}, "comfyui_clients": {"hosts": clients}}
        self.reports = place / "reports"
        variables = {"seen": seen, "kind": kind, "fail_on": fail_on, "directory": str(self.reports)}
        (place / "inventory.json").write_text(json.dumps({"all": {"children": groups, "vars": variables}}))
        (place / "play.json").write_text(json.dumps(PLAY))
        (place / "ansible.cfg").touch()
        environment = {**os.environ, "ANSIBLE_CONFIG": str(place / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        environment.update({"HOME": str(place), "ANSIBLE_LOCAL_TEMP": str(place / "tmp"), **more})
        arguments = environment.pop("arguments", "").split()
        done = subprocess.run(
            [str(Path(sys.executable).with_name("ansible-playbook")), "-i", "inventory.json", "play.json", *arguments],
            cwd=place,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=60,
        )
        self.code, self.output = done.returncode, done.stdout
        latest = self.reports / f"{kind}-latest.json"
        self.report: Any = json.loads(latest.read_text()) if latest.exists() else None


def test_all_in_order(tmp_path: Path) -> None:
    run = Run(tmp_path, SEEN, "site", "failure", away=False, PYTHONIOENCODING="utf-8", COLUMNS="100")
    assert run.code == 0, run.output
    table = [line for line in run.output.splitlines() if line.startswith(("│", "┌", "├", "└"))]
    assert len(table) == 8, run.output
    assert {len(line) for line in table} == {100}
    assert "4 checked, 4 in order, 0 not checked; report: " in run.output
    assert "log in: http://srv-1:8188/ ('make password'" in run.output
    assert "changed=0" in run.output.split("localhost ")[-1]
    assert run.report["verdict"] == {"ok": True, "reasons": []}
    assert run.report["durations"]["probes_waited"] == 0.5
    assert run.report["hosts"][0]["consumers"] == [RECORD]
    files = sorted(run.reports.iterdir())
    assert [path.suffix for path in files] == [".html", ".json", ".html", ".json"]
    assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
    assert [path.read_bytes() for path in files[:2]] == [path.read_bytes() for path in files[2:]]
    assert f"report: {files[1]}" in run.output


@pytest.mark.parametrize(("kind", "fail_on"), [("site", "failure"), ("audit", "drift")])
def test_unreachable_host_fails_and_is_named(tmp_path: Path, kind: str, fail_on: str) -> None:
    run = Run(tmp_path, SEEN, kind, fail_on, away=True, PYTHONIOENCODING="ascii")
    assert run.code == 2, run.output
    assert run.output.isascii()
    assert "+-------+" in run.output
    assert "4 checked, 4 in order, 1 not checked" in run.output
    assert "log in:" not in run.output
    (missing,) = run.report["not_checked"]
    assert (missing["host"], missing["what"]) == ("cli-1", "host")
    assert missing["reason"].startswith("unreachable: ")
    assert f"{kind}: 1 reason. cli-1: host not checked: unreachable: " in run.output
    checked = [(one["host"], one["checked"]) for one in run.report["hosts"]]
    assert checked == [("srv-1", True), ("cli-1", False)], "in the order of the inventory"


def test_never_only_reports_in_check_mode(tmp_path: Path) -> None:
    stale = {**RECORD, "status": "stale", "detail": "v6, 40 days old"}
    seen = {**SEEN, "sync": {"changed": True, "consumers": [stale]}}
    run = Run(tmp_path, seen, "site", "never", away=False, arguments="--check")
    assert run.code == 0, run.output
    assert "stale" in run.output
    assert "v6, 40 days old" in run.output
    assert run.report["verdict"] == {"ok": False, "reasons": [f"srv-1: {RECORD['path']} (a): stale: v6, 40 days old"]}


def test_token_is_refused(tmp_path: Path) -> None:
    seen = {**SEEN, "sync": {"changed": False, "consumers": [{**RECORD, "detail": f"found {TOKEN}"}]}}
    run = Run(tmp_path, seen, "site", "never", away=False)
    assert run.code == 2, run.output
    assert "hosts[0].consumers[0].detail holds a token" in run.output
    assert TOKEN not in run.output
    assert not run.reports.exists()


def test_unwritable_directory_still_shows_the_table(tmp_path: Path) -> None:
    (tmp_path / "reports").touch()
    run = Run(tmp_path, SEEN, "site", "never", away=False)
    assert run.code == 2, run.output
    assert "4 checked, 4 in order, 0 not checked; report: not written" in run.output
    assert "the report cannot be written" in run.output
