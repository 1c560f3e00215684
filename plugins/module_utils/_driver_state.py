# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of a host decides about its GPU driver: system, kernels, modules built for them, keys, engines.

Private to the collection. Standard library only. Reads, and changes nothing. *root* stands for "/" with all that the
hardware and the kernel tell; what is installed is always read from the system itself.
"""

from __future__ import annotations

import glob
import os
import re
import typing as t

from ansible_collections.genai.comfyui.plugins.module_utils._apt_text import MARK, error_lines

Json = dict[str, t.Any]
Run = t.Callable[..., tuple[int, str, str]]
MOK = "/var/lib/dkms/mok.pub"
MODPROBE_DIRS = ("updates/dkms", "updates", "extra", "kernel")
# Debian calls its modules nvidia-current and nvidia-current-open; NVIDIA and the others call it nvidia.
_MODULE = re.compile(r"nvidia(-current)?(-open)?\.ko(\.(gz|xz|zst))?")


def read(path: str) -> str:
    """Return a file's text, or an empty one."""
    try:
        with open(path, encoding="utf-8", errors="replace") as stream:
            return stream.read()
    except OSError:
        return ""


def distribution(text: str) -> Json:
    """Read os-release: ``distribution`` (its id), ``release`` (version), ``codename``."""
    values = {}
    for line in text.splitlines():
        name, equals, value = line.partition("=")
        if equals:
            values[name.strip()] = value.strip().strip("\"'")
    return {
        "distribution": values.get("ID", ""),
        "release": values.get("VERSION_ID", ""),
        "codename": values.get("VERSION_CODENAME", ""),
    }


def in_container(run: Run) -> bool:
    """Tell whether the kernel is somebody else's."""
    if os.path.exists("/run/.containerenv") or os.path.exists("/.dockerenv"):
        return True
    # systemd-detect-virt knows the rest; without it, systemd's own mark.
    status, out, _err = run(["systemd-detect-virt", "--container"])
    return (status == 0 and out.strip() not in ("", "none")) or bool(read("/run/systemd/container").strip())


def kernel_key(release: str) -> list[tuple[int, str]]:
    """Return what kernel releases sort by."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.findall(r"\d+|[a-z]+", release.lower())]


def kernels(running: str, base: str = "/lib/modules") -> list[Json]:
    """Return one record a kernel, the running one included: ``release``, ``headers``, ``modules``, ``bootable``."""
    names = {os.path.basename(path) for path in glob.glob(f"{base}/*")} | {running}
    return [
        {
            "release": name,
            "headers": os.path.exists(f"{base}/{name}/build/Makefile")
            or os.path.exists(f"{base}/{name}/build/include"),
            "modules": modules(f"{base}/{name}"),
            "bootable": os.path.exists(f"/boot/vmlinuz-{name}") or os.path.exists(f"{base}/{name}/vmlinuz"),
        }
        for name in sorted(names, key=kernel_key)
    ]


def modules(directory: str) -> list[str]:
    """Return the driver's module files of one kernel, relative to its directory."""
    found = []
    for place in MODPROBE_DIRS:
        for folder, _folders, files in os.walk(os.path.join(directory, place)):
            # The kernel's own tree is large; the driver's modules lie where "nvidia" is in the path, or on top.
            ours = [os.path.join(folder, name) for name in files if _MODULE.fullmatch(name)]
            found += [os.path.relpath(path, directory) for path in ours]
    return sorted(set(found))


def dkms(run: Run) -> list[Json]:
    """Return what ``dkms status`` tells of NVIDIA's modules: ``version``, ``kernel``, ``state``."""
    status, out, _err = run(["dkms", "status"])
    found = []
    for line in out.splitlines() if status == 0 else []:
        # nvidia/590.48.01, 6.12.90+deb13-amd64, x86_64: installed
        match = re.match(r"(nvidia[^/,]*)[/,] *([^,:]+)(?:, *([^,:]+))?(?:, *[^:]+)?: *(\w+)", line)
        if match:
            found.append({"name": match[1], "version": match[2], "kernel": match[3] or "", "state": match[4]})
    return found


def build_errors(pattern: str = "/var/lib/dkms/nvidia*/*/build/make.log") -> Json:
    """Return ``path`` and ``errors`` of the newest build log; empty without one."""
    logs = glob.glob(pattern)
    if not logs:
        return {"path": "", "errors": []}
    newest = max(logs, key=os.path.getmtime)
    return {"path": newest, "errors": error_lines(read(newest))}


def enrolled(run: Run, key: str = MOK) -> bool | None:
    """Tell whether the module-signing key is enrolled; None when there is no key yet or nobody can tell."""
    if not os.path.exists(key):
        return None
    _status, out, err = run(["mokutil", "--test-key", key])
    said = f"{out}\n{err}".lower()
    if "is not enrolled" in said:
        return False
    # The exit status means different things in different versions; the words do not.
    return True if "is already enrolled" in said or "is enrolled" in said else None


def pending(run: Run) -> bool:
    """Tell whether a key waits to be confirmed at the console during the next boot."""
    status, out, _err = run(["mokutil", "--list-new"])
    return status == 0 and "SHA1" in out.upper()


def device_nodes(root: str) -> list[str]:
    """Return the driver's device nodes."""
    return sorted("/" + os.path.relpath(path, root) for path in glob.glob(os.path.join(root, "dev", "nvidia*")))


def static_cdi(path: str = "/etc/cdi/nvidia.yaml") -> str:
    """Return ``ours`` or ``foreign`` for a specification that somebody wrote once; empty without one."""
    if not os.path.exists(path):
        return ""
    return "ours" if MARK in read(path) else "foreign"


def gather(root: str, kernel: str, run: Run) -> Json:
    """Return everything.

    :param kernel: release of the kernel to serve; empty for the running one
    """
    uname = os.uname()
    wanted = kernel or uname.release
    facts: Json = distribution(read("/etc/os-release"))
    facts.update(
        arch=uname.machine,
        kernel=wanted,
        running_kernel=uname.release,
        container=in_container(run),
        kernels=kernels(wanted),
        dkms=dkms(run),
        build=build_errors(),
        mok_enrolled=enrolled(run),
        mok_pending=pending(run),
        nodes=device_nodes(root),
        static_cdi=static_cdi(),
    )
    newest = [one for one in facts["kernels"] if one["bootable"]]
    facts["newest_kernel"] = newest[-1]["release"] if newest else wanted
    return facts
