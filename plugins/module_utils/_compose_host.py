# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A Compose project on a host: what the engine can, which containers there are, and their removal.

Private to the collection. Standard library only. Calls the ``docker`` command.
"""

from __future__ import annotations

import grp
import json
import pwd
from contextlib import suppress
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._image_build import INPUTS, Engine, ImageError, last

Json = dict[str, Any]
# Of ours only: somebody else's project may have the same name.
_CONTAINER, _NETWORK = "label=genai.comfyui.instance", "label=genai.comfyui.network"
_REHEARSAL = "label=genai.comfyui.rehearsal"


class ProjectError(Exception):
    """What does not work, and the mend."""


def numbers(user: str, group: str) -> tuple[int | None, int | None]:
    """Return the numbers of a user and a group; None for one that is not there."""
    uid = gid = None
    with suppress(KeyError):
        uid = pwd.getpwnam(user).pw_uid
    with suppress(KeyError):
        gid = grp.getgrnam(group).gr_gid
    return uid, gid


def versions(engine: Engine) -> Json:
    """Return ``engine``, ``compose`` (None where it does not answer) and ``complaint``, empty when both do."""
    told: Json = {"engine": None, "compose": None, "complaint": ""}
    try:
        engine.look()
    except ImageError as error:
        return {**told, "complaint": str(error)}
    told["engine"] = engine.versions["engine"]
    status, said = engine.ask("compose", "version", "--short")
    if status != 0:
        what = "'docker compose' does not answer; install Compose v2 (Debian 13: docker-compose) or set "
        return {**told, "complaint": f"{what}comfyui_engine_manage to true ({last(said, 1)})"}
    told["compose"] = said.strip().removeprefix("v")
    if not told["compose"][:1].isdigit() or int(told["compose"].split(".", 1)[0]) < 2:
        told["complaint"] = f"Compose is {told['compose']}; 2 or newer is needed"
    return told


def containers(engine: Engine) -> list[Json]:
    """Return the instances' containers, see the module's documentation. Raises ProjectError."""
    words = _list(engine, "ps", "--all", "--no-trunc", "--filter", _CONTAINER, "--format", "{{.ID}}")
    if not words:
        return []
    status, said = engine.ask("inspect", *words)
    if status != 0:
        raise ProjectError(last(said))
    return sorted(
        (
            {
                "name": one["Name"].lstrip("/"),
                "id": one["Id"],
                "state": one["State"]["Status"],
                "health": (one["State"].get("Health") or {}).get("Status"),
                "image": one["Config"]["Image"],
                "image_id": one["Image"],
                "ports": sorted(
                    {
                        int(bound["HostPort"])
                        for bindings in (one["HostConfig"].get("PortBindings") or {}).values()
                        for bound in bindings or []
                        if str(bound.get("HostPort")).isdigit()
                    }
                ),
            }
            for one in json.loads(said)
        ),
        key=lambda one: str(one["name"]),
    )


def remains(engine: Engine, image: str) -> dict[str, list[str]]:
    """Return what a removal deletes: ``containers``, ``networks`` and ``images``. Raises ProjectError."""
    ours = ["--filter", f"label={INPUTS}", "--format", "{{.Repository}}:{{.Tag}}", image]
    tagged = ["--format", "{{.Repository}}:{{.Tag}}", f"{image}-base"]
    boxes = [("ps", "--all", "--filter", kind, "--format", "{{.Names}}") for kind in (_CONTAINER, _REHEARSAL)]
    return {
        "containers": [name for words in boxes for name in _list(engine, *words)],
        "networks": _list(engine, "network", "ls", "--filter", _NETWORK, "--format", "{{.Name}}"),
        # The second are names that builds gave to a base image; the base itself stays under its own.
        "images": [*_list(engine, "image", "ls", *ours), *_list(engine, "image", "ls", *tagged)],
    }


def remove(engine: Engine, found: dict[str, list[str]]) -> None:
    """Delete what :func:`remains` returned. Raises ProjectError."""
    for kind, words in (("containers", ("rm", "--force")), ("networks", ("network", "rm")), ("images", ("rmi",))):
        for name in found[kind]:
            status, said = engine.ask(*words, name)
            if status != 0 and "No such" not in said:
                raise ProjectError(f"{name} could not be removed: {last(said, 1)}")


def _list(engine: Engine, *words: str) -> list[str]:
    status, said = engine.ask(*words)
    if status != 0:
        raise ProjectError(last(said, 2))
    return said.split()
