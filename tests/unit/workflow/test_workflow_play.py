# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a playbook runs it: shipped workflows, progress, check mode, refusals, no token in any output."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import uuid
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from harness import TOKEN, Server
from workflow_server import client, gated, saved, until

PLAY = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    genai.comfyui.workflow: {url: "{{ url }}", token: "{{ secret }}"}
  tasks:
    - genai.comfyui.workflow:
        workflow: empty_image
        parameters: {color: 255}
        check: decodable
        save_to: "{{ folder }}"
        slice: 1
      register: shipped
    - genai.comfyui.workflow: {workflow: empty_image, check: decodable}
      check_mode: true
      register: checked
    - genai.comfyui.workflow: {workflow: qwen_image}
      check_mode: true
      ignore_errors: true
      register: lacking
    - genai.comfyui.workflow: {workflow: no_such}
      ignore_errors: true
      register: unknown
    - genai.comfyui.workflow: {workflow: "{{ folder }}/gated.json", slice: 1}
      register: slow
    - genai.comfyui.workflow: {workflow: "{{ folder }}/never.json", timeout: 1}
      ignore_errors: true
      register: late
    - genai.comfyui.workflow: {workflow: "{{ folder }}/broken.json"}
      ignore_errors: true
      register: broken
    - genai.comfyui.workflow:
        resume: {prompt_id: gone, client_id: us, submitted: "{{ now().timestamp() }}", vram_peak: null}
      ignore_errors: true
      register: gone
    - ansible.builtin.copy:
        content: "{{ {'shipped': shipped, 'checked': checked, 'lacking': lacking, 'unknown': unknown, 'slow': slow,
          'late': late, 'broken': broken, 'gone': gone} | to_json }}"
        dest: "{{ folder }}/results"
        mode: "0600"
"""


@pytest.fixture(scope="module")
def ran(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any], str]:
    """Run the play once; give folder, results and all output."""
    folder = tmp_path_factory.mktemp("play")
    (folder / "play.yml").write_text(PLAY)
    (folder / "gated.json").write_text(json.dumps(gated(folder / "door")))
    (folder / "never.json").write_text(json.dumps(gated(folder / "never")))
    (folder / "broken.json").write_text(json.dumps(saved("Broken", model_name="here.safetensors")))
    (folder / "secret.yml").write_text(json.dumps({"secret": TOKEN, "url": server.url, "folder": str(folder)}))
    (folder / "ansible.cfg").touch()
    environment = {**os.environ, "ANSIBLE_CONFIG": str(folder / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    environment.update({"HOME": str(folder), "ANSIBLE_LOCAL_TEMP": str(folder / "tmp")})
    client(server.url).submit(gated(folder / "before"), str(uuid.uuid4()), "somebody else")
    process = subprocess.Popen(
        [Path(sys.executable).with_name("ansible-playbook"), "-vvv", "-e", "@secret.yml", "play.yml"],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    lines: list[str] = []
    assert process.stdout is not None
    reader = threading.Thread(target=lambda: lines.extend(process.stdout or ()))
    reader.start()
    for said, door in (("localhost: in the queue", "before"), ("localhost: running", "door")):
        until(lambda said=said: process.poll() is not None or any(said in line for line in lines), 90)  # type: ignore[misc]
        (folder / door).touch()
    process.wait(60)
    reader.join()
    output = "".join(lines)
    assert process.returncode == 0, output
    return folder, json.loads((folder / "results").read_text()), output


def test_a_shipped_workflow_by_name(ran: tuple[Path, dict[str, Any], str]) -> None:
    folder, results, _output = ran
    done = results["shipped"]
    assert (done["state"], done["changed"], done["followed_by"]) == ("done", True, "websocket")
    (output,) = done["outputs"]
    assert Path(output["path"]).parent == folder
    assert Path(output["path"]).read_bytes()[1:4] == b"PNG"
    assert done["timings"]["total"] >= done["timings"]["execution"] >= 0


def test_check_mode_submits_nothing(ran: tuple[Path, dict[str, Any], str], server: Server) -> None:
    _folder, results, _output = ran
    assert (results["checked"]["state"], results["checked"]["changed"]) == ("checked", True)
    assert "job" not in results["checked"]
    assert results["lacking"]["failed"]
    assert "the server has no UNETLoader" in results["lacking"]["msg"]


def test_an_unknown_name_lists_those_there_are(ran: tuple[Path, dict[str, Any], str]) -> None:
    said = ran[1]["unknown"]["msg"]
    assert "'no_such' is neither a file on the controller nor a shipped one" in said
    assert "empty_image, qwen_image" in said


def test_progress_is_shown_while_it_runs(ran: tuple[Path, dict[str, Any], str]) -> None:
    _folder, results, output = ran
    assert results["slow"]["state"] == "done"
    assert "  localhost: in the queue, place 1 of 1" in output
    assert "  localhost: running" in output


def test_what_takes_too_long_is_taken_back(ran: tuple[Path, dict[str, Any], str], server: Server) -> None:
    late = ran[1]["late"]
    assert late["failed"]
    assert late["cancelled"]
    assert "did not end within 1 s: it is still running" in late["msg"]
    until(lambda: client(server.url).look(late["job"]["prompt_id"])["state"] == "interrupted")


def test_a_failure_names_its_node(ran: tuple[Path, dict[str, Any], str]) -> None:
    assert "node 1 (Broken): ValueError: header too small" in ran[1]["broken"]["msg"]
    assert ran[1]["broken"]["cancelled"] is False


def test_a_job_that_a_restart_lost_is_named(ran: tuple[Path, dict[str, Any], str]) -> None:
    said = ran[1]["gone"]["msg"]
    assert "job gone is lost: it is neither in the queue nor in the history" in said
    assert "it was restarted, or somebody cleared them. Submit it again" in said


def test_no_token_shows(ran: tuple[Path, dict[str, Any], str]) -> None:
    _folder, results, output = ran
    everything = output + json.dumps(results)
    for form in (TOKEN, TOKEN[-31:], quote(TOKEN), quote(TOKEN, safe="")):
        assert form not in everything
