# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import time
import typing as t

import pytest

from ansible_collections.genai.comfyui.plugins.plugin_utils import _topology as topology

SETTINGS = {"home": "/opt/comfyui", "data_dir": "/srv/comfyui", "listen": "127.0.0.1", "launch_args": []}


def complete(*declared: dict[str, t.Any], **settings: t.Any) -> list[dict[str, t.Any]]:
    return topology.instances(list(declared), {**SETTINGS, **settings})


def option(instance: dict[str, t.Any], flag: str) -> str:
    args: list[str] = instance["args"]
    return args[args.index(flag) + 1]


def test_an_empty_declaration_means_one_locked_instance_on_loopback() -> None:
    (one,) = complete({})
    assert (one["name"], one["port"], one["credential"]) == ("default", 8188, "main")
    assert option(one, "--listen") == "127.0.0.1"
    assert one["url"] == "http://127.0.0.1:8188"
    assert one["unit"] == "comfyui@default.service"


def test_instances_share_nothing_that_a_credential_or_a_database_depends_on() -> None:
    first, second = complete({"name": "a", "port": 1}, {"name": "b", "port": 2, "credential": "team"})
    for key in (
        "app",
        "password_file",
        "session_key",
        "user_dir",
        "input_dir",
        "output_dir",
        "temp_dir",
        "unit",
        "url",
    ):
        assert first[key] != second[key], key
    assert option(first, "--database-url") != option(second, "--database-url")


@pytest.mark.parametrize(
    ("listen", "url"),
    [
        ("0.0.0.0", "http://127.0.0.1:8188"),
        ("::", "http://[::1]:8188"),
        ("10.1.2.3", "http://10.1.2.3:8188"),
        ("10.1.2.3,::1", "http://10.1.2.3:8188"),
        ("fd00::1", "http://[fd00::1]:8188"),
    ],
)
def test_the_host_asks_the_address_that_is_really_bound(listen: str, url: str) -> None:
    (one,) = complete({}, listen=listen)
    assert one["url"] == url


def test_tls_flags_make_the_address_https() -> None:
    (one,) = complete({"launch_args": ["--tls-keyfile", "/k", "--tls-certfile", "/c"]})
    assert one["url"].startswith("https://")


@pytest.mark.parametrize(
    ("gpus", "environment", "flag"),
    [
        ("all", {}, None),
        ("none", {}, "--cpu"),
        (1, {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "1"}, None),
        ([0, "GPU-1"], {"CUDA_DEVICE_ORDER": "PCI_BUS_ID", "CUDA_VISIBLE_DEVICES": "0,GPU-1"}, None),
    ],
)
def test_a_process_sees_exactly_its_gpus(gpus: t.Any, environment: dict[str, str], flag: t.Any) -> None:
    (one,) = complete({"gpus": gpus})
    assert one["environment"] == environment
    assert ("--cpu" in one["args"]) == (flag == "--cpu")


@pytest.mark.parametrize(
    ("declared", "words"),
    [
        ([], "at least one instance"),
        ("default", "at least one instance"),
        (["x"], r"comfyui_instances\[0\] must be a mapping"),
        ([{"nam": "x"}], r"unknown keys \['nam'\]"),
        ([{"name": "../x"}], r"comfyui_instances\[0\].name"),
        ([{"name": ""}], r"comfyui_instances\[0\].name"),
        ([{"port": "http"}], r"comfyui_instances\[0\].port 'http'"),
        ([{"port": 0}], "1 to 65535"),
        ([{"gpus": {"a": 1}}], r"comfyui_instances\[0\].gpus"),
        ([{}, {"port": 9}], "name default is used twice"),
        ([{}, {"name": "b"}], "port 8188 is used twice"),
        ([{"launch_args": ["--port=1"]}], "may not hold --port"),
    ],
)
def test_a_contradicting_inventory_is_refused_by_name(declared: t.Any, words: str) -> None:
    with pytest.raises(topology.TopologyError, match=words):
        topology.instances(declared, SETTINGS)


def test_only_the_credentials_that_a_host_uses_leave_the_controller() -> None:
    truth = {"main": {"token": "m"}, "team": {"token": "t"}}
    assert topology.credentials_for(truth, [{"credential": "team"}]) == {"team": {"token": "t"}}
    assert topology.credentials_for(truth, [{}]) == {"main": {"token": "m"}}
    # A name that the truth lacks is left to sync, which names the consumer.
    assert topology.credentials_for(truth, [{"credential": "nope"}]) == {}
    assert topology.credentials_for({}, [{}], planned=True)["main"]["token"] is None


def test_names_come_from_instances_and_consumers_of_all_hosts() -> None:
    hostvars = {
        "srv": {"comfyui_instances": [{"credential": "a"}, {}], "comfyui_consumers": [{"credential": "b"}]},
        "bare": {},
        "cli": {"comfyui_consumers": [{"credential": "c"}, {}]},
    }
    assert topology.credential_names(hostvars, ["srv", "bare"], ["cli"]) == ["a", "b", "c", "main"]
    assert topology.credential_names(hostvars, [], ["cli"]) == ["c", "main"]


def test_only_tokens_with_a_known_server_are_proven() -> None:
    consumers = [
        {"id": "t", "path": "/t", "codec": "raw"},
        {"id": "b", "path": "/b", "codec": "json", "key": "/a", "field": "bearer", "url": "http://other"},
        {"id": "p", "path": "/p", "codec": "raw", "field": "password"},
        {"id": "u", "path": "/u", "codec": "raw", "field": "url", "url": "https://h:81/ws?a=1#x"},
    ]
    targets = topology.probe_targets(consumers, "http://gpu")
    assert [(one["name"], one["url"]) for one in targets] == [
        ("t", "http://gpu"), ("b", "http://other"), ("u", "https://h:81"),
    ]  # fmt: skip
    assert [one["from"]["field"] for one in targets] == ["token", "bearer", "url"]
    assert [one["name"] for one in topology.probe_targets(consumers)] == ["b", "u"]


def test_the_form_is_proven_only_where_the_password_is_known() -> None:
    (one,) = complete({})
    (with_form,) = topology.server_targets([one], {"main": {"token": "T", "password": "P", "username": "u"}}, True)
    assert (with_form["token"], with_form["password"], with_form["username"]) == ("T", "P", "u")
    (adopted,) = topology.server_targets([one], {"main": {"token": "T", "password": None, "username": "u"}}, True)
    assert "password" not in adopted
    (unasked,) = topology.server_targets([one], {"main": {"token": "T", "password": "P", "username": "u"}}, False)
    assert "password" not in unasked


TOKENS = ["$2b$04$" + letter * 21 + "." + letter * 30 + "." for letter in "abc"]


def rotating(**more: t.Any) -> dict[str, t.Any]:
    old, new = ({"version": f"v{number}", "token": TOKENS[number]} for number in (0, 1))
    entries = [{**one, "expires": None} for one in (old, new)]
    return {"main": {**old, "username": "u", "password": "P", "pending": new, "accept": entries, **more}}


def test_a_rotation_is_proven_with_every_version_that_is_alive() -> None:
    (one,) = complete({"name": "a", "port": 1})
    (target,) = topology.server_targets([one], rotating(), True, True)
    assert (target["version"], target["password"]) == ("v0", "P")
    assert target["others"] == [{"version": "v1", "token": TOKENS[1], "accepted": True}]
    # Without the guard a server holds one token, and nothing is expected of the others.
    (target,) = topology.server_targets([one], rotating(), True)
    assert target["others"] == [{"version": "v1", "token": TOKENS[1]}]
    pending = {"version": "v1", "token": TOKENS[1], "password": "new"}
    (target,) = topology.server_targets([one], rotating(serve="pending", pending=pending), True, True)
    assert (target["token"], target["version"], target["password"]) == (TOKENS[1], "v1", "new")
    assert target["others"] == [{"version": "v0", "token": TOKENS[0], "accepted": True}]


@pytest.mark.parametrize(("left", "expected"), [(3600, {"accepted": True}), (-3600, {"accepted": False}), (5, {})])
def test_near_its_end_nothing_is_expected_of_a_token(left: int, expected: dict[str, bool]) -> None:
    ends = [{"version": "v0", "expires": None}, {"version": "v9", "expires": int(time.time()) + left}]
    previous = {"version": "v9", "token": TOKENS[2]}
    credential = {"version": "v0", "token": TOKENS[0], "previous": previous, "accept": ends}
    assert topology.other_versions(credential, "v0", True) == [{**previous, **expected}]


def test_a_failed_loop_says_what_its_items_said() -> None:
    items = [{"msg": "fine"}, {"failed": True, "msg": "no tag"}, {"failed": True, "msg": "no tag"}]
    loop = {"msg": "One or more items failed", "failed": True, "results": items}
    assert topology.failure(loop, "Check out") == {"task": "Check out", "msg": "no tag"}
    assert topology.failure({"failed": True, "msg": "why"}, "x")["msg"] == "why"
    assert topology.failure({"failed": True}, "x")["msg"] == "see the output above"


def test_a_preset_says_where_its_token_is_read_back() -> None:
    (target,) = topology.probe_targets([{"id": "ui", "preset": "open_webui", "path": "/srv/webui/.env"}], "http://gpu")
    assert target["from"]["path"] == "/srv/webui/.env"
    assert target["from"]["codec"]
    assert topology.probe_targets([{"id": "x", "preset": "no such"}], "http://gpu") == []
