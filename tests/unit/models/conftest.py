# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from local_hub import Hub, serve


@pytest.fixture
def hub() -> Iterator[Hub]:
    """Give a hub of one's own."""
    with serve() as running:
        yield running


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Make an empty models directory."""
    made = tmp_path / "models"
    made.mkdir()
    return made
