# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Directories and unit drop-ins of a server, as entries for ``genai.comfyui.layout``.

Private to the collection. Pure functions.
"""

from __future__ import annotations

import json
import posixpath
import typing as t
from pathlib import Path

from ansible_collections.genai.comfyui.plugins.plugin_utils._guard import guard_files, guard_settings
from ansible_collections.genai.comfyui.plugins.plugin_utils._launch import systemd_environment, systemd_exec

# The folders that ComfyUI looks for under a models root and that hosts share.
MODEL_FOLDERS = (
    "checkpoints", "clip_vision", "controlnet", "diffusion_models", "embeddings", "loras", "text_encoders",
    "upscale_models", "vae",
)  # fmt: skip
# start.py and prove.py import our utilities by their full name, as modules do.
PACKAGE = "ansible_collections/genai/comfyui/plugins/module_utils"
LIB_PROGRAMS = ("start.py", "prove.py", "rehearse.py")
LIB_MODULES = ("_bcrypt.py", "_fingerprint.py", "_http.py", "_probe.py")
UNIT_DIR = "/etc/systemd/system"
_DATA_DIRS = ("user_dir", "input_dir", "output_dir", "temp_dir")

Json = dict[str, t.Any]
Settings = t.Mapping[str, t.Any]


def directory(path: str, owner: str = "root", group: str = "root", mode: str = "0755") -> Json:
    """Return one directory entry."""
    return {"path": path, "state": "directory", "owner": owner, "group": group, "mode": mode}


def text(path: str, content: str) -> Json:
    """Return one root-owned file entry."""
    return {"path": path, "state": "file", "owner": "root", "group": "root", "mode": "0644", "content": content}


def dropin(instance: Json, settings: Settings) -> str:
    """Write what differs between instances: command lines, environment, limits, writable paths.

    :param settings: ``home``, ``venv``, ``start_timeout`` (seconds), ``memory_max`` (systemd's spelling), ``guard``
        (whether the guard node must be there).
    """
    python = [f"{settings['venv']}/bin/python", "-B"]
    lib = f"{settings['home']}/lib"
    origin = ["--origin", instance["cors_origin"]] if instance["cors_origin"] else []
    start = [*python, f"{lib}/start.py", "--app", instance["app"]]
    start += ["--socket", f"/run/comfyui-{instance['name']}/prove.sock"]
    start += origin + (["--allow-guest"] if instance["guest"] else []) + ([] if settings["guard"] else ["--no-guard"])
    prove = [*python, f"{lib}/prove.py", "--app", instance["app"], "--url", instance["url"]]
    prove += ["--timeout", str(settings["start_timeout"]), *origin]
    lines = [
        "# Managed by genai.comfyui.comfyui",
        "[Service]",
        "# start.py proves the server locked before it listens; prove.py proves it once more from outside.",
        "ExecStart=",
        f"ExecStart={systemd_exec([*start, '--', *instance['args']])}",
        "ExecStartPost=",
        f"ExecStartPost={systemd_exec(prove)}",
        *systemd_environment(instance["environment"]),
        f"MemoryMax={instance['memory_max'] or settings['memory_max']}",
        f"ReadWritePaths={systemd_exec([instance[key] for key in _DATA_DIRS])}",
    ]
    return "\n".join(lines) + "\n"


def model_paths(models_dir: str) -> str:
    """Write ComfyUI's extra_model_paths.yaml: one tree of models for all instances of a host."""
    # JSON strings are YAML strings; the path may hold anything.
    lines = ["# Managed by genai.comfyui.comfyui", "shared:", f"  base_path: {json.dumps(models_dir)}"]
    return "\n".join([*lines, *(f"  {folder}: {folder}" for folder in MODEL_FOLDERS)]) + "\n"


def server_tree(instances: list[Json], settings: Settings) -> list[Json]:
    """Return everything a server needs on disk before code and secrets arrive, parents first.

    :param instances: complete instances, see ``_topology.instances``.
    :param settings: ``home``, ``data_dir``, ``models_dir``, ``cache_dir``, ``venv``, ``user``, ``group``,
        ``start_timeout``, ``memory_max``, ``guard``.
    """
    home, user, group = settings["home"], settings["user"], settings["group"]

    def owned(path: str) -> Json:
        return directory(path, user, group, "0750")

    entries = [directory(home), directory(f"{home}/instances"), directory(f"{home}/lib")]
    path = f"{home}/lib"
    for part in PACKAGE.split("/"):
        path = posixpath.join(path, part)
        entries.append(directory(path))
    entries.append(text(f"{home}/extra_model_paths.yaml", model_paths(settings["models_dir"])))
    data = settings["data_dir"]
    entries += [owned(data), owned(f"{data}/instances"), owned(settings["models_dir"]), owned(settings["cache_dir"])]
    entries += [owned(f"{settings['models_dir']}/{folder}") for folder in MODEL_FOLDERS]
    for one in instances:
        entries += [directory(f"{home}/instances/{one['name']}"), owned(f"{data}/instances/{one['name']}")]
        entries += [owned(one[key]) for key in _DATA_DIRS]
    return entries


def server_units(instances: list[Json], settings: Settings, template: str) -> list[Json]:
    """Return the template unit and each instance's drop-in.

    :param settings: see :func:`dropin`.
    :param template: text of comfyui@.service.
    """
    entries = [text(f"{UNIT_DIR}/comfyui@.service", template)]
    for one in instances:
        entries.append(directory(f"{UNIT_DIR}/{one['unit']}.d"))
        entries.append(text(f"{UNIT_DIR}/{one['unit']}.d/instance.conf", dropin(one, settings)))
    return entries


def server_remains(instances: list[Json], settings: Settings, remove_data: bool) -> list[Json]:
    """Return what a removal deletes: units and code; models, outputs and user files only when told."""
    gone = [f"{UNIT_DIR}/{one['unit']}.d" for one in instances] + [f"{UNIT_DIR}/comfyui@.service", settings["home"]]
    if remove_data:
        gone.append(settings["data_dir"])
    return [{"path": path, "state": "absent", "recursive": True} for path in gone]


def server_lib(home: str) -> list[Json]:
    """Return the programs of the unit and the utilities they import, read from this collection.

    They run on the host without Ansible, from a copy in the same package path.
    """
    collection = Path(__file__).resolve().parent.parent.parent
    entries = [
        text(f"{home}/lib/{name}", (collection / "roles/comfyui/files/lib" / name).read_text(encoding="utf-8"))
        for name in LIB_PROGRAMS
    ]
    for name in LIB_MODULES:
        source = (collection / "plugins/module_utils" / name).read_text(encoding="utf-8")
        entries.append(text(f"{home}/lib/{PACKAGE}/{name}", source))
    return entries


def login_tree(
    instances: list[Json], group: str, guard: bool, settings: t.Mapping[str, t.Any] | None = None
) -> list[Json]:
    """Return the login directory of each instance, its guest marker and the guard node.

    The directory belongs to root: whoever takes over the service can neither remove PASSWORD nor claim the server.

    :param guard: whether the guard node is wanted; False leaves the plain login node alone.
    :param settings: the guard's settings but for ``guests``; what is not said has the guard's default.
    :raises GuardSettingError: a setting cannot be used; the message names its variable.
    """
    entries: list[Json] = []
    files = guard_files() if guard else {}
    for one in instances:
        login = posixpath.dirname(one["password_file"])
        entries.append(directory(login, "root", group, "0750"))
        marker = f"{login}/GUEST_MODE"
        entries.append(text(marker, "") if one["guest"] else {"path": marker, "state": "absent"})
        if not guard:
            entries.append({"path": one["guard_node"], "state": "absent", "recursive": True})
            # Nobody would keep it up to date, and a guard that comes back later would believe it.
            entries.append({"path": f"{login}/ACCEPT.json", "state": "absent"})
            continue
        chosen = json.dumps(guard_settings({**(settings or {}), "guests": one["guest"]}), indent=1) + "\n"
        entries.append(directory(one["guard_node"]))
        for name, content in {**files, "settings.json": chosen}.items():
            entries.append(text(f"{one['guard_node']}/{name}", content))
    return entries
