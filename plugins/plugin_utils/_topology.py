# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the inventory says about instances and consumers, made complete and checked.

Private to the collection. Pure functions from inventory data to the plain dictionaries that modules take; the
filters of the same names are thin shells over them.
"""

from __future__ import annotations

import posixpath
import re
import time
import typing as t

from ansible_collections.genai.comfyui.plugins.module_utils._accept import versions_of
from ansible_collections.genai.comfyui.plugins.module_utils._presets import PresetError, resolve
from ansible_collections.genai.comfyui.plugins.plugin_utils._guard import guard_files

DEFAULT_INSTANCE: dict[str, t.Any] = {"name": "default", "port": 8188, "credential": "main", "gpus": "all"}
INSTANCE_KEYS = frozenset(
    {
        "name", "port", "listen", "credential", "gpus", "launch_args", "environment", "cors_origin", "guest",
        "user_dir", "input_dir", "output_dir", "temp_dir", "memory_max", "url",
    }
)  # fmt: skip
LOGIN_NODE = "ComfyUI-Login"
GUARD_NODE = "ComfyUI-Login-Guard"
DEPLOYMENTS = ("systemd", "compose")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,30}")
# What the role sets itself; a second one in launch_args would silently win or lose.
_OWN_FLAGS = frozenset({
    "--listen", "--port", "--user-directory", "--input-directory", "--output-directory", "--temp-directory",
    "--extra-model-paths-config", "--database-url", "--enable-cors-header",
})  # fmt: skip

Json = dict[str, t.Any]
CLOCKS_MAY_DIFFER = 60.0
"""Seconds by which the clocks of hosts are allowed to differ before a proof may fail for it."""


class TopologyError(ValueError):
    """The inventory contradicts itself; the message names the variable and the mend."""


def _loopback_or_self(listen: str) -> str:
    """Return the address under which the host itself reaches what listens on ``listen``."""
    first = listen.split(",", maxsplit=1)[0].strip()
    if first in ("0.0.0.0", ""):  # noqa: S104 - compared, not bound
        return "127.0.0.1"
    if first in ("::", "[::]"):
        return "[::1]"
    return f"[{first}]" if ":" in first and not first.startswith("[") else first


def _visible_gpus(where: str, gpus: t.Any) -> tuple[list[str], dict[str, str]]:
    """Return (extra arguments, extra environment) that give a process exactly these GPUs."""
    if gpus in (None, "all"):
        return [], {}
    if gpus in ("none", [], "cpu"):
        return ["--cpu"], {}
    wanted = [gpus] if isinstance(gpus, (int, str)) else gpus
    if not isinstance(wanted, list) or not all(isinstance(g, (int, str)) for g in wanted):
        raise TopologyError(f"{where}.gpus must be 'all', 'none', an index, a UUID or a list of them.")
    return [], {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": ",".join(str(g) for g in wanted)}


def instances(declared: t.Any, settings: t.Mapping[str, t.Any]) -> list[Json]:
    """Complete the instances of one host.

    :param declared: the variable ``comfyui_instances``; list of mappings, see the role's argument specification.
    :param settings: ``home`` and ``data_dir`` (absolute paths), ``listen`` (address), ``launch_args`` (list of text);
        ``deployment`` (systemd, compose), which decides what ``app`` is: the checkout, or the directory of what a
        container of the image has of its own.
    :returns: one mapping an instance: every declared key plus ``app``, ``login_node``, ``guard_node``,
        ``password_file``, ``session_key``, the four data directories, ``unit``, ``url``, ``args``, ``environment``.
    :raises TopologyError: a name is missing, malformed or used twice, a port is used twice, a key is not known.
    """
    if not isinstance(declared, list) or not declared:
        raise TopologyError("comfyui_instances must be a list with at least one instance.")
    done: list[Json] = []
    for number, item in enumerate(declared):
        where = f"comfyui_instances[{number}]"
        if not isinstance(item, t.Mapping):
            raise TopologyError(f"{where} must be a mapping such as {{name: default, port: 8188}}.")
        unknown = sorted(set(item) - INSTANCE_KEYS)
        if unknown:
            raise TopologyError(f"{where} has unknown keys {unknown}; known are {sorted(INSTANCE_KEYS)}.")
        done.append(_instance(where, {**DEFAULT_INSTANCE, **item}, settings))
    for key in ("name", "port"):
        values = [one[key] for one in done]
        twice = sorted({str(value) for value in values if values.count(value) > 1})
        if twice:
            raise TopologyError(f"comfyui_instances: {key} {', '.join(twice)} is used twice on one host.")
    return done


def _instance(where: str, item: Json, settings: t.Mapping[str, t.Any]) -> Json:
    name = str(item["name"])
    if not _NAME.fullmatch(name):
        raise TopologyError(f"{where}.name {name!r} must be letters, digits, '-' and '_', at most 31 of them.")
    try:
        port = int(item["port"])
    except (TypeError, ValueError):
        port = 0
    if not 1 <= port <= 65535:
        raise TopologyError(f"{where}.port {item['port']!r} must be a number from 1 to 65535.")
    listen = str(item.get("listen") or settings["listen"])
    deployment = str(settings.get("deployment") or "systemd")
    if deployment not in DEPLOYMENTS:
        raise TopologyError(f"comfyui_deployment is {deployment!r}; it may be {' or '.join(DEPLOYMENTS)}.")
    app = f"{settings['home']}/instances/{name}/{'ComfyUI' if deployment == 'systemd' else 'container'}"
    data = f"{settings['data_dir']}/instances/{name}"
    directories = {key: str(item.get(key) or f"{data}/{key[:-4]}") for key in _DATA_DIRS}
    own = [str(arg) for arg in [*settings.get("launch_args", []), *item.get("launch_args", [])]]
    clash = sorted({arg.split("=", 1)[0] for arg in own} & _OWN_FLAGS)
    if clash:
        raise TopologyError(f"{where}: launch_args may not hold {', '.join(clash)}; the role sets them from variables.")
    gpu_args, gpu_environment = _visible_gpus(where, item["gpus"])
    if deployment == "compose":
        # A container has only the GPUs that it is given, and counts them anew.
        gpu_environment = {}
    args = ["--listen", listen, "--port", str(port)]
    for key in _DATA_DIRS:
        args += [f"--{key[:-4]}-directory", directories[key]]
    args += ["--database-url", f"sqlite:///{directories['user_dir']}/comfyui.db"]
    args += ["--extra-model-paths-config", f"{settings['home']}/extra_model_paths.yaml"]
    origin = str(item.get("cors_origin") or "")
    if origin:
        args += ["--enable-cors-header", origin]
    scheme = "https" if "--tls-certfile" in own else "http"
    return {
        **item,
        **directories,
        "name": name,
        "port": port,
        "listen": listen,
        "deployment": deployment,
        "credential": str(item["credential"]),
        "guest": bool(item.get("guest", False)),
        "cors_origin": origin,
        "memory_max": str(item.get("memory_max") or ""),
        "app": app,
        "login_node": f"{app}/custom_nodes/{LOGIN_NODE}",
        "guard_node": f"{app}/custom_nodes/{GUARD_NODE}",
        "password_file": f"{app}/login/PASSWORD",
        "session_key": f"{app}/custom_nodes/{LOGIN_NODE}/.secret-key.txt",
        "unit": f"comfyui@{name}.service",
        "url": str(item.get("url") or f"{scheme}://{_loopback_or_self(listen)}:{port}"),
        "args": [*args, *gpu_args, *own],
        "environment": {**gpu_environment, **{str(k): str(v) for k, v in (item.get("environment") or {}).items()}},
    }


_DATA_DIRS = ("user_dir", "input_dir", "output_dir", "temp_dir")


def accept_file(instance: Json) -> str:
    """Return where the guard of an instance reads which tokens are valid."""
    return f"{posixpath.dirname(instance['password_file'])}/ACCEPT.json"


def accept_files(complete: list[Json], owner: str) -> list[Json]:
    """Return each instance's ACCEPT.json, for ``genai.comfyui.accept``."""
    return [
        {
            "name": one["name"],
            "path": accept_file(one),
            "credential": one["credential"],
            "owner": owner,
            "group": owner,
        }
        for one in complete
    ]


def password_consumers(complete: list[Json], owner: str) -> list[Json]:
    """Return each instance's login/PASSWORD as a consumer, for ``genai.comfyui.sync``."""
    return [
        {
            "id": f"server:{one['name']}",
            "path": one["password_file"],
            "codec": "login_password",
            "credential": one["credential"],
            "owner": owner,
            "group": owner,
            "mode": "0600",
        }
        for one in complete
    ]


def credential_names(hostvars: t.Mapping[str, t.Any], servers: list[str], clients: list[str]) -> list[str]:
    """Return the names of all credentials that these hosts' instances and consumers declare, sorted."""
    names: set[str] = set()
    for host in servers:
        for one in hostvars[host].get("comfyui_instances", [DEFAULT_INSTANCE]) or []:
            names.add(str(one.get("credential", "main")))
    for host in {*servers, *clients}:
        for one in hostvars[host].get("comfyui_consumers", []) or []:
            names.add(str(one.get("credential", "main")))
    return sorted(names)


def credentials_for(credentials: t.Mapping[str, Json], users: list[Json], planned: bool = False) -> dict[str, Json]:
    """Return only what these instances or consumers need, so that a host never receives more.

    :param planned: in check mode of a first run, stand in for credentials that the run would create.
    """
    names = sorted({str(one.get("credential", "main")) for one in users})
    empty: Json = {"username": "", "password": None, "token": None, "version": None, "planned": True}
    return {name: credentials.get(name, empty) for name in names if planned or name in credentials}


def probe_targets(consumers: list[Json], url: str = "") -> list[Json]:
    """Return how each consumer's own file is proven: the token is read back on the host by its codec.

    Consumers that hold no token, or whose server nobody named, are left out; the report lists them as not checked.
    """
    targets = []
    for declared in consumers:
        try:
            one = resolve(declared)
        except PresetError:
            # A path below a home is known on the host only; sync says what is wrong with anything else.
            continue
        field, address = one.get("field") or "token", str(one.get("url") or url)
        if field not in ("token", "bearer", "url") or not address:
            continue
        if field == "url":
            # There it is the address that the file holds, and the server is what it begins with.
            address = "/".join(address.partition("?")[0].partition("#")[0].split("/")[:3])
        targets.append(
            {
                "name": str(one.get("id") or one["path"]),
                "url": address,
                "credential": str(one.get("credential") or "main"),
                "from": {"path": one["path"], "codec": one["codec"], "key": one.get("key"), "field": field},
            }
        )
    return targets


def unit_instances(complete: list[Json], venv: str) -> list[Json]:
    """Return what ``genai.comfyui.instance`` needs: units, addresses and the files a process must not be older than."""
    return [
        {
            "name": one["name"],
            "unit": one["unit"],
            "url": one["url"],
            "credential": one["credential"],
            "origin": one["cors_origin"],
            "password": one["password_file"],
            "accept": accept_file(one),
            "watch": [
                one["session_key"],
                *(f"{one['guard_node']}/{name}" for name in (*guard_files(), "settings.json")),
                *([] if one["deployment"] == "compose" else _code(one, venv)),
            ],
        }
        for one in complete
    ]


def _code(one: Json, venv: str) -> list[str]:
    """Return what changes when an instance's code does; a container's is in its image, which its unit names."""
    return [
        # git writes the reflog whenever a checkout moves, and not when it only looks.
        f"{one['app']}/.git/logs/HEAD",
        f"{one['login_node']}/.git/logs/HEAD",
        f"{venv}/.inputs.json",
        f"{venv}/.login-inputs.json",
    ]


def server_targets(
    complete: list[Json], credentials: t.Mapping[str, Json], form: bool, guard: bool = False
) -> list[Json]:
    """Return how each instance is proven from its own host: with the token, and with the password where it is known.

    The token is the one that PASSWORD should hold. Other versions that are alive, as while a rotation runs, are asked
    too; with the guard each must be let in or refused as the credential says under ``accept``.

    :param form: whether the password is tried. :param guard: whether the instances are to run with the guard.
    """
    targets = []
    for one in complete:
        credential = credentials.get(one["credential"], {})
        pending = credential.get("pending") or {}
        served = pending if credential.get("serve") == "pending" and pending else credential
        target = {
            "name": one["name"],
            "url": one["url"],
            "credential": one["credential"],
            "token": served.get("token"),
            "version": served.get("version"),
            "origin": one["cors_origin"] or None,
            "others": other_versions(credential, served.get("version"), guard),
        }
        password = served.get("password", credential.get("password"))
        if form and password:
            target.update(username=credential.get("username"), password=password)
        targets.append({key: value for key, value in target.items() if value is not None})
    return targets


def other_versions(credential: Json, served: t.Any, guard: bool) -> list[Json]:
    """Return the versions that are alive beside the served one, and whether a guard must let them in now."""
    alive = versions_of(credential)
    ends = {one["version"]: one.get("expires") for one in credential.get("accept") or []}
    others = []
    for version, token in alive.items():
        if version == served:
            continue
        left = None if ends.get(version) is None else ends[version] - time.time()
        accepted = version in ends and (left is None or left > 0)
        # About its last minute hosts with other clocks may differ.
        known = guard and (left is None or abs(left) > CLOCKS_MAY_DIFFER)
        others.append({"version": version, "token": token, **({"accepted": accepted} if known else {})})
    return others


def failure(result: t.Mapping[str, t.Any], task: str) -> Json:
    """Return which task failed and what it said, for the report; of a loop, what its failed items said."""
    items = [one for one in result.get("results") or [] if one.get("failed")] or [result]
    said = [str(one.get("msg") or "").strip() for one in items]
    return {"task": task, "msg": "; ".join(dict.fromkeys(filter(None, said))) or "see the output above"}
