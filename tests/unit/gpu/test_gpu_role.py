# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Role comfyui in ansible-playbook: the GPU's arguments reach the instances, your own win, typos are refused."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from gpu_machine import Machine
from test_gpu_launch import H2025

PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - ansible.builtin.include_role: {name: genai.comfyui.comfyui, tasks_from: settings, public: true}
    - genai.comfyui.gpu_facts: {root: "{{ root }}"}
      register: comfyui_gpu_result
    - ansible.builtin.command: {argv: [cat, "{{ help }}"]}
      register: comfyui_help_result
    - ansible.builtin.copy:
        content: "{{ {'before': comfyui__instances, 'after': comfyui__launched} | to_json }}"
        dest: "{{ out }}"
        mode: "0600"
"""


def play(machine: Machine, folder: Path, **variables: object) -> subprocess.CompletedProcess[str]:
    """Run the play with the machine's files and programs."""
    (folder / "play.yml").write_text(PLAY)
    (folder / "help").write_text(H2025)
    given = {"root": str(machine.root), "help": str(folder / "help"), "out": str(folder / "out"), **variables}
    given["ansible_python_interpreter"] = sys.executable
    program = Path(sys.executable).with_name("ansible-playbook")
    return subprocess.run(
        [str(program), "-i", "localhost,", "-c", "local", "-e", json.dumps(given), str(folder / "play.yml")],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={"PATH": f"{machine.path}:/usr/bin:/bin", "HOME": str(folder), "LC_ALL": "C.UTF-8"},
    )


def test_the_role_takes_what_the_gpu_suggests(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.smi("rtx-3090-580")
    machine.write("proc/meminfo", "MemTotal:       32654321 kB\n")
    both = [{"name": "a", "port": 8188}, {"name": "b", "port": 8189, "launch_args": ["--cache-lru", "4", "--highvram"]}]
    done = play(machine, tmp_path, comfyui_instances=both, comfyui_launch_args=["--fast"])
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "out").read_text())
    (first, second), (plain, _own) = told["after"], told["before"]
    assert first["args"] == [*plain["args"][:-1], "--cache-none", "--fast"]
    assert second["args"][-4:] == ["--fast", "--cache-lru", "4", "--highvram"]
    assert "--cache-none" not in second["args"]
    assert [one.split(":")[1].strip() for one in second["launch_warnings"]][:2] == ["--fast", "--highvram"]


def test_without_a_gpu_nothing_changes(tmp_path: Path) -> None:
    done = play(Machine(tmp_path), tmp_path, comfyui_launch_args=["--highvram"])
    assert done.returncode == 0, done.stdout + done.stderr
    told = json.loads((tmp_path / "out").read_text())
    assert told["after"] == [{**one, "launch_warnings": []} for one in told["before"]]


def test_a_profile_that_does_not_exist_is_refused_at_once(tmp_path: Path) -> None:
    done = play(Machine(tmp_path), tmp_path, comfyui_launch_profile="rtx-309")
    assert done.returncode != 0
    said = " ".join((done.stdout + done.stderr).split())
    assert "There is no profile 'rtx-309' (comfyui_launch_profile); there are auto, none, rtx-3060," in said
    assert not (tmp_path / "out").exists()
