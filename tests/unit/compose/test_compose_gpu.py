# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs a container gets, by which way, on which engine."""

from __future__ import annotations

import typing as t

import pytest
from compose_cases import CARDS, SETTINGS, Json, facts, instances

from ansible_collections.genai.comfyui.plugins.plugin_utils import _compose as compose
from ansible_collections.genai.comfyui.plugins.plugin_utils import _compose_gpu as gpu

OLD: Json = {"version": "20.10.24+dfsg1", "cdi_dirs": [], "runtimes": ["nvidia", "runc"]}


def request(gpus: t.Any, told: Json, wanted: str = "auto") -> Json | None:
    """Return what an instance with these GPUs reserves."""
    (complete,) = instances({"gpus": gpus})
    return gpu.device_request(complete, told, wanted)


@pytest.mark.parametrize(
    ("docker", "way"),
    [
        ({"version": "29.0.1", "cdi_dirs": []}, "cdi"),
        ({"version": "28.2.2", "cdi_dirs": []}, "cdi"),
        ({"version": "26.1.5+dfsg1", "cdi_dirs": [], "config": {"cdi": True}}, "cdi"),
        ({"version": "26.1.5+dfsg1", "cdi_dirs": ["/etc/cdi", "/var/run/cdi"]}, "cdi"),
        ({"version": "26.1.5+dfsg1", "cdi_dirs": [], "runtimes": ["nvidia"]}, "runtime"),
        ({"version": "28.1.0", "cdi_dirs": [], "runtimes": ["nvidia"]}, "runtime"),
        ({**OLD, "config": {"cdi": True}}, "runtime"),
    ],
)
def test_cdi_where_the_engine_takes_it_else_the_runtime(docker: Json, way: str) -> None:
    assert gpu.choose("auto", facts(docker)) == way


def test_gpus_are_named_by_uuid() -> None:
    assert request([1], facts()) == {
        "driver": "cdi", "device_ids": [f"nvidia.com/gpu={CARDS[1]}"], "capabilities": ["gpu"],
    }  # fmt: skip
    assert request("GPU-1111", facts(OLD)) == {"driver": "nvidia", "device_ids": [CARDS[0]], "capabilities": ["gpu"]}
    everything = request("all", facts())
    assert everything is not None
    assert everything["device_ids"] == [f"nvidia.com/gpu={uuid}" for uuid in CARDS]


def test_a_specification_that_knows_indices_only_is_used_as_it_is() -> None:
    told = facts(devices=["nvidia.com/gpu=0", "nvidia.com/gpu=1", "nvidia.com/gpu=all"])
    found = request([1], told)
    assert found is not None
    assert found["device_ids"] == ["nvidia.com/gpu=1"]
    with pytest.raises(
        ValueError, match=f"no CDI device is called nvidia.com/gpu={CARDS[1]}; there are nvidia.com/gpu=0"
    ):
        request([1], facts(devices=["nvidia.com/gpu=0"]))


def test_a_host_without_gpus_gives_none_unless_they_were_named() -> None:
    bare = facts(cards=[])
    assert request("all", bare) is None
    assert request("all", {}) is None
    assert request("none", facts()) is None
    with pytest.raises(ValueError, match=r"Instance default: gpus is \[0\], but no GPU answers"):
        request([0], bare)


def test_what_the_engine_cannot_do_is_refused_with_the_mend() -> None:
    with pytest.raises(ValueError, match=r"Docker 20.10.24.* takes no CDI devices .* run role genai"):
        request("all", facts(OLD), "cdi")
    with pytest.raises(ValueError, match=r"has no runtime 'nvidia' in daemon.json; run role genai.comfyui.nvidia_gpu"):
        request("all", facts(), "runtime")
    with pytest.raises(ValueError, match=r"no CDI devices .* and has no runtime 'nvidia' in daemon.json; run role"):
        request("all", facts({**OLD, "runtimes": ["runc"]}))
    with pytest.raises(ValueError, match=r"no specification in /etc/cdi or /run/cdi has devices"):
        request("all", facts(devices=[]))
    with pytest.raises(ValueError, match=f"there is no GPU 7 on this host; there are 0 \\({CARDS[0]}\\)"):
        request([7], facts())
    with pytest.raises(ValueError, match="comfyui_container_gpu is 'maybe'; it may be auto, cdi, runtime, none"):
        request("all", facts(), "maybe")


def test_a_service_reserves_what_was_chosen_and_else_refuses_what_an_image_asks_for() -> None:
    with_gpu = compose.compose_document(instances(), SETTINGS, facts())["services"]["default"]
    assert with_gpu["deploy"]["resources"]["reservations"]["devices"] == [request("all", facts())]
    assert "NVIDIA_VISIBLE_DEVICES" not in with_gpu["environment"]
    without = compose.compose_document(instances(), {**SETTINGS, "container_gpu": "none"}, facts())["services"][
        "default"
    ]
    assert "deploy" not in without
    assert without["environment"]["NVIDIA_VISIBLE_DEVICES"] == "void"
