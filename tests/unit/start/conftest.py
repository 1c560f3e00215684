# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

from pathlib import Path

import pytest
from started import Locked


@pytest.fixture
def locked(tmp_path: Path) -> Locked:
    """A tree in which nothing is wrong yet."""
    return Locked(tmp_path)
