# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lets the tests import the tools, and gives them a docker command that answers from a script."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))

FakeDocker = Callable[[str], Path]


@pytest.fixture
def fake_docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeDocker:
    """Return a function that puts a shell script in docker's place and returns the log of its calls."""

    def install(body: str) -> Path:
        directory = tmp_path / "bin"
        directory.mkdir(exist_ok=True)
        log = tmp_path / "docker.log"
        script = directory / "docker"
        script.write_text(f'#!/bin/sh\necho "$*" >> {log}\n{body}\n')
        script.chmod(0o755)
        monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
        monkeypatch.delenv("DOCKER_HOST", raising=False)
        return log

    return install
