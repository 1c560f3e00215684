# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it, on a real engine with a real base image; only a full disk is pretended."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from image_workshop import Workshop, docker, engine_answers

DOT = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"


@pytest.fixture(scope="module")
def engine() -> None:
    if not engine_answers():
        pytest.skip("no container engine answers")


@pytest.fixture
def shop(engine: None, tmp_path: Path) -> Iterator[Workshop]:
    made = Workshop(tmp_path)
    try:
        made.import_base()
        yield made
    finally:
        made.close()


def test_builds_once_and_again_only_for_another_input(shop: Workshop) -> None:
    planned = shop.run(_ansible_check_mode=True, labels={"v": "1"})
    assert (planned["changed"], planned["id"], planned["reason"]) == (True, "", "there is no image of this name yet")
    assert shop.tags() == []

    first = shop.run(labels={"v": "1"}, _ansible_diff=True)
    assert first["image"] == planned["image"] == f"{shop.name}:{first['inputs'][:16]}"
    assert shop.tags() == [first["image"]]
    labels = json.loads(docker("image", "inspect", "--format", "{{json .Config.Labels}}", first["image"]))
    base = docker("image", "inspect", "--format", "{{.Id}}", shop.base)
    assert labels == {"v": "1", "genai.comfyui.inputs": first["inputs"], "genai.comfyui.base": base}
    assert (first["diff"]["before"], first["diff"]["after"]) == ("", first["image"] + "\n")

    os.utime(shop.context / "hello", (1, 1))
    second = shop.run(labels={"v": "1"})
    assert (second["changed"], second["built"], second["id"]) == (False, False, first["id"])

    (shop.context / "hello").write_text("hello again\n")
    would = shop.run(labels={"v": "1"}, _ansible_check_mode=True)
    assert (would["built"], would["reason"], would["former"]) == (True, "its inputs changed", [first["image"]])
    third = shop.run(labels={"v": "1"})
    assert shop.tags() == sorted([first["image"], third["image"]])
    back = shop.context / "hello"
    back.write_text("hello\n")
    assert shop.run(labels={"v": "1"})["changed"] is False, "going back needs no build"


def test_somebody_elses_image_under_our_tag_is_not_taken_for_ours(shop: Workshop) -> None:
    first = shop.run()
    docker("rmi", first["image"])
    docker("tag", shop.base, first["image"])
    again = shop.run()
    assert again["built"] is True
    assert docker("image", "inspect", "--format", "{{.Id}}", first["image"]) == again["id"]


def test_prunes_on_request_and_never_what_a_container_needs(shop: Workshop) -> None:
    made = []
    for number in range(4):
        (shop.context / "hello").write_text(f"{number}\n")
        made.append(shop.run()["image"])
    docker("create", "--label", shop.name, made[0], "/bin/sh")
    planned = shop.run(prune=True, keep=1, _ansible_check_mode=True)
    assert (planned["pruned"], planned["changed"]) == ([made[1]], True)
    assert len(shop.tags()) == 4
    done = shop.run(prune=True, keep=1)
    assert done["pruned"] == [made[1]]
    assert shop.tags() == sorted([made[0], made[2], made[3]])
    assert shop.run(prune=True, keep=1)["changed"] is False


def test_a_base_image_by_its_id(shop: Workshop) -> None:
    base = docker("image", "inspect", "--format", "{{.Id}}", shop.base)
    assert shop.run(base=base)["image"] == shop.run()["image"], "an id and a tag of it are one base"


def test_a_base_image_that_is_not_to_be_had(shop: Workshop) -> None:
    said = shop.run(base="genai-test-nowhere:13", fails=True)["msg"]
    assert "the base image genai-test-nowhere:13 is not on this host" in said
    assert "docker image inspect --format" in said
    said = shop.run(base="sha256:" + "0" * 64, fails=True)["msg"]
    assert "docker load or docker import" in said
    absent = f"registry.invalid/nothing@sha256:{'0' * 64}"
    assert shop.run(base=absent, _ansible_check_mode=True)["reason"] == f"the base image {absent} has to be pulled"
    said = shop.run(base=absent, timeout=30, fails=True)["msg"]
    assert "cannot be pulled" in said
    assert "docker load" in said
    assert "The former image and what runs stay as they are." in said


def test_a_failed_build_shows_its_end_masked_and_leaves_the_former_image(shop: Workshop) -> None:
    former = shop.run()["image"]
    shop.write("FROM_SHELL", f"RUN echo 'the token is {DOT}'; echo because of this; exit 7\n")
    said = shop.run(fails=True)["msg"]
    assert "was not built" in said
    assert "because of this" in said
    assert DOT[8:20] not in said
    assert shop.tags() == [former]


def test_a_build_that_takes_too_long_is_ended(shop: Workshop) -> None:
    shop.write("FROM_SHELL", "RUN sleep 100\n")
    said = shop.run(timeout=3, fails=True)["msg"]
    assert "not done within 3 s" in said
    assert "timeout" in said
    assert shop.tags() == []


def test_a_secret_in_an_option_is_refused_before_anything_is_asked(shop: Workshop) -> None:
    said = shop.run(labels={"note": DOT}, fails=True)["msg"]
    assert "labels: note looks like a secret" in said
    assert DOT not in said


def test_without_an_engine(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    away = {**os.environ, "DOCKER_HOST": f"unix://{tmp_path}/none.sock"}
    said = shop.run(environment=away, fails=True)["msg"]
    if "there is no docker command" not in said:
        assert "the container engine does not answer" in said
        assert "systemctl start docker" in said
    (tmp_path / "bin").mkdir()
    for program in ("timeout",):
        (tmp_path / "bin" / program).symlink_to(f"/usr/bin/{program}")
    said = shop.run(environment={**os.environ, "PATH": f"{tmp_path}/bin"}, fails=True)["msg"]
    assert "there is no docker command" in said


def test_without_a_context(shop: Workshop, tmp_path: Path) -> None:
    planned = shop.run(context=str(tmp_path / "none"), _ansible_check_mode=True)
    assert (planned["changed"], planned["image"]) == (True, "")
    assert "has no Dockerfile" in shop.run(context=str(tmp_path / "none"), fails=True)["msg"]


def test_a_full_disk_names_the_file_system(tmp_path: Path) -> None:
    shop = Workshop(tmp_path)
    (tmp_path / "bin").mkdir()
    script = tmp_path / "bin" / "docker"
    script.write_text(
        f"""#!/bin/sh
case "$1 $2" in
  "version --format") echo 26.1.5;;
  "image inspect") [ "$3" = "{shop.base}" ] && echo '[{{"Id": "sha256:1"}}]';;
  "image ls") ;;
  "info --format") echo {tmp_path};;
  "build "*) cat > /dev/null; echo 'write /var/lib/x: no space left on device' >&2; exit 1;;
  *) exit 1;;
esac
"""
    )
    script.chmod(0o755)
    path = f"{tmp_path}/bin:{os.environ['PATH']}"
    said = shop.run(environment={**os.environ, "PATH": path}, fails=True)["msg"]
    assert "no space is left" in said
    assert f"{tmp_path} is on the file system at " in said
    assert "MiB are free" in said
    assert "docker builder prune" in said
