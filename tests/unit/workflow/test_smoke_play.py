# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The smoke test as site.yml runs it, alone by its tag, on a server that takes one Origin only; its picture is kept."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml
from harness import TOKEN, Pair

ORIGIN = "https://app.example.com"
PLAY = """
- hosts: comfyui_servers
  gather_facts: false
  tasks:
    - ansible.builtin.include_role:
        name: genai.comfyui.qwen_models
        tasks_from: smoke
        apply: {tags: [smoke]}
      tags: [smoke]
- hosts: localhost
  gather_facts: false
  tags: [always]
  tasks:
    - genai.comfyui.report:
        name: site
        hosts: "{{ groups.comfyui_servers }}"
        instances: comfyui_instance_result
        smoke: qwen_models_smoke_results
        dir: reports
        fail_on: never
"""


def test_the_smoke_tests_picture_is_in_the_report(deployed: Pair, tmp_path: Path) -> None:
    with deployed.serve("--enable-cors-header", ORIGIN) as server:
        assert server.request("GET", "/queue", token=TOKEN).status == 401, "it takes the token with that Origin only"
        instance = {"name": "default", "port": int(server.url.rpartition(":")[2]), "cors_origin": ORIGIN}
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "comfyui_instances": [instance],
        }
        (tmp_path / "hosts.yml").write_text(
            yaml.safe_dump({"all": {"children": {"comfyui_servers": {"hosts": {"gpu-1": host}}}}})
        )
        # Nothing was started, but the tag asks for it.
        started = {"instances": [{"name": "default", "unit": "u", "active": True, "action": "none"}]}
        credential = {"username": "comfy", "password": None, "token": TOKEN, "version": "v1"}
        # Instead of a store and of systemd.
        known = {"comfyui_credentials": {"main": credential}, "comfyui_instance_result": started}
        (tmp_path / "known.json").write_text(json.dumps(known))
        (tmp_path / "play.yml").write_text(PLAY)
        (tmp_path / "ansible.cfg").touch()
        environment = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        environment.update(HOME=str(tmp_path), PWD=str(tmp_path), ANSIBLE_LOCAL_TEMP=str(tmp_path / "tmp"))
        program = Path(sys.executable).with_name("ansible-playbook")
        done = subprocess.run(
            [program, "-vvv", "-i", "hosts.yml", "-e", "@known.json", "--tags", "smoke", "play.yml"],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
    assert done.returncode == 0, done.stdout[-3000:]
    picture = (tmp_path / "reports/smoke-gpu-1-default.png").read_bytes()
    page = (tmp_path / "reports/site-latest.html").read_text()
    assert f'src="data:image/png;base64,{base64.b64encode(picture).decode()}"' in page
    assert "img-src data:" in page
    (smoke,) = json.loads((tmp_path / "reports/site-latest.json").read_text())["smoke"]
    assert (smoke["host"], smoke["workflow"], smoke["picture"]) == ("gpu-1", "empty_image", "smoke-gpu-1-default.png")
    assert TOKEN not in done.stdout + page


def test_the_tag_takes_nothing_else_of_site_yml(tmp_path: Path) -> None:
    hosts: dict[str, Any] = {"all": {"children": {"comfyui_servers": {"hosts": {"gpu-1": {}}}}}}
    (tmp_path / "hosts.yml").write_text(yaml.safe_dump(hosts))
    done = subprocess.run(
        [
            Path(sys.executable).with_name("ansible-playbook"), "-i", "hosts.yml", "--tags", "smoke", "--list-tasks",
            str(Path(__file__).resolve().parents[3] / "playbooks/site.yml"),
        ],
        cwd=tmp_path, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    named = re.findall(r"^ {6}(.*?)\tTAGS: \[(.*)\]$", done.stdout, re.MULTILINE)
    assert [name for name, tags in named if "always" not in tags] == ["Smoke test"]
