# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers under attack: with the guard, and without it. The stand-in, or with CONTRACT_COMFYUI_PATH,
CONTRACT_LOGIN_PATH and CONTRACT_PYTHON (see tests/contract) copies of checkouts.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "standin"))

from besieged import Besieged  # isort: skip
from harness import STANDIN_COMFYUI, STANDIN_LOGIN, Pair  # isort: skip


def _make(root: Path, guard: bool) -> Besieged:
    pair = Pair(
        root,
        comfyui=Path(os.environ.get("CONTRACT_COMFYUI_PATH") or STANDIN_COMFYUI),
        login=Path(os.environ.get("CONTRACT_LOGIN_PATH") or STANDIN_LOGIN),
        python=os.environ.get("CONTRACT_PYTHON") or sys.executable,
        arguments=("--cpu",),
    )
    return Besieged(pair, guard)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Besieged]:
    """A tree of one's own, with the guard, not started."""
    made = _make(tmp_path, True)
    yield made
    shutil.rmtree(made.pair.code, ignore_errors=True)


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """A running server with the guard, shared by all attacks."""
    made = _make(tmp_path_factory.mktemp("guarded"), True)
    with made.pair.serve() as made.server:
        yield made
    shutil.rmtree(made.pair.code, ignore_errors=True)


@pytest.fixture(scope="session")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Besieged]:
    """The same without the guard."""
    made = _make(tmp_path_factory.mktemp("bare"), False)
    with made.pair.serve() as made.server:
        yield made
    shutil.rmtree(made.pair.code, ignore_errors=True)
