# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the operation and upgrade playbooks say and remember.

Private to the collection. Pure functions.
"""

from __future__ import annotations

import json
import time
import typing as t

Json = dict[str, t.Any]
PINS = {
    "comfyui_repo": "repo",
    "comfyui_version": "version",
    "comfyui_python": "python",
    "comfyui_torch_packages": "torch",
    "comfyui_torch_index_url": "index",
    "comfyui_extra_packages": "extra",
    "comfyui_constraints": "constraints",
    "comfyui_packages": "packages",
}
"""Variables of role comfyui that decide what code runs, and their names in the environment's record."""
LOGIN_PINS = {
    "comfyui_login_repo": "repo",
    "comfyui_login_version": "version",
    "comfyui_login_requirements": "requirements",
}
"""The same for role comfyui_login."""
_CODE_ONLY = frozenset({"comfyui_repo", "comfyui_version", "comfyui_login_repo", "comfyui_login_version"})


class UpgradeError(ValueError):
    """What an upgrade was told cannot be done; the message says the mend."""


def operation_lines(instances: list[Json]) -> list[str]:
    """Say one line an instance, and below it the lines of its journal where they were asked for.

    :param instances: records of ``genai.comfyui.instance``.
    """
    lines = []
    for one in instances:
        said = [f"{one['name']}: {'active' if one['active'] else 'not active'}"]
        if one.get("action", "none") != "none":
            said.append(f"{one['action']} ({'; '.join(one['reasons'])})")
        if one["active"] and one.get("since"):
            said.append(f"process {one['pid']} since {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime(one['since']))}")
        if one.get("probe"):
            said.append(str(one["probe"]["state"]))
        if one.get("queue") is not None:
            said.append(f"{one['queue']} jobs queued")
        if one.get("gap") is not None:
            said.append(f"{one['gap']} s without an answer")
        if one.get("detail"):
            said.append(one["detail"])
        lines += [", ".join(said), *(f"  {line}" for line in one.get("log") or [])]
    return lines


def former_pins(record: str, login_record: str, heads: t.Mapping[str, str]) -> Json:
    """Return the variables with which the roles would install what is installed now; empty when that is not known.

    :param record: the environment's record that role comfyui wrote, JSON; empty without one.
    :param login_record: the same of role comfyui_login.
    :param heads: ``comfyui`` and ``login_node``: the commits that are really checked out, for a record may name a
        branch that has moved since; empty without a checkout.
    """
    if not (heads.get("comfyui") and heads.get("login_node")):
        return {}
    try:
        known, login = json.loads(record), json.loads(login_record)
        pins = {variable: known[name] for variable, name in PINS.items()}
        pins.update({variable: login[name] for variable, name in LOGIN_PINS.items()})
    except (ValueError, KeyError, TypeError):
        # An environment that its owner keeps: only the code can go back.
        pins = {}
    return {**pins, "comfyui_version": heads["comfyui"], "comfyui_login_version": heads["login_node"]}


def packages_change(former: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> list[str]:
    """Name the variables of Python packages that an upgrade changes below the running process.

    Code alone is read at the start only; another PyTorch would break the jobs of a process that runs.

    :param former: see :func:`former_pins`. :param wanted: the same variables as they are declared now.
    """
    return sorted(name for name in former if name not in _CODE_ONLY and name in wanted and former[name] != wanted[name])


def upgrade_says(former: t.Mapping[str, t.Any], wanted: t.Mapping[str, t.Any]) -> str:
    """Say in one line what an upgrade changes."""
    if not former:
        return "nothing is installed yet, so there is nothing to go back to"
    changes = [
        f"{name}: {_short(former[name])} -> {_short(wanted[name])}"
        for name in sorted(former)
        if name in wanted and former[name] != wanted[name]
    ]
    return "; ".join(changes) or "nothing changes"


def _short(value: t.Any) -> str:
    text = value if isinstance(value, str) else json.dumps(value)
    return text[:12] if len(text) == 40 and set(text) <= set("0123456789abcdef") else text
