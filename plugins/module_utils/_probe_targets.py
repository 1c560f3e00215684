# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What login_probe is told about a server, as arguments and as what the probe takes.

Private to the collection. Standard library only.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._consumers import read_field
from ansible_collections.genai.comfyui.plugins.module_utils._probe import Evidence, Other, Target, prove


def target_spec(in_list: bool) -> dict[str, Any]:
    """Return the argument specification of one target; those of a list can name versions, too."""
    source = {
        "path": {"type": "path", "required": True},
        "codec": {"type": "str", "required": True},
        "key": {"type": "str", "no_log": False},
        "field": {"type": "str", "choices": ["token", "bearer", "url"], "default": "token"},
    }
    other = {
        "version": {"type": "str", "required": True},
        "token": {"type": "str", "required": True, "no_log": True},
        "accepted": {"type": "bool"},
    }
    spec: dict[str, Any] = {
        "name": {"type": "str"},
        "url": {"type": "str", "required": in_list},
        "token": {"type": "str", "no_log": True},
        "from": {"type": "dict", "options": source},
        "credential": {"type": "str"},
        "username": {"type": "str"},
        "password": {"type": "str", "no_log": True},
        "origin": {"type": "str"},
        "ca_path": {"type": "path"},
        "validate_certs": {"type": "bool", "default": True},
    }
    if in_list:
        spec.update(version={"type": "str"}, others={"type": "list", "elements": "dict", "options": other})
    return spec


def token_of(given: dict[str, Any]) -> tuple[str | None, str | None]:
    """Return the token to prove with, or None and, where there should have been one, why there is none."""
    source = given.get("from")
    if source is None:
        value, place = given.get("token"), "the token given"
        if not value:
            return None, None
    else:
        place = source["path"] if not source["key"] else f"{source['path']} ({source['key']})"
        try:
            value = read_field(source["path"], source["codec"], source["key"], source["field"])
        except (ValueError, OSError) as error:
            # The reader's own errors name file, line and mend, and hold no value.
            return None, f"no token could be read: {error}"
    if value.startswith("Bearer "):
        value = value[len("Bearer ") :]
    if not is_token(value):
        return None, f"{place} is not a token (a whole bcrypt hash, 60 characters); it was not sent"
    return value, None


def not_tokens(targets: list[dict[str, Any]]) -> list[str]:
    """Return the versions among the targets' others whose token is none."""
    return [one["version"] for given in targets for one in given.get("others") or () if not is_token(one["token"])]


def look(
    given: dict[str, Any], token: str | None, problem: str | None, timeout: float, wait: float, wait_for_token: bool
) -> Evidence:
    """Look at one target with this token; *problem* is why there is none. Times are seconds."""
    others = given.get("others")
    target = Target(
        url=given["url"],
        token=token,
        username=given["username"],
        password=given["password"],
        origin=given["origin"],
        ca_path=given["ca_path"],
        verify=given["validate_certs"],
        timeout=timeout,
        version=given.get("version"),
        others=None if others is None else tuple(Other(**one) for one in others),
    )
    seen = prove(target, wait, wait_for_token=wait_for_token)
    if problem is not None:
        return replace(seen, detail=f"{problem}; {seen.detail}")
    return seen
