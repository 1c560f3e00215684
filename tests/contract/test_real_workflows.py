# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped workflows on a real ComfyUI with CPU torch, with models of random weights; see real_comfyui.py."""

from __future__ import annotations

import copy
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from miniatures import FILES
from png import pixels, rows
from real_comfyui import MARKS, TINY, Real, document

from ansible_collections.genai.comfyui.plugins.module_utils import _benchmark as bench
from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import Graph, WorkflowError, prepare, problems
from ansible_collections.genai.comfyui.plugins.plugin_utils._benchmark import figures

pytestmark = MARKS


def through_sd3(**more: Any) -> Graph:
    """Return the shipped text-to-image graph with the small model, which has a text encoder of a size to be had."""
    names = {"model": TINY["unet"], "text_encoder": TINY["clip"], "vae": TINY["vae"]}
    graph = prepare(document("qwen_image"), {**names, "width": 64, "height": 64, "steps": 3, "cfg": 1.0, **more})
    graph["38"]["inputs"]["type"] = "sd3"
    return graph


def test_empty_image(real: Real) -> None:
    found, _record = real.run(prepare(document("empty_image"), {"color": 0x0000FF}))
    assert pixels(found) == (64, 64, {(0, 0, 255)})


def test_tiny_upscale_with_a_model_below_a_megabyte(real: Real) -> None:
    assert (real.models / FILES["upscale"]).stat().st_size < 1_000_000
    found, _record = real.run(prepare(document("tiny_upscale"), {}))
    assert pixels(found)[:2] == (128, 128)


def test_loader_to_save_with_random_weights(real: Real) -> None:
    """Equal seeds give equal pixels although the server forgot all in between; another seed or text gives others."""
    first, record = real.run(through_sd3(seed=7))
    wide, high, colours = pixels(first)
    assert (wide, high) == (64, 64)
    assert len(colours) > 16, "a picture, not one colour"
    assert not run.cached_nodes(record) & {"3", "8"}
    other, _record = real.run(through_sd3(seed=8))
    real.client.request("POST", "/free", {"unload_models": True, "free_memory": True})
    again, record = real.run(through_sd3(seed=7, filename_prefix="again"))
    assert not run.cached_nodes(record) & {"3", "8"}
    assert rows(again) == rows(first)
    assert rows(other) != rows(first)
    words, _record = real.run(through_sd3(seed=7, prompt="something else"))
    assert rows(words) != rows(first)


def test_a_benchmark_counts_steps_and_leaves_out_the_cache(real: Real) -> None:
    graph = through_sd3(steps=6)
    plan = bench.Plan(real.client, bench.plan_graphs(graph, {}, None, bench.varied(graph, None), 500), images=3)
    state = bench.fresh()
    bench.check(plan)
    bench.await_idle(real.client, 60)
    bench.measure(plan, state, time.time() + 300)
    assert state["phase"] == "over"
    assert [one["steps"] for one in state["records"]] == [6, 6, 6]
    assert not any(one["cached"] for one in state["records"])
    found = figures({"measured": state})
    assert found["s_per_image"]
    assert found["s_per_step"]
    # The last job of the series once more: nothing is left to be done.
    same = bench.fresh()
    bench.measure(bench.Plan(real.client, lambda number: plan.graphs(number + 2), images=1), same, time.time() + 300)
    assert [one["cached"] for one in same["records"]] == [True]
    assert figures({"measured": same})["first_image"] is None


@pytest.mark.parametrize("variant", [None, "lightning_4step", "lightning_8step"])
@pytest.mark.parametrize("name", ["qwen_image", "qwen_image_edit_2509"])
def test_the_qwen_graphs_fit_this_comfyui(real: Real, name: str, variant: str | None) -> None:
    """Every node and input is there; of the models each missing one is named, and then none is missing."""
    graph = prepare(document(name), {}, variant)
    offered = real.client.offered(graph)
    # Newer ones ask for it and older ones leave it out.
    assert unknown_inputs(graph, offered) in ([], ["93.resolution_steps"])
    models = {
        field: value
        for node in graph.values()
        for field, value in node["inputs"].items()
        if isinstance(value, str) and value.endswith(".safetensors")
    }
    found = problems(graph, offered)
    if name == "qwen_image_edit_2509":
        assert sum("image 'input.png' is no picture in the server's input directory" in one for one in found) == 1
        graph = prepare(document(name), {"image": None}, variant)
        found = problems(graph, real.client.offered(graph))
    assert len(found) == len(models) == (3 if variant is None else 4)
    for field, value in models.items():
        assert any(f"{field} {value!r} is a model that the server does not have" in one for one in found), found
    with Placeholders(real.models, models):
        assert problems(graph, real.client.offered(graph)) == []
        if name == "qwen_image":
            fails_in_the_loader(real, graph)


def unknown_inputs(graph: Graph, offered: Mapping[str, Any]) -> list[str]:
    """Name the inputs that this server's nodes do not have: ComfyUI leaves them out without a word."""
    found = []
    for number, node in graph.items():
        known = offered[node["class_type"]]["input"]
        names = {*known.get("required", {}), *known.get("optional", {})}
        found += [f"{number}.{field}" for field in node["inputs"] if field not in names]
    return found


class Placeholders:
    """Empty files of these names in the models directory while it lasts."""

    def __init__(self, models: Path, names: Mapping[str, str]) -> None:
        folders = {
            "unet_name": "diffusion_models", "clip_name": "text_encoders", "vae_name": "vae", "lora_name": "loras"
        }  # fmt: skip
        self.paths = [models / folders[field] / value for field, value in names.items()]

    def __enter__(self) -> None:
        for path in self.paths:
            path.touch()

    def __exit__(self, *_raised: object) -> None:
        for path in self.paths:
            path.unlink()


def fails_in_the_loader(real: Real, graph: Graph) -> None:
    """ComfyUI takes the graph; the file that is none fails in execution, and the loader is named."""
    job, us = str(uuid.uuid4()), str(uuid.uuid4())
    real.client.submit(copy.deepcopy(graph), job, us)
    state = run.follow(real.client, job, us, 120, run.Seen())
    assert state["state"] == "error"
    assert "Loader" in run.failure_of(state["record"])


def test_what_cannot_run_is_named(real: Real) -> None:
    graph = prepare(document("qwen_image"), {"model": TINY["qwen"], "text_encoder": TINY["clip"], "vae": TINY["vae"]})
    graph["3"]["inputs"]["sampler_name"] = "eulerr"
    graph["66"]["class_type"] = "ModelSamplingAuroraFlow"
    found = problems(graph, real.client.offered(graph))
    assert len(found) == 2, found
    assert "node 3 (KSampler): sampler_name 'eulerr' is not among the choices: 'euler'" in found[0]
    assert found[1].startswith("node 66: the server has no ModelSamplingAuroraFlow")
    with pytest.raises(WorkflowError, match="refuses the workflow"):
        real.client.submit(graph, str(uuid.uuid4()), "us")
