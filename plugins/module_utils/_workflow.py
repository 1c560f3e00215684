# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Workflows as data: filling in parameters, and checking a graph against what a server offers. No I/O.

A *graph* is ComfyUI's API format: node id to ``{class_type, inputs}``; an input is a value, or a link
``[node id, output number]``. A *document* is a graph with named parameters::

    {"title": "...", "graph": {...},
     "parameters": {"prompt": {"type": "str", "default": "a red square", "sets": ["6.text"]},
                    "lora": {"type": "str", "default": null, "sets": ["89.lora_name"], "bypass": {"89": "model"}}},
     "variants": {"lightning_4step": {"steps": 4, "cfg": 1.0, "lora": "..."}}}

A parameter that is null with a ``bypass`` takes its node out: whoever was linked to the node gets what the node's named
input was linked to. One that is null with an ``instead`` (node id to node) has other nodes in those places.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator, Mapping
from typing import Any

Graph = dict[str, dict[str, Any]]

_TYPES: dict[str, Any] = {"str": (str,), "int": (int,), "float": (int, float), "bool": (bool,)}
_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_SHOWN = 6
# In a folder below, or with a place behind it as in "a.png [output]", ComfyUI looks for it by itself.
_PLAIN_PICTURE = re.compile(r"[^/\\\[\]]+\.(png|jpe?g|webp|gif|bmp|tiff?)", re.IGNORECASE)


class WorkflowError(ValueError):
    """A workflow or a parameter is not usable; the text names it and the mend."""


def prepare(document: Mapping[str, Any], values: Mapping[str, Any], variant: str | None = None) -> Graph:
    """Return the graph of *document* with *values* filled in, over those of *variant*, over the defaults.

    *document* may be a bare graph: then a value's name is ``node.input``.

    :raises WorkflowError: no such parameter or variant, a value of the wrong type or out of its range, or a document
        that is not sound.
    """
    if "graph" not in document:
        graph = _sound(document)
        for place, value in values.items():
            _set(graph, place, value)
        return graph
    graph = _sound(document["graph"])
    parameters = document.get("parameters", {})
    variants = document.get("variants", {})
    if variant is not None and variant not in variants:
        raise WorkflowError(f"there is no variant {variant!r}; there is: {_listed(variants)}")
    chosen = {**(variants[variant] if variant is not None else {}), **values}
    for name in chosen:
        if name not in parameters:
            raise WorkflowError(f"there is no parameter {name!r}; there is: {_listed(parameters)}")
    for name, parameter in parameters.items():
        value = chosen.get(name, parameter.get("default"))
        if value is None and ("bypass" in parameter or "instead" in parameter):
            graph.update(copy.deepcopy(dict(parameter.get("instead", {}))))
            for node, through in parameter.get("bypass", {}).items():
                _bypass(graph, node, through)
            continue
        value = _checked(name, parameter, value)
        for place in parameter["sets"]:
            _set(graph, place, value)
    return graph


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none"


def _sound(graph: Any) -> Graph:
    if not isinstance(graph, Mapping) or not graph:
        raise WorkflowError(
            "the workflow is no graph in API format (a mapping of node ids); export it with 'Save (API)'"
        )
    if "nodes" in graph and "links" in graph:
        raise WorkflowError("the workflow is in the editor's format; export it with 'Save (API)' or 'Export (API)'")
    for name, node in graph.items():
        if not isinstance(node, Mapping) or not isinstance(node.get("class_type"), str):
            raise WorkflowError(f"node {name} has no class_type; the workflow is not in API format")
        if not isinstance(node.get("inputs", {}), Mapping):
            raise WorkflowError(f"the inputs of node {name} are no mapping")
    found: Graph = {
        str(name): {**copy.deepcopy(dict(node)), "inputs": dict(node.get("inputs", {}))} for name, node in graph.items()
    }
    for name, node in found.items():
        for field, source in _links(node):
            if source not in found:
                raise WorkflowError(f"input {field} of node {name} is linked to node {source}, which is not there")
    return found


def _links(node: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for field, value in node["inputs"].items():
        if is_link(value):
            yield field, str(value[0])


def is_link(value: Any) -> bool:
    """Whether an input's value is a link to another node's output."""
    return (
        isinstance(value, (list, tuple))
        and len(value) == 2
        and isinstance(value[0], (str, int))
        and isinstance(value[1], int)
        and not isinstance(value[1], bool)
    )


def _set(graph: Graph, place: str, value: Any) -> None:
    node, dot, field = place.partition(".")
    if not dot or not field:
        raise WorkflowError(f"{place!r} names no input; write node.input")
    if node not in graph:
        raise WorkflowError(f"{place!r} names no node; there is: {_listed(graph)}")
    inputs = graph[node]["inputs"]
    if field not in inputs:
        # ComfyUI would leave it out without a word, and run with the value that stands there.
        kind = graph[node]["class_type"]
        raise WorkflowError(f"{place!r} names no input of node {node} ({kind}); there is: {_listed(inputs)}")
    inputs[field] = value


def _bypass(graph: Graph, node: str, through: str) -> None:
    source = graph[node]["inputs"][through]
    del graph[node]
    for other in graph.values():
        for field, value in other["inputs"].items():
            if is_link(value) and str(value[0]) == node:
                other["inputs"][field] = list(source)


def _checked(name: str, parameter: Mapping[str, Any], given: Any) -> Any:
    kind = parameter["type"]
    value: Any = given
    # What comes from a command line or a template is text.
    if isinstance(given, str) and kind in ("int", "float"):
        try:
            value = int(given) if kind == "int" else float(given)
        except ValueError:
            raise WorkflowError(f"parameter {name}: {given!r} is no {kind}") from None
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "bool"):
        raise WorkflowError(f"parameter {name}: wanted is {kind}, given is {type(given).__name__}")
    if kind == "float":
        return _within(name, parameter, float(value))
    return _within(name, parameter, value)


def _within(name: str, parameter: Mapping[str, Any], value: Any) -> Any:
    if "min" in parameter and value < parameter["min"]:
        raise WorkflowError(f"parameter {name}: {value} is below the least, {parameter['min']}")
    if "max" in parameter and value > parameter["max"]:
        raise WorkflowError(f"parameter {name}: {value} is above the most, {parameter['max']}")
    if "multiple_of" in parameter and value % parameter["multiple_of"]:
        raise WorkflowError(f"parameter {name}: {value} is no multiple of {parameter['multiple_of']}")
    return value


def classes(graph: Graph) -> list[str]:
    """Return the node classes that *graph* uses, each once, sorted."""
    return sorted({node["class_type"] for node in graph.values()})


def problems(graph: Graph, offered: Mapping[str, Any]) -> list[str]:
    """Return what the server would refuse, one sentence each; empty when nothing is wrong.

    *offered* holds for each class its entry of ``/object_info``; a class that the server lacks is missing or empty.
    File names prove that a model is there under that name, not that its content is right.
    """
    found = []
    if not any(offered.get(name, {}).get("output_node") for name in classes(graph)) and all(
        offered.get(name) for name in classes(graph)
    ):
        found.append("the workflow has no node that puts anything out")
    for number, node in sorted(graph.items()):
        kind = node["class_type"]
        info = offered.get(kind)
        if not info:
            found.append(f"node {number}: the server has no {kind}; install the custom node or update ComfyUI")
            continue
        wanted = info.get("input", {})
        required, optional = wanted.get("required", {}), wanted.get("optional", {})
        found += [
            f"node {number} ({kind}): the input {field} is missing" for field in required if field not in node["inputs"]
        ]
        for field, value in node["inputs"].items():
            spec = required.get(field, optional.get(field))
            if spec is not None and not is_link(value):
                fault = _fault(spec, value)
                if fault:
                    found.append(f"node {number} ({kind}): {field} {fault}")
    return found


def _choices(spec: Any) -> list[Any] | None:
    """Return what may be chosen; None where the input is no choice. Both spellings of ComfyUI."""
    if not isinstance(spec, (list, tuple)) or not spec:
        return None
    if isinstance(spec[0], list):
        return spec[0]
    if spec[0] == "COMBO" and len(spec) > 1 and isinstance(spec[1], Mapping):
        options = spec[1].get("options")
        return options if isinstance(options, list) else None
    return None


def _fault(spec: Any, value: Any) -> str | None:
    choices = _choices(spec)
    if choices is not None:
        known = spec[1] if len(spec) > 1 and isinstance(spec[1], Mapping) else {}
        if value in choices:
            return None
        if any(key.endswith("_upload") for key in known):
            if known.get("image_upload") and isinstance(value, str) and _PLAIN_PICTURE.fullmatch(value):
                return f"{value!r} is no picture in the server's input directory; upload it (module api, /upload/image)"
            return None
        shown = ", ".join(repr(one) for one in choices[:_SHOWN]) + (", ..." if len(choices) > _SHOWN else "")
        file = isinstance(value, str) and re.search(r"\.(safetensors|sft|ckpt|pt|pth|bin|gguf)$", value)
        what = "is a model that the server does not have; there is" if file else "is not among the choices"
        return f"{value!r} {what}: {shown or 'nothing'}"
    limits = spec[1] if isinstance(spec, (list, tuple)) and len(spec) > 1 and isinstance(spec[1], Mapping) else {}
    if spec[0] in ("INT", "FLOAT") and isinstance(value, (int, float)) and not isinstance(value, bool):
        if "min" in limits and value < limits["min"]:
            return f"{value} is below the least, {limits['min']}"
        if "max" in limits and value > limits["max"]:
            return f"{value} is above the most, {limits['max']}"
    return None


def check_document(document: Mapping[str, Any]) -> None:
    """Raise WorkflowError unless *document* is sound: each parameter's places, bypasses and variants exist."""
    graph = _sound(document["graph"])
    parameters = document.get("parameters", {})
    for name, parameter in parameters.items():
        if not _NAME.fullmatch(name) or parameter.get("type") not in _TYPES:
            raise WorkflowError(f"parameter {name}: its name or type is not known")
        for place in parameter["sets"]:
            _set(graph, place, None)
        for node, through in parameter.get("bypass", {}).items():
            if node not in graph or not is_link(graph[node]["inputs"].get(through)):
                raise WorkflowError(f"parameter {name}: node {node} cannot be bypassed through {through}")
        for node in parameter.get("instead", {}):
            if node not in graph:
                raise WorkflowError(f"parameter {name}: there is no node {node} to put another one in place of")
            _sound(prepare(document, {name: None}))
    for name in document.get("variants", {}):
        prepare(document, {}, name)
    prepare(document, {})
