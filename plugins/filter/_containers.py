# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for the Compose deployment of role comfyui; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils import _compose, _compose_tree
from ansible_collections.genai.comfyui.plugins.plugin_utils._filters import shell


class FilterModule:
    """Thin shells over plugin_utils."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        functions: list[t.Callable[..., t.Any]] = [
            _compose.container_needs,
            _compose_tree.compose_project,
            _compose_tree.container_tree,
            _compose_tree.image_context,
            _compose_tree.login_remains,
        ]
        return {f"_{function.__name__}": shell(function) for function in functions}
