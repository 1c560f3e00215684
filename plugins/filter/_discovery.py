# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for playbooks/discover.yml; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils import _discovery


class FilterModule:
    """Thin shell over plugin_utils."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        return {"_accept_places": _discovery.accept_places, "_known_for": _discovery.known_for}
