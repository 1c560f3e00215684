# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A running stand-in whose sampler takes real steps of a real length, and a stand-in for nvidia-smi."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from harness import TOKEN, Pair, Server

NODES = """
import random, time
from picture import Picture
from server import PromptServer
import nodes

class Sampler:
    RETURN_TYPES = ("IMAGE",)
    FUNCTION = "make"
    CATEGORY = "test"

    @classmethod
    def INPUT_TYPES(cls):
        return {"required": {"seed": ("INT", {"default": 0, "min": 0}), "steps": ("INT", {"default": 4, "min": 1}),
                             "pause": ("FLOAT", {"default": 0.02})}}

    def make(self, seed, steps, pause):
        if seed == 13:
            raise ValueError("an unlucky seed")
        here = PromptServer.instance
        for step in range(steps):
            time.sleep(pause)
            nodes.throw_if_interrupted()
            here.send_sync("progress", {"value": step + 1, "max": steps}, here.client_id)
        return ([Picture(16, 16, random.Random(seed).randbytes(16 * 16 * 3))],)

NODE_CLASS_MAPPINGS = {"Sampler": Sampler}
"""

GRAPH: dict[str, Any] = {
    "3": {"class_type": "Sampler", "inputs": {"seed": 0, "steps": 4, "pause": 0.02}},
    "4": {"class_type": "SaveImage", "inputs": {"images": ["3", 0], "filename_prefix": "bench"}},
}

# What a driver prints: two cards, the second one without power readings, a name with a comma.
SMI = """#!/bin/sh
echo "0, GPU-0f1e2d3c, 24576, 20480, 350.00, 301.50, 97, 66, NVIDIA GeForce RTX 3090"
echo "1, GPU-aabbccdd, 24576, 1024, [N/A], [N/A], 3, 40, Card, with a comma"
"""


@pytest.fixture(scope="session")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    """Give a tree that nobody else uses."""
    made = Pair(tmp_path_factory.mktemp("pair"))
    made.set_password(TOKEN)
    made.add_node("benchmark_test_nodes", {"__init__.py": NODES})
    return made


@pytest.fixture(scope="session")
def server(pair: Pair) -> Iterator[Server]:
    """Give a server that runs for the whole session."""
    with pair.serve() as running:
        yield running


def smi(folder: Path) -> Path:
    """Write the stand-in for nvidia-smi; return its path."""
    path = folder / "nvidia-smi"
    path.write_text(SMI)
    path.chmod(0o755)
    return path
