# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it: check mode, diff, a second run, a refusal, and no value in any output."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sync_cases import DIGIT, FINGERPRINTS, LETTER, PASSWORD, ROTATING, SECRETS, consumer, file

from ansible_collections.genai.comfyui.plugins.module_utils._consumers import read_field

PLAYBOOK = """
- hosts: localhost
  gather_facts: false
  tasks:
    - genai.comfyui.sync: &sync
        consumers: "{{ consumers }}"
        credentials: "{{ credentials }}"
        state_dir: "{{ state }}"
      check_mode: true
      register: audit
    - genai.comfyui.sync: *sync
      register: first
    - genai.comfyui.sync: *sync
      register: second
    - genai.comfyui.sync:
        consumers: "{{ consumers + [{'id': 'bad', 'path': broken, 'codec': 'json', 'key': '/t'}] }}"
        credentials: "{{ credentials }}"
      ignore_errors: true
      register: refused
    - ansible.builtin.copy:
        content: "{{ {'audit': audit, 'first': first, 'second': second, 'refused': refused} | to_json }}"
        dest: "{{ results }}"
        mode: "0600"
"""


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """Run the play once with every kind of output switched on; give folder, results and all output."""
    folder = tmp_path_factory.mktemp("sync")
    file(folder / "env", "# mine\r\nA=1\r\n", 0o644)
    file(folder / "app.json", '{"t": "' + DIGIT.replace("$", "$$") + '"}')
    file(folder / "broken.json", '{"t": ')
    asked: dict[str, Any] = {"validate": ["grep", "-q", "", "%s"], "reload": {"command": ["true"]}}
    consumers = [
        consumer(folder / "env", id="env", **asked),
        consumer(folder / "env", id="password", key="P", field="password"),
        consumer(folder / "app.json", "json", field="bearer"),
        consumer(folder / "PASSWORD", "login_password", mode="0400"),
        consumer(folder / "url", "raw", field="url", url="http://host:8188/"),
    ]
    given = {
        "consumers": consumers,
        "credentials": {"main": ROTATING},
        "state": str(folder / "state"),
        "broken": str(folder / "broken.json"),
        "results": str(folder / "results.json"),
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
    }
    file(folder / "vars.json", json.dumps(given))
    file(folder / "play.yml", PLAYBOOK)
    environment = {
        **os.environ,
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_REMOTE_TEMP": str(folder / "tmp"),
        "ANSIBLE_CONFIG": str(file(folder / "ansible.cfg", "[defaults]\n")),
        "ANSIBLE_NOCOLOR": "1",
    }
    command = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", "localhost,", "-vvv", "--diff", "play.yml"]
    done = subprocess.run(
        [*command, "-e", "@vars.json"], capture_output=True, text=True, check=False, cwd=folder, env=environment
    )
    output = done.stdout + done.stderr
    assert done.returncode == 0, output
    return folder, json.loads((folder / "results.json").read_text(encoding="utf-8")), output


def test_check_mode_is_the_audit(ran: tuple[Path, dict[str, Any], str]) -> None:
    """It tells what is there and what the run will do."""
    _folder, results, _output = ran
    assert results["audit"]["changed"] is True
    assert [record["status"] for record in results["audit"]["consumers"]] == [
        "missing_key", "missing_key", "damaged", "missing_file", "missing_file",
    ]  # fmt: skip
    assert "token of version v8, damaged: " in results["audit"]["consumers"][2]["detail"]
    assert "each $ doubled" in results["audit"]["consumers"][2]["detail"]
    assert results["audit"]["changed_consumers"] == results["first"]["changed_consumers"]
    assert results["audit"]["diff"] == results["first"]["diff"]


def test_run_and_second_run(ran: tuple[Path, dict[str, Any], str]) -> None:
    """The first run changes all of them, the second nothing."""
    folder, results, _output = ran
    assert results["first"]["changed_consumers"] == ["env", "password", "app.json", "PASSWORD", "url"]
    assert len(results["first"]["changed_paths"]) == 4
    assert {record["status"] for record in results["first"]["consumers"]} == {"in_sync"}
    assert (results["second"]["changed"], results["second"]["changed_consumers"]) == (False, [])
    assert (folder / "env").read_bytes().decode() == f"# mine\r\nA=1\r\nT='{LETTER}'\r\nP='{PASSWORD}'\r\n"
    assert (folder / "PASSWORD").stat().st_mode & 0o777 == 0o400
    assert read_field(str(folder / "app.json"), "json", "/t", "bearer") == LETTER


def test_parsers_and_reloads_travel_along(ran: tuple[Path, dict[str, Any], str]) -> None:
    """What is imported late is sent to the host, too."""
    _folder, results, _output = ran
    looked, first, second = (results[name]["consumers"][0] for name in ("audit", "first", "second"))
    assert (looked["reload"], looked["validator"]) == ("pending", None)
    assert (first["reload"], first["validated"], first["validator"]) == ("done", True, "grep -q  %s")
    assert (second["reload"], second["validated"]) == (None, None)
    assert results["audit"]["reloaded"] == results["first"]["reloaded"] == ["command true"]


def test_refusal(ran: tuple[Path, dict[str, Any], str]) -> None:
    """The task fails with the place and the mend, and all records are there."""
    folder, results, _output = ran
    refused = results["refused"]
    assert refused["failed"] is True
    assert refused["msg"] == (
        "nothing was written, for 1 of 6 consumers cannot be served: "
        f"bad ({folder}/broken.json): line 1: a value was expected here; mend the JSON"
    )
    assert [record["status"] for record in refused["consumers"]] == ["in_sync"] * 5 + ["unparsable"]


def test_output_is_readable_and_holds_no_value(ran: tuple[Path, dict[str, Any], str]) -> None:
    """Everything at -vvv with diffs: fingerprints, user and version names in clear, no secret in any form."""
    _folder, results, output = ran
    assert f"+env (T): token fingerprint {FINGERPRINTS['letter']}" in output
    assert "+password (P): password of version v7" in output
    assert "-mode 0644, owner" in output
    for text in (output, json.dumps(results)):
        assert "v7" in text
        for secret in SECRETS:
            body = secret.rsplit("$", maxsplit=1)[-1]
            raw = base64.b64encode(secret.encode()).decode().rstrip("=")
            for form in (secret, body, quote(secret, safe=""), json.dumps(secret)[1:-1], raw[:-2]):
                assert form not in text
