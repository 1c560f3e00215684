# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the kernel, the firmware and the file system say of NVIDIA cards and their driver.

Private to the collection. Standard library only. Everything is read below a root directory, so that an image can be
asked as well as the running host.
"""

from __future__ import annotations

import glob
import os
import re
from contextlib import suppress
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _gpu_table
from ansible_collections.genai.comfyui.plugins.module_utils._gpu_ask import ask
from ansible_collections.genai.comfyui.plugins.module_utils._gpu_smi import clean

Json = dict[str, Any]

_LIMIT = 1024 * 1024
_VERSION = re.compile(r"(?<![0-9.])([0-9]{2,4}\.[0-9]{1,3}(?:\.[0-9]{1,3})?)(?![0-9.])")
_MODULES = ("nvidia", "nvidia_uvm", "nvidia_modeset", "nvidia_drm", "nvidia_peermem", "nouveau", "nova_core")
_LIBRARIES = (
    "usr/lib/*-linux-gnu", "usr/lib/*-linux-gnu/nvidia", "usr/lib/*-linux-gnu/nvidia/current",
    "usr/lib64", "usr/lib64/nvidia", "usr/lib",
)  # fmt: skip
# NVIDIA's and Debian's names of the one module that is the driver; Debian's open flavour is nvidia-current-open.
_DRIVER_FILE = re.compile(r"nvidia(?:-current(?:-open)?|-tesla(?:-[0-9]+)?)?\.ko(?:\.(?:xz|zst|gz|bz2))?")
_SECURE_BOOT = "sys/firmware/efi/efivars/SecureBoot-8be4df61-93ca-11d2-aa0d-00e098032b8c"


def read(root: str, path: str) -> str | None:
    """Return the text of a small file below *root*, None when it cannot be read."""
    try:
        with open(os.path.join(root, path), "rb") as stream:
            return stream.read(_LIMIT).decode("utf-8", "replace")
    except (OSError, ValueError):
        return None


def cards(root: str) -> list[Json]:
    """Return NVIDIA's display devices as sysfs lists them, by address, with what their id tells."""
    found = []
    for path in sorted(glob.glob(os.path.join(glob.escape(root), "sys/bus/pci/devices/*"))):
        vendor, kind, device = (
            (read(path, name) or "").strip().lower().replace("0x", "") for name in ("vendor", "class", "device")
        )
        # 0300 VGA, 0302 3D, 0380 other; the card's audio and USB functions are of other classes.
        if vendor != "10de" or not kind.startswith("03") or not re.fullmatch(r"[0-9a-f]{4}", device):
            continue
        driver = None
        with suppress(OSError):
            driver = clean(os.path.basename(os.readlink(os.path.join(path, "driver")))) or None
        found.append(
            {
                "bus_id": os.path.basename(path).lower(),
                "pci_id": f"10de:{device}",
                "kernel_driver": driver,
                **_gpu_table.card(device),
            }
        )
    return found


def memory(root: str) -> int | None:
    """Return the machine's memory in MiB."""
    found = re.search(r"^MemTotal: +([0-9]{1,15}) kB$", read(root, "proc/meminfo") or "", re.MULTILINE)
    return int(found[1]) // 1024 if found else None


def driver(root: str, release: str, modinfo: str | None, timeout: float) -> Json:
    """Return what is loaded and what is installed.

    :param release: the kernel's release; modules are looked for below its directory.
    :param modinfo: absolute path of modinfo, None when there is none.
    """
    line = next((one for one in (read(root, "proc/driver/nvidia/version") or "").splitlines() if "NVRM" in one), None)
    loaded = _VERSION.search(line.partition("Module")[2]) if line else None
    version = loaded[1] if loaded else (read(root, "sys/module/nvidia/version") or "").strip() or None
    flavour = None
    if line:
        flavour = "open" if "Open Kernel Module" in line else "proprietary"
    modules = [name for name in _MODULES if os.path.isdir(os.path.join(root, "sys/module", name))]
    if "nvidia" not in modules and line:
        modules.insert(0, "nvidia")
    files = _module_files(root, release, modinfo, timeout)
    installed = next((one["version"] for one in files if one["version"]), None)
    library = _library(root)
    others = {one for one in (installed, library) if one}
    return {
        "loaded": "nvidia" in modules,
        "loaded_version": clean(version) if version else None,
        "flavour": flavour,
        "nvrm": clean(line) if line else None,
        "modules": modules,
        "module_files": files,
        "installed_version": installed,
        "library_version": library,
        "kernel": release,
        # Unknown as long as one side is missing.
        "mismatch": any(one != version for one in others) if version and others else None,
    }


def _module_files(root: str, release: str, modinfo: str | None, timeout: float) -> list[Json]:
    """Return path and version of each driver module for a kernel, the one that modprobe prefers first."""
    found = []
    for base in ("lib/modules", "usr/lib/modules"):
        start = os.path.join(root, base, release)
        for folder, _folders, names in os.walk(start):
            found += [os.path.join(folder, name) for name in names if _DRIVER_FILE.fullmatch(name)]
        if found:
            break
    preferred = sorted(found, key=lambda path: (f"/{release}/updates/" not in path, path))
    return [{"path": path, "version": _module_version(modinfo, path, timeout)} for path in preferred]


def _module_version(modinfo: str | None, path: str, timeout: float) -> str | None:
    if modinfo:
        # By path: Debian's file is called nvidia-current, and modinfo knows no alias of it.
        answer = ask([modinfo, "-F", "version", path], timeout)
        said = _VERSION.fullmatch(answer.out.strip())
        if answer.ok and said:
            return said[1]
    return None


def _library(root: str) -> str | None:
    """Return the version of the NVML library, which is the one of all the driver's libraries."""
    for folder in _LIBRARIES:
        pattern = os.path.join(glob.escape(root), folder, "libnvidia-ml.so.*.*")
        names = [os.path.basename(path)[len("libnvidia-ml.so.") :] for path in glob.glob(pattern)]
        versions = sorted((one for one in names if _VERSION.fullmatch(one)), key=_numbers)
        if versions:
            return versions[-1]
    return None


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(one) for one in version.split("."))


def secure_boot(root: str, mokutil: str | None, timeout: float) -> Json:
    """Return whether the firmware enforces signatures.

    :returns: ``state`` is 'enabled', 'disabled', 'unsupported' (no UEFI) or 'unknown'; ``source`` says who told it;
        ``lockdown`` is the kernel's own mode, None when it cannot be read.
    """
    lockdown = re.search(r"\[([a-z]+)\]", read(root, "sys/kernel/security/lockdown") or "")
    told: Json = {"state": "unknown", "source": None, "lockdown": lockdown[1] if lockdown else None}
    if mokutil:
        answer = ask([mokutil, "--sb-state"], timeout)
        said = answer.out + answer.err
        state = re.search(r"SecureBoot (enabled|disabled)", said)
        # The loader can be told to skip validation although the firmware's switch is on.
        if state and "validation is disabled in shim" in said:
            return {**told, "state": "disabled", "source": "mokutil"}
        if state:
            return {**told, "state": state[1], "source": "mokutil"}
        if "variables are not supported" in said:
            return {**told, "state": "unsupported", "source": "mokutil"}
    try:
        with open(os.path.join(root, _SECURE_BOOT), "rb") as stream:
            data = stream.read(16)
        if len(data) == 5 and data[4] in (0, 1):
            return {**told, "state": ("disabled", "enabled")[data[4]], "source": "efivars"}
    except OSError:
        pass
    if os.path.isdir(os.path.join(root, "sys")) and not os.path.isdir(os.path.join(root, "sys/firmware/efi")):
        return {**told, "state": "unsupported", "source": "sysfs"}
    return told
