# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shipped sets, and what is said of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ansible_collections.genai.comfyui.plugins.module_utils._models import parse_all
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import prepare
from ansible_collections.genai.comfyui.plugins.plugin_utils._model_sets import (
    model_advice,
    model_files,
    smoke_instances,
    smoke_workflow,
)

ROLE = Path(__file__).resolve().parents[3] / "roles" / "qwen_models"
SETS: dict[str, Any] = yaml.safe_load((ROLE / "vars" / "main.yml").read_text())["qwen_models__shipped_sets"]


def gpu(name: str, vram_mib: int, fp8: bool) -> dict[str, Any]:
    return {"gpus": [{"name": name, "vram_mib": vram_mib, "fp8_native": fp8}]}


def test_every_file_has_a_pinned_revision_and_a_hash() -> None:
    files = model_files(SETS, SETS)
    assert len(files) == 8
    for model in parse_all(files):
        assert model.sha256
        assert model.url is not None
        assert "/resolve/main/" not in model.url


def test_shared_files_come_once() -> None:
    both = model_files(SETS, ["qwen_image", "qwen_image_edit_2509"])
    assert len(both) == 4
    assert sum(file["size"] for file in both) == 50_499_810_486


def test_two_sets_may_not_claim_one_place() -> None:
    sets = {name: {"files": [{"url": f"https://h/{name}/x", "kind": "vae"}]} for name in ("a", "b")}
    with pytest.raises(ValueError, match="model set b: vae/x is another file in another set"):
        model_files(sets, ["a", "b"])


def test_an_unknown_set_lists_those_there_are() -> None:
    with pytest.raises(ValueError, match="no model set 'qwen'; there is: lightning_4step, lightning_8step, minimal"):
        model_files(SETS, ["qwen"])


def test_a_3090_is_told_what_fp8_is_for() -> None:
    said = "\n".join(model_advice(SETS, ["qwen_image"], gpu("RTX 3090", 24576, False), 32000))
    assert "3 files, 30.1 GB on disk" in said
    assert "licence: Apache-2.0" in said
    assert "RTX 3090 has 25.8 GB, less than the whole set" in said
    assert "the format saves memory here, not time" in said
    assert "may be killed" in said


def test_a_large_card_gets_no_warning() -> None:
    said = model_advice(SETS, ["qwen_image"], gpu("H100", 81559, True), 128000)
    assert said == ["3 files, 30.1 GB on disk", "licence: Apache-2.0"]


def test_a_small_card_will_offload() -> None:
    assert "it will be offloaded" in "\n".join(model_advice(SETS, ["qwen_image"], gpu("RTX 3060", 12288, False)))


def test_unknown_sizes_and_the_grid_are_said() -> None:
    said = "\n".join(model_advice(SETS, ["lightning_4step"]))
    assert "2 files, 0.8 GB on disk, and 1 more of unknown size" in said
    assert "grid" in said
    assert model_advice(SETS, ["minimal"]) == []


def test_the_proof_fits_what_is_installed() -> None:
    assert smoke_workflow(SETS, ["minimal"])["workflow"] == "empty_image"
    proof = smoke_workflow(SETS, ["lightning_4step", "qwen_image"])
    assert (proof["workflow"], proof["check"]) == ("qwen_image", "varied")


@pytest.mark.parametrize("name", sorted(SETS))
def test_workflows_ask_only_for_files_that_are_in_the_sets(name: str) -> None:
    proof = SETS[name].get("smoke")
    if proof is None:
        assert name not in ("qwen_image", "qwen_image_edit_2509")
        return
    document = json.loads((ROLE / "files" / "workflows" / f"{proof['workflow']}.json").read_text())
    graph = prepare(document, proof["parameters"], proof.get("variant"))
    there = {file["path"].rpartition("/")[2] for file in model_files(SETS, [name])}
    assert "LoadImage" not in {node["class_type"] for node in graph.values()}, "nobody uploaded a picture"
    asked = {
        value
        for node in graph.values()
        for value in node["inputs"].values()
        if isinstance(value, str) and value.endswith(".safetensors")
    }
    assert asked == there


@pytest.mark.parametrize(("workflow", "base"), [("qwen_image", "qwen_image"), ("qwen_image_edit_2509",) * 2])
def test_the_variants_loras_are_in_the_lightning_sets(workflow: str, base: str) -> None:
    document = json.loads((ROLE / "files" / "workflows" / f"{workflow}.json").read_text())
    for variant, parameters in document["variants"].items():
        names = {file["path"].rpartition("/")[2] for file in model_files(SETS, [base, variant])}
        assert parameters["lora"] in names


def test_the_smoke_test_runs_where_something_was_started() -> None:
    complete = [{"name": name, "url": f"http://{name}", "credential": "main", "port": 1} for name in "abc"]
    result = {
        "instances": [
            {"name": "a", "action": "started"},
            {"name": "b", "action": "none"},
            {"name": "c", "action": "restarted"},
        ]
    }
    names = {
        mode: [one["name"] for one in smoke_instances(complete, result, mode)] for mode in ("auto", "always", "never")
    }
    assert names == {"auto": ["a", "c"], "always": ["a", "b", "c"], "never": []}
    assert smoke_instances(complete, {}, "auto") == []
    # New models on instances that run already, and `--tags smoke`.
    assert [one["name"] for one in smoke_instances(complete, result, "auto", True)] == ["a", "b", "c"]
    assert smoke_instances(complete, result, "never", True) == []
    assert "port" not in smoke_instances(complete, result, "auto")[0]
    with pytest.raises(ValueError, match="comfyui_smoke is 'often'"):
        smoke_instances(complete, result, "often")
