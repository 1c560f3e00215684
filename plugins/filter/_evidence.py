# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters of the playbook diagnose.yml; each is documented in the YAML file of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

_KEYS = ("name", "unit", "url", "credential", "guest", "app", "login_node", "password_file", "session_key")


def evidence_instances(complete: list[dict[str, Any]], user: str) -> list[dict[str, Any]]:
    """Return what ``genai.comfyui.evidence`` needs of completed instances, and nothing of their environment."""
    return [
        {**{key: one[key] for key in _KEYS}, "origin": one.get("cors_origin") or None, "user": user} for one in complete
    ]


def evidence_consumers(declared: list[dict[str, Any]], chosen: str = "") -> list[dict[str, Any]]:
    """Return all consumers, or only the one that was chosen by its id."""
    return [one for one in declared if not chosen or str(one.get("id")) == chosen]


class FilterModule:
    """Tells Ansible the filters' names."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {"_evidence_instances": evidence_instances, "_evidence_consumers": evidence_consumers}
