# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a prompt can run: ComfyUI's checks and the shapes of its refusals."""

from __future__ import annotations

import inspect
import logging
import traceback
from typing import Any

import nodes

CONVERSIONS = {"INT": int, "FLOAT": float, "STRING": str, "BOOLEAN": bool}
Reasons = list[dict[str, Any]]


def _error(kind: str, message: str, details: str, **extra: Any) -> dict[str, Any]:
    return {"type": kind, "message": message, "details": details, "extra_info": extra}


def _check_value(name: str, kind: Any, options: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any] | None:
    """Convert one plain value in place; the reason when it is out of its range or list."""
    value, info = inputs[name], (kind, options)
    if isinstance(value, dict) and "__value__" in value:
        value = inputs[name] = value["__value__"]
    try:
        if isinstance(kind, str) and kind in CONVERSIONS:
            value = inputs[name] = CONVERSIONS[kind](value)
    except (TypeError, ValueError) as error:
        return _error(
            "invalid_input_type",
            f"Failed to convert an input value to a {kind} value",
            f"{name}, {value}, {error}",
            input_name=name,
            input_config=info,
            received_value=value,
            exception_message=str(error),
        )
    found = {"input_name": name, "input_config": info, "received_value": value}
    if "min" in options and value < options["min"]:
        message = f"Value {value} smaller than min of {options['min']}"
        return _error("value_smaller_than_min", message, name, **found)
    if "max" in options and value > options["max"]:
        message = f"Value {value} bigger than max of {options['max']}"
        return _error("value_bigger_than_max", message, name, **found)
    if isinstance(kind, list) and value not in kind:
        shown = str(kind)
        if len(kind) > 20:
            shown, found["input_config"] = f"(list of length {len(kind)})", None
        return _error("value_not_in_list", "Value not in list", f"{name}: '{value}' not in {shown}", **found)
    return None


class Validation:
    """One prompt under examination; `results` maps node ids to (valid, reasons)."""

    def __init__(self, prompt: dict[str, Any]) -> None:
        self.prompt = prompt
        self.results: dict[str, tuple[bool, Reasons]] = {}

    def _check_link(self, name: str, kind: Any, options: dict[str, Any], link: list[Any]) -> dict[str, Any] | None:
        info = (kind, options)
        if len(link) != 2:
            message = "Bad linked input, must be a length-2 list of [node_id, slot_index]"
            return _error("bad_linked_input", message, name, input_name=name, input_config=info, received_value=link)
        source = nodes.NODE_CLASS_MAPPINGS[self.prompt[link[0]]["class_type"]]
        received = source.RETURN_TYPES[link[1]]
        if kind != "*" and received != kind:
            return _error(
                "return_type_mismatch",
                "Return type mismatch between linked nodes",
                f"{name}, received_type({received}) mismatch input_type({kind})",
                input_name=name,
                input_config=info,
                received_type=received,
                linked_node=link,
            )
        return None

    def node(self, node_id: str) -> tuple[bool, Reasons]:
        """Check one node and all it is linked to."""
        if node_id in self.results:
            return self.results[node_id]
        inputs = self.prompt[node_id]["inputs"]
        node_class = nodes.NODE_CLASS_MAPPINGS[self.prompt[node_id]["class_type"]]
        kinds = node_class.INPUT_TYPES()
        own_check = getattr(node_class, "VALIDATE_INPUTS", None)
        own_names = set(inspect.getfullargspec(own_check).args) if own_check else set()
        reasons: Reasons = []
        upstream = True
        for name, spec in {**kinds.get("required", {}), **kinds.get("optional", {})}.items():
            kind, options = spec[0], spec[1] if len(spec) > 1 else {}
            if name not in inputs:
                if name in kinds.get("required", {}):
                    message = "Required input is missing"
                    reasons.append(_error("required_input_missing", message, name, input_name=name))
                continue
            if isinstance(inputs[name], list):
                reason = self._check_link(name, kind, options, inputs[name])
                if reason is None:
                    upstream = self.node(inputs[name][0])[0] and upstream
            else:
                reason = None if name in own_names else _check_value(name, kind, options, inputs)
            if reason is not None:
                reasons.append(reason)
        given = {name: inputs[name] for name in own_names if name in inputs}
        verdict = own_check(**given) if own_check and given else True
        if verdict is not True:
            for name in given:
                details = name if verdict is False else f"{name} - {verdict}"
                message = "Custom validation failed for node"
                reasons.append(_error("custom_validation_failed", message, details, input_name=name))
        self.results[node_id] = (upstream and not reasons, reasons)
        return self.results[node_id]


def _outputs(prompt: dict[str, Any], wanted: list[str] | None) -> list[str] | dict[str, Any]:
    found = []
    for node_id, node in prompt.items():
        if "class_type" not in node:
            message = "Cannot execute because a node is missing the class_type property."
            return _error("invalid_prompt", message, f"Node ID '#{node_id}'")
        node_class = nodes.NODE_CLASS_MAPPINGS.get(node["class_type"])
        if node_class is None:
            message = f"Cannot execute because node {node['class_type']} does not exist."
            return _error("invalid_prompt", message, f"Node ID '#{node_id}'")
        if getattr(node_class, "OUTPUT_NODE", False) and (wanted is None or node_id in wanted):
            found.append(node_id)
    return found or _error("prompt_no_outputs", "Prompt has no outputs", "")


def validate_prompt(
    prompt: dict[str, Any], wanted: list[str] | None
) -> tuple[dict[str, Any] | None, list[str], dict[str, Any]]:
    """The error (None when at least one output can run), the good outputs and the errors by node."""
    outputs = _outputs(prompt, wanted)
    if isinstance(outputs, dict):
        return outputs, [], {}
    check = Validation(prompt)
    good, all_reasons = [], []
    node_errors: dict[str, Any] = {}
    for output in outputs:
        try:
            valid, reasons = check.node(output)
        except Exception as error:
            kind, trace = type(error), traceback.format_tb(error.__traceback__)
            module = "" if kind.__module__ == "builtins" else kind.__module__ + "."
            message, name = "Exception when validating node", module + kind.__qualname__
            reason = _error("exception_during_validation", message, str(error), exception_type=name, traceback=trace)
            valid, reasons = False, [reason]
            check.results[output] = (False, reasons)
        if valid:
            good.append(output)
            continue
        logging.error("Failed to validate prompt for output %s:", output)
        all_reasons += reasons
        for node_id, (node_valid, why) in check.results.items():
            if not node_valid and why:
                entry = {"errors": why, "dependent_outputs": [], "class_type": prompt[node_id]["class_type"]}
                node_errors.setdefault(node_id, entry)["dependent_outputs"].append(output)
        logging.error("Output will be ignored")
    if good:
        return None, good, node_errors
    details = "\n".join(f"{reason['message']}: {reason['details']}" for reason in all_reasons)
    return _error("prompt_outputs_failed_validation", "Prompt outputs failed validation", details), [], node_errors
