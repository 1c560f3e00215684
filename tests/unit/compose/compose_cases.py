# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host as the Compose deployment sees it: settings, instances, what its GPUs and its engine say."""

from __future__ import annotations

import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils import _topology as topology

Json = dict[str, t.Any]

SETTINGS: Json = {
    "deployment": "compose", "home": "/opt/comfyui", "data_dir": "/srv/comfyui", "models_dir": "/srv/comfyui/models",
    "cache_dir": "/srv/comfyui/cache", "venv": "/opt/comfyui/venv", "user": "comfyui", "group": "comfyui",
    "listen": "127.0.0.1", "launch_args": [], "start_timeout": 300, "stop_timeout": 30, "memory_max": "infinity",
    "guard": True, "uid": 991, "gid": 990, "image": "genai-comfyui:0123456789abcdef", "shm_size": "1gb",
    "nofile_limit": 65536, "log_max_size": "10m", "log_max_file": 3, "network": "comfyui", "container_gpu": "auto",
    "host_python": "/usr/bin/python3",
}  # fmt: skip
CARDS = ("GPU-11111111-aaaa", "GPU-22222222-bbbb")


def instances(*declared: Json, **settings: t.Any) -> list[Json]:
    """Return complete instances of a Compose host."""
    return topology.instances(list(declared) or [{}], {**SETTINGS, **settings})


def facts(docker: Json | None = None, devices: list[str] | None = None, cards: t.Sequence[str] = CARDS) -> Json:
    """Return what gpu_facts says of a host with two cards."""
    return {
        "gpus": [{"index": number, "uuid": uuid} for number, uuid in enumerate(cards)],
        "docker": {"version": "28.2.2", "runtimes": ["runc"], "cdi_dirs": ["/etc/cdi"], "config": {}, **(docker or {})},
        "cdi": {"devices": [f"nvidia.com/gpu={uuid}" for uuid in cards] if devices is None else devices},
    }
