# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""No token in what an engine keeps and shows, and each token byte for byte in what a container sees."""

from __future__ import annotations

import json
import subprocess

import pytest
from compose_field import APP, BOX, PROJECT, ComposeField
from test_leaks import leaks

from ansible_collections.genai.comfyui.plugins.plugin_utils._compose import READERS, compose_text

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

# One for each kind of first character after the cost: each is eaten by another reader.
HASHES = {
    "letter": "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK",
    "digit": "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O",
    "dot": "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe",
    "slash": "$2b$04$/hRM0B3tgjpFRE39yawQi.SK6lcV1hbnSOqmkAioWQU3YsCsCoAxi",
}
COMPOSE = "docker compose --env-file /dev/null --project-name genai-test -f /root/fixtures/compose.yaml"
SHOWN = """
docker ps -aq | xargs docker inspect
docker image ls -aq | sort -u | xargs docker image inspect
docker image ls -q | sort -u | xargs -n 1 docker history --no-trunc
docker network ls -q | xargs docker network inspect
docker compose --env-file /dev/null --project-name comfyui -f /opt/comfyui/compose/compose.yaml config
docker ps -aq | xargs -n 1 docker logs
docker buildx du --verbose
docker events --since 24h --until 0s
cat /opt/comfyui/compose/compose.yaml /etc/systemd/system/comfyui@*.service /etc/systemd/system/comfyui@*.service.d/*
find /opt/comfyui/image -type f -not -path '*/.git/*' -exec cat {} +
cat /proc/[0-9]*/cmdline /proc/[0-9]*/environ
journalctl --no-pager -o json
"""


@pytest.fixture
def field(compose: ComposeField) -> ComposeField:
    """Return the hosts with a working instance."""
    compose.ensure()
    return compose


def put(path: str, text: str) -> None:
    """Write a file on the server; its content comes over stdin."""
    script = f"mkdir -p $(dirname {path}); umask 077; cat > {path}.part; mv {path}.part {path}"
    command = ["docker", "exec", "-i", f"{PROJECT}-srv-1", "sh", "-c", script]
    subprocess.run(command, input=text.encode(), check=True)


def raw(script: str) -> bytes:
    """Return all that a script on the server says, on both streams."""
    command = ["docker", "exec", f"{PROJECT}-srv-1", "sh", "-c", f"{{ {script}\n}} 2>&1"]
    return subprocess.run(command, capture_output=True, check=False, timeout=300).stdout


def test_nothing_that_the_engine_keeps_or_shows_holds_a_secret(field: ComposeField) -> None:
    secrets = field.secrets()
    assert len(secrets) >= 2
    for line in SHOWN.strip().splitlines():
        said = raw(line)
        assert said, line
        assert leaks(said, secrets) == [], line
    # All files of the engine: layers, build cache, containers' logs and settings.
    patterns = "\n".join(secrets) + "\n"
    command = [
        "docker",
        "exec",
        "-i",
        f"{PROJECT}-srv-1",
        "grep",
        "-rlF",
        "-f",
        "-",
        "/var/lib/docker",
        "/opt/comfyui/image",
    ]
    found = subprocess.run(command, input=patterns, capture_output=True, text=True, check=False, timeout=300)
    assert (found.stdout, found.returncode) == ("", 1), found.stderr
    # The search itself.
    assert "raw" in leaks(raw(f"cat {APP}/login/PASSWORD"), secrets)


def test_each_variable_of_the_container_has_a_reader(field: ComposeField) -> None:
    form = "{{json .Config.Env}}"
    mine = json.loads(field.on("srv-1", f"docker inspect -f '{form}' {BOX}"))
    image = json.loads(
        field.on("srv-1", f"docker image inspect -f '{form}' $(docker inspect -f '{{{{.Image}}}}' {BOX})")
    )
    names = {one.partition("=")[0] for one in mine} - {one.partition("=")[0] for one in image or []}
    # The engine sets PATH for an image that has none.
    assert names - {"PATH"} == set(READERS)
    assert [one for one in image or [] if not one.startswith("PATH=")] == []


def test_compose_hands_each_hash_on_as_it_is_or_not_at_all(field: ComposeField) -> None:
    """Our documents hold no hash. What of somebody's own arguments or variables looks like one arrives whole."""
    service = {"image": "local/python:trixie", "pull_policy": "never", "network_mode": "none"}
    say = ["sh", "-c", 'printf "%s %s\n" "$GIVEN" "$1"'.replace("\n", "\\n"), "say"]
    services = {
        kind: {**service, "environment": {"GIVEN": text}, "command": [*say, text], "labels": {"note": text}}
        for kind, text in HASHES.items()
    }
    put("/root/fixtures/compose.yaml", compose_text({"name": "genai-test", "services": services}))
    try:
        shown = json.loads(field.on("srv-1", f"{COMPOSE} config --format json"))["services"]
        for kind, text in HASHES.items():
            # What config prints could be read by Compose again, so it doubles what it shows.
            assert shown[kind]["environment"]["GIVEN"].replace("$$", "$") == text
            assert shown[kind]["command"][-1].replace("$$", "$") == text
        field.on("srv-1", f"{COMPOSE} up --no-build --detach 2> /root/fixtures/said")
        assert field.on("srv-1", "grep 'variable is not set' /root/fixtures/said || true") == ""
        for kind, text in HASHES.items():
            box = f"$({COMPOSE} ps --all --quiet {kind})"
            assert field.on("srv-1", f"docker wait {box} > /dev/null; docker logs {box}") == f"{text} {text}\n"
            config = json.loads(field.on("srv-1", f"docker inspect -f '{{{{json .Config}}}}' {box}"))
            assert f"GIVEN={text}" in config["Env"]
            assert (config["Cmd"][-1], config["Labels"]["note"]) == (text, text)
    finally:
        field.on("srv-1", f"{COMPOSE} down; rm -rf /root/fixtures", check=False)


@pytest.mark.parametrize("kind", HASHES)
def test_a_hash_that_is_renamed_into_place_is_seen_inside_byte_for_byte(field: ComposeField, kind: str) -> None:
    """A container that has the file itself mounted would show the former one for ever."""
    kept = f"{APP}/login/kept"
    box = field.box()
    field.on("srv-1", f"cp -p {APP}/login/PASSWORD {kept}")
    try:
        put(f"{APP}/login/PASSWORD", f"{HASHES[kind]}\nadmin\n")
        field.on("srv-1", f"chown comfyui:comfyui {APP}/login/PASSWORD")
        inside = raw(f"docker exec {BOX} /opt/comfyui/venv/bin/python -c"
                     " 'print(open(\"/opt/comfyui/app/login/PASSWORD\").read(), end=\"\")'")  # fmt: skip
        assert inside == f"{HASHES[kind]}\nadmin\n".encode()
    finally:
        field.on("srv-1", f"mv {kept} {APP}/login/PASSWORD")
    assert field.box() == box
    assert leaks(raw(f"docker inspect {BOX}; docker logs {BOX}"), [HASHES[kind]]) == []


def test_the_same_inputs_give_the_same_layers(field: ComposeField) -> None:
    """The whole image, once more without the cache: what is installed in it, too, is the same to the byte."""
    show = "docker image inspect -f '{{json .RootFS.Layers}}'"
    field.on(
        "srv-1",
        "cd /opt/comfyui/image && find . -exec touch -h -d @1767225600 {} + && docker build -q --no-cache -t"
        " genai-test-again --build-arg BASE=local/python:trixie --build-arg SOURCE_DATE_EPOCH=1767225600 .",
    )
    try:
        again, former = (json.loads(field.on("srv-1", f"{show} {one}")) for one in ("genai-test-again", field.image()))
        assert [n for n, pair in enumerate(zip(again, former)) if pair[0] != pair[1]] == []
        assert len(again) == len(former)
    finally:
        field.on("srv-1", "docker rmi -f genai-test-again", check=False)
