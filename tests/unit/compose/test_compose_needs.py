# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would keep a container from starting is seen, on real sockets and files, before one that runs is replaced."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from pathlib import Path

import compose_cases as cases
import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _compose_needs as needs
from ansible_collections.genai.comfyui.plugins.plugin_utils import _compose
from ansible_collections.genai.comfyui.plugins.plugin_utils._compose_gpu import ComposeError

TLS = ["--tls-keyfile", "/etc/ssl/private/gpu-1.pem", "--tls-certfile=/etc/ssl/gpu-1.pem"]


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that this process listens on."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_port_that_something_else_has_taken_is_named(taken: int) -> None:
    for address in (f"127.0.0.1:{taken}", f"0.0.0.0:{taken}"):
        (said,) = needs.conflicts([address], [], [])
        assert said == f"{address} is taken by something else; free it or choose another port in comfyui_instances"


def test_a_port_that_our_container_publishes_is_no_conflict(taken: int) -> None:
    assert needs.conflicts([f"127.0.0.1:{taken}"], [], [taken]) == []


def test_a_port_that_our_unit_listens_on_is_no_conflict(taken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As before a host changes from systemd to containers; this test's own process stands for the unit's."""
    mine = Path("/proc/self/cgroup").read_text().split("::")[-1].strip()
    monkeypatch.setattr(needs, "_UNIT", re.compile(re.escape(mine)))
    assert needs.conflicts([f"127.0.0.1:{taken}"], [], []) == []


def test_only_the_units_of_instances_are_ours() -> None:
    assert needs._UNIT.search("0::/system.slice/system-comfyui.slice/comfyui@default.service")
    assert not needs._UNIT.search("0::/system.slice/old-comfyui.service")


def test_a_free_port_is_free() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        free = server.getsockname()[1]
    assert needs.conflicts([f"127.0.0.1:{free}", f"[::]:{free}"], [], []) == []


def test_an_address_that_the_host_has_not_is_named() -> None:
    said = needs.conflicts(["192.0.2.7:8188", "not-an-address:8188"], [], [])
    assert said == [
        "this host has no address 192.0.2.7; mend comfyui_listen",
        "this host has no address not-an-address; mend comfyui_listen",
    ]


def test_a_file_that_is_missing_is_named(tmp_path: Path) -> None:
    (tmp_path / "key").touch()
    missing = f"{tmp_path}/missing"
    assert needs.conflicts([], [f"{tmp_path}/key", missing], []) == [
        f"{missing} is not there or no file; mend comfyui_launch_args"
    ]


def test_what_containers_need_is_told_by_address_and_file() -> None:
    declared = cases.instances({"listen": "127.0.0.1,::1", "launch_args": TLS}, {"name": "b", "port": 8189})
    assert _compose.container_needs(declared) == {
        "addresses": ["127.0.0.1:8188", "[::1]:8188", "127.0.0.1:8189"],
        "files": ["/etc/ssl/private/gpu-1.pem", "/etc/ssl/gpu-1.pem"],
    }


def test_key_and_certificate_are_mounted_read_only_where_comfyui_looks_for_them() -> None:
    (one,) = cases.instances({"launch_args": TLS})
    found = [mount for mount in _compose.mounts(one, cases.SETTINGS) if mount["source"].startswith("/etc/ssl")]
    assert [(mount["source"], mount["target"], mount["read_only"]) for mount in found] == [
        ("/etc/ssl/private/gpu-1.pem", "/etc/ssl/private/gpu-1.pem", True),
        ("/etc/ssl/gpu-1.pem", "/etc/ssl/gpu-1.pem", True),
    ]


@pytest.mark.parametrize("path", ["certs/key.pem", "/etc/../root/key.pem", ""])
def test_a_certificate_must_be_named_by_its_whole_path(path: str) -> None:
    declared = cases.instances({"launch_args": ["--tls-keyfile", path]})
    with pytest.raises(ComposeError, match="Instance default: --tls-keyfile must name an absolute path"):
        _compose.container_needs(declared)
