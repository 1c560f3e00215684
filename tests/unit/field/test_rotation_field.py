# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""In which order a rotation goes over the hosts, and what counts as seen."""

from __future__ import annotations

from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils import _field as field
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_evidence import evidence_of

HOSTS: dict[str, dict[str, Any]] = {
    "gpu-1": {},
    "gpu-2": {"comfyui_instances": [{"name": "a", "port": 1}, {"name": "b", "port": 2, "credential": "team"}]},
    "cli-1": {"comfyui_consumers": [{"id": "env", "path": "/env", "url": "http://gpu-1:8188"}]},
    "cli-2": {"comfyui_consumers": [{"id": "env", "path": "/env", "credential": "team"}]},
}
SERVERS, CLIENTS = ["gpu-1", "gpu-2"], ["cli-1", "cli-2"]


def order(**changes: dict[str, Any]) -> list[tuple[str, list[str], bool]]:
    hosts = {name: {**HOSTS.get(name, {}), **changes.get(name, {})} for name in {**HOSTS, **changes}}
    return [(s["part"], s["hosts"], s["gate"]) for s in field.rotation_steps(hosts, SERVERS, CLIENTS)]


def test_with_the_guard_all_servers_come_before_all_clients() -> None:
    assert order() == [("server", SERVERS, False), ("look", SERVERS, True), ("client", CLIENTS, True)]


def test_a_server_without_guard_comes_alone_and_its_clients_at_once() -> None:
    off: dict[str, Any] = {"comfyui_login_guard": "false"}
    last = ("client", CLIENTS, True)
    assert order(**{"gpu-1": off}) == [
        ("server", ["gpu-2"], False),
        ("look", ["gpu-2"], False),
        ("server", ["gpu-1"], False),
        ("client", ["cli-1"], False),
        ("look", ["gpu-1"], False),
        last,
    ]
    assert order(**{"gpu-1": off, "gpu-2": off}) == [
        ("server", ["gpu-1"], False),
        ("client", ["cli-1"], False),
        ("look", ["gpu-1"], False),
        ("server", ["gpu-2"], False),
        ("client", ["cli-2"], False),
        ("look", ["gpu-2"], False),
        last,
    ]
    # Who names no server comes after the last one that it may mean.
    anywhere = {"comfyui_consumers": [{"id": "env", "path": "/env"}]}
    steps = order(**{"gpu-1": off, "gpu-2": off, "cli-1": anywhere})
    assert steps[2:4] == [("server", ["gpu-2"], False), ("client", CLIENTS, False)]


def test_a_client_of_two_servers_without_guard_gets_each_file_after_its_server() -> None:
    """The other server still takes the former token only."""
    consumers = [
        {"id": "one", "path": "/one", "url": "http://gpu-1:8188"},
        {"id": "two", "path": "/two", "url": "http://gpu-2:8188"},
        {"id": "any", "path": "/any"},
    ]
    off: dict[str, Any] = {"comfyui_login_guard": False}
    team = {"comfyui_instances": [{"name": "default"}]}
    hosts = {**HOSTS, "gpu-1": off, "gpu-2": {**off, **team}, "cli-1": {"comfyui_consumers": consumers}, "cli-2": {}}
    steps = field.rotation_steps(hosts, SERVERS, CLIENTS)
    assert [(step["part"], step.get("after"), step.get("only")) for step in steps] == [
        ("server", None, None),
        ("client", "gpu-1", {"cli-1": ["one"]}),
        ("look", None, None),
        ("server", None, None),
        ("client", "gpu-2", {"cli-1": ["two", "any"]}),
        ("look", None, None),
        ("client", None, None),
    ]


def test_a_server_may_hold_consumers_itself() -> None:
    both = {"comfyui_consumers": [{"id": "mine", "path": "/mine"}]}
    assert order(**{"gpu-1": both})[2] == ("client", ["gpu-1", *CLIENTS], True)


def probed(name: str = "default", **more: Any) -> dict[str, Any]:
    checks = [{"name": one, "ok": True} for one in ("anonymous", "empty_token", "random_token")]
    seen = {"name": name, "state": "locked", "checks": checks, "accepts": ["v1"], "refuses": ["v2"], "guarded": False}
    return {"comfyui_login_probe_result": {"targets": [{**seen, **more}]}}


def looked(number: int = 3, **more: Any) -> dict[str, Any]:
    return {
        "comfyui_rotation_seen": number,
        "comfyui_login_sync_result": {
            "consumers": [{"id": "server:default", "version": "v1", "fingerprint": "a" * 12}]
        },
        "comfyui_login_accept_result": {"instances": [{"name": "default", "found_versions": ["v1"]}]},
        **probed(),
        **more,
    }


def server(host: dict[str, Any]) -> dict[str, Any]:
    found = field.rotation_evidence({"gpu-1": host}, ["gpu-1"], [], 3, "2026-01-02T03:04:05Z")
    assert evidence_of(found, "main").servers
    (record,) = found["servers"]
    assert isinstance(record, dict)
    return record


def test_what_is_seen_of_a_server() -> None:
    seen = server(looked())
    assert (seen["acceptor"], seen["locked"], seen["reachable"]) == ("none", True, True)
    assert (seen["accepts"], seen["refuses"], seen["holds"], seen["password"]) == (["v1"], ["v2"], "v1", "v1")
    assert seen["accept_versions"] == ["v1"]
    guarded = server(looked(**probed(guarded=True, accepts=["v1", "v2"])))
    assert (guarded["acceptor"], guarded["holds"]) == ("guard", None)


def test_strangers_who_get_in_or_were_not_tried_are_no_lock() -> None:
    assert server(looked(**probed(checks=[{"name": "anonymous", "ok": False}])))["locked"] is False
    assert server(looked(**probed(checks=[])))["locked"] is False
    assert server(looked(**probed(state="down", checks=[])))["reachable"] is False


def test_results_of_an_earlier_pass_are_no_evidence() -> None:
    old = server(looked(number=2))
    assert (old["reachable"], old.get("accepts")) == (False, None)
    assert old["password"] is None
    assert old["detail"] == "not looked at in this run (left out by --limit, or it failed on the way)"
    gone = server({**looked(number=0), "comfyui_contact": {"unreachable": True, "msg": "no route"}})
    assert gone["detail"] == "unreachable: no route"
    assert server({})["reachable"] is False


def test_a_failure_on_the_way_is_named() -> None:
    failure = {"task": "Tell the guard", "msg": "lists v9"}
    seen = server({"comfyui_rotation_seen": 3, "comfyui_failure": failure})
    assert (seen["reachable"], seen["detail"]) == (False, "Tell the guard: lists v9")


def test_what_is_seen_of_consumers() -> None:
    record = {"id": "env", "credential": "main", "required": True, "status": "in_sync", "version": "v2", "path": "/env"}
    there = {"comfyui_rotation_seen": 3, "comfyui_client_sync_result": {"consumers": [record]}}
    found = field.rotation_evidence({**HOSTS, "cli-1": {**HOSTS["cli-1"], **there}}, [], CLIENTS, 3)
    first, second = found["consumers"]
    assert (first["host"], first["reachable"], first["version"]) == ("cli-1", True, "v2")
    assert "path" not in first
    assert (second["id"], second["credential"], second["reachable"]) == ("env", "team", False)
    assert set(evidence_of(found, "main").consumers) == {"cli-1:env"}
    # In the same pass, before the clients' turn: seen as a host, but not its files.
    before = field.rotation_evidence({"cli-1": {**HOSTS["cli-1"], "comfyui_rotation_seen": 3}}, [], ["cli-1"], 3)
    assert before["consumers"][0]["reachable"] is False
    assert before["consumers"][0]["detail"] == "it was not looked at yet"


def test_a_server_newer_than_the_truth_is_named() -> None:
    records = [{"name": "a", "status": "unknown", "detail": "lists v9"}, {"name": "b", "status": "in_sync"}]
    hosts = {"gpu-1": {"comfyui_login_accept_result": {"instances": records, "failed": True}}, "gpu-2": {}}
    assert field.newer_than_truth(hosts, SERVERS) == ["gpu-1: lists v9"]
    strange = {"consumers": [{"id": "server:a", "status": "unknown", "detail": "a value of no known version"}]}
    found = field.newer_than_truth({"gpu-1": {"comfyui_login_sync_result": strange}}, SERVERS)
    assert found == ["gpu-1: a value of no known version"]
    assert field.newer_than_truth({}, SERVERS) == []


def test_whether_a_server_was_there_to_tell_what_is_newer() -> None:
    hosts = {name: dict(variables) for name, variables in HOSTS.items()}
    assert field.unjudged_holders(hosts, SERVERS, CLIENTS) == CLIENTS
    hosts["gpu-1"].update(looked())
    assert field.unjudged_holders(hosts, SERVERS, CLIENTS) == ["cli-2"]
    hosts["gpu-2"]["comfyui_consumers"] = [{"id": "mine", "credential": "team"}]
    assert field.unjudged_holders(hosts, SERVERS, CLIENTS) == ["gpu-2", "cli-2"]
    # Where the inventory knows no server of a credential, no run could ask one.
    assert field.unjudged_holders(hosts, [], CLIENTS) == []


def test_for_how_long_clients_were_refused() -> None:
    jobs: dict[str, Any] = {"kept": ["a", "b"], "lost": [{"id": "c", "why": "refused with 400"}], "late": 0}
    one: dict[str, Any] = {"name": "default", "gap": 2.5, "proven": 2.0, "jobs": jobs}
    other = {"name": "other", "gap": None, "jobs": None}
    restarted = {"comfyui_login_restarts": [{"at": "100", "instances": [one, other]}]}
    hosts = {
        "gpu-1": {"comfyui_login_guard": False, **restarted},
        "gpu-2": {"comfyui_login_guard": True, **restarted},
        "cli-1": {**HOSTS["cli-1"], "comfyui_rotation_written_at": {"gpu-1": 103.25, "gpu-9": 500, "": 400}},
        "cli-2": {**HOSTS["cli-2"], "comfyui_rotation_written_at": {"": 900.0}},
    }
    told = {"kept": ["a", "b"], "lost": ["c"], "late": 0, "unknown": False}
    windows = field.rotation_windows(hosts, SERVERS, CLIENTS)
    assert windows == [{"host": "gpu-1", "seconds": 5.8, "jobs": told}]
    assert field.rotation_report([], windows=windows)["lines"] == [
        "gpu-1 has no guard: its clients were refused for 5.8 s",
        "  put back what was queued, 2 in all: a, b",
        "  lost what was queued, 1 in all: c",
    ]
    hosts["cli-1"]["comfyui_rotation_written_at"] = {"": 104}
    assert field.rotation_windows(hosts, SERVERS, CLIENTS)[0]["seconds"] == 6.5
    # Where no client had to be written it was over when the new process was proven.
    hosts["cli-1"]["comfyui_rotation_written_at"] = {"gpu-1": 90}
    assert field.rotation_windows(hosts, SERVERS, CLIENTS)[0]["seconds"] == 2.0
    one["jobs"] = None
    said = "  a queue or a journal could not be read, so nobody knows which jobs were lost"
    assert lines(hosts) == [said]
    one["jobs"] = {"kept": [], "lost": [], "late": None}
    assert lines(hosts) == [said]
    one["jobs"] = {"kept": [], "lost": [], "late": 3}
    assert lines(hosts) == [
        "  up to 3 more came while it was being stopped; what of them is not named here is lost, so whoever submitted "
        "jobs at that moment has to look"
    ]
    one["jobs"] = {"kept": [], "lost": [], "late": 0}
    assert lines(hosts) == ["  its queue was empty"]
    hosts["gpu-1"]["comfyui_login_restarts"] = []
    assert field.rotation_windows(hosts, SERVERS, CLIENTS) == []


def lines(hosts: Any) -> list[str]:
    """Return what is said of jobs."""
    said: list[str] = field.rotation_report([], windows=field.rotation_windows(hosts, SERVERS, CLIENTS))["lines"]
    return said[1:]


def test_each_restart_of_a_run_is_told() -> None:
    """One for the server's other files, one for the token; the clients were written after the second."""
    jobs = {"kept": [], "lost": [], "late": 0}
    one = {"name": "default", "gap": 2.5, "proven": 2.0, "jobs": jobs}
    hosts = {
        "gpu-1": {
            "comfyui_login_guard": False,
            "comfyui_login_restarts": [{"at": at, "instances": [one]} for at in (100, 200)],
        },
        "cli-1": {**HOSTS["cli-1"], "comfyui_rotation_written_at": {"gpu-1": 201.0}},
    }
    assert [one["seconds"] for one in field.rotation_windows(hosts, SERVERS[:1], CLIENTS[:1])] == [2.0, 3.5]


def test_waiting_for_a_time_is_no_problem_and_for_a_host_is_one() -> None:
    one: dict[str, Any] = {"name": "main", "phase": "switched", "why": ["because"], "next": ["guards accept v2"]}
    one["versions"] = {"current": {"version": "v2", "fingerprint": "b" * 12}}
    one["waiting_for"] = [{"kind": "time", "id": "", "why": "v1 stays valid until then"}]
    told = field.rotation_report([one])
    assert told["problems"] == []
    assert told["lines"] == [
        "main: switched; current v2 (bbbbbbbbbbbb)",
        "  because",
        "  waits for time: v1 stays valid until then",
        "  next: guards accept v2",
    ]
    one["waiting_for"].append({"kind": "consumer", "id": "cli-1:env", "why": "holds v1"})
    assert field.rotation_report([one])["problems"] == ["main (switched) waits for consumer cli-1:env: holds v1"]
    assert field.rotation_report([], "refused")["problems"] == ["refused"]
