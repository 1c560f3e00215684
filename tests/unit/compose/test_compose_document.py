# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a host's compose.yaml says, and that it says it to Compose."""

from __future__ import annotations

import posixpath
import re
import typing as t

import pytest
import yaml
from compose_cases import SETTINGS, Json, instances
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.plugin_utils import _compose as compose
from ansible_collections.genai.comfyui.plugins.plugin_utils import _compose_tree as tree
from ansible_collections.genai.comfyui.plugins.plugin_utils._launch import requirements_without
from ansible_collections.genai.comfyui.plugins.plugin_utils._server_tree import server_lib, server_tree

TOKENS = (
    "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK",
    "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O",
    "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe",
    "$2b$04$/hRM0B3tgjpFRE39yawQi.SK6lcV1hbnSOqmkAioWQU3YsCsCoAxi",
)


def one(instance: Json | None = None, **settings: t.Any) -> Json:
    """Return the service of one instance."""
    (complete,) = instances(instance or {}, **settings)
    return compose.service(complete, {**SETTINGS, **settings}, None)


def interpolated(value: t.Any) -> t.Any:
    """Read texts as Compose does: ``$$`` is a dollar, ``$NAME`` and ``${NAME}`` are variables, here all empty."""
    if isinstance(value, dict):
        return {key: interpolated(item) for key, item in value.items()}
    if isinstance(value, list):
        return [interpolated(item) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$(\$|\{[^}]*\}|[A-Za-z_][A-Za-z0-9_]*)", lambda match: "$" if match[1] == "$" else "", value)
    return value


@pytest.mark.parametrize(
    "text", [*TOKENS, "$$", "$", "a$b", "${HOME}", "$${HOME}", "1e3", "0o17", "yes", "12:30:45", "~"]
)
def test_compose_reads_back_every_text_whatever_its_dollars(text: str) -> None:
    document = {"name": "x", "list": [text, {"deep": text}], "number": 5, "yes": True}
    written = compose.compose_text(document)
    assert interpolated(yaml.safe_load(written)) == document
    assert re.fullmatch(r"(?:[^$]|\$\$)*", written.split("\n", 1)[1])


@given(st.text(st.characters(min_codepoint=32, exclude_categories=["Cs"], exclude_characters="\x7f")))
def test_any_text_survives(text: str) -> None:
    assert interpolated(yaml.safe_load(compose.compose_text({"a": text}))) == {"a": text}


def test_control_characters_are_refused() -> None:
    with pytest.raises(ValueError, match="control character"):
        compose.compose_text({"a": "two\nlines"})


def test_the_port_is_published_where_the_instance_listens_and_nowhere_else() -> None:
    service = one({"port": 8189})
    assert service["ports"] == [{"target": 8189, "published": "8189", "host_ip": "127.0.0.1", "protocol": "tcp"}]
    command = service["command"]
    assert command[command.index("--listen") + 1] == "0.0.0.0"
    assert command[command.index("--port") + 1] == "8189"
    two = one({"listen": "10.1.2.3,[::1]"})
    assert [port["host_ip"] for port in two["ports"]] == ["10.1.2.3", "::1"]
    assert command.index("--") < command.index("--listen")


def test_the_service_is_bound_hand_and_foot() -> None:
    service = one()
    assert service["user"] == "991:990"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["restart"] == "no"
    assert service["pull_policy"] == "never"
    assert not {"privileged", "pid", "ipc", "network_mode", "env_file", "devices", "cap_add", "build"} & set(service)
    assert "/run/comfyui:uid=991,gid=990,mode=0700" in service["tmpfs"]
    assert service["logging"] == {"driver": "local", "options": {"max-size": "10m", "max-file": "3"}}


def test_only_data_is_writable_and_nothing_is_made_by_the_engine() -> None:
    volumes = one()["volumes"]
    assert all(volume["type"] == "bind" and volume["bind"] == {"create_host_path": False} for volume in volumes)
    writable = [volume["target"] for volume in volumes if not volume.get("read_only")]
    data = "/srv/comfyui/instances/default"
    assert writable == ["/srv/comfyui/cache", *(f"{data}/{name}" for name in ("user", "input", "output", "temp"))]
    assert all(volume["source"] == volume["target"] for volume in volumes if volume["target"] in writable)
    by_target = {volume["target"]: volume for volume in volumes}
    assert by_target["/srv/comfyui/models"]["read_only"] is True
    # A directory: a file that is renamed into it is seen inside, a mounted file is not.
    assert by_target["/opt/comfyui/app/login"]["source"] == "/opt/comfyui/instances/default/container/login"
    assert not [target for target in by_target if target.endswith("PASSWORD")]


def test_what_is_mounted_is_laid_down_first() -> None:
    complete = instances()
    laid = {entry["path"] for entry in server_tree(complete, SETTINGS) + tree.container_tree(complete, SETTINGS)}
    by_others = {complete[0]["guard_node"], complete[0]["session_key"], posixpath.dirname(complete[0]["password_file"])}
    assert {volume["source"] for volume in one()["volumes"]} <= laid | by_others
    assert {posixpath.dirname(path) for path in by_others} <= laid


def test_guard_guests_and_origin_are_passed_on() -> None:
    plain = one()
    assert not {"--no-guard", "--allow-guest", "--origin"} & set(plain["command"])
    odd = one({"guest": True, "cors_origin": "https://ui"}, guard=False)
    own = odd["command"][: odd["command"].index("--")]
    assert own[-4:] == ["--origin", "https://ui", "--allow-guest", "--no-guard"]
    assert not [volume for volume in odd["volumes"] if "Guard" in volume["target"]]
    assert odd["healthcheck"]["test"][-4:-2] == ["--origin", "https://ui"]


def test_health_means_up_and_locked() -> None:
    check = one()["healthcheck"]["test"]
    assert check[:4] == ["CMD", "/opt/comfyui/venv/bin/python", "-B", "/opt/comfyui/lib/prove.py"]
    assert check[check.index("--url") + 1] == "http://127.0.0.1:8188"
    secure = one({"launch_args": ["--tls-certfile", "/c", "--tls-keyfile", "/k"]})["healthcheck"]["test"]
    assert secure[-2:] == ["https://127.0.0.1:8188", "--insecure"]


@pytest.mark.parametrize(
    ("text", "limit"), [("24G", str(24 << 30)), ("512M", str(512 << 20)), ("infinity", None), ("1000000", "1000000")]
)
def test_memory_is_limited_in_bytes(text: str, limit: str | None) -> None:
    assert one(memory_max=text).get("mem_limit") == limit
    assert one({"memory_max": text}, memory_max="1G").get("mem_limit") == limit


@pytest.mark.parametrize("text", ["50%", "lots", "0"])
def test_a_share_of_the_machine_is_no_limit_for_a_container(text: str) -> None:
    with pytest.raises(ValueError, match="comfyui_memory_max"):
        one(memory_max=text)


def test_each_variable_has_a_reader() -> None:
    service = one({"environment": {"MINE": "a$b"}})
    assert set(service["environment"]) - {"MINE"} <= set(compose.READERS)
    # And none is told that nobody is given.
    assert set(compose.READERS) <= set(service["environment"])
    with pytest.raises(ValueError, match="'A B' is not a name"):
        one({"environment": {"A B": ""}})


def test_no_variable_chooses_gpus_that_the_container_counts_anew() -> None:
    assert not [name for name in one({"gpus": [1]})["environment"] if name.startswith("CUDA_")]
    assert "--cpu" in one({"gpus": "none"})["command"]


def test_one_service_an_instance_on_a_network_of_our_own() -> None:
    document = compose.compose_document(instances({"name": "a", "port": 1}, {"name": "b", "port": 2}), SETTINGS, {})
    assert list(document["services"]) == ["a", "b"]
    assert document["name"] == "comfyui"
    (network,) = document["networks"].values()
    assert (network["name"], network["driver"]) == ("comfyui", "bridge")
    assert set(document) == {"name", "services", "networks"}


def dropins(*declared: Json, image: str = "sha256:1", **settings: t.Any) -> dict[str, str]:
    """Return each drop-in by instance."""
    laid = tree.compose_project(
        instances(*declared, **settings), {**SETTINGS, **settings}, "unit", {}, {"image": "i:1", "id": image}
    )
    return {
        entry["path"].split("@")[1].split(".")[0]: entry["content"] for entry in laid if entry["path"].endswith(".conf")
    }


def test_a_drop_in_changes_exactly_when_its_container_does() -> None:
    a, b = {"name": "a", "port": 1}, {"name": "b", "port": 2}
    before = dropins(a, b)
    assert dropins(a, b) == before
    after = dropins(a, {**b, "launch_args": ["--lowvram"]})
    assert after["a"] == before["a"]
    assert after["b"] != before["b"]
    assert {name: dropins(a, b, image="sha256:2")[name] != before[name] for name in "ab"} == {"a": True, "b": True}
    assert dropins(a, b, {"name": "c", "port": 3})["a"] == before["a"]


def test_the_unit_proves_from_outside_through_the_published_port() -> None:
    (text,) = dropins({"listen": "0.0.0.0"}).values()
    post = [line for line in text.splitlines() if line.startswith("ExecStartPost=/")]
    assert post == [
        "ExecStartPost=/usr/bin/python3 -B /opt/comfyui/lib/prove.py"
        " --app /opt/comfyui/instances/default/container --url http://127.0.0.1:8188 --timeout 300"
    ]


def test_the_context_holds_programs_and_lists_and_lets_no_secret_in() -> None:
    laid = tree.image_context("/opt/comfyui", "FROM x", {"requirements.txt": requirements_without("a\n", [])})
    contents = {entry["path"]: entry.get("content") for entry in laid}
    assert contents["/opt/comfyui/image/Dockerfile"] == "FROM x"
    assert {entry["path"].replace("/comfyui/lib", "/comfyui/image/lib") for entry in server_lib("/opt/comfyui")} <= set(
        contents
    )
    ignored = (contents["/opt/comfyui/image/.dockerignore"] or "").splitlines()
    assert {"**/.git", "**/PASSWORD", "**/.secret-key.txt"} <= set(ignored)
    seen = {"/opt/comfyui/image"}
    for entry in laid:
        assert posixpath.dirname(entry["path"]) in seen, entry["path"]
        seen.add(entry["path"])


def test_a_change_of_deployment_leaves_no_token_and_takes_no_custom_node() -> None:
    gone = tree.login_remains(instances(), "/opt/comfyui")
    assert {entry["state"] for entry in gone} == {"absent"}
    assert [entry["path"] for entry in gone] == [
        "/opt/comfyui/instances/default/ComfyUI/login",
        "/opt/comfyui/instances/default/ComfyUI/custom_nodes/ComfyUI-Login/.secret-key.txt",
    ]
    (back,) = instances(deployment="systemd")
    assert tree.login_remains([back], "/opt/comfyui")[0]["path"] == "/opt/comfyui/instances/default/container/login"
