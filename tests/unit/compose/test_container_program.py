# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The program of a container's unit, with a stand-in for the engine's client."""

from __future__ import annotations

import json
import typing as t
from pathlib import Path

import pytest
from container_host import Host

from ansible_collections.genai.comfyui.plugins.module_utils import _systemd


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_it_makes_one_container_by_one_file_whatever_the_environment_says(host: Host) -> None:
    done = host.create(COMPOSE_FILE="/x", COMPOSE_PROFILES="y", DOCKER_HOST="tcp://z", COMFYUI_TOKEN="t")
    assert (done.returncode, done.stderr) == (0, "")
    (words, names), (_looks, names_too) = host.calls()
    assert names == names_too
    assert words[-3:] == ["create", "--no-build", "a"]
    assert words[words.index("--env-file") + 1] == "/dev/null"
    assert words[words.index("--project-name") + 1] == "comfyui"
    assert not [name for name in names if name.startswith("COMPOSE_") or name in ("DOCKER_HOST", "COMFYUI_TOKEN")]


@pytest.mark.parametrize(
    ("said", "told"),
    [
        (
            "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?",
            "the container engine does not answer; see: systemctl status docker",
        ),
        (
            'Error response from daemon: invalid mount config for type "bind": bind source path does not exist: /srv/m',
            "/srv/m is missing and nothing is made up in its place; run the playbook for this host again",
        ),
        (
            "Error response from daemon: No such image: genai-comfyui:1",
            "the image genai-comfyui:1 is not there; run the playbook for this host again",
        ),
        (
            "driver failed programming external connectivity on endpoint x: Error starting userland proxy: "
            "listen tcp4 127.0.0.1:8188: bind: address already in use",
            "127.0.0.1:8188 is taken by something else; free it or choose another port in comfyui_instances",
        ),
        (
            "Bind for 0.0.0.0:8188 failed: port is already allocated",
            "0.0.0.0:8188 is taken by something else; free it or choose another port in comfyui_instances",
        ),
        (
            "OCI runtime create failed: error setting rlimit type 7: operation not permitted: unknown",
            "the engine may not raise the limit of open files so far; lower comfyui_nofile_limit",
        ),
        (
            "write /var/lib/docker/x: no space left on device",
            "the disk of the engine is full; free some of it (docker system df)",
        ),
        ("something\n new", "something new"),
        ("", "the container engine's client failed and said nothing"),
    ],
)
def test_what_the_engine_refuses_is_told_with_the_mend_where_the_module_looks(host: Host, said: str, told: str) -> None:
    host.answers({"compose": (1, "", said)})
    done = host.create()
    assert (done.returncode, done.stderr) == (1, f"comfyui-start: {told}\n")
    # The module that starts instances finds reasons by this.
    assert _systemd._OURS.search(done.stderr)


def test_what_a_container_that_is_there_already_lacks_now_is_named(host: Host) -> None:
    mounts = [{"Type": "bind", "Source": str(host.home)}, {"Type": "bind", "Source": str(host.home / "output")}]
    host.answers({"inspect": (0, json.dumps(mounts), "")})
    done = host.create()
    assert done.returncode == 1
    assert done.stderr.startswith(f"comfyui-start: {host.home}/output is missing and nothing is made up in its place")
    (host.home / "output").mkdir()
    assert host.create().returncode == 0


def test_without_a_client_it_says_so(host: Host) -> None:
    (host.home / "bin" / "docker").unlink()
    done = host.run("ended", "--name", "a", PATH=str(host.home / "bin"))
    assert done.stderr.startswith("comfyui-start: there is no docker command on this host")


def ended(host: Host, state: str, **environment: str) -> tuple[int, str, list[t.Any]]:
    """Return status, words and the calls after a unit ended."""
    host.answers({"inspect": (0, state + "\n", "")})
    done = host.run("ended", "--name", "a", **environment)
    return done.returncode, done.stderr, [words for words, _names in host.calls()]


def test_a_killed_client_leaves_no_container_running(host: Host) -> None:
    status, _said, calls = ended(host, "true ", SERVICE_RESULT="signal")
    assert (status, calls[-1]) == (0, ["stop", "comfyui-a"])


def test_a_container_that_ended_is_left_alone(host: Host) -> None:
    status, said, calls = ended(host, "false ", SERVICE_RESULT="success")
    assert (status, said, len(calls)) == (0, "", 1)


def test_why_a_container_could_not_start_is_told_after_it(host: Host) -> None:
    error = "false driver failed: Bind for 127.0.0.1:8188 failed: port is already allocated"
    assert ended(host, error, SERVICE_RESULT="exit-code")[:2] == (
        1,
        "comfyui-start: 127.0.0.1:8188 is taken by something else; "
        "free it or choose another port in comfyui_instances\n",
    )
    # A stop by hand has no reason, whatever was wrong before.
    assert ended(host, error, SERVICE_RESULT="success")[:2] == (0, "")


def test_an_image_is_asked_once_for_its_help(host: Host) -> None:
    host.answers({"run": (0, "usage: main.py [--listen]\n", "")})
    (host.home / "help-old.txt").write_text("old")
    words = ("help", "--image", "sha256:1", "--cache", str(host.home))
    assert [host.run(*words).stdout for _time in range(2)] == ["usage: main.py [--listen]\n"] * 2
    ((call, _names),) = host.calls()
    assert call[call.index("--network") + 1] == "none"
    assert "--read-only" in call
    assert not (host.home / "help-old.txt").exists()
