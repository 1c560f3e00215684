# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the module compose_project asks the engine and makes of its answers."""

from __future__ import annotations

import getpass
import json
import os
from collections.abc import Mapping, Sequence

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _compose_host as host
from ansible_collections.genai.comfyui.plugins.module_utils._image_build import Engine

Answers = dict[str, "tuple[int, str, str]"]


def engine(answers: Answers) -> tuple[Engine, list[list[str]]]:
    """Return an engine that gives these answers, by the beginning of what it is asked, and what it was asked."""
    asked: list[list[str]] = []

    def run(argv: Sequence[str], _environment: Mapping[str, str]) -> tuple[int, str, str]:
        words = list(argv[argv.index("docker") + 1 :])
        asked.append(words)
        line = " ".join(words)
        return next((answer for start, answer in answers.items() if line.startswith(start)), (0, "", ""))

    return Engine(run), asked


@pytest.mark.parametrize(
    ("answers", "complaint"),
    [
        ({"version": (0, "26.1.5", ""), "compose": (0, "2.26.1-4\n", "")}, ""),
        (
            {"version": (0, "26.1.5", ""), "compose": (1, "", "docker: 'compose' is not a docker command.")},
            "comfyui_engine_manage",
        ),
        ({"version": (0, "20.10", ""), "compose": (0, "1.29.2\n", "")}, "Compose is 1.29.2; 2 or newer is needed"),
        ({"version": (1, "", "Cannot connect to the Docker daemon")}, "the container engine does not answer"),
        ({"version": (127, "", "")}, "there is no docker command"),
    ],
)
def test_a_host_that_can_make_no_container_says_why(answers: Answers, complaint: str) -> None:
    told = host.versions(engine(answers)[0])
    assert complaint in told["complaint"]
    assert bool(told["complaint"]) is bool(complaint)


def test_numbers_are_the_hosts_own() -> None:
    assert host.numbers(getpass.getuser(), "no-such-group") == (os.getuid(), None)
    assert host.numbers("no-such-user", "no-such-group") == (None, None)


FOUND: Answers = {
    "ps --all --filter label=genai.comfyui.instance": (0, "comfyui-a\ncomfyui-b\n", ""),
    "ps --all --filter label=genai.comfyui.rehearsal": (0, "comfyui.rehearsal\n", ""),
    "network ls": (0, "comfyui\n", ""),
    "image ls --format": (0, "genai-comfyui-base:12\n", ""),
    "image ls --filter": (0, "genai-comfyui:34\n", ""),
}


def test_a_removal_touches_what_carries_our_labels_and_no_base_image() -> None:
    one, asked = engine(FOUND)
    remains = host.remains(one, "genai-comfyui")
    assert remains == {
        "containers": ["comfyui-a", "comfyui-b", "comfyui.rehearsal"],
        "networks": ["comfyui"],
        "images": ["genai-comfyui:34", "genai-comfyui-base:12"],
    }
    filters = [words[words.index("--filter") + 1] for words in asked if "--filter" in words]
    assert filters == [f"label=genai.comfyui.{kind}" for kind in ("instance", "rehearsal", "network", "inputs")]
    host.remove(one, remains)
    assert asked[5:] == [
        ["rm", "--force", "comfyui-a"],
        ["rm", "--force", "comfyui-b"],
        ["rm", "--force", "comfyui.rehearsal"],
        ["network", "rm", "comfyui"],
        ["rmi", "genai-comfyui:34"],
        ["rmi", "genai-comfyui-base:12"],
    ]


def test_what_cannot_be_removed_is_named() -> None:
    one, _asked = engine({**FOUND, "rmi": (1, "", "conflict: container is using its image")})
    with pytest.raises(host.ProjectError, match=r"genai-comfyui:34 could not be removed: .*is using its image"):
        host.remove(one, host.remains(one, "genai-comfyui"))
    # Somebody else was quicker.
    gone, _asked = engine({**FOUND, "rm": (1, "", "Error: No such container: comfyui-a")})
    host.remove(gone, {"containers": ["comfyui-a"], "networks": [], "images": []})


def test_containers_are_told_in_plain_words() -> None:
    known = {
        "Id": "1",
        "Name": "/comfyui-a",
        "Image": "sha256:34",
        "State": {"Status": "running", "Health": {"Status": "healthy"}},
        "Config": {"Image": "genai-comfyui:34"},
        "HostConfig": {"PortBindings": {"8188/tcp": [{"HostIp": "127.0.0.1", "HostPort": "8188"}], "9/tcp": None}},
    }
    one, _asked = engine({"ps": (0, "1\n", ""), "inspect": (0, json.dumps([known]), "")})
    (found,) = host.containers(one)
    assert (found["name"], found["id"], found["state"], found["health"]) == ("comfyui-a", "1", "running", "healthy")
    assert (found["image"], found["image_id"], found["ports"]) == ("genai-comfyui:34", "sha256:34", [8188])
