# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts and wishes from which the golden table and other tests of the GPU plan are made."""

from __future__ import annotations

import itertools
import typing as t

Json = dict[str, t.Any]
HOSTS: dict[str, Json] = {
    "debian12": {"distribution": "debian", "release": "12", "codename": "bookworm", "kernel": "6.1.0-41-amd64"},
    "debian12-cloud": {"distribution": "debian", "release": "12", "kernel": "6.1.0-41-cloud-amd64"},
    "debian13": {"distribution": "debian", "release": "13", "codename": "trixie", "kernel": "6.12.117+deb13-amd64"},
    "debian13-cloud": {"distribution": "debian", "release": "13", "kernel": "6.12.117+deb13-cloud-amd64"},
    "ubuntu2204": {"distribution": "ubuntu", "release": "22.04", "codename": "jammy", "kernel": "5.15.0-130-generic"},
    "ubuntu2204-hwe": {"distribution": "ubuntu", "release": "22.04", "kernel": "6.8.0-60-generic"},
    "ubuntu2404": {"distribution": "ubuntu", "release": "24.04", "codename": "noble", "kernel": "6.8.0-90-generic"},
    "ubuntu2404-hwe": {"distribution": "ubuntu", "release": "24.04", "kernel": "6.17.0-20-generic"},
    "ubuntu2404-custom": {"distribution": "ubuntu", "release": "24.04", "kernel": "6.8.12-mine"},
    "rhel9": {"distribution": "rhel", "release": "9.6", "kernel": "5.14.0-570.el9.x86_64"},
    "rocky9": {"distribution": "rocky", "release": "9.6", "kernel": "5.14.0-570.el9.x86_64"},
    "almalinux9": {"distribution": "almalinux", "release": "9.6", "kernel": "5.14.0-570.el9.x86_64"},
}
SOURCES = ("distro", "cuda_repo")
BRANCHES = ("580", "590")
PROFILES = ("compute", "full")
MODULES = ("open", "proprietary")
AMPERE = {"pci_id": "10de:2204", "name": "NVIDIA GeForce RTX 3090", "uuid": "GPU-1"}
PASCAL = {"pci_id": "10de:1b06", "name": "NVIDIA GeForce GTX 1080 Ti", "uuid": "GPU-2"}
BLACKWELL = {"pci_id": "10de:2b85", "name": "NVIDIA GeForce RTX 5090", "uuid": "GPU-3"}


def host(name: str, **more: t.Any) -> Json:
    """Return a host with one RTX 3090, for the plan."""
    return {"arch": "x86_64", "container": False, "secure_boot": "disabled", "gpus": [AMPERE], **HOSTS[name], **more}


def combinations() -> list[tuple[str, str, str, str, str]]:
    """Return every (host, source, branch, profile, module)."""
    return list(itertools.product(HOSTS, SOURCES, BRANCHES, PROFILES, MODULES))
