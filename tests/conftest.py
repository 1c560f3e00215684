# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for all tests."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from xdist.scheduler import LoadScopeScheduling

# CI asks the same examples each time, so that a change is judged by what it changed. Everybody else draws new ones.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")

HERE = Path(__file__).resolve().parent
HOSTS = ("field", "scenarios")
"""Areas whose tests start local hosts, each its own."""
OWN_HOSTS = ("compose", "nvidia")
"""Beginnings of names of files in such an area that share no host with its other files."""


class Together(LoadScopeScheduling):  # type: ignore[misc]
    """Keeps on one worker what shares hosts, a server or a cache. Unit tests share nothing beyond their file.

    Groups by path: marks that name a group do not reach xdist 3.8 under pytest 9.
    """

    def _split_scope(self, nodeid: str) -> str:
        path = Path(nodeid.partition("::")[0])
        area = path.parts[1]
        own = [kind for kind in OWN_HOSTS if path.name.startswith(f"test_{kind}_")]
        return str(path) if area == "unit" else "/".join([area, *own])


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Together | None:
    """Return the scheduler of ``make test``; the other modes of xdist stay as they are."""
    if config.getvalue("dist") != "loadgroup":
        return None
    config.option.loadscopereorder = False
    return Together(config, log)


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with the hosts on several workers: they take as long as everything else together."""
    if hasattr(config, "workerinput"):
        items.sort(key=lambda item: item.path.relative_to(HERE).parts[0] not in HOSTS)
