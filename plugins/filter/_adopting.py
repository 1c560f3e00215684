# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for the playbook that adopts a hand-made service; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils import _original
from ansible_collections.genai.comfyui.plugins.plugin_utils._filters import shell


class FilterModule:
    """Thin shells over plugin_utils."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        functions: list[t.Callable[..., t.Any]] = [
            _original.adoption_lines,
            _original.original_complaint,
            _original.original_consumers,
            _original.original_files,
            _original.original_inventory,
            _original.original_places,
            _original.original_secret,
            _original.original_workspace,
        ]
        return {f"_{function.__name__}": shell(function) for function in functions}
