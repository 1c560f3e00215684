# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whom a rotation has to wait for, by the whole inventory: what is frozen when it starts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._presets import PRESETS
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation import RotationError
from ansible_collections.genai.comfyui.plugins.plugin_utils._topology import DEFAULT_INSTANCE

_SERVERS, _CLIENTS = "comfyui_servers", "comfyui_clients"
# Where a version can be told; a user name or an address is the same in all of them.
_FIELDS = ("token", "bearer", "password")


@dataclass(frozen=True)
class Declared:
    """Places that use a credential: ``servers`` (``host:instance``), ``required`` and ``optional`` consumers
    (``host:consumer``), and ``bare``: those servers that have no guard.
    """

    servers: list[str]
    required: list[str]
    optional: list[str]
    bare: list[str]


def declared(hostvars: Mapping[str, Any], groups: Mapping[str, Sequence[str]], name: str) -> Declared:
    """Return the places that declare the credential. All hosts of both groups count, not only the play's.

    A host with ``comfyui_state: absent`` runs no server. Without ``comfyui_instances`` it runs the default one.

    :raises RotationError: a host's variable cannot be read; without it nobody can tell whom to wait for.
    """
    hostvars = _Once(hostvars)
    found = Declared([], [], [], [])
    servers = sorted(set(groups.get(_SERVERS, ())))
    for host in servers:
        if _read(hostvars, host, "comfyui_state", "present") == "absent":
            continue
        guarded = _truth_of(_read(hostvars, host, "comfyui_login_guard", True))
        for one in _entries(hostvars, host, "comfyui_instances", [DEFAULT_INSTANCE]):
            if str(one.get("credential", "main")) == name:
                place = f"{host}:{one.get('name', 'default')}"
                found.servers.append(place)
                if not guarded:
                    found.bare.append(place)
    for host in sorted({*servers, *groups.get(_CLIENTS, ())}):
        for one in _entries(hostvars, host, "comfyui_consumers", []):
            preset = PRESETS.get(str(one.get("preset") or ""))
            field = one.get("field") or (preset.field if preset else "token")
            if str(one.get("credential") or "main") == name and field in _FIELDS:
                required = _truth_of(one.get("required", True))
                (found.required if required else found.optional).append(f"{host}:{one.get('id')}")
    return found


class _Once(dict[str, Any]):
    """Each look into Ansible's hostvars puts all of a host's variables together anew; one look a host is enough."""

    def __init__(self, hostvars: Mapping[str, Any]) -> None:
        super().__init__()
        self._hostvars = hostvars

    def __missing__(self, host: str) -> Any:
        self[host] = self._hostvars[host]
        return self[host]


def _entries(hostvars: Mapping[str, Any], host: str, variable: str, default: list[Any]) -> list[Mapping[str, Any]]:
    entries = _read(hostvars, host, variable, default)
    if (
        not isinstance(entries, Sequence)
        or isinstance(entries, str)
        or not all(isinstance(e, Mapping) for e in entries)
    ):
        raise RotationError(f"{variable} of host {host} is not a list of mappings; mend the inventory")
    return list(entries)


def _read(hostvars: Mapping[str, Any], host: str, variable: str, default: Any) -> Any:
    try:
        value = hostvars[host].get(variable)
    except Exception as error:  # a template may raise anything, and its text may hold anything
        raise RotationError(
            f"{variable} of host {host} cannot be read ({type(error).__name__}), so nobody can tell whom to wait for; "
            "mend the inventory"
        ) from None
    return default if value is None else value


def _truth_of(value: Any) -> bool:
    return value.strip().lower() not in ("false", "no", "off", "0", "n", "f") if isinstance(value, str) else bool(value)
