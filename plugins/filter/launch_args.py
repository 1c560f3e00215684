# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for launch arguments; each is documented in the YAML file of its name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.genai.comfyui.plugins.plugin_utils import _gpu_launch


def _shell(function: Callable[..., Any]) -> Callable[..., Any]:
    """Turn a back end's ValueError into the error that Ansible shows with the template's place."""

    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            return function(*args, **kwargs)
        except ValueError as error:
            raise AnsibleFilterError(f"launch_args: {error}") from error

    return run


class FilterModule:
    """Thin shells over plugin_utils."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filters by name."""
        return {
            "launch_args": _shell(_gpu_launch.launch_args),
            "_with_profile": _shell(_gpu_launch.with_profile),
        }
