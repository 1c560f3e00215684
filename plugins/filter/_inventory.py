# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filters for the collection's own roles; each is documented in the YAML file of its name."""

from __future__ import annotations

import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils import (
    _guard,
    _launch,
    _model_sets,
    _server_tree,
    _topology,
)
from ansible_collections.genai.comfyui.plugins.plugin_utils._filters import shell


class FilterModule:
    """Thin shells over plugin_utils."""

    def filters(self) -> dict[str, t.Callable[..., t.Any]]:
        """Return the filters by name."""
        functions: list[t.Callable[..., t.Any]] = [
            _topology.accept_files,
            _topology.credential_names,
            _topology.credentials_for,
            _topology.failure,
            _topology.instances,
            _topology.password_consumers,
            _topology.probe_targets,
            _topology.server_targets,
            _topology.unit_instances,
            _guard.open_without_guard,
            _launch.requirements_without,
            _launch.systemd_environment,
            _launch.systemd_exec,
            _launch.unknown_launch_args,
            _model_sets.model_advice,
            _model_sets.model_files,
            _model_sets.smoke_instances,
            _model_sets.smoke_workflow,
            _server_tree.login_tree,
            _server_tree.server_lib,
            _server_tree.server_remains,
            _server_tree.server_tree,
            _server_tree.server_units,
        ]
        return {f"_{function.__name__}": shell(function) for function in functions}
