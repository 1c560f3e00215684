# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tools import venv


def test_python_3_12_is_preferred_and_full_paths_come_before_names() -> None:
    found = venv.candidates(None)
    assert found[0] == "/usr/bin/python3.12"
    assert found.index("python3.12") < found.index("/usr/bin/python3.13")
    assert found[-1] == "python3.11"
    assert {name[-4:] for name in venv.candidates("3.11")} == {"3.11"}


def test_an_interpreter_that_does_not_run_has_no_version(tmp_path: Path) -> None:
    shim = tmp_path / "python3.12"
    shim.write_text("#!/bin/sh\nexit 127\n")
    shim.chmod(0o755)
    assert venv.python_version(str(shim)) is None
    assert venv.python_version(str(tmp_path / "absent")) is None
    assert venv.python_version(sys.executable) == sys.version_info[:2]


def test_without_a_python_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(venv, "candidates", lambda wanted: ["/nowhere/python3.12"])
    with pytest.raises(SystemExit, match=r"apt-get install python3 python3-venv; or set PYTHON="):
        venv.find_python(None)


def test_too_old_a_python_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = tmp_path / "python3"
    old.write_text("#!/bin/sh\necho 3 9\n")
    old.chmod(0o755)
    monkeypatch.setattr(venv, "candidates", lambda wanted: [str(old), sys.executable])
    assert venv.find_python(None)[0] == sys.executable
