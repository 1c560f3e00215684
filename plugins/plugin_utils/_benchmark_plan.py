# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What playbook benchmark.yml measures: instance, workflow, profile. Pure functions behind its filters."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._benchmark import check_settings

Json = dict[str, Any]

# Sets whose own workflow needs nothing but the set, and what it is to be given for that.
_OF_SETS: dict[str, Json] = {"qwen_image": {}, "qwen_image_edit_2509": {"image": None}}


def benchmark_one(complete: Sequence[Mapping[str, Any]], name: str) -> Json:
    """Return the complete instance of that name, with C(benchmark_gpus), the GPUs to sample; None is all of them.

    :raises ValueError: there is none.
    """
    found = next((one for one in complete if one["name"] == name), None)
    if found is None:
        there = ", ".join(str(one["name"]) for one in complete)
        raise ValueError(f"comfyui_benchmark_instances: there is no instance {name!r}; there is: {there}")
    gpus = found.get("gpus")
    if gpus in (None, "all"):
        sampled = None
    elif gpus in ("none", "cpu", []):
        sampled = []
    else:
        sampled = [str(one) for one in (gpus if isinstance(gpus, (list, tuple)) else [gpus])]
    return {**found, "benchmark_gpus": sampled}


def benchmark_work(chosen: Mapping[str, Any], sets: Iterable[str]) -> Json:
    """Return C(workflow), C(variant), C(parameters), C(vary) and C(check).

    *chosen* has what somebody set of these, *sets* are the names of the model sets that are installed. Without a choice
    it is the workflow of the first set that has one which needs nothing else; without such a set, one without a model.
    """
    given = {name: value for name, value in chosen.items() if value not in (None, "")}
    rest: Json = {"variant": None, "parameters": {}, "vary": None, "check": "varied"}
    if "workflow" in given:
        return {**rest, **given}
    name = next((one for one in sets if one in _OF_SETS), None)
    if name is not None:
        return {**rest, **given, "workflow": name, "parameters": {**_OF_SETS[name], **(given.get("parameters") or {})}}
    # Of one colour by design, and without a seed.
    return {**rest, "workflow": "empty_image", "vary": "color", "check": "decodable", **given}


def benchmark_instances(declared: Sequence[Mapping[str, Any]], name: str, profile: Mapping[str, Any]) -> list[Json]:
    """Return the declared instances, the one of that name with the profile's C(launch_args) in place of its own.

    :raises ValueError: the profile is not one.
    """
    if not isinstance(profile, Mapping) or not profile.get("name") or set(profile) - {"name", "launch_args"}:
        raise ValueError("comfyui_benchmark_profiles: each profile has a name, and launch_args as a list")
    words = profile.get("launch_args") or []
    if not isinstance(words, (list, tuple)) or not all(isinstance(one, (str, int, float)) for one in words):
        raise ValueError(f"comfyui_benchmark_profiles: launch_args of {profile['name']!r} must be a list of words")
    changed = [str(one) for one in words]
    return [
        {**one, "launch_args": changed} if str(one.get("name", "default")) == name else dict(one) for one in declared
    ]


def benchmark_limits(thresholds: Mapping[str, Any]) -> dict[str, float]:
    """Return thresholds as numbers. Raises ValueError for one that is not known, or is no number."""
    return check_settings(thresholds)


def benchmark_run(measured: Mapping[str, Any], instance: str, profile: Mapping[str, Any], restarted: Any) -> Json:
    """Return one entry of C(comfyui_benchmark_results).

    :param restarted: the result of the restart; anything else where there was none.
    """
    records = restarted.get("instances") if isinstance(restarted, Mapping) else None
    cold = records[0].get("gap") if records else None
    return {"instance": instance, "profile": profile["name"], "cold_start": cold, "measured": measured}
