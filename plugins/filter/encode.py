# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter genai.comfyui.encode; documented in encode.yml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.genai.comfyui.plugins.plugin_utils import _dialects


def encode(value: Any, dialect: Any) -> str:
    """Return the value's spelling in a dialect. :raises AnsibleFilterError: it has none; the value is not named."""
    try:
        spelling: str = _dialects.encode(value, dialect)
    except ValueError as error:
        raise AnsibleFilterError(f"encode: {error}") from None
    return spelling


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by name."""
        return {"encode": encode}
