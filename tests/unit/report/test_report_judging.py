# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What counts as checked, as in order, and as a reason to fail."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.plugin_utils._report import Sources, collect
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_verdict import HostReport, reasons, rows

SOURCES = Sources(sync=["s1", "s2"], probes=["p1", "p2"], instances="i", contact="c", failure="f")
URL = "http://srv-1:8188"


def consumer(name: str = "a", status: str = "in_sync", **more: Any) -> dict[str, Any]:
    return {"id": name, "path": f"/etc/{name}", "codec": "raw", "status": status, **more}


def probe(name: str = "a", state: str = "locked", **more: Any) -> dict[str, Any]:
    return {"name": name, "url": URL, "state": state, "waited": 0.5, **more}


def instance(active: Any = True, **more: Any) -> dict[str, Any]:
    return {"name": "default", "unit": "comfyui@default.service", "active": active, **more}


DECLARED = {"comfyui_consumers": [{"id": "a", "path": "/etc/a", "codec": "raw"}], "comfyui_client_url": URL}
CLIENT: dict[str, Any] = {**DECLARED, "c": {}, "s2": {"consumers": [consumer()]}, "p2": {"targets": [probe()]}}
SERVER: dict[str, Any] = {
    "c": {},
    "s1": {"consumers": [consumer("server:default")]},
    "p1": {"targets": [probe("default")]},
    "i": {"instances": [instance()]},
}


def look(variables: dict[str, Any], server: bool = False, sources: Sources = SOURCES) -> HostReport:
    return collect("h1", variables.get, sources, server)


def why(variables: dict[str, Any], server: bool = False, drift: bool = False, sources: Sources = SOURCES) -> str:
    return " / ".join(reasons([look(variables, server, sources)], drift))


@pytest.mark.parametrize(("variables", "server"), [(CLIENT, False), (SERVER, True)])
def test_in_order(variables: dict[str, Any], server: bool) -> None:
    report = look(variables, server)
    assert reasons([report], drift=False) == []
    assert report.checked
    assert report.not_checked == []
    assert all(row.fine for row in rows([report], drift=False))


@pytest.mark.parametrize(
    ("status", "failure", "drift"),
    [
        ("in_sync", True, True),
        ("pending", True, True),
        ("previous", False, True),
        ("current", False, True),
        *((bad, False, False) for bad in ("stale", "damaged", "unknown", "missing_file", "missing_key", "linked")),
        *((bad, False, False) for bad in ("duplicate_key", "unparsable", "too_open", None, "something_new")),
    ],
)
def test_status(status: str, failure: bool, drift: bool) -> None:
    variables = {**CLIENT, "s2": {"consumers": [consumer(status=status, detail="as seen")]}}
    for mode, fine in ((False, failure), (True, drift)):
        said = why(variables, drift=mode)
        assert (said == "") is fine
        assert fine or f"h1: /etc/a (a): {status or 'unknown'}: as seen" in said


def test_a_process_older_than_its_file_is_drift() -> None:
    for reload, fine in (("done", True), (None, True), ("pending", False)):
        record = consumer(reload=reload, detail="the process is older")
        said = why({**CLIENT, "s2": {"consumers": [record]}}, drift=True)
        assert (said == "") is fine
        assert fine or "in_sync: the process is older" in said


@pytest.mark.parametrize("state", ["down", "open", "token_refused", "unexpected", None])
def test_probe_not_locked(state: str) -> None:
    variables = {**CLIENT, "p2": {"targets": [probe(state=state, detail="who got in")]}}
    assert why(variables) == f"h1: {URL} (a): {state or 'unexpected'}: who got in"
    assert why(variables, drift=True) == ""


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (instance(False, detail="Result: exit-code", reasons=["guard: no login check"]), "inactive"),
        (instance("failed", detail="Result: exit-code", reasons=["guard: no login check"]), "failed"),
        (instance(True, probe={"state": "open", "detail": "Result: exit-code; guard: no login check"}), "active"),
        ({"name": "default", "detail": "Result: exit-code; guard: no login check"}, "inactive"),
    ],
)
def test_instance_not_in_order(given: dict[str, Any], said: str) -> None:
    found = why({**SERVER, "i": {"instances": [given]}}, server=True)
    assert f" {said}: " in found
    assert "exit-code" in found
    assert "guard: no login check" in found


@pytest.mark.parametrize("name", ["c", "s2", "p2"])
def test_unreachable(name: str) -> None:
    report = look({**DECLARED, name: {"unreachable": True, "msg": "no route\nto host"}})
    assert not report.checked
    assert [(one.what, one.reason) for one in report.not_checked] == [("host", "unreachable: no route to host")]
    for drift in (False, True):
        assert reasons([report], drift) == ["h1: host not checked: unreachable: no route to host"]


def test_no_result_at_all() -> None:
    assert "host not checked: this run has no result" in why({**DECLARED, "c": {}})
    assert "host not checked: this run has no result" in why({"c": {}}, server=True)


def test_nothing_declared_fails_only_alone() -> None:
    report = look({"c": {}})
    assert [one.reason for one in report.not_checked] == ["it declares no consumers"]
    assert not report.checked
    assert reasons([report], drift=False) == ["nothing was checked on any host"]
    assert reasons([report, look(CLIENT)], drift=False) == []
    assert "nothing was checked" in reasons([], drift=False)[0]


@pytest.mark.parametrize("result", [{"consumers": []}, {"skipped": True}])
def test_empty_result_is_no_evidence(result: dict[str, Any]) -> None:
    report = look({"c": {}, "s2": result})
    assert [one.reason for one in report.not_checked] == ["it declares no consumers"]
    assert not report.checked
    assert reasons([report], drift=True) == ["nothing was checked on any host"]


def test_what_records_say_is_not_said_twice() -> None:
    targets = [probe(state="down", detail="no answer")]
    seen = {"p2": {"failed": True, "msg": "1 not locked. a: down: no answer", "targets": targets}}
    kept = {"task": "Prove", "msg": "1 not locked. a: down: no answer"}
    assert why({**CLIENT, **seen, "f": kept}) == f"h1: {URL} (a): down: no answer"
    assert "Prove: failed: other" in why({**CLIENT, **seen, "f": {"task": "Prove", "msg": "other"}})


def test_part_of_the_results_missing() -> None:
    other = {"id": "b", "path": "/etc/b", "codec": "raw"}
    said = why({**CLIENT, "comfyui_consumers": [*DECLARED["comfyui_consumers"], other]})
    assert "consumer b not checked" in said
    assert "HTTP proof of b not checked" in said
    said = why({**SERVER, "comfyui_instances": [{"name": "default"}, {"name": "team"}]}, server=True)
    assert "instance team not checked" in said
    assert "HTTP proof of team not checked" in said
    # The same name elsewhere is no proof of this one.
    assert "HTTP proof of a not checked" in why({**CLIENT, "comfyui_client_url": "http://other:8188"})


@pytest.mark.parametrize("field", ["password", "username", "url"])
def test_no_proof_without_token(field: str) -> None:
    more = [{"id": "b", "path": "/etc/b", "codec": "raw", "field": field}]
    variables = {**CLIENT, "comfyui_consumers": [*DECLARED["comfyui_consumers"], *more]}
    report = look({**variables, "s2": {"consumers": [consumer(), consumer("b")]}})
    assert [one.what for one in report.not_checked] == ["HTTP proof of b"]
    assert f"no token ({field} only)" in report.not_checked[0].reason
    assert report.checked
    assert reasons([report], drift=False) == []


def test_no_proof_without_url() -> None:
    report = look({**CLIENT, "comfyui_client_url": "", "p2": {"skipped": True}})
    assert [one.what for one in report.not_checked] == ["HTTP proof of a"]
    assert "no URL is known" in report.not_checked[0].reason
    assert reasons([report], drift=False) == []


def test_skipped_is_said_and_fails_nothing() -> None:
    report = look({**CLIENT, "p2": {"skipped": True, "skip_reason": "Conditional result was False"}})
    assert [one.reason for one in report.not_checked] == ["skipped: Conditional result was False"]
    assert reasons([report], drift=False) == []


def test_failure() -> None:
    kept = {"task": "Check out ComfyUI", "msg": "no such commit\n"}
    report = look({"c": {}, "f": kept, "s1": SERVER["s1"]}, server=True)
    assert report.failure == {"task": "Check out ComfyUI", "msg": "no such commit"}
    said = reasons([report], drift=False)
    assert said[0] == "h1: Check out ComfyUI: failed: no such commit"
    assert "h1: instance default not checked: the run stopped on this host at 'Check out ComfyUI'" in said


@pytest.mark.parametrize("failed", [True, False])
def test_result_without_records_is_a_failure(failed: bool) -> None:
    # With failed_when: false, a module that failed says "failed: false".
    variables = {**DECLARED, "s2": {"failed": failed, "failed_when_result": False, "msg": "unknown codec x"}}
    sources = Sources(sync=["s2"])
    assert why(variables, drift=True, sources=sources).startswith("h1: s2: failed: unknown codec x")


def test_failed_result_with_records() -> None:
    bad = {"failed": True, "msg": "one of two", "consumers": [consumer(status="damaged", detail="CR")]}
    report = look({**CLIENT, "s2": bad})
    assert report.failure is None
    assert reasons([report], drift=False) == ["h1: /etc/a (a): damaged: CR"]
    # Records that are all in order do not outvote the module.
    assert "h1: s2: failed: disk full" in why({**CLIENT, "s2": {**CLIENT["s2"], "failed": True, "msg": "disk full"}})


def test_tags_leave_out_on_purpose() -> None:
    sources = Sources(sync=["s1", "s2"], instances="i", contact="c", failure="f", left_out="left out by --tags")
    left = collect("srv", {"c": {}}.get, sources, True)
    assert [one.reason for one in left.not_checked] == ["left out by --tags"]
    assert reasons([left, look(CLIENT)], drift=False) == []
    assert reasons([left], drift=False) == ["nothing was checked on any host"]
    stopped = collect("srv", {"f": {"task": "t", "msg": "m"}}.get, sources, True)
    assert len(reasons([stopped], drift=False)) == 2


def test_unreadable_variable_is_named_without_its_text() -> None:
    def read(name: str) -> Any:
        if name == "comfyui_consumers":
            raise ValueError("some value")
        return CLIENT.get(name)

    report = collect("h1", read, SOURCES, False)
    assert "comfyui_consumers cannot be read (ValueError)" in reasons([report], drift=False)[0]
    assert "some value" not in str(report)
    assert "declares no consumers" not in str(collect("h1", lambda name: 1 / 0, Sources(sync=["s1"]), False))


def test_removed_server_has_no_instances() -> None:
    assert why({**CLIENT, "comfyui_state": "absent"}, server=True) == ""


def test_only_known_keys_get_in() -> None:
    variables = {**CLIENT, "s2": {"consumers": [consumer(value="x1")]}, "p2": {"targets": [probe(password="x2")]}}
    report = look({**variables, "i": {"instances": [instance(environment="x3")]}})
    assert not any(value in str(report) for value in ("x1", "x2", "x3"))


def test_a_server_that_was_removed_is_in_order_alone() -> None:
    gone = {"comfyui_state": "absent", "c": {}}
    assert reasons([look(gone, server=True)], drift=False) == []
    assert "it hangs" in why({**gone, "f": {"task": "Stop", "msg": "it hangs"}}, server=True)
    assert "active" in why({**gone, "i": {"instances": [instance(False)]}}, server=True)


def test_what_an_earlier_playbook_emptied_is_no_failure() -> None:
    assert why({**CLIENT, "f": {}, "s1": {}, "p1": {}}) == ""
    assert "this run has no result for it" in why({**DECLARED, "c": {}, "f": {}, "s2": {}, "p2": {}})


def test_an_instance_that_nobody_lists_is_a_reason() -> None:
    one = {"name": "old", "unit": "comfyui@old.service", "active": True, "action": "none", "enabled": True}
    sources = replace(SOURCES, leftovers="l")
    said = why({**SERVER, "l": {"leftovers": [one]}}, server=True, sources=sources)
    assert said.startswith("h1: comfyui@old.service: active: not in comfyui_instances any more")
    gone = {**SERVER, "l": {"changed": True, "leftovers": [{**one, "action": "removed"}]}}
    assert why(gone, server=True, sources=sources) == ""
    failed = {**SERVER, "l": {"failed": True, "msg": "comfyui@old.service does not stop"}}
    assert "comfyui@old.service does not stop" in why(failed, server=True, sources=sources)
