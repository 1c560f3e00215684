# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Why a GPU host cannot be set up as asked, and what works instead: one text a reason, filled in by the plan.

Private to the collection.
"""

from __future__ import annotations

RELEASES = "Debian 12 and 13, Ubuntu 22.04 and 24.04, RHEL, Rocky Linux and AlmaLinux 9"
SAYS = {
    "platform": "{what} is not supported. {releases} are; or set nvidia_gpu_driver_manage to false.",
    "arch": "NVIDIA has no driver repository for {arch}; x86_64 and aarch64 work.",
    "source": "RHEL and its kin have no NVIDIA driver of their own; set nvidia_gpu_driver_source: cuda_repo.",
    "mixed": (
        "A Blackwell card needs the open kernel module, a card before Turing cannot use it; no driver serves "
        "both: take one of them out."
    ),
    "old_card": (
        "A card before Turing cannot use the open kernel module; set nvidia_gpu_kernel_module: proprietary "
        "(or auto), and at most branch 580."
    ),
    "new_card": "A Blackwell card needs the open kernel module; set nvidia_gpu_kernel_module: open (or auto).",
    "F1": (
        "{where}, but ComfyUI's CUDA 13 torch needs {floor} or newer. Set {works}, or accept the older driver"
        ' with nvidia_gpu_driver_min_version: "{branch}".'
    ),
    "F2": (
        "Debian 13's open module 550 does not build on Debian 13's kernel. Set nvidia_gpu_kernel_module: "
        "proprietary, or nvidia_gpu_driver_source: cuda_repo."
    ),
    "F3": (
        "Debian 12's open module cannot be installed beside its security updates. Set "
        "nvidia_gpu_kernel_module: proprietary, or nvidia_gpu_driver_source: cuda_repo."
    ),
    "F4": (
        "NVIDIA's repository {other} is not made for {key}.{sqv} Leave nvidia_gpu_repo_release empty, or set "
        "it to {key}."
    ),
    "F5": ("NVIDIA's repository debian13 begins at 590 and has no {branch}. Set nvidia_gpu_driver_branch: {latest}."),
    "F8": (
        "The container toolkit's refresh service does not see Debian's open module (nvidia-current-open.ko). "
        "Set nvidia_gpu_kernel_module: proprietary."
    ),
    "branch": (
        "{card} is too old for branch {branch}; 580 is the last one that serves it: nvidia_gpu_driver_branch:"
        " 580 (on Debian 13 no source has it)."
    ),
    "kernel": (
        "Kernel {kernel} is a real-time one, for which NVIDIA's module does not build; boot the ordinary "
        "kernel of this release."
    ),
    "container": (
        "This is a container: its kernel is the host's, and so is the driver. Set nvidia_gpu_driver_manage: "
        "false; or, when an image is built, nvidia_gpu_kernel_release."
    ),
    "secure_boot": (
        "Secure Boot is on, and the kernel would not load a module that is signed with this host's own key: "
        "the key is not enrolled. Set nvidia_gpu_secure_boot: enroll with nvidia_gpu_mok_password and confirm"
        " at the console during the next boot; or switch Secure Boot off in the firmware.{ubuntu}"
    ),
    "power": (
        "nvidia_gpu_power_limit_watts {watts} is not between {low:g} and {high:g} W, which {name} ({uuid}) can take."
    ),
    "engine": "nvidia_gpu_container_engines names {names}; docker and podman are known.",
    "docker_source": "nvidia_gpu_docker_source is {source!r}; distro and docker are known.",
    "docker_rhel": (
        "RHEL and its kin have no Docker engine of their own. Set nvidia_gpu_docker_source: docker, which adds "
        "Docker's repository; or nvidia_gpu_container_engines: [podman], which they do have; or install an engine "
        "yourself."
    ),
    "cdi": "nvidia_gpu_cdi is {wish!r}; auto, true and false are known.",
    "cdi_podman": (
        "Podman reaches GPUs only through CDI; leave nvidia_gpu_cdi at auto, or take podman out of "
        "nvidia_gpu_container_engines."
    ),
    "cdi_docker": (
        "Docker {version} knows no CDI; it came with 25. Leave nvidia_gpu_cdi at auto: containers then use "
        "the runtime 'nvidia'; or install a newer Docker yourself."
    ),
    "F9": (
        "Podman {version} refuses specifications with additionalGids, which the toolkit writes. Leave "
        "nvidia_gpu_cdi_feature_flags unset, or add {flag}."
    ),
}
WARNS = {
    "secure_boot": "Secure Boot is on and the module-signing key is not enrolled; the module will not load",
    "ubuntu": "The names of NVIDIA's Ubuntu packages from 590 on are taken from its manual, not tried",
    "kernel": (
        "Kernel {kernel} is not one of the distribution's: its headers are not installed by this role, and "
        "DKMS needs them"
    ),
    "rhel": "DKMS comes from EPEL, which has to be enabled; the names of NVIDIA's packages are taken from its manual",
    "dnf_automatic": (
        "On RHEL and its kin only nvidia_gpu_hold keeps dnf-automatic away from the driver, and it is off"
    ),
    "static_cdi": (
        "/etc/cdi/nvidia.yaml defines the same devices as the refresh service and goes stale with each "
        "driver: it is not this role's, so remove it yourself"
    ),
}
