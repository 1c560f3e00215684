# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the Compose deployment has on disk, as entries for ``genai.comfyui.layout``. Pure functions."""

from __future__ import annotations

import posixpath
import typing as t
from pathlib import Path

from ansible_collections.genai.comfyui.plugins.plugin_utils._compose import (
    compose_document,
    compose_text,
    container_dropin,
    definition,
)
from ansible_collections.genai.comfyui.plugins.plugin_utils._server_tree import (
    PACKAGE,
    UNIT_DIR,
    directory,
    server_lib,
    text,
)
from ansible_collections.genai.comfyui.plugins.plugin_utils._topology import LOGIN_NODE

Json = dict[str, t.Any]
Settings = t.Mapping[str, t.Any]

_IGNORED = ("**/.git", "**/.github", "**/__pycache__", "**/*.pyc", "**/.secret-key.txt", "**/PASSWORD")


def _program(name: str) -> str:
    path = Path(__file__).resolve().parent.parent.parent / "roles/comfyui/files/lib" / name
    return path.read_text(encoding="utf-8")


def container_tree(instances: list[Json], settings: Settings) -> list[Json]:
    """Return the directories of image, project and containers on the host, and the program of their units.

    :param instances: complete instances of a host with ``deployment: compose``. :param settings: ``home``.
    """
    home = settings["home"]
    entries = [text(f"{home}/lib/container.py", _program("container.py"))]
    # The client's own settings: empty, so that nobody's proxies, contexts or credentials get into a container.
    entries += [
        directory(f"{home}/compose"),
        directory(f"{home}/compose/docker", mode="0700"),
        directory(f"{home}/image"),
    ]
    for one in instances:
        entries += [
            directory(one["app"]),
            directory(posixpath.dirname(one["login_node"])),
            directory(one["login_node"]),
        ]
    return entries


def login_remains(instances: list[Json], home: str) -> list[Json]:
    """Return what holds a token in the other deployment's place, to be removed once this one is proven.

    Checkouts, custom nodes and environments stay: people may have put something there.
    """
    entries = []
    for one in instances:
        other = f"{home}/instances/{one['name']}/{'ComfyUI' if one['deployment'] == 'compose' else 'container'}"
        entries.append({"path": f"{other}/login", "state": "absent", "recursive": True})
        entries.append({"path": f"{other}/custom_nodes/{LOGIN_NODE}/.secret-key.txt", "state": "absent"})
    return entries


def image_context(home: str, dockerfile: str, lists: t.Mapping[str, str]) -> list[Json]:
    """Return what stands in the image's build context beside the two checkouts.

    :param lists: texts by file name: requirements, constraints.
    """
    root = f"{home}/image"
    entries = [text(f"{root}/Dockerfile", dockerfile), text(f"{root}/.dockerignore", "\n".join(_IGNORED) + "\n")]
    entries += [
        text(f"{root}/{name}", content)
        for name, content in sorted({**lists, "settle.py": _program("settle.py")}.items())
    ]
    path = f"{root}/lib"
    entries.append(directory(path))
    for part in PACKAGE.split("/"):
        path = posixpath.join(path, part)
        entries.append(directory(path))
    return entries + server_lib(root)


def compose_project(
    instances: list[Json], settings: Settings, template: str, facts: t.Any, image: t.Mapping[str, t.Any]
) -> list[Json]:
    """Return compose.yaml, the template unit and each instance's drop-in.

    :param settings: see ``_compose.service`` and ``_compose.container_dropin``, but for ``image``.
    :param template: text of comfyui@.service. :param facts: ``comfyui_gpu``.
    :param image: ``image`` (name and tag) and ``id``, as ``container_image`` returns them.
    """
    document = compose_document(instances, {**settings, "image": image["image"]}, facts)
    entries = [text(f"{settings['home']}/compose/compose.yaml", compose_text(document))]
    entries.append(text(f"{UNIT_DIR}/comfyui@.service", template))
    for one in instances:
        mark = definition(document, one["name"], str(image.get("id") or ""))
        entries.append(directory(f"{UNIT_DIR}/{one['unit']}.d"))
        entries.append(text(f"{UNIT_DIR}/{one['unit']}.d/instance.conf", container_dropin(one, settings, mark)))
    return entries
