# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host is told of the credentials so that it can look for their copies: values only where it has them anyway."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import PurePosixPath
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

_LABELS = ("pending", "previous")


def known_for(credentials: Mapping[str, Mapping[str, Any]], consumers: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """Return all *credentials*, those that none of a host's *consumers* uses without their values.

    A token is found by its fingerprint, too, so a host that was never given a token need not get it to be searched.
    """
    used = {str(one.get("credential") or "main") for one in consumers}
    return {
        str(name): one if str(name) in used else _without_values(one)
        for name, one in credentials.items()
        if isinstance(one, Mapping)
    }


def _without_values(credential: Mapping[str, Any]) -> dict[str, Any]:
    known = {**_marked(credential), "retired": credential.get("retired") or []}
    known.update({label: _marked(credential[label]) for label in _LABELS if isinstance(credential.get(label), Mapping)})
    return known


def _marked(version: Mapping[str, Any]) -> dict[str, Any]:
    token = version.get("token")
    return {"version": version.get("version"), "fingerprint": fingerprint(str(token)) if is_token(token) else None}


def accept_places(passwords: Iterable[Mapping[str, Any]]) -> list[dict[str, str]]:
    """Return the guard's ACCEPT.json beside each ``login/PASSWORD`` as a declared place without a codec."""
    return [
        {
            "id": str(one["id"]).replace("server:", "guard:"),
            "path": str(PurePosixPath(str(one["path"])).with_name("ACCEPT.json")),
            "credential": str(one.get("credential") or "main"),
        }
        for one in passwords
    ]
