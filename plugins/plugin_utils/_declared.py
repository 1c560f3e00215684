# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which places of an inventory declare a credential."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_MAIN = "main"
_VARIABLES = ("comfyui_instances", "comfyui_consumers")
_SERVERS = "comfyui_servers"


def declared_users(hostvars: Mapping[str, Any], groups: Mapping[str, Sequence[str]], name: str) -> list[str]:
    """Return the places that declare the credential, such as ``web1: comfyui_consumers[notebooks]``.

    All hosts of the inventory count, not only the play's. What cannot be read counts as a use: nobody can tell that it
    is none. A host of group ``comfyui_servers`` without ``comfyui_instances`` runs the default instance, with ``main``.
    """
    found = []
    servers = set(groups.get(_SERVERS, ()))
    for host in sorted(hostvars):
        for variable in _VARIABLES:
            try:
                entries = hostvars[host].get(variable)
                if entries is None:
                    if variable == "comfyui_instances" and host in servers and name == _MAIN:
                        found.append(f"{host}: its default instance")
                    continue
                found += [
                    f"{host}: {variable}[{_label(entry, number)}]"
                    for number, entry in enumerate(entries)
                    if entry.get("credential", _MAIN) == name
                ]
            except Exception as error:  # a template may raise anything, and its text may hold anything
                found.append(f"{host}: {variable} cannot be read ({type(error).__name__})")
    return found


def _label(entry: Mapping[str, Any], number: int) -> str:
    return str(entry.get("id") or entry.get("name") or number)
