# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running stand-in with nodes of our own: one waits for a file, one's picture is not plain, one fails."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import TOKEN, Pair, Server

from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run

NODES = """
import os, time
from picture import Picture
import nodes

class Gate:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "wait"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"image": ("IMAGE",), "path": ("STRING", {"default": ""})}}

    def wait(self, image, path):
        open(path + ".reached", "w").close()
        while not os.path.exists(path):
            nodes.throw_if_interrupted()
            time.sleep(0.01)
        return (image,)

class Gradient:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"shape": (["steep", "flat"],)}}

    def make(self, shape):
        return ([Picture(16, 2, bytes(range(96)))],)

class Broken:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"model_name": (["here.safetensors"],)}}

    def make(self, model_name):
        raise ValueError("header too small")

NODE_CLASS_MAPPINGS = {"Gate": Gate, "Gradient": Gradient, "Broken": Broken}
"""


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Give a tree that nobody else uses."""
    made = Pair(tmp_path_factory.mktemp("pair"))
    made.set_password(TOKEN)
    made.add_node("workflow_test_nodes", {"__init__.py": NODES})
    return made


@pytest.fixture(scope="session")
def server(pair: Pair) -> Iterator[Server]:
    """Give a server that runs for the whole session."""
    with pair.serve() as running:
        yield running


@pytest.fixture(scope="session")
def deployed(tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest) -> Pair:
    """Give a tree of the real pair where CONTRACT_COMFYUI_PATH and others name one, else the stand-in's."""
    place = {name: os.environ.get(f"CONTRACT_{name}", "") for name in ("COMFYUI_PATH", "LOGIN_PATH", "PYTHON")}
    if not all(place.values()):
        standin: Pair = request.getfixturevalue("pair")
        return standin
    made = Pair(
        tmp_path_factory.mktemp("deployed"),
        comfyui=Path(place["COMFYUI_PATH"]),
        login=Path(place["LOGIN_PATH"]),
        python=place["PYTHON"],
        start_timeout=300,
        arguments=("--cpu",),
    )
    made.set_password(TOKEN)
    return made


def saved(node: str, **inputs: Any) -> dict[str, dict[str, Any]]:
    """Return a graph that saves what one node of this class makes."""
    return {
        "1": {"class_type": node, "inputs": inputs},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": "test"}},
    }


def gated(path: Path) -> dict[str, dict[str, Any]]:
    """Return a graph that ends when *path* exists."""
    return {
        "0": {"class_type": "Gradient", "inputs": {"shape": "steep"}},
        **saved("Gate", image=["0", 0], path=str(path)),
    }


def until(condition: Callable[[], bool], seconds: float = 20) -> None:
    """Return when *condition* holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def client(url: str, token: str = TOKEN) -> run.Client:
    """Return a client of the server at *url*."""
    return run.Client(url, token, timeout=10)
