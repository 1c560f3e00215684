# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""benchmark.yml on a host with systemd: cold starts, launch profiles side by side, and all as before afterwards."""

from __future__ import annotations

import json

import pytest
from field_hosts import UNIT, Field

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

SETTINGS = {
    "comfyui_benchmark_restart": True,
    "comfyui_benchmark_images": 2,
    "comfyui_benchmark_clients": 2,
    "comfyui_benchmark_jobs": 2,
    "comfyui_benchmark_profiles": [{"name": "usual"}, {"name": "bare", "launch_args": ["--disable-metadata"]}],
    "comfyui_benchmark_thresholds": {"error_rate": 0, "cold_start": 300},
}


def words(field: Field) -> str:
    """Return the arguments of the running process."""
    return field.on("srv-1", f"tr '\\0' ' ' < /proc/$(systemctl show -p MainPID --value {UNIT})/cmdline")


def test_launch_profiles_are_compared_and_the_declared_one_comes_back(converged: Field) -> None:
    field = converged
    unit, before = field.on("srv-1", f"systemctl cat {UNIT}"), words(field)
    done = field.play("playbooks/benchmark.yml", "-e", json.dumps(SETTINGS))
    assert done.returncode == 0, done.stdout[-4000:]
    report = json.loads((field.cache / "reports/benchmark-latest.json").read_text())
    runs = {run["label"]: run for run in report["runs"]}
    assert list(runs) == ["srv-1 (usual)", "srv-1 (bare)"]
    for run in runs.values():
        assert run["figures"]["cold_start"] > 0
        assert run["figures"]["first_image"] >= 0
        assert run["figures"]["throughput"] > 0
        assert run["measured"]["samples"]["missing"]["power"] == "there is no nvidia-smi on this host"
    assert "--disable-metadata" in runs["srv-1 (bare)"]["measured"]["server"]["argv"]
    assert "--disable-metadata" not in runs["srv-1 (usual)"]["measured"]["server"]["argv"]
    assert field.on("srv-1", f"systemctl cat {UNIT}") == unit
    assert words(field) == before
    assert field.on("srv-1", "ls -d /tmp/*.comfyui-benchmark 2>/dev/null || true") == ""
    assert field.validate().returncode == 0


def test_an_unknown_argument_of_a_profile_leaves_the_server_as_it_was(converged: Field) -> None:
    field = converged
    unit, before = field.on("srv-1", f"systemctl cat {UNIT}"), words(field)
    wrong = {**SETTINGS, "comfyui_benchmark_profiles": [{"name": "wrong", "launch_args": ["--lowram"]}]}
    done = field.play("playbooks/benchmark.yml", "-e", json.dumps(wrong))
    assert done.returncode == 2
    assert "--lowram is not known to the deployed ComfyUI" in done.stdout
    assert field.on("srv-1", f"systemctl cat {UNIT}") == unit
    assert words(field) == before
