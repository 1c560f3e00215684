# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filling in parameters and checking graphs; no server."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils._workflow import (
    WorkflowError,
    check_document,
    is_link,
    prepare,
    problems,
)

SHIPPED = sorted((Path(__file__).resolve().parents[3] / "roles/qwen_models/files/workflows").glob("*.json"))
DOCUMENT: dict[str, Any] = {
    "graph": {
        "1": {"class_type": "Load", "inputs": {"name": ""}},
        "2": {"class_type": "Lora", "inputs": {"model": ["1", 0], "lora": ""}},
        "3": {"class_type": "Save", "inputs": {"model": ["2", 0], "steps": 1}},
    },
    "parameters": {
        "name": {"type": "str", "default": "a", "sets": ["1.name"]},
        "steps": {"type": "int", "default": 4, "sets": ["3.steps"], "min": 2, "max": 8, "multiple_of": 2},
        "lora": {"type": "str", "default": None, "sets": ["2.lora"], "bypass": {"2": "model"}},
    },
    "variants": {"quick": {"steps": 2, "lora": "fast"}},
}
OFFERED: dict[str, Any] = {
    "Load": {"input": {"required": {"name": [["a.safetensors", "b"], {}]}}, "output_node": False},
    "Combo": {"input": {"required": {"name": ["COMBO", {"options": ["x", "y"]}]}}, "output_node": False},
    "Save": {
        "input": {
            "required": {"model": ["MODEL"], "steps": ["INT", {"min": 1, "max": 9}]},
            "optional": {"o": ["STRING"]},
        },
        "output_node": True,
    },
}


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_shipped_documents_are_sound(path: Path) -> None:
    document = json.loads(path.read_text())
    check_document(document)
    assert document["title"]
    graph = prepare(document, {})
    assert any(node["class_type"] == "SaveImage" for node in graph.values())


def test_there_are_shipped_documents() -> None:
    assert {path.stem for path in SHIPPED} >= {"qwen_image", "qwen_image_edit_2509", "empty_image", "tiny_upscale"}


def test_qwen_without_lightning_has_no_lora_node() -> None:
    document = json.loads(next(path for path in SHIPPED if path.stem == "qwen_image").read_text())
    plain, quick = prepare(document, {"prompt": "x"}), prepare(document, {}, "lightning_8step")
    assert "LoraLoaderModelOnly" not in {node["class_type"] for node in plain.values()}
    assert plain["66"]["inputs"]["model"] == ["37", 0]
    assert plain["6"]["inputs"]["text"] == "x"
    assert (quick["3"]["inputs"]["steps"], quick["3"]["inputs"]["cfg"]) == (8, 1.0)
    assert quick["66"]["inputs"]["model"] == ["89", 0]


def test_an_edit_without_a_picture_starts_from_a_plain_one() -> None:
    document = json.loads(next(path for path in SHIPPED if path.stem == "qwen_image_edit_2509").read_text())
    assert prepare(document, {})["78"] == {"class_type": "LoadImage", "inputs": {"image": "input.png"}}
    plain = prepare(document, {"image": None})
    assert plain["78"]["class_type"] == "EmptyImage"
    assert plain["93"]["inputs"]["image"] == ["78", 0]
    plain["78"]["inputs"]["color"] = 1
    assert prepare(document, {"image": None})["78"]["inputs"]["color"] != 1, "the document stays as it was"


def test_what_stands_instead_of_a_node_is_checked() -> None:
    parameter = {"type": "str", "default": "a", "sets": ["1.name"], "instead": {"7": {"class_type": "Load"}}}
    document = {"graph": DOCUMENT["graph"], "parameters": {"name": parameter}}
    with pytest.raises(WorkflowError, match="parameter name: there is no node 7 to put another one in place of"):
        check_document(document)
    parameter["instead"] = {"1": {"class_type": "Load", "inputs": {"of": ["8", 0]}}}
    with pytest.raises(WorkflowError, match="input of of node 1 is linked to node 8, which is not there"):
        check_document(document)


def test_values_go_before_the_variant_and_the_variant_before_defaults() -> None:
    assert prepare(DOCUMENT, {})["3"]["inputs"] == {"model": ["1", 0], "steps": 4}
    graph = prepare(DOCUMENT, {"steps": "8"}, "quick")
    assert graph["3"]["inputs"]["steps"] == 8
    assert graph["2"]["inputs"] == {"model": ["1", 0], "lora": "fast"}
    assert DOCUMENT["graph"]["3"]["inputs"]["steps"] == 1, "the document stays as it was"


def test_a_bare_graph_takes_places() -> None:
    assert prepare(DOCUMENT["graph"], {"3.steps": 99})["3"]["inputs"]["steps"] == 99


@pytest.mark.parametrize(
    ("document", "values", "variant", "said"),
    [
        (DOCUMENT, {"stepz": 1}, None, "no parameter 'stepz'; there is: lora, name, steps"),
        (DOCUMENT, {}, "slow", "no variant 'slow'; there is: quick"),
        (DOCUMENT, {"steps": "many"}, None, "parameter steps: 'many' is no int"),
        (DOCUMENT, {"steps": True}, None, "parameter steps: wanted is int, given is bool"),
        (DOCUMENT, {"name": 3}, None, "parameter name: wanted is str, given is int"),
        (DOCUMENT, {"steps": 0}, None, "below the least, 2"),
        (DOCUMENT, {"steps": 10}, None, "above the most, 8"),
        (DOCUMENT, {"steps": 3}, None, "no multiple of 2"),
        (DOCUMENT["graph"], {"9.x": 1}, None, "names no node; there is: 1, 2, 3"),
        (DOCUMENT["graph"], {"steps": 1}, None, "write node.input"),
        (DOCUMENT["graph"], {"3.step": 1}, None, "names no input of node 3 (Save); there is: model, steps"),
        ({"nodes": [], "links": []}, {}, None, "editor's format"),
        ({"1": {"inputs": {}}}, {}, None, "node 1 has no class_type"),
        ({"1": {"class_type": "A", "inputs": {"x": ["7", 0]}}}, {}, None, "linked to node 7, which is not there"),
        ({}, {}, None, "no graph in API format"),
    ],
)
def test_refusals_name_the_mend(document: Any, values: Any, variant: Any, said: str) -> None:
    with pytest.raises(WorkflowError, match=re.escape(said)):
        prepare(document, values, variant)


def graph(kind: str = "Load", **inputs: Any) -> Any:
    return {
        "1": {"class_type": kind, "inputs": inputs},
        "2": {"class_type": "Save", "inputs": {"model": ["1", 0], "steps": 2}},
    }


def test_nothing_is_wrong_with_what_is_offered() -> None:
    assert problems(graph(name="b"), OFFERED) == []
    assert problems(graph("Combo", name="y"), OFFERED) == []


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        (graph(name="c.safetensors"), "node 1 (Load): name 'c.safetensors' is a model that the server does not have"),
        (graph(name="c"), "node 1 (Load): name 'c' is not among the choices: 'a.safetensors', 'b'"),
        (graph("Combo", name="z"), "is not among the choices: 'x', 'y'"),
        (graph(), "node 1 (Load): the input name is missing"),
        (graph("Other"), "node 1: the server has no Other; install the custom node"),
        ({"1": graph(name="b")["1"]}, "no node that puts anything out"),
        ({"2": {"class_type": "Save", "inputs": {"model": 1, "steps": 10}}}, "steps 10 is above the most, 9"),
        ({"2": {"class_type": "Save", "inputs": {"model": 1, "steps": 0}}}, "steps 0 is below the least, 1"),
    ],
)
def test_each_problem_is_named(asked: Any, said: str) -> None:
    (found,) = problems(asked, OFFERED)
    assert said in found


def test_a_picture_that_was_not_uploaded_is_named() -> None:
    offered = {
        **OFFERED,
        "Old": {"input": {"required": {"image": [["there.png"], {"image_upload": True}]}}},
        "New": {"input": {"required": {"image": ["COMBO", {"options": ["there.png"], "image_upload": True}]}}},
        "Sound": {"input": {"required": {"audio": [[], {"audio_upload": True}]}}},
    }
    for kind in ("Old", "New"):
        (found,) = problems(graph(kind, image="input.png"), offered)
        assert found.startswith(f"node 1 ({kind}): image 'input.png' is no picture in the server's input directory")
        # Where it lies deeper, or elsewhere, ComfyUI does not list it and finds it all the same.
        for image in ("there.png", "deeper/input.png", "input.png [output]"):
            assert problems(graph(kind, image=image), offered) == []
    assert problems(graph("Sound", audio="a.flac"), offered) == []


def test_a_link_is_a_link() -> None:
    assert is_link(["1", 0])
    assert not is_link(["1", True])
    assert not is_link([1, 2, 3])
