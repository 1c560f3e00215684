# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The instances of a host as one Compose project: the document, its text, and what of it a unit has to know.

Private to the collection. Pure functions. No secret comes near them: tokens reach a container in mounted files only.
"""

from __future__ import annotations

import hashlib
import json
import posixpath
import re
import typing as t

import yaml

from ansible_collections.genai.comfyui.plugins.plugin_utils._compose_gpu import ComposeError, device_request
from ansible_collections.genai.comfyui.plugins.plugin_utils._launch import systemd_exec
from ansible_collections.genai.comfyui.plugins.plugin_utils._topology import GUARD_NODE, LOGIN_NODE

Json = dict[str, t.Any]
Settings = t.Mapping[str, t.Any]

PROJECT = "comfyui"
# Inside the image. The host's own paths may differ; data has the same paths inside and outside.
ROOT = "/opt/comfyui"
APP = f"{ROOT}/app"
PYTHON = f"{ROOT}/venv/bin/python"
LIB = f"{ROOT}/lib"
RUN = "/run/comfyui"

READERS = {
    "PYTHONUNBUFFERED": "CPython: lines reach the journal at once",
    "HOME": "Python and libraries of all kinds: the home directory, which an image's user has not",
    "XDG_CACHE_HOME": "libraries that follow the XDG directories, pip among them",
    "HF_HOME": "huggingface_hub",
    "TORCH_HOME": "PyTorch (torch.hub)",
    "TRITON_CACHE_DIR": "Triton",
    "NVIDIA_VISIBLE_DEVICES": "NVIDIA's runtime, where it is the engine's default; a base image may ask for all GPUs",
}
"""Who reads each variable that a service is given; a user's own (``environment`` of an instance) come on top."""

_DATA_DIRS = ("user_dir", "input_dir", "output_dir", "temp_dir")
_CERTIFICATES = ("--tls-keyfile", "--tls-certfile")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_SIZE = re.compile(r"([0-9]+)([KMGT]?)(?:i?B)?", re.IGNORECASE)
_HEADER = "# Managed by genai.comfyui.comfyui. No secret stands here; a `$` is written twice.\n"


class _Text(str):
    """A value that is written in double quotes, so that no reader of YAML takes it for a number or a truth."""


class _Dumper(yaml.SafeDumper):
    """Never writes anchors: what is equal twice is written twice."""

    def ignore_aliases(self, data: t.Any) -> bool:
        """Say that nothing is to be shared."""
        return True


_Dumper.add_representer(_Text, lambda dumper, text: dumper.represent_scalar("tag:yaml.org,2002:str", text, style='"'))


def doubled(value: t.Any) -> t.Any:
    """Return *value* with every ``$`` in its texts doubled, at any depth: Compose reads ``$$`` as one ``$``.

    Names of keys stay; Compose does not look for variables in them.

    :raises ComposeError: a text holds a control character.
    """
    if isinstance(value, t.Mapping):
        return {str(key): doubled(one) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [doubled(one) for one in value]
    if isinstance(value, str):
        if any(ord(char) < 32 or ord(char) == 127 for char in value):
            raise ComposeError("A launch argument, path or variable holds a control character; Compose gets none.")
        return _Text(value.replace("$", "$$"))
    return value


def compose_text(document: Json) -> str:
    """Write a Compose document so that Compose reads back exactly *document*."""
    return _HEADER + yaml.dump(doubled(document), Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=10**6)


def memory(text: str) -> str:
    """Return a memory limit in systemd's spelling as bytes; empty for none.

    :raises ComposeError: a share of the machine, or no size.
    """
    if text in ("", "infinity"):
        return ""
    match = _SIZE.fullmatch(text.strip())
    if match is None or int(match[1]) == 0:
        raise ComposeError(
            f"comfyui_memory_max (or memory_max of an instance) is {text!r}; "
            "a container's limit is a size such as 24G, or infinity."
        )
    return str(int(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " "))


def container_args(instance: Json) -> list[str]:
    """Return ComfyUI's arguments inside: it listens on its own network, where only the published port leads."""
    args = list(instance["args"])
    args[args.index("--listen") + 1] = "0.0.0.0"  # noqa: S104 - a container's own network
    return args


def ports(instance: Json) -> list[Json]:
    """Return what the engine publishes: the instance's port on each address that it is to listen on."""
    published = []
    for word in instance["listen"].split(","):
        address = word.strip().strip("[]")
        port = instance["port"]
        published.append({"target": port, "published": str(port), "host_ip": address, "protocol": "tcp"})
    return published


def certificates(instance: Json) -> list[str]:
    """Return the files of key and certificate that ComfyUI is told to serve HTTPS with.

    :raises ComposeError: one is no absolute path.
    """
    args, found = list(instance["args"]), []
    for number, arg in enumerate(args):
        flag, equals, path = arg.partition("=")
        if flag not in _CERTIFICATES:
            continue
        path = path if equals else "".join(args[number + 1 : number + 2])
        if not posixpath.isabs(path) or posixpath.normpath(path) != path:
            raise ComposeError(f"Instance {instance['name']}: {flag} must name an absolute path, and names {path!r}.")
        found.append(path)
    return list(dict.fromkeys(found))


def container_needs(instances: list[Json]) -> dict[str, list[str]]:
    """Return what containers need of their host beside directories of ours, as options of ``compose_project``.

    :param instances: complete instances of a host.
    :raises ComposeError: see :func:`certificates`.
    """
    published = [port for one in instances for port in ports(one)]
    hosts = [(f"[{one['host_ip']}]" if ":" in one["host_ip"] else one["host_ip"], one["target"]) for one in published]
    files = [path for one in instances for path in certificates(one)]
    return {"addresses": [f"{host}:{port}" for host, port in hosts], "files": list(dict.fromkeys(files))}


def mounts(instance: Json, settings: Settings) -> list[Json]:
    """Return the bind mounts of one instance. Nothing is made by the engine: what is missing fails the start.

    The directory of PASSWORD is mounted and not the file, so that a file that is renamed into it is seen inside.
    """

    def bind(source: str, target: str, writable: bool = False) -> Json:
        mode: Json = {} if writable else {"read_only": True}
        return {"type": "bind", "source": source, "target": target, **mode, "bind": {"create_host_path": False}}

    host, nodes = instance["app"], f"{APP}/custom_nodes"
    found = [bind(f"{host}/login", f"{APP}/login")]
    if settings["guard"]:
        found.append(bind(instance["guard_node"], f"{nodes}/{GUARD_NODE}"))
    found.append(bind(instance["session_key"], f"{nodes}/{LOGIN_NODE}/.secret-key.txt"))
    paths = f"{settings['home']}/extra_model_paths.yaml"
    found += [bind(paths, paths), bind(settings["models_dir"], settings["models_dir"])]
    found += [bind(path, path) for path in certificates(instance)]
    writable = dict.fromkeys([settings["cache_dir"], *(instance[key] for key in _DATA_DIRS)])
    return [*found, *(bind(path, path, True) for path in writable)]


def environment(instance: Json, settings: Settings, gpu: bool) -> dict[str, str]:
    """Return the variables of one service; see READERS.

    :raises ComposeError: an instance's own variable has no name.
    """
    cache = settings["cache_dir"]
    own: dict[str, str] = instance["environment"]
    for name in own:
        if not _VARIABLE.fullmatch(name):
            raise ComposeError(f"Instance {instance['name']}: {name!r} is not a name of an environment variable.")
    ours = {
        "PYTHONUNBUFFERED": "1",
        "HOME": cache,
        "XDG_CACHE_HOME": cache,
        "HF_HOME": f"{cache}/huggingface",
        "TORCH_HOME": f"{cache}/torch",
        "TRITON_CACHE_DIR": f"{cache}/triton",
    }
    if not gpu:
        ours["NVIDIA_VISIBLE_DEVICES"] = "void"
    return {**ours, **own}


def service(instance: Json, settings: Settings, gpu: Json | None) -> Json:
    """Return one instance as a service.

    :param instance: complete, see ``_topology.instances``.
    :param settings: ``image`` (name), ``uid``, ``gid`` (numbers on the host), ``home``, ``models_dir``, ``cache_dir``,
        ``guard``, ``memory_max`` (systemd's spelling), ``shm_size``, ``nofile_limit`` (0: as the engine does),
        ``start_timeout`` and
        ``stop_timeout`` (seconds), ``log_max_size``, ``log_max_file``.
    :param gpu: what the service reserves, see ``_compose_gpu.device_request``; None for nothing.
    """
    origin = ["--origin", instance["cors_origin"]] if instance["cors_origin"] else []
    start = ["--app", APP, "--socket", f"{RUN}/prove.sock", *origin]
    start += ["--allow-guest"] if instance["guest"] else []
    start += [] if settings["guard"] else ["--no-guard"]
    secure = instance["url"].startswith("https:")
    prove = [PYTHON, "-B", f"{LIB}/prove.py", "--app", APP, "--timeout", "5", *origin]
    prove += ["--url", f"{'https' if secure else 'http'}://127.0.0.1:{instance['port']}"]
    uid, gid = int(settings["uid"]), int(settings["gid"])
    files = int(settings["nofile_limit"])
    limit = memory(instance["memory_max"] or settings["memory_max"])
    described: Json = {
        "image": settings["image"],
        "pull_policy": "never",
        "container_name": f"{PROJECT}-{instance['name']}",
        "command": [*start, "--", *container_args(instance)],
        "user": f"{uid}:{gid}",
        "init": True,
        # The unit starts it again, and knows when not to: see docs/compose.md.
        "restart": "no",
        "stop_grace_period": f"{int(settings['stop_timeout'])}s",
        "read_only": True,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/tmp:mode=1777,exec", f"{RUN}:uid={uid},gid={gid},mode=0700"],  # noqa: S108 - the container's own
        "shm_size": str(settings["shm_size"]),
        **({"mem_limit": limit} if limit else {}),
        **({"ulimits": {"nofile": files}} if files else {}),
        "networks": [PROJECT],
        "ports": ports(instance),
        "volumes": mounts(instance, settings),
        "environment": environment(instance, settings, gpu is not None),
        "healthcheck": {
            "test": ["CMD", *prove, *(["--insecure"] if secure else [])],
            "interval": "60s",
            "timeout": "30s",
            "retries": 3,
            "start_period": f"{int(settings['start_timeout'])}s",
        },
        "logging": {
            "driver": "local",
            "options": {"max-size": str(settings["log_max_size"]), "max-file": str(settings["log_max_file"])},
        },
        "labels": {"genai.comfyui.instance": instance["name"]},
    }
    if gpu is not None:
        described["deploy"] = {"resources": {"reservations": {"devices": [gpu]}}}
    return described


def compose_document(instances: list[Json], settings: Settings, facts: t.Any) -> Json:
    """Return the Compose document of a host.

    :param settings: see :func:`service`, and ``network`` (name), ``container_gpu`` (auto, cdi, runtime or none).
    :param facts: what ``gpu_facts`` returned as ``comfyui_gpu``; empty when nobody asked.
    :raises ComposeError: see :mod:`_compose_gpu` and :func:`memory`.
    """
    services = {}
    for one in instances:
        gpu = device_request(one, facts, settings["container_gpu"])
        services[one["name"]] = service(one, settings, gpu)
    return {
        "name": PROJECT,
        "services": services,
        "networks": {
            PROJECT: {"name": settings["network"], "driver": "bridge", "labels": {"genai.comfyui.network": "1"}}
        },
    }


def definition(document: Json, name: str, image_id: str) -> str:
    """Return a hash of all that one container is made from: it changes exactly when that one must be made anew."""
    text = json.dumps([document["services"][name], document["networks"], image_id], sort_keys=True)
    return hashlib.sha256(text.encode("utf-8")).hexdigest()[:16]


def container_dropin(instance: Json, settings: Settings, mark: str) -> str:
    """Write what differs between the units of containers.

    :param settings: ``home``, ``host_python`` (absolute path), ``start_timeout`` (seconds).
    :param mark: see :func:`definition`. A changed drop-in is why ``genai.comfyui.instance`` restarts.
    """
    origin = ["--origin", instance["cors_origin"]] if instance["cors_origin"] else []
    prove = [settings["host_python"], "-B", f"{settings['home']}/lib/prove.py", "--app", instance["app"]]
    prove += ["--url", instance["url"], "--timeout", str(settings["start_timeout"]), *origin]
    lines = [
        "# Managed by genai.comfyui.comfyui",
        f"# The container's definition: {mark}",
        "[Service]",
        "# start.py proves the server locked before it listens; prove.py proves it once more from outside.",
        "ExecStartPost=",
        f"ExecStartPost={systemd_exec(prove)}",
    ]
    return "\n".join(lines) + "\n"
