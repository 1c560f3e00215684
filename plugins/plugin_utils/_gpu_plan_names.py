# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which packages make a driver, by distribution, source, branch, profile and kind of module.

Private to the collection. Pure functions; nothing here decides whether a combination is wise.
"""

from __future__ import annotations

import re
import typing as t

Json = dict[str, t.Any]

CUDA_BASE = "https://developer.download.nvidia.com/compute/cuda/repos"
TOOLKIT_BASE = "https://nvidia.github.io/libnvidia-container"
KEY_OLD = "EB693B3035CD5710E231E123A4B469963BF863CC"
KEY_DEBIAN13 = "02182E60104FCDC26EAE1B8597A5D4CB8793F200"
KEY_RPM = "610C7B14E068A878070DA4E99CD0A493D42D0685"
KEY_TOOLKIT = "C95B321B61E88C1809C4F759DDCAE044F796ECB0"
ARCHES = {"x86_64": ("amd64", "x86_64"), "aarch64": ("arm64", "sbsa")}
"""Machine name of the kernel to (Debian's word, word in NVIDIA's addresses)."""
DISTRO_BRANCH = {"debian12": 535, "debian13": 550}
"""The one branch that Debian ships, by release."""
TOOLKIT_PACKAGES = (
    "nvidia-container-toolkit",
    "nvidia-container-toolkit-base",
    "libnvidia-container-tools",
    "libnvidia-container1",
)
# Names that carry the driver's own version: only these may be forbidden in other versions.
DRIVER_NAMES = (
    "nvidia-open", "cuda-drivers", "nvidia-driver", "nvidia-driver-cuda", "nvidia-driver-libs", "nvidia-driver-bin",
    "nvidia-kernel-dkms", "nvidia-kernel-open-dkms", "nvidia-open-kernel-dkms", "nvidia-kernel-support",
    "nvidia-open-kernel-support", "nvidia-smi", "nvidia-alternative", "nvidia-opencl-icd", "nvidia-vdpau-driver",
    "libcuda1", "libcudadebugger1", "libnvidia-ml1", "libnvidia-ptxjitcompiler1", "libnvidia-nvvm4", "libnvcuvid1",
    "libnvidia-encode1", "libnvidia-cfg1", "libnvidia-fbc1", "libnvoptix1", "firmware-nvidia-gsp",
    "nvidia-dkms", "nvidia-dkms-open", "libnvidia-compute", "nvidia-utils", "nvidia-compute-utils",
)  # fmt: skip
KEY_DOCKER = "9DC858229FC7DD38854AE2D88D81803C0EBFCD88"
KEY_DOCKER_RPM = "060A61C51B558A7F742B77AAC52FEB6B621E9F35"
DOCKER_BASE = "https://download.docker.com/linux"
DOCKER_PACKAGES = ("docker-ce", "docker-ce-cli", "containerd.io", "docker-buildx-plugin", "docker-compose-plugin")
DRIVER_GLOBS = ("*nvidia*", "libcuda1*", "libcudadebugger1*", "cuda-drivers*", "libnvcuvid1*", "libnvoptix1*")
HOLD = ("nvidia-*", "libnvidia-*", "libcuda1", "libcudadebugger1", "cuda-drivers*", "firmware-nvidia-*", "libnvcuvid1")
# The toolkit follows its own versions; prebuilt modules must follow the kernel, or the next one has none.
HOLD_EXCEPT = ("nvidia-container-*", "libnvidia-container*", "nvidia-driver-pinning-*", "linux-modules-nvidia-*")
HOLD_RPM = (*HOLD, "kmod-nvidia-*")
LOCK_PLUGIN = "python3-dnf-plugin-versionlock"
UNATTENDED = (
    "nvidia-",
    "libnvidia-",
    "libcuda1",
    "libcudadebugger1",
    "cuda-drivers",
    "firmware-nvidia-",
    "libnvcuvid1",
)


def cuda_repository(key: str, arch: str, base: str = CUDA_BASE) -> Json:
    """Return NVIDIA's repository for a release such as ``debian13``: address, key's address and fingerprint."""
    debian_arch, nvidia_arch = ARCHES[arch]
    uri = f"{base.rstrip('/')}/{key}/{nvidia_arch}/"
    fingerprint, file = (KEY_DEBIAN13, "8793F200.pub") if key == "debian13" else (KEY_OLD, "3bf863cc.pub")
    rpm = key.startswith("rhel")
    if rpm:
        fingerprint, file = KEY_RPM, "D42D0685.pub"
    repository: Json = {
        "name": "nvidia-cuda",
        "uri": uri,
        "suite": "/",
        "key_url": uri + file,
        "fingerprints": [fingerprint],
    }
    if not rpm:
        repository["architectures"] = [debian_arch]
    return repository


def toolkit_repository(kind: str, arch: str, base: str = TOOLKIT_BASE) -> Json:
    """Return the container toolkit's repository, which is one for all releases."""
    base = base.rstrip("/")
    debian_arch = ARCHES[arch][0]
    place = f"deb/{debian_arch}/" if kind == "deb" else f"rpm/{arch}"
    repository: Json = {
        "name": "nvidia-container-toolkit",
        "uri": f"{base}/stable/{place}",
        "suite": "/",
        "key_url": f"{base}/gpgkey",
        "fingerprints": [KEY_TOOLKIT],
    }
    if kind == "deb":
        repository["architectures"] = [debian_arch]
    else:
        # This repository signs its list, not its packages.
        repository["verify"] = "lists"
    return repository


def docker_engine(
    family: str, release: str, arch: str, source: str, codename: str, base: str = DOCKER_BASE
) -> tuple[list[str], list[Json]]:
    """Return (packages, repositories) of an engine for a host that has none."""
    if source == "docker":
        uri = f"{base.rstrip('/')}/{family}"
        repository: Json = {"name": "docker", "uri": uri, "key_url": f"{uri}/gpg", "fingerprints": [KEY_DOCKER]}
        if family == "rhel":
            repository.update(uri=f"{uri}/9/{arch}/stable", fingerprints=[KEY_DOCKER_RPM])
        else:
            repository.update(suite=codename, components=["stable"], architectures=[ARCHES[arch][0]])
        return list(DOCKER_PACKAGES), [repository]
    # From Debian 13 on the client is a package of its own.
    return ["docker.io", "docker-cli"] if release == "debian13" else ["docker.io"], []


def packages(family: str, source: str, branch: int, profile: str, module: str, flavour: str) -> list[str]:
    """Return the packages of a driver, the kernel's headers left out.

    :param family: ``debian``, ``ubuntu`` or ``rhel``
    :param flavour: on Ubuntu what prebuilt modules are named after, such as ``generic``; empty for DKMS
    """
    full, is_open = profile == "full", module == "open"
    if family == "rhel":
        if full:
            return ["nvidia-open" if is_open else "cuda-drivers"]
        return ["nvidia-driver-cuda", "kmod-nvidia-open-dkms" if is_open else "kmod-nvidia-latest-dkms"]
    if family == "debian" and source == "distro":
        kernel = ["nvidia-open-kernel-dkms", "firmware-nvidia-gsp"] if is_open else ["nvidia-kernel-dkms"]
        base = ["nvidia-smi", "libcuda1", *kernel, "nvidia-persistenced", "nvidia-modprobe"]
        return ["nvidia-driver", *base] if full else base
    if family == "debian":
        if full:
            return ["nvidia-open" if is_open else "cuda-drivers"]
        return ["nvidia-driver-cuda", "nvidia-kernel-open-dkms" if is_open else "nvidia-kernel-dkms"]
    if source == "distro":
        # Canonical builds and signs these for each kernel; they follow it through the metapackage.
        server = "" if branch >= 595 else "-server"
        suffix = f"{branch}{server}{'-open' if is_open else ''}"
        if full:
            base = [f"nvidia-driver-{suffix}"]
        else:
            base = [f"nvidia-headless-no-dkms-{suffix}", f"nvidia-utils-{branch}{server}"]
        if not flavour:
            return [
                f"nvidia-driver-{suffix}" if full else f"nvidia-headless-{suffix}",
                *base[1:],
                f"nvidia-dkms-{suffix}",
            ]
        return [*base, f"linux-modules-nvidia-{suffix}-{flavour}"]
    if branch >= 590:
        if full:
            return ["nvidia-open" if is_open else "cuda-drivers"]
        return ["libnvidia-compute", "nvidia-dkms-open" if is_open else "nvidia-dkms", "nvidia-utils"]
    if full:
        return [f"nvidia-open-{branch}" if is_open else f"cuda-drivers-{branch}"]
    return [
        f"libnvidia-compute-{branch}",
        f"nvidia-dkms-{branch}{'-open' if is_open else ''}",
        f"nvidia-utils-{branch}",
    ]


def debian_flavour(kernel: str) -> str:
    """Return a Debian kernel's flavour, such as ``cloud-amd64``; empty for a kernel that is not Debian's."""
    match = re.search(r"(?:-\d+|\+deb\d+(?:\.\d+)?|\+bpo)-((?:cloud-|rt-)?(?:amd64|arm64))$", kernel)
    return match[1] if match else ""


def ubuntu_flavour(kernel: str, release: str) -> str:
    """Return what Ubuntu's packages for a kernel are named after, such as ``generic-hwe-24.04``; empty if unknown."""
    match = re.fullmatch(r"(\d+)\.(\d+)\.\d+-\d+-([a-z0-9]+(?:-64k)?)", kernel)
    if not match:
        return ""
    flavour = match[3]
    first = {"22.04": (5, 15), "24.04": (6, 8)}[release]
    newer = (int(match[1]), int(match[2])) > first
    return f"{flavour}-hwe-{release}" if newer and flavour in ("generic", "lowlatency", "generic-64k") else flavour


def headers(family: str, kernel: str, flavour: str) -> tuple[list[str], list[Json]]:
    """Return (packages that must be there, packages that are there if offered, with what stands in for them)."""
    if family == "rhel":
        return ["kernel-devel-matched", "kernel-headers"], [{"name": f"kernel-devel-{kernel}", "otherwise": ["kernel"]}]
    meta = f"linux-headers-{flavour}"
    # The running kernel's headers leave the archive some day; then the newest kernel has to come, and a reboot.
    return [meta], [{"name": f"linux-headers-{kernel}", "otherwise": [f"linux-image-{flavour}"]}]
