# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as a playbook runs it: check mode, progress, a second run that reads nothing, no token in any output."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import subprocess
import sys
import time
from pathlib import Path

from local_hub import REVISION, TOKEN, Hub

SMALL, LARGE = random.Random(1).randbytes(1000), random.Random(2).randbytes(3_000_000)

PLAY = """
- hosts: localhost
  gather_facts: false
  module_defaults:
    genai.comfyui.model: &model
      dir: "{{ folder }}/models"
      endpoints: ["{{ hub }}"]
      token: "{{ secret }}"
      reserve: 0
      hub_python: "{{ python }}"
      files: "{{ files }}"
  tasks:
    - genai.comfyui.model: {}
      check_mode: true
      register: checked
    - genai.comfyui.model: {}
      register: first
    - genai.comfyui.model: {}
      register: second
    - genai.comfyui.model:
        files: [{repo: org/repo, revision: REVISION, path: gone.safetensors, sha256: "{{ '0' * 64 }}"}]
      ignore_errors: true
      register: missing
    - genai.comfyui.model: {state: absent}
      register: removed
    - ansible.builtin.copy:
        content: "{{ {'checked': checked, 'first': first, 'second': second, 'missing': missing, 'removed': removed}
          | to_json }}"
        dest: "{{ folder }}/results"
        mode: "0600"
""".replace("REVISION", REVISION)


WATCHED = """
import runpy, sys
sys.addaudithook(lambda event, given: event == "open" and print(given[0], file=sys.stderr))
runpy.run_module("ansible_collections.genai.comfyui.plugins.modules.model", run_name="__main__")
"""


def test_a_play(hub: Hub, tmp_path: Path) -> None:
    hub.gated.add("org/repo")
    hub.files.update({"org/repo/small.safetensors": SMALL, "org/repo/large.safetensors": LARGE})
    hub.troubles["storage"] = [("slow", 0.12)] * 4
    files = [
        {"repo": "org/repo", "revision": REVISION, "path": f"{name}.safetensors", "kind": "vae", "size": len(data)}
        for name, data in (("small", SMALL), ("large", LARGE))
    ]
    (tmp_path / "models").mkdir()
    (tmp_path / "play.yml").write_text(PLAY)
    given = {"folder": str(tmp_path), "hub": hub.url, "secret": TOKEN, "files": files, "python": sys.executable}
    (tmp_path / "given.yml").write_text(json.dumps(given))
    (tmp_path / "ansible.cfg").touch()
    environment = {**os.environ, "ANSIBLE_CONFIG": str(tmp_path / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
    environment.update({"HOME": str(tmp_path), "ANSIBLE_LOCAL_TEMP": str(tmp_path / "tmp")})
    ran = subprocess.run(
        [Path(sys.executable).with_name("ansible-playbook"), "-vvv", "-e", "@given.yml", "play.yml"],
        cwd=tmp_path,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stdout
    results = json.loads((tmp_path / "results").read_text())
    assert [one["status"] for one in results["checked"]["files"]] == ["would_download"] * 2
    assert results["checked"]["changed"]
    first = results["first"]
    assert [one["status"] for one in first["files"]] == ["downloaded"] * 2, first
    assert [one["sha256"] for one in first["files"]] == [hashlib.sha256(data).hexdigest() for data in (SMALL, LARGE)]
    assert first["changed"]
    by = "hub" if importlib.util.find_spec("huggingface_hub") else "http"
    assert {one["downloader"] for one in first["files"]} == {first["downloader"]["name"]} == {by}
    assert " % of 3 MB, " in ran.stdout, "somebody who watches sees how far it is"
    second = results["second"]
    assert [(one["status"], one["verified"], one["fetched"]) for one in second["files"]] == [
        ("present", "record", 0)
    ] * 2
    assert not second["changed"]
    assert "gone.safetensors does not exist (status 404)" in results["missing"]["msg"]
    assert [one["status"] for one in results["removed"]["files"]] == ["removed"] * 2
    assert sorted(path.name for path in (tmp_path / "models").rglob("*") if path.is_file()) == [
        ".genai-comfyui-models.json"
    ]
    assert TOKEN not in ran.stdout + json.dumps(results)
    assert not list((tmp_path / ".ansible_async").glob("*")), "nothing is left behind of the background job"


def test_a_sparse_set_of_29_gigabytes_is_known_without_reading(tmp_path: Path) -> None:
    names = [f"{number}.safetensors" for number in range(4)]
    entries = {}
    for name in names:
        with (tmp_path / name).open("wb") as stream:
            stream.truncate(29_000_000_000 // len(names))
        found = (tmp_path / name).stat()
        entry = {"inode": found.st_ino, "size": found.st_size, "mtime_ns": found.st_mtime_ns}
        entries[name] = {**entry, "sha256": "0" * 64, "laid": True}
    (tmp_path / ".genai-comfyui-models.json").write_text(json.dumps({"schema": 1, "files": entries}))
    wanted = [{"url": f"http://127.0.0.1:1/{name}", "sha256": "0" * 64} for name in names]
    arguments = json.dumps({"ANSIBLE_MODULE_ARGS": {"dir": str(tmp_path), "files": wanted}})
    started = time.monotonic()
    ran = subprocess.run([sys.executable, "-c", WATCHED], input=arguments, capture_output=True, text=True, check=False)
    assert json.loads(ran.stdout)["changed"] is False, ran.stdout + ran.stderr
    assert time.monotonic() - started < 10, "that is far below what one read of the set would take"
    opened = ran.stderr.splitlines()
    assert str(tmp_path / ".genai-comfyui-models.json") in opened
    assert not [path for path in opened if path.endswith(".safetensors")], "what is not opened is not read"


def test_the_environment_names_the_hub_where_the_task_does_not(tmp_path: Path) -> None:
    wanted = [{"repo": "org/repo", "revision": REVISION, "path": "x.safetensors", "sha256": "0" * 64}]
    for more, hub in (({}, "http://mirror:1"), ({"endpoints": ["http://own:2"]}, "http://own:2")):
        given = {"dir": str(tmp_path), "files": wanted, "offline": True, "hub_python": "/nowhere", **more}
        ran = subprocess.run(
            [sys.executable, "-m", "ansible_collections.genai.comfyui.plugins.modules.model"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": given}),
            env={**os.environ, "HF_ENDPOINT": "http://mirror:1"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert f"offline is set; its source is {hub}/org/repo/" in json.loads(ran.stdout)["msg"]
