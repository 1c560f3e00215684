# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which GPUs a container gets, and by which way: CDI, NVIDIA's runtime hook, or none. Pure functions."""

from __future__ import annotations

import re
import typing as t

Json = dict[str, t.Any]
WAYS = ("auto", "cdi", "runtime", "none")
_KIND = "nvidia.com/gpu="
_ROLE = "run role genai.comfyui.nvidia_gpu for this host"


class ComposeError(ValueError):
    """What was asked for cannot be said in Compose or done by this engine; the message says the mend."""


def _version(text: t.Any) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"[0-9]+", str(text or ""))[:2])


def speaks_cdi(docker: t.Mapping[str, t.Any]) -> bool:
    """Return whether this engine takes CDI devices: by itself from 28.2, from 25 when its configuration says so."""
    version = _version(docker.get("version"))
    if docker.get("cdi_dirs") or version >= (28, 2):
        return True
    return version >= (25,) and bool((docker.get("config") or {}).get("cdi"))


def choose(wanted: str, facts: t.Mapping[str, t.Any]) -> str:
    """Return ``cdi``, ``runtime`` or ``none``.

    :param wanted: the variable ``comfyui_container_gpu``. :param facts: ``comfyui_gpu`` of ``gpu_facts``.
    :raises ComposeError: the engine cannot do what was asked for, or with ``auto`` neither, on a host that has GPUs.
    """
    if wanted not in WAYS:
        raise ComposeError(f"comfyui_container_gpu is {wanted!r}; it may be {', '.join(WAYS)}.")
    if wanted == "none":
        return "none"
    docker, devices = facts.get("docker") or {}, (facts.get("cdi") or {}).get("devices") or []
    cdi = speaks_cdi(docker) and any(str(one).startswith(_KIND) for one in devices)
    runtime = "nvidia" in (docker.get("runtimes") or [])
    if wanted == "auto":
        if not any(one.get("uuid") for one in facts.get("gpus") or []):
            return "none"
        if cdi or runtime:
            return "cdi" if cdi else "runtime"
    elif (wanted == "cdi" and cdi) or (wanted == "runtime" and runtime):
        return wanted
    raise ComposeError(f"comfyui_container_gpu is {wanted}, but {_lacks(wanted, docker, devices)}")


def _lacks(wanted: str, docker: t.Mapping[str, t.Any], devices: list[t.Any]) -> str:
    version = docker.get("version") or "that does not answer"
    none = "Or set comfyui_container_gpu to none, for instances on the CPU."
    if wanted == "runtime":
        return f"Docker {version} has no runtime 'nvidia' in daemon.json; {_ROLE}. {none}"
    if not speaks_cdi(docker):
        both = "" if wanted == "cdi" else " and has no runtime 'nvidia' in daemon.json"
        since = "(from 25 with features.cdi, from 28.2 by itself)"
        return f"Docker {version} takes no CDI devices {since}{both}; {_ROLE}. {none}"
    what = "there are none" if not devices else f"there are {', '.join(map(str, devices))}"
    return f"no specification in /etc/cdi or /run/cdi has devices {_KIND}...: {what}; {_ROLE}. {none}"


def device_request(instance: t.Mapping[str, t.Any], facts: t.Any, wanted: str) -> Json | None:
    """Return the device reservation of one instance, or None.

    GPUs are named by their uuid, so that a card that is moved or added changes nothing.

    :param instance: complete; its ``gpus`` is 'all', 'none', an index, a UUID or a list of them.
    :raises ComposeError: see :func:`choose`; or a GPU is not on this host.
    """
    facts = facts if isinstance(facts, t.Mapping) else {}
    asked = instance.get("gpus")
    if asked in ("none", "cpu", []):
        return None
    everything = asked in (None, "all")
    way = choose(wanted, facts)
    if way == "none":
        if not everything and wanted != "none":
            raise ComposeError(f"Instance {instance['name']}: gpus is {asked}, but no GPU answers; {_ROLE}.")
        return None
    gpus = [one for one in facts.get("gpus") or [] if one.get("uuid")]
    chosen = [one["uuid"] for one in gpus] if everything else [_uuid(instance, key, gpus) for key in _keys(asked)]
    if way == "cdi":
        devices = set(map(str, (facts.get("cdi") or {}).get("devices") or []))
        chosen = [_device(instance, uuid, gpus, devices) for uuid in chosen] or [f"{_KIND}all"]
        return {"driver": "cdi", "device_ids": chosen, "capabilities": ["gpu"]}
    found: Json = {"device_ids": chosen} if chosen else {"count": "all"}
    return {"driver": "nvidia", **found, "capabilities": ["gpu"]}


def _keys(asked: t.Any) -> list[str]:
    return [str(one) for one in (asked if isinstance(asked, list) else [asked])]


def _uuid(instance: t.Mapping[str, t.Any], key: str, gpus: list[t.Any]) -> str:
    for one in gpus:
        slices = (one.get("mig") or {}).get("devices") or []
        if key in [str(part.get("uuid")) for part in slices]:
            return key
        # CUDA takes the beginning of a UUID as well.
        if str(one.get("index")) == key or (key.startswith("GPU-") and str(one["uuid"]).startswith(key)):
            return str(one["uuid"])
    have = ", ".join(f"{one.get('index')} ({one['uuid']})" for one in gpus) or "none that answers"
    raise ComposeError(f"Instance {instance['name']}: there is no GPU {key} on this host; there are {have}.")


def _device(instance: t.Mapping[str, t.Any], uuid: str, gpus: list[t.Any], devices: set[str]) -> str:
    index = next((one.get("index") for one in gpus if one["uuid"] == uuid), None)
    for name in (f"{_KIND}{uuid}", f"{_KIND}{index}"):
        if name in devices:
            return name
    have = ", ".join(sorted(devices))
    raise ComposeError(
        f"Instance {instance['name']}: no CDI device is called {_KIND}{uuid}; there are {have}. {_ROLE}."
    )
