# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for all tests."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# CI asks the same examples each time, so that a change is judged by what it changed. Everybody else draws new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

HERE = Path(__file__).resolve().parent


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what shares a cache, a server or hosts on one worker when tests run on several; see ``make test``."""
    # Set in the workers; there "dist" says something else.
    if getattr(config.option, "loadgroup", False):
        # They take as long as everything else together, so one worker begins with them.
        items.sort(key=lambda item: item.get_closest_marker("hosts") is None)
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            parts = item.path.relative_to(HERE).parts
            # Unit tests share nothing beyond their file; each other area shares what it obtains and builds.
            item.add_marker(pytest.mark.xdist_group("/".join(parts) if parts[0] == "unit" else parts[0]))
