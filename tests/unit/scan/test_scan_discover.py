# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module and playbooks/discover.yml as Ansible runs them: verdict, reports, refusals, and no value anywhere."""

from __future__ import annotations

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from scan_cases import CREDENTIALS, DIGIT, DOT, LETTER, PASSWORD, SLASH, VALUES

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils._discovery import accept_places, known_for

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
FORMS = {form for value in VALUES for form in (value, quote(value, safe=""), base64.b64encode(value.encode()).decode())}


def leaks(*texts: str) -> list[str]:
    return [form for form in FORMS for text in texts if form in text]


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "ANSIBLE_NOCOLOR": "1", "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"), "HOME": str(folder)}
    environment.update(ANSIBLE_CONFIG=str(folder / "ansible.cfg"), PYTHONIOENCODING="utf-8", COLUMNS="200")
    (folder / "ansible.cfg").touch()
    return subprocess.run(
        [str(BIN / words[0]), *words[1:]],
        cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, dict[str, Any], str]:
    """Run the playbook once with every kind of output; give folder, output, report and page."""
    folder = tmp_path_factory.mktemp("discover")
    seeded = folder / "files" / PASSWORD
    seeded.mkdir(parents=True)
    (seeded / "a.env").write_text(f"T='{LETTER}'\nOLD='{DIGIT}'\n")
    (seeded / "b.txt").write_text(f"{quote(SLASH, safe='')} {base64.b64encode(DOT.encode()).decode()} {PASSWORD}\n")
    (seeded / "model.safetensors").write_text("x")
    (folder / "other").mkdir()
    (folder / "other/c.txt").write_text(f"{LETTER} {DIGIT} {SLASH} {DOT}\n")
    consumer = {"id": "a", "path": str(seeded / "a.env"), "codec": "dotenv", "key": "T"}
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1, "ansible_ssh_retries": 0}
    other = {"comfyui_discover_roots": [str(folder / "other")]}
    inventory = {
        "all": {
            "hosts": {"cli-1": {"comfyui_consumers": [consumer]}, "other": other, "away": away},
            "vars": {
                "ansible_connection": "local",
                "ansible_python_interpreter": sys.executable,
                "comfyui_discover_roots": [str(folder / "files"), "/nowhere"],
                "comfyui_discover_sources": ["files", "git"],
                "comfyui_report_dir": str(folder / "reports"),
            },
        }
    }
    (folder / "inventory.yml").write_text(yaml.safe_dump(inventory))
    # Instead of a store: what the role's credentials.yml would read.
    (folder / "known.json").write_text(json.dumps({"comfyui_credentials": CREDENTIALS}))
    words = ["-i", "inventory.yml", str(ROOT / "playbooks/discover.yml"), "-e", "@known.json", "-vvv", "--diff"]
    done = run(folder, "ansible-playbook", *words)
    latest = folder / "reports/discover-latest.json"
    assert latest.exists(), done.stdout[-3000:]
    page = latest.with_suffix(".html").read_text()
    assert done.returncode == 2, done.stdout[-3000:]
    return folder, done.stdout, json.loads(latest.read_text()), page


def test_no_value_anywhere(found: tuple[Path, str, dict[str, Any], str]) -> None:
    folder, output, report, page = found
    assert leaks(output, json.dumps(report), page) == []
    assert LETTER[29:40] not in output + page
    for path in (folder / "reports").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert leaks(*(path.read_text() for path in (folder / "reports").iterdir())) == []


def test_each_host_tells_what_it_can(found: tuple[Path, str, dict[str, Any], str]) -> None:
    _folder, output, report, page = found
    hosts = {one["host"]: one for one in report["hosts"]}
    seen = {
        name: sorted(
            (one["version"], one["label"], one["field"], one["kind"]) for one in hosts[name]["scan"]["findings"]
        )
        for name in ("cli-1", "other")
    }
    tokens = [
        ("v5", "retired", "token", "file"),
        ("v6", "previous", "token", "file"),
        ("v8", "pending", "token", "file"),
    ]
    passwords = [("v7", "current", "password", "file"), ("v7", "current", "password", "name")]
    assert seen["cli-1"] == sorted([*tokens, *passwords])
    # It uses no credential, so it gets no values: fingerprints find the tokens.
    assert seen["other"] == sorted([*tokens, ("v7", "current", "token", "file")])
    assert [one["declared"] for one in hosts["cli-1"]["scan"]["declared"]] == ["a"]
    missing = [(one["host"], one["reason"]) for one in report["not_checked"]]
    assert ("other", "the password of credential main: this host does not have it") in missing
    assert ("cli-1", "no such file or directory: /nowhere") in missing
    assert any(host == "away" and reason.startswith("unreachable") for host, reason in missing)
    assert hosts["away"]["checked"] is False
    assert report["credentials"][0]["fingerprint"] == fingerprint(LETTER)
    assert "changed=0" in output
    assert "Undeclared copies" in page


def test_refusals(tmp_path: Path) -> None:
    wrong: dict[str, dict[str, Any]] = {
        "roots: srv: give absolute paths": {"roots": ["srv"]},
        "timeout must be at least 1": {"timeout": 0},
        "journal_days must be at least 0": {"journal_days": -1},
        "value of sources must be one or more of": {"sources": ["memory"]},
    }
    tasks = [
        {
            "genai.comfyui.token_scan": {"credentials": CREDENTIALS, "sources": ["files"], **given},
            "ignore_errors": True,
        }
        for given in wrong.values()
    ]
    (tmp_path / "play.json").write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    python = f"ansible_python_interpreter={sys.executable}"
    done = run(tmp_path, "ansible-playbook", "-i", "localhost,", "-c", "local", "-e", python, "play.json", "-vvv")
    assert "ignored=4" in done.stdout
    assert [told for told in wrong if told not in done.stdout] == []
    assert leaks(done.stdout) == []


def test_a_host_gets_the_values_of_what_it_uses_only() -> None:
    other = {"username": "b", "password": "Other-Horse-2", "token": DOT, "version": "v1"}
    known = known_for({**CREDENTIALS, "other": other}, [{"id": "a"}])
    assert known["main"] is CREDENTIALS["main"]
    assert known["other"] == {"version": "v1", "fingerprint": fingerprint(DOT), "retired": []}
    assert leaks(json.dumps(known_for(CREDENTIALS, []))) == []
    assert known_for(CREDENTIALS, [])["main"]["pending"] == {"version": "v8", "fingerprint": fingerprint(DIGIT)}


def test_the_guards_file_is_declared() -> None:
    assert accept_places([{"id": "server:default", "path": "/opt/x/login/PASSWORD", "credential": "a"}]) == [
        {"id": "guard:default", "path": "/opt/x/login/ACCEPT.json", "credential": "a"}
    ]
