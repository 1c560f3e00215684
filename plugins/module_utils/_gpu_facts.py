# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One answer from everything that knows of GPUs: the driver, sysfs, firmware, file system, container engines.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_containers, _gpu_host, _gpu_table
from ansible_collections.genai.comfyui.plugins.module_utils._gpu_query import Asked, query

Json = dict[str, Any]

# Places outside of every PATH: WSL, Debian's alternative, NixOS.
_ELSEWHERE = (
    "usr/lib/wsl/lib/nvidia-smi", "usr/lib/nvidia/current/nvidia-smi", "run/opengl-driver/bin/nvidia-smi",
)  # fmt: skip


def gather(root: str, nvidia_smi: str | None, find: Callable[[str], str | None], timeout: float) -> Json:
    """Return the facts; see the module's RETURN.

    :param root: directory that sys, proc, etc, run, usr and lib are read below.
    :param nvidia_smi: its path; None looks for it.
    :param find: returns the absolute path of a program, None when it is not installed.
    :param timeout: seconds for each question to nvidia-smi; other programs get at most 20.
    """
    short = min(timeout, 20.0)
    program = nvidia_smi or find("nvidia-smi") or _elsewhere(root)
    cards = _gpu_host.cards(root)
    driver = _gpu_host.driver(root, os.uname().release, find("modinfo"), short)
    asked = query(program, timeout) if program else None
    status, reason = _verdict(asked, cards, driver)
    driver["cuda_version"] = asked.cuda_version if asked else None
    driver["loaded"] = driver["loaded"] or status == "working"
    driver["loaded_version"] = driver["loaded_version"] or (asked.driver_version if asked else None)
    return {
        "status": status,
        "reason": reason,
        "gpus": _from_driver(asked.gpus, cards) if asked and asked.gpus else _from_cards(cards),
        "cards": cards,
        "ram_mib": _gpu_host.memory(root),
        "driver": driver,
        "nvidia_smi": {
            "path": program,
            "rc": asked.rc if asked else None,
            "message": asked.message if asked else "",
        },
        "secure_boot": _gpu_host.secure_boot(root, find("mokutil"), short),
        "container_toolkit": _gpu_containers.toolkit(root, find("nvidia-ctk"), short),
        "cdi": _gpu_containers.cdi(root),
        "docker": _gpu_containers.docker(root, find("docker"), short),
        "podman": _gpu_containers.podman(find("podman"), short),
    }


def _elsewhere(root: str) -> str | None:
    paths = [os.path.join(root, one) for one in _ELSEWHERE]
    return next((path for path in paths if os.access(path, os.X_OK)), None)


def _verdict(asked: Asked | None, cards: list[Json], driver: Json) -> tuple[str, str]:
    """Return one word and one sentence on the whole."""
    if asked and asked.status == "working":
        return "working", asked.reason
    bound = sorted({str(one["kernel_driver"]) for one in cards if one["kernel_driver"] not in (None, "nvidia")})
    held = f"; the kernel gave {', '.join(bound)} the card" if bound else ""
    if asked is None and driver["loaded"]:
        return "no_nvidia_smi", "the driver is loaded, but nvidia-smi is not installed"
    if not cards and (asked is None or asked.status in ("no_driver", "no_library")):
        return "no_gpu", "there is no NVIDIA card in this machine"
    if asked is None:
        return "no_driver", f"the NVIDIA driver is not installed{held}"
    if asked.status == "no_driver":
        if driver["module_files"]:
            return "no_driver", f"{asked.reason}, although a module for kernel {driver['kernel']} is installed{held}"
        return "no_driver", f"{asked.reason}, and there is no module of it for kernel {driver['kernel']}{held}"
    if asked.status == "mismatch" and driver["loaded_version"]:
        other = driver["library_version"] or driver["installed_version"] or "another version"
        return "mismatch", f"{asked.reason} (loaded {driver['loaded_version']}, installed {other})"
    return asked.status, asked.reason


def _from_driver(gpus: list[Json], cards: list[Json]) -> list[Json]:
    """Complete what the driver said by what the PCI id tells."""
    by_address = {one["bus_id"]: one for one in cards}
    done = []
    for gpu in gpus:
        card = by_address.get(gpu["bus_id"], {})
        identity = gpu["pci_id"] or card.get("pci_id")
        known = _gpu_table.card(str(identity or "")[-4:])
        capability: Any = gpu["compute_capability"] or known["compute_capability"]
        done.append(
            {
                **gpu,
                "pci_id": identity,
                "architecture": gpu["architecture"] or known["architecture"],
                "compute_capability": capability,
                "fp8_native": _gpu_table.fp8_native(capability),
                "kernel_driver": card.get("kernel_driver"),
                "source": "driver",
            }
        )
    return done


def _from_cards(cards: list[Json]) -> list[Json]:
    """Return records of the same shape without a driver; what only a driver knows is None."""
    unknown = ("limit_w", "default_w", "min_w", "max_w", "draw_w")
    return [
        {
            "index": None,
            "uuid": None,
            "name": card["name"],
            "bus_id": card["bus_id"],
            "pci_id": card["pci_id"],
            "architecture": card["architecture"],
            "compute_capability": card["compute_capability"],
            "fp8_native": _gpu_table.fp8_native(card["compute_capability"]),
            "driver_version": None,
            "vbios_version": None,
            "vram_mib": card["vram_mib"],
            "vram_used_mib": None,
            "vram_free_mib": None,
            "persistence_mode": None,
            "display_active": None,
            "power": dict.fromkeys(unknown),
            "mig": {"enabled": None, "devices": []},
            "processes": [],
            "kernel_driver": card["kernel_driver"],
            "source": "sysfs",
        }
        for card in cards
    ]
