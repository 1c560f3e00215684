# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tools import hosts, images, inner, machine, repos, site
from tools._common import ROOT

FakeDocker = Callable[[str], Path]
INVENTORY = """
all:
  children:
    containers:
      vars: {container_project: demo}
      hosts:
        srv-1: {container_image: img/a}
        cli-1: {container_image: img/b}
    comfyui_servers: {hosts: {srv-1: {}}}
"""


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keep what planning writes out of the work tree."""
    monkeypatch.setattr(machine, "HOST_FILES", tmp_path / "hosts")
    monkeypatch.setattr(repos, "GIT", tmp_path / "git")
    monkeypatch.setattr(repos, "STANDINS", ())
    return tmp_path


def answering(world: Path, containers: str) -> str:
    (world / "ps").write_text(containers)
    return f'case "$1" in image) echo sha256:a; echo sha256:b;; ps) cat {world}/ps;; *) exit 1;; esac'


def test_plan_starts_what_is_absent_outdated_or_stopped(world: Path, fake_docker: FakeDocker) -> None:
    wanted = {"srv-1": "img/a", "cli-1": "img/b", "cli-2": "img/b"}
    fake_docker(answering(world, ""))
    first = hosts.plan("demo", wanted)
    assert [(record["name"], record["fresh"]) for record in first["create"]] == [
        ("demo-cli-1", True),
        ("demo-cli-2", True),
        ("demo-srv-1", True),
    ]
    specs = first["specs"]
    fake_docker(
        answering(
            world, f"demo-srv-1 {specs['srv-1']} running\ndemo-cli-1 {specs['cli-1']} exited\ndemo-cli-2 old running\n"
        )
    )
    second = hosts.plan("demo", wanted)
    assert [(record["name"], record["fresh"]) for record in second["create"]] == [
        ("demo-cli-1", False),
        ("demo-cli-2", True),
    ]


def test_only_a_host_with_an_engine_inside_gets_what_that_needs(
    world: Path, fake_docker: FakeDocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []
    monkeypatch.setattr(images, "ensure", built.extend)
    monkeypatch.setattr(inner, "ensure", lambda: world)
    fake_docker(answering(world, ""))
    plain, inside = hosts.plan("demo", {"a": "genai-comfyui/trixie", "b": "genai-comfyui/trixie-docker"})["create"]
    assert (plain["capabilities"], plain["volumes"]) == (["SYS_ADMIN"], [])
    assert inside["capabilities"] == ["SYS_ADMIN", "NET_ADMIN", "SYS_PTRACE"]
    assert inside["volumes"] == ["/var/lib/docker", f"{world}:/srv/images:ro"]
    assert built == ["trixie-docker"], "built when the first host asks for it"
    built.clear()
    hosts.plan("demo", {"a": "genai-comfyui/trixie"})
    assert built == []


def test_an_image_with_an_engine_has_a_recipe_of_its_own() -> None:
    assert images.recipe("trixie-docker") != images.recipe("trixie")
    assert images.content("trixie-docker")[0] == "trixie"
    assert images.has_engine("genai-comfyui/trixie-docker:latest")
    assert not images.has_engine("genai-comfyui/trixie")


def test_the_inner_base_knows_only_package_sources_that_a_container_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"find-links": "/opt/wheels", "extra-index-url": "file:///opt/simple https://mirror.example/simple"}
    monkeypatch.setattr(machine, "pip_settings", lambda: {**given, "timeout": "60"})
    assert inner.settings() == {"extra-index-url": "https://mirror.example/simple", "timeout": "60"}


def test_hosts_whose_mounted_directories_were_removed_are_made_anew(world: Path, fake_docker: FakeDocker) -> None:
    fake_docker(answering(world, ""))
    before = hosts.plan("demo", {"srv-1": "img/a"})["specs"]
    assert hosts.plan("demo", {"srv-1": "img/a"})["specs"] == before
    shutil.rmtree(world / "git")
    assert hosts.plan("demo", {"srv-1": "img/a"})["specs"] != before


def test_plan_names_the_target_that_builds_an_absent_image(world: Path, fake_docker: FakeDocker) -> None:
    fake_docker('echo "Error: No such image: img/a" >&2; exit 1')
    with pytest.raises(SystemExit, match="No such image: img/a; 'make images' builds"):
        hosts.plan("demo", {"srv-1": "img/a"})


def test_images_are_stale_by_recipe(fake_docker: FakeDocker, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = images.recipe("bookworm")
    log = fake_docker(
        f'echo "genai-comfyui/bookworm:latest {recipe}"; echo "genai-comfyui/trixie:latest other"; exit 1'
    )
    assert images.stale(["bookworm", "trixie"]) == ["trixie"]
    assert len(log.read_text().splitlines()) == 1, "one question to the engine"
    monkeypatch.setattr(images, "PACKAGES", (*images.PACKAGES, "jq"))
    assert images.stale(["bookworm"]) == ["bookworm"]


def test_another_mirror_is_another_recipe(monkeypatch: pytest.MonkeyPatch) -> None:
    before = images.recipe("trixie")
    monkeypatch.setattr(machine, "apt_archives", lambda: ("http://elsewhere.example/debian", ""))
    assert images.sources("trixie")[0] == "deb http://elsewhere.example/debian trixie main"
    assert images.recipe("trixie") != before


@pytest.mark.parametrize(("root", "debian"), [(False, True), (True, False)])
def test_without_root_or_debian_a_registry_is_asked(root: bool, debian: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "is_root", lambda: root)
    monkeypatch.setattr(images, "is_debian", lambda: debian)
    assert images.way() == "registry"


def test_local_hosts_are_those_of_the_group_containers(tmp_path: Path) -> None:
    (tmp_path / "hosts.yml").write_text(INVENTORY)
    expected = site.Local("demo", {"srv-1": "img/a", "cli-1": "img/b"})
    assert site.local_hosts(tmp_path) == expected
    assert site.local_hosts(tmp_path / "hosts.yml") == expected


@pytest.mark.parametrize("text", ["[servers]\ngpu-1\n", "all: {hosts: {gpu-1: {}}}\n", ": : :\n", ""])
def test_other_inventories_have_no_local_hosts(text: str, tmp_path: Path, fake_docker: FakeDocker) -> None:
    log = fake_docker("exit 1")
    (tmp_path / "hosts.yml").write_text(text)
    site.prepare(tmp_path)
    assert not log.exists(), "the engine was asked"


def test_the_example_inventory_never_touches_the_engine(fake_docker: FakeDocker) -> None:
    log = fake_docker("exit 1")
    site.prepare(ROOT / "inventories" / "example")
    assert not log.exists()
    assert not site.is_demo(ROOT / "inventories" / "example")
    assert site.is_demo(Path(os.path.relpath(site.DEMO)))


def test_the_demos_vault_password_is_made_once_and_closed(tmp_path: Path) -> None:
    path = tmp_path / "demo" / "vault-password"
    previous = os.umask(0)
    try:
        assert site.vault_password_file(path) == path
    finally:
        os.umask(previous)
    text = path.read_text()
    assert len(text) > 20
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert site.vault_password_file(path).read_text() == text


def test_the_answer_of_an_ad_hoc_debug_is_read() -> None:
    inner = json.dumps({"main": {"username": "admin", "password": "x => y"}})
    text = "srv-1 | SUCCESS => " + json.dumps({"changed": False, "msg": inner})
    assert site.parse_answer(text) == {"main": {"username": "admin", "password": "x => y"}}
    assert site.parse_answer("srv-1 | FAILED! => nonsense") is None


def test_of_a_failure_only_the_cause_is_told() -> None:
    message = "Task failed: while resolving 'msg': The lookup plugin 'genai.comfyui.credential' failed: no such file."
    assert site.reason("srv-1 | FAILED! => " + json.dumps({"msg": message})) == "no such file."
    assert site.reason("[ERROR]: no inventory") == ""
