# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is told of files, sockets and processes: real ones, without any value."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from told import MARK, TOKEN

from ansible_collections.genai.comfyui.plugins.module_utils import _evidence_host, _evidence_login, _evidence_way

NOBODY = "nobody"


@pytest.mark.parametrize(
    ("content", "state", "mark"),
    [
        (f"{TOKEN}\nann\n", "ok", MARK),
        (f"{TOKEN}\nann", "ok", MARK),
        ("", "empty", None),
        (" \n\n", "empty", None),
        (f"\ufeff{TOKEN}\nann\n", "bom", MARK),
        (f"{TOKEN}\r\nann\r\n", "crlf", MARK),
        (f"{TOKEN} \nann\n", "not_hash", MARK),
        ("Correct-Horse-1\nann\n", "not_hash", None),
        (f"{TOKEN}\n", "no_username", MARK),
        (f"{TOKEN}\n\n", "no_username", MARK),
    ],
)
def test_password(tmp_path: Path, content: str, state: str, mark: str | None) -> None:
    path = tmp_path / "PASSWORD"
    path.write_text(content, encoding="utf-8", newline="")
    path.chmod(0o600)
    found = _evidence_login.password(str(path))
    assert (found["state"], found["fingerprint"]) == (state, mark)
    assert TOKEN not in json.dumps(found)


def test_password_that_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "directory")
    (tmp_path / "open").write_text(f"{TOKEN}\nann\n")
    (tmp_path / "open").chmod(0o644)
    states = [_evidence_login.password(str(tmp_path / name))["state"] for name in ("directory", "link", "none", "open")]
    assert states == ["directory", "linked", "missing", "too_open"]


@pytest.mark.parametrize(
    ("content", "state", "marks"),
    [
        ('{"schema": 1, "epoch": 0, "tokens": [{"version": "v7", "token": "@", "expires": null}]}', "ok", [MARK]),
        ('{"schema": 1, "epoch": 0, "tokens": [{"version": "v7", "token": "@", "expires": 9}]}', "ok", []),
        ('{"schema": 1, "epoch": 0, "tokens": []}', "broken", []),
        ('{"schema": 1, "epoch": 0, "tokens": [{"version": "v7", "token": "x", "expires": null}]}', "broken", []),
        ('{"schema": 2, "epoch": 0, "tokens": [{"version": "v7", "token": "@", "expires": null}]}', "broken", []),
        ("[1, 2]", "broken", []),
        ('{"schema": 1', "broken", []),
        (None, "missing", []),
    ],
)
def test_accept(tmp_path: Path, content: str | None, state: str, marks: list[str]) -> None:
    path = tmp_path / "ACCEPT.json"
    if content is not None:
        path.write_text(content.replace("@", TOKEN))
        path.chmod(0o600)
    found = _evidence_login.accept(str(path))
    assert (found["state"], found["fingerprints"]) == (state, marks)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (["Cannot import /c/custom_nodes/ComfyUI-Login module for custom nodes: no x"], "no x"),
        (["ImportError: no x", "   0.1 seconds (IMPORT FAILED): /c/custom_nodes/ComfyUI-Login"], "ImportError: no x"),
        (["Cannot import /c/custom_nodes/ComfyUI-Login-Guard module for custom nodes: y"], ""),
        (["   0.1 seconds: /c/custom_nodes/ComfyUI-Login"], ""),
    ],
)  # fmt: skip
def test_import_failure(lines: list[str], said: str) -> None:
    assert _evidence_login.import_failure(lines) == said


def test_node(tmp_path: Path) -> None:
    node = tmp_path / "ComfyUI-Login"
    assert _evidence_login.node(str(node)) == "missing"
    (tmp_path / "comfyui-login.disabled").mkdir()
    assert _evidence_login.node(str(node)) == "disabled"
    node.mkdir()
    assert _evidence_login.node(str(node)) == "empty"
    (node / "__init__.py").touch()
    assert _evidence_login.node(str(node)) == "present"


@pytest.fixture
def listening() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield int(server.getsockname()[1])


def test_listeners(listening: int) -> None:
    (found,) = _evidence_host.listeners({listening})
    assert (found.address, found.port, found.pid, found.loopback) == ("127.0.0.1", listening, os.getpid(), True)
    assert listening in _evidence_host.ports_of(os.getpid())
    assert "127.0.0.1" in _evidence_host.addresses()


def test_holders() -> None:
    with subprocess.Popen(["sleep", "60"], env={"PATH": os.environ["PATH"], "ZZ_HELD": "x=y"}) as process:
        try:
            deadline = time.monotonic() + 10
            # For an instant of its start a process shows no environment.
            while not (found := _evidence_host.holders({"ZZ_HELD"})["ZZ_HELD"]) and time.monotonic() < deadline:
                pass
            assert [(one.pid, one.value) for one in found] == [(process.pid, "x=y")]
        finally:
            process.kill()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
def test_may_read(tmp_path: Path) -> None:
    place = tmp_path / "deep"
    place.mkdir()
    path = place / "file"
    path.touch()
    for parent in tmp_path.parents[:-1]:
        parent.chmod(parent.stat().st_mode | 0o011)
    tmp_path.chmod(0o755)
    path.chmod(0o600)
    place.chmod(0o755)
    assert f"user nobody may not read {path}" in str(_evidence_host.may_read(str(path), NOBODY))
    path.chmod(0o604)
    assert _evidence_host.may_read(str(path), NOBODY) is None
    place.chmod(0o700)
    assert f"user nobody may not enter {place}" in str(_evidence_host.may_read(str(path), NOBODY))
    assert _evidence_host.may_read(str(path), "root") is None
    assert _evidence_host.may_read(str(path), None) is None
    assert _evidence_host.may_read(str(path), "no-such-user") == "there is no user no-such-user on this host"


def test_the_way_says_who_answers(listening: int) -> None:
    """Nothing is sent but an anonymous request; a bad address is told, never raised."""
    assert _evidence_way.look("nonsense")["error"] == "address"
    assert _evidence_way.look("http://no-such-host.invalid")["error"] == "name"
    assert _evidence_way.look("http://127.0.0.1:1")["error"] == "refused"
    assert _evidence_way.look(f"http://127.0.0.1:{listening}", timeout=0.2)["error"] == "timeout"
