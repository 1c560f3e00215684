# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for the collection's own rotation playbook; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils import _field


class FilterModule:
    """Thin shells over plugin_utils."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        functions: list[t.Callable[..., t.Any]] = [
            _field.newer_than_truth,
            _field.rotation_evidence,
            _field.rotation_report,
            _field.rotation_steps,
            _field.rotation_windows,
            _field.unjudged_holders,
        ]
        return {f"_{function.__name__}": function for function in functions}
