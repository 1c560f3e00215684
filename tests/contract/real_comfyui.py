# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real ComfyUI with CPU torch, started as the role starts it, with models of random weights (2 GB, removed).

Only with CONTRACT_COMFYUI_PATH, CONTRACT_LOGIN_PATH and CONTRACT_PYTHON; the stand-in has neither nodes nor torch.
CONTRACT_WHOLE_ENCODER=1 takes Qwen's text encoder whole (10 GB of disk and of memory, minutes a text) instead of
cut to 2 of its 28 layers.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from harness import TOKEN, Pair, Server
from miniatures import FILES, LAYERS

from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import Graph, problems
from ansible_collections.genai.comfyui.plugins.plugin_utils._server_tree import model_paths
from ansible_collections.genai.comfyui.plugins.plugin_utils._topology import instances

PLACES = {name: os.environ.get(f"CONTRACT_{name}", "") for name in ("COMFYUI_PATH", "LOGIN_PATH", "PYTHON")}
WHOLE = os.environ.get("CONTRACT_WHOLE_ENCODER", "") == "1"
ENCODER = "qwen_encoder" if WHOLE else "qwen_encoder_cut"
MARKS = [
    pytest.mark.skipif(not all(PLACES.values()), reason="no real ComfyUI is named (CONTRACT_COMFYUI_PATH and others)"),
    pytest.mark.slow,
    pytest.mark.xdist_group("real_comfyui"),
]
SHIPPED = Path(__file__).resolve().parents[2] / "roles/qwen_models/files/workflows"
TINY = {name: Path(file).name for name, file in FILES.items()}
# ComfyUI's encoder is as it is, but for how often its layer is repeated.
CUT = """
import functools
from comfy.text_encoders import llama

LAYERS, EYE = {layers}
llama.Qwen25_7BVLI_Config = functools.partial(llama.Qwen25_7BVLI_Config, num_hidden_layers=LAYERS)
llama.qwen_vl.Qwen2VLVisionTransformer = functools.partial(llama.qwen_vl.Qwen2VLVisionTransformer, num_layers=EYE)
NODE_CLASS_MAPPINGS = {{}}
"""
PLAY = """
- hosts: localhost
  gather_facts: false
  tasks:
    - genai.comfyui.api:
        url: "{{ url }}"
        token: "{{ secret }}"
        path: /upload/image
        file: "{{ picture }}"
        overwrite: true
      when: picture is not none
    - genai.comfyui.workflow:
        url: "{{ url }}"
        token: "{{ secret }}"
        workflow: "{{ workflow }}"
        variant: "{{ variant }}"
        parameters: "{{ parameters }}"
        save_to: "{{ folder }}"
        timeout: 3000
      register: done
    - ansible.builtin.copy: {content: "{{ done | to_json }}", dest: "{{ folder }}/done.json", mode: "0600"}
"""


@dataclass
class Real:
    """A running real ComfyUI with the miniatures in its models directory."""

    client: run.Client
    models: Path
    server: Server
    folder: Path

    def run(self, graph: Graph) -> tuple[bytes, dict[str, Any]]:
        """Return the one picture and the history's record."""
        found = problems(graph, self.client.offered(graph))
        assert found == []
        job, us = str(uuid.uuid4()), str(uuid.uuid4())
        self.client.submit(graph, job, us)
        state = run.follow(self.client, job, us, 300, run.Seen())
        assert state["state"] == "done", state.get("record", {}).get("status")
        (output,) = run.outputs_of(state["record"])
        return self.client.fetch(output), state["record"]

    def play(
        self, workflow: str, variant: str | None = None, picture: Path | None = None, **parameters: Any
    ) -> tuple[bytes, dict[str, Any]]:
        """Run a shipped workflow as a playbook does, a picture uploaded before; return its picture and the result."""
        (self.folder / "play.yml").write_text(PLAY)
        (self.folder / "ansible.cfg").touch()
        values = {
            "url": self.server.url, "secret": TOKEN, "folder": str(self.folder), "workflow": workflow,
            "variant": variant, "parameters": parameters, "picture": None if picture is None else str(picture),
        }  # fmt: skip
        (self.folder / "values.json").write_text(json.dumps(values))
        environment = {**os.environ, "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg"), "ANSIBLE_NOCOLOR": "1"}
        done = subprocess.run(
            [Path(sys.executable).with_name("ansible-playbook"), "-e", "@values.json", "-vvv", "play.yml"],
            cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-4000:] + self.server.log()[-4000:]
        assert TOKEN not in done.stdout
        result: dict[str, Any] = json.loads((self.folder / "done.json").read_text())
        (output,) = result["outputs"]
        return Path(output["path"]).read_bytes(), result


def arguments_of_the_role(root: Path) -> list[str]:
    """Return what the role would start an instance without a GPU with, and make what it would have made."""
    # So much of the memory that FP8 weights stay FP8, as on a card that has no room for them in bf16.
    own = ["--reserve-vram", "1000"]
    settings = {"home": str(root / "home"), "data_dir": str(root / "data"), "listen": "127.0.0.1", "launch_args": own}
    (one,) = instances([{"name": "default", "port": 8188, "gpus": "none"}], settings)
    for name in ("user_dir", "input_dir", "output_dir", "temp_dir"):
        Path(one[name]).mkdir(parents=True)
    (root / "home").mkdir()
    (root / "home/extra_model_paths.yaml").write_text(model_paths(str(root / "data/models")))
    # Address and port are the harness's.
    found: list[str] = one["args"][4:]
    return found


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """Make the miniatures and start the server once."""
    root = tmp_path_factory.mktemp("real")
    made = Pair(
        root,
        comfyui=Path(PLACES["COMFYUI_PATH"]),
        login=Path(PLACES["LOGIN_PATH"]),
        python=PLACES["PYTHON"],
        start_timeout=300,
        arguments=arguments_of_the_role(root),
    )
    made.set_password(TOKEN)
    if not WHOLE:
        made.add_node("test_fewer_layers", {"__init__.py": CUT.format(layers=LAYERS[ENCODER])})
    models, play = root / "data/models", root / "play"
    play.mkdir()
    wanted = [name for name in FILES if name not in LAYERS or name == ENCODER]
    script = Path(__file__).with_name("miniatures.py")
    done = subprocess.run(
        [PLACES["PYTHON"], str(script), str(models), *wanted],
        cwd=made.code, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    with made.serve() as server:
        yield Real(run.Client(server.url, TOKEN, timeout=60), models, server, play)
    shutil.rmtree(root, ignore_errors=True)


def document(name: str) -> dict[str, Any]:
    """Return a shipped workflow."""
    found: dict[str, Any] = json.loads((SHIPPED / f"{name}.json").read_text())
    return found
