# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What containers get of the GPUs: the toolkit, CDI specifications, Docker's runtimes, Podman.

Private to the collection. Standard library only, so YAML is read as far as CDI specifications are written.
"""

from __future__ import annotations

import glob
import json
import os
import re
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._gpu_ask import ask
from ansible_collections.genai.comfyui.plugins.module_utils._gpu_host import read
from ansible_collections.genai.comfyui.plugins.module_utils._gpu_smi import clean

Json = dict[str, Any]

_VERSION = re.compile(r"(?<![0-9.])[0-9]+\.[0-9]+(?:\.[0-9]+)?(?:[~.+-][0-9A-Za-z.~+-]*)?")
_DIRECTORIES = ("etc/cdi", "var/run/cdi", "run/cdi")
_UNITS = ("etc/systemd/system", "usr/lib/systemd/system", "lib/systemd/system")


def _version(program: str | None, timeout: float, option: str = "--version") -> str | None:
    if not program:
        return None
    answer = ask([program, option], timeout)
    found = _VERSION.search(answer.out)
    return found[0] if answer.ok and found else None


def toolkit(root: str, program: str | None, timeout: float) -> Json:
    """Return path and version of nvidia-ctk, and whether the unit is there that keeps the CDI specification fresh."""
    units = [os.path.join(root, folder, "nvidia-cdi-refresh.service") for folder in _UNITS]
    return {
        "installed": program is not None,
        "path": program,
        "version": _version(program, timeout),
        "cdi_refresh": any(os.path.exists(unit) for unit in units),
    }


def cdi(root: str) -> Json:
    """Return NVIDIA's CDI devices, and the specifications they come from.

    ``duplicates`` are devices that more than one specification defines, which engines refuse or settle by directory.
    """
    specs: list[Json] = []
    seen = set()
    for folder in _DIRECTORIES:
        for path in sorted(glob.glob(os.path.join(glob.escape(root), folder, "*"))):
            real = os.path.realpath(path)
            if real not in seen and path.endswith((".json", ".yaml")):
                seen.add(real)
                specs.append({"path": path, **_spec(read("", path))})
    ours = [one for one in specs if (one["kind"] or "nvidia.com/").startswith("nvidia.com/")]
    names = [name for one in ours for name in one["devices"]]
    return {
        "devices": sorted(set(names)),
        "duplicates": sorted({name for name in names if names.count(name) > 1}),
        "specs": ours,
    }


def _spec(text: str | None) -> Json:
    """Return ``kind``, ``version``, full device names, and whether Podman 4 would stumble over additionalGids."""
    told: Json = {"kind": None, "version": None, "devices": [], "additional_gids": False, "valid": False}
    try:
        tree = json.loads(text or "")
    except (ValueError, RecursionError):
        tree = _tree(text or "")
    if not isinstance(tree, dict) or not isinstance(tree.get("kind"), str) or not isinstance(tree.get("devices"), list):
        return told
    kind = clean(tree["kind"])
    names = [
        clean(str(one["name"])) for one in tree["devices"] if isinstance(one, dict) and one.get("name") is not None
    ]
    version = tree.get("cdiVersion")
    return {
        "kind": kind,
        "version": clean(version) if isinstance(version, str) else None,
        "devices": [f"{kind}={name}" for name in names],
        "additional_gids": re.search(r"\badditionalG(?:id|ID)s\b", text or "") is not None,
        "valid": len(names) == len(tree["devices"]),
    }


def _scalar(text: str) -> str:
    text = text.strip()
    if len(text) >= 2 and text[0] == text[-1] and text[0] in "\"'":
        return text[1:-1]
    return text.split(" #", 1)[0].strip()


def _tree(text: str) -> Json:
    """Read kind, version and device names of a YAML specification in block style, as nvidia-ctk writes it."""
    tree: Json = {}
    devices: list[Json] = []
    inside, indent = False, -1
    for line in text.splitlines():
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        top = re.match(r"([A-Za-z]+):(.*)$", line)
        if top:
            inside = top[1] == "devices"
            if inside:
                tree["devices"] = devices
            elif top[1] in ("kind", "cdiVersion"):
                tree[top[1]] = _scalar(top[2])
            continue
        item = re.match(r"( *)(?:- )( *)(.*)$", line) if inside else None
        if item and indent in (-1, len(item[1])):
            indent = len(item[1])
            devices.append({})
            line = item[1] + "  " + item[2] + item[3]
        named = re.match(r"( +)name:(.*)$", line) if inside and devices else None
        if named and len(named[1]) == indent + 2:
            devices[-1].setdefault("name", _scalar(named[2]))
    return tree


def docker(root: str, program: str | None, timeout: float) -> Json:
    """Return what Docker's daemon says, and what its configuration file asks for."""
    told: Json = {
        "installed": program is not None,
        "running": False,
        "version": None,
        "runtimes": [],
        "default_runtime": None,
        "cdi_dirs": [],
        "config": _daemon_json(read(root, "etc/docker/daemon.json")),
    }
    if program:
        answer = ask([program, "info", "--format", "{{json .}}"], timeout)
        info = _object(answer.out) if answer.ok else {}
        version = info.get("ServerVersion")
        # The client ends well when there is no daemon, too, and says so inside.
        if isinstance(version, str) and version:
            told.update(running=True, version=clean(version))
            told["runtimes"] = sorted(_object(info.get("Runtimes")))
            told["default_runtime"] = info.get("DefaultRuntime") or None
            directories = info.get("CDISpecDirs")
            told["cdi_dirs"] = [str(one) for one in directories] if isinstance(directories, list) else []
    return told


def _object(value: Any) -> Json:
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return {}
    return value if isinstance(value, dict) else {}


def _daemon_json(text: str | None) -> Json:
    """Return what of the daemon's configuration matters here; ``valid`` is None when there is no such file."""
    tree = _object(text)
    valid = None if text is None else not text.strip() or bool(tree) or _is_empty_object(text)
    return {
        "valid": valid,
        "runtimes": sorted(_object(tree.get("runtimes"))),
        "default_runtime": tree.get("default-runtime") if isinstance(tree.get("default-runtime"), str) else None,
        "cdi": _object(tree.get("features")).get("cdi") is True,
    }


def _is_empty_object(text: str) -> bool:
    return re.fullmatch(r"\s*\{\s*\}\s*", text) is not None


def podman(program: str | None, timeout: float) -> Json:
    """Return whether Podman is there, and its version: before 5, it refuses CDI specifications with additionalGids."""
    return {"installed": program is not None, "version": _version(program, timeout)}
