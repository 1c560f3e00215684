# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What was seen on a GPU host, judged: were modules built, is a reboot due, does all of it work.

Private to the collection. Pure functions; the filters of role ``nvidia_gpu`` are thin shells over them.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan import PlanError, at_least

Json = dict[str, t.Any]
Facts = t.Mapping[str, t.Any]
UNITS = "/etc/systemd/system"
UVM_NAME = "genai-nvidia-uvm.service"
POWER_NAME = "genai-nvidia-power-limit.service"
POWER_UNIT = """# Managed by Ansible, collection genai.comfyui.
[Unit]
Description=Power limit of the NVIDIA GPUs
# The limit is lost when the driver unloads; persistenced keeps it loaded.
After=nvidia-persistenced.service
Wants=nvidia-persistenced.service

[Service]
Type=oneshot
RemainAfterExit=yes
{lines}
[Install]
WantedBy=multi-user.target
"""
UVM_UNIT = """# Managed by Ansible, collection genai.comfyui.
[Unit]
Description=Device nodes of NVIDIA's unified memory, before anything asks for CUDA
ConditionPathExists=/usr/bin/nvidia-modprobe
After=systemd-modules-load.service nvidia-persistenced.service
Before=docker.service nvidia-cdi-refresh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/bin/nvidia-modprobe -u -c=0

[Install]
WantedBy=multi-user.target
"""


def gpu_host(state: Facts, facts: Facts) -> Json:
    """Return what :func:`_gpu_plan.gpu_plan` wants to know of a host.

    :param state: what module ``driver_state`` returned
    :param facts: the fact ``comfyui_gpu`` of module ``gpu_facts``
    """
    docker, podman = facts["docker"], facts["podman"]
    return {
        "distribution": state["distribution"],
        "release": state["release"],
        "codename": state["codename"],
        "arch": state["arch"],
        "kernel": state["kernel"],
        "container": state["container"],
        "secure_boot": facts["secure_boot"]["state"],
        "mok_enrolled": state["mok_enrolled"] or state["mok_pending"],
        "gpus": facts["gpus"] or facts["cards"],
        "docker": (docker["version"] or "unknown") if docker["installed"] else "",
        "podman": (podman["version"] or "unknown") if podman["installed"] else "",
        "toolkit": facts["container_toolkit"]["version"] or "",
        "static_cdi": state["static_cdi"] == "foreign",
    }


def gpu_built(state: Facts, plan: Facts) -> str:
    """Return why a kernel has no driver module, with the compiler's own words; empty when all have one.

    Judged are the kernel to serve and the newest bootable one: without a module the next boot has no GPU.
    """
    lacking = [
        kernel["release"]
        for kernel in state["kernels"]
        if kernel["release"] in (state["kernel"], state["newest_kernel"]) and not kernel["modules"]
    ]
    if not lacking:
        return ""
    message = f"The packages are installed, but no driver module was built for kernel {', '.join(lacking)}"
    without = [k["release"] for k in state["kernels"] if k["release"] in lacking and not k["headers"]]
    if plan["dkms"] and without:
        message += f"; the headers of {', '.join(without)} are missing"
    if state["build"]["errors"]:
        message += f". {state['build']['path']} says: {' | '.join(state['build']['errors'])}"
    return message + ". Nothing was loaded, and nothing reboots; another branch may build (nvidia_gpu_driver_branch)."


def gpu_reboot(state: Facts, facts: Facts, policy: str, connection: str) -> Json:
    """Decide between loading the module, rebooting, and telling that a reboot is due.

    :param policy: ``never``, ``auto`` (not over a local connection) or ``always``
    :returns: ``load`` (modprobe now), ``reboot`` (do it), ``needed``, ``reason``
    :raises PlanError: *policy* is not known
    """
    if policy not in ("never", "auto", "always"):
        raise PlanError(f"nvidia_gpu_reboot is {policy!r}; never, auto and always are known")
    driver = facts["driver"]
    built = [k["modules"] for k in state["kernels"] if k["release"] == state["running_kernel"]]
    reason, load = "", False
    if driver["loaded"]:
        installed = driver["library_version"] or driver["installed_version"]
        if driver["mismatch"] or facts["status"] == "mismatch":
            reason = f"driver {driver['loaded_version']} is loaded and {installed or 'another one'} is installed"
    elif not facts["cards"]:
        # An image is built here, or there is no card: nothing to load.
        return {"load": False, "reboot": False, "needed": False, "reason": ""}
    elif set(driver["modules"] or []) & {"nouveau", "nova_core"}:
        reason = "another driver (nouveau) holds the card"
    elif facts["secure_boot"]["state"] == "enabled" and state["mok_pending"]:
        # Nobody can confirm the key for a machine that reboots by itself.
        reason = "the module-signing key waits to be confirmed at the console during a reboot"
        return {"load": False, "reboot": False, "needed": True, "reason": reason}
    elif not any(built):
        reason = f"the running kernel {state['running_kernel']} has no driver module"
    else:
        load = not state["container"]
        reason = "" if load else "the driver is not loaded"
    needed = bool(reason)
    allowed = policy == "always" or (policy == "auto" and connection not in ("local", "ansible.builtin.local"))
    return {"load": load, "reboot": needed and allowed and not state["container"], "needed": needed, "reason": reason}


def gpu_power(facts: Facts, watts: t.Any) -> str:
    """Return the unit that sets the power limit; empty when none is wanted.

    :param watts: a number for all GPUs, or a mapping of UUID to number
    :raises PlanError: no number, an unknown UUID, or out of a card's range
    """
    if watts is None or watts == "" or watts == {}:
        return ""
    gpus = [gpu for gpu in facts["gpus"] if gpu.get("uuid")]
    named = dict(watts) if isinstance(watts, t.Mapping) else {gpu["uuid"]: watts for gpu in gpus}
    unknown = sorted(set(named) - {gpu["uuid"] for gpu in gpus})
    if unknown:
        raise PlanError(f"nvidia_gpu_power_limit_watts names {', '.join(unknown)}, which is no GPU of this host")
    lines = ""
    for gpu in gpus:
        if gpu["uuid"] not in named:
            continue
        try:
            limit = float(named[gpu["uuid"]])
        except (TypeError, ValueError):
            raise PlanError(f"nvidia_gpu_power_limit_watts is {named[gpu['uuid']]!r}; watts are expected") from None
        low, high = gpu["power"]["min_w"], gpu["power"]["max_w"]
        if low is None or high is None:
            raise PlanError(f"{gpu['name']} ({gpu['uuid']}) does not tell which power limits it takes; leave it unset")
        if not low <= limit <= high:
            raise PlanError(
                f"nvidia_gpu_power_limit_watts {limit:g} is not between {low:g} and {high:g} W, "
                f"which {gpu['name']} ({gpu['uuid']}) can take"
            )
        lines += f"ExecStart=/usr/bin/nvidia-smi -i {gpu['uuid']} -pl {limit:g}\n"
    return POWER_UNIT.format(lines=lines) if lines else ""


def gpu_units(facts: Facts, uvm: bool, watts: t.Any) -> list[Json]:
    """Return layout entries of the role's own units, switched on where they are wanted and gone where they are not.

    :raises PlanError: see :func:`gpu_power`
    """
    entries = _unit(UVM_NAME, UVM_UNIT if uvm else "")
    # Without a working driver nobody knows the range, so a unit that is there stays as it is.
    if facts["status"] == "working" or not watts:
        entries += _unit(POWER_NAME, gpu_power(facts, watts))
    return entries


def _unit(name: str, content: str) -> list[Json]:
    """Return the entries of one unit: its file, and the link that lets the boot start it."""
    path, link = f"{UNITS}/{name}", f"{UNITS}/multi-user.target.wants/{name}"
    if not content:
        return [{"path": link, "state": "absent"}, {"path": path, "state": "absent"}]
    return [
        {"path": path, "state": "file", "content": content, "mode": "0644"},
        {"path": link, "state": "link", "src": path},
    ]


def gpu_refresh_dropin(plan: Facts) -> str:
    """Return the drop-in for the toolkit's refresh service; empty when it needs none.

    A drop-in of our own, not the toolkit's environment file: what stands there is the user's and wins.
    """
    containers = plan["containers"]
    if not containers["manage"] or not containers["cdi"]:
        return ""
    flags = ",".join(containers["cdi_flags"])
    environment = f"Environment=NVIDIA_CTK_CDI_GENERATE_FEATURE_FLAGS={flags}\n" if flags else ""
    # Too early at boot, the specification lacks devices.
    return (
        f"# Managed by Ansible, collection genai.comfyui.\n[Unit]\nAfter=nvidia-persistenced.service {UVM_NAME}\n\n"
        + (f"[Service]\n{environment}" if environment else "")
    )


def gpu_module_options(options: t.Any, plan: Facts) -> str:
    """Return the modprobe file for the driver's options, under the name that the module's file has here.

    :raises PlanError: an option's name or value cannot stand in such a file
    """
    name = "nvidia"
    if plan["family"] == "debian" and plan["source"] == "distro":
        name = "nvidia-current-open" if plan["module"] == "open" else "nvidia-current"
    words = []
    for key, value in sorted(dict(options).items()):
        text = str(int(value)) if isinstance(value, bool) else str(value)
        if not re.fullmatch(r"[A-Za-z0-9_]+", str(key)) or re.search(r"[\s\"'#\\]", text):
            raise PlanError(f"nvidia_gpu_module_options: {key}={text} cannot stand in a modprobe file")
        words.append(f"{key}={text}")
    return f"# Managed by Ansible, collection genai.comfyui.\noptions {name} {' '.join(words)}\n" if words else ""


def gpu_verdict(plan: Facts, state: Facts, facts: Facts, asked: Facts) -> list[str]:
    """Return everything that is wrong; an empty list says that the GPUs work.

    :param asked: ``min_version``, ``expected_count``, ``min_vram_mib``
    """
    wrong = []
    driver = facts["driver"]
    version = driver["loaded_version"] or next((gpu["driver_version"] for gpu in facts["gpus"]), None) or ""
    if facts["status"] != "working":
        wrong.append(facts["reason"] or f"gpu_facts says {facts['status']}")
        if facts["status"] == "no_driver" and facts["secure_boot"]["state"] == "enabled" and not state["mok_enrolled"]:
            wrong.append(
                "Secure Boot is on and the key that signed the module is not enrolled, so the kernel refuses it"
            )
    elif driver["mismatch"]:
        wrong.append(f"driver {version} is loaded, libraries {driver['library_version']} are installed; reboot")
    if version and not at_least(version, str(asked["min_version"] or "")):
        wrong.append(f"driver {version} is older than nvidia_gpu_driver_min_version {asked['min_version']}")
    if facts["status"] == "working":
        wrong += _cards(facts, asked)
        wrong += [
            f"{node} is missing; nvidia-modprobe makes it"
            for node in ("/dev/nvidia0", "/dev/nvidia-uvm")
            if not any(have == node or (node == "/dev/nvidia0" and have[11:].isdigit()) for have in state["nodes"])
        ]
        wrong += _containers(plan, facts)
    return wrong


def _cards(facts: Facts, asked: Facts) -> list[str]:
    """Judge number and memory."""
    wrong = []
    count, vram = asked["expected_count"], asked["min_vram_mib"]
    if count is not None and len(facts["gpus"]) != int(count):
        wrong.append(f"{len(facts['gpus'])} GPUs answer, nvidia_gpu_expected_count is {count}")
    for gpu in facts["gpus"]:
        if vram is not None and (gpu["vram_mib"] or 0) < int(vram):
            wrong.append(f"GPU {gpu['index']} has {gpu['vram_mib']} MiB, nvidia_gpu_min_vram_mib is {vram}")
    return wrong


def _containers(plan: Facts, facts: Facts) -> list[str]:
    """Judge what containers need."""
    wanted, wrong = plan["containers"], []
    if not wanted["manage"]:
        return []
    if not facts["container_toolkit"]["installed"]:
        return ["the container toolkit (nvidia-ctk) is not installed"]
    if wanted["cdi"]:
        devices = [name for name in facts["cdi"]["devices"] if name.startswith("nvidia.com/gpu=")]
        if not devices:
            wrong.append("no CDI specification names a GPU; 'systemctl start nvidia-cdi-refresh' makes one")
        if facts["cdi"]["duplicates"]:
            wrong.append(f"CDI devices are defined twice: {', '.join(facts['cdi']['duplicates'])}")
    docker = facts["docker"]
    if wanted["runtime"] and docker["running"] and "nvidia" not in (docker["runtimes"] or []):
        wrong.append(
            "Docker does not know the runtime 'nvidia' yet; it has to be restarted (nvidia_gpu_docker_restart)"
        )
    return wrong
