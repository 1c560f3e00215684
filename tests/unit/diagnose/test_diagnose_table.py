# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each seeded fault in the evidence ends with its own cause; nothing ends with two, and what works with none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from told import CONSUMER, MARK, PASSWORD, TOKEN, evidence

from ansible_collections.genai.comfyui.plugins.module_utils._damage import recognise
from ansible_collections.genai.comfyui.plugins.plugin_utils import _diagnose_client
from ansible_collections.genai.comfyui.plugins.plugin_utils._diagnose import STEPS, Evidence, diagnose, first_cause
from ansible_collections.genai.comfyui.plugins.plugin_utils._diagnose_causes import CAUSES

ROOT = Path(__file__).resolve().parents[3]
Change = tuple[str, Any]


def sync(status: str, detail: str = "") -> Change:
    return "client.sync", {"status": status, "detail": detail, "fingerprint": None, "line": 3}


def damaged(how: str) -> Change:
    return sync("damaged", f"token of version v7, damaged: {how}")


def state(who: str, state: str, detail: str = "") -> Change:
    return f"{who}.probe", {"state": state, "detail": detail, "fingerprint": MARK}


def password(state: str) -> Change:
    return "server.password", {"state": state, "fingerprint": None, "changed": 900.0, "detail": "mode 0644"}


REFUSED = state("client", "token_refused")
UNSENT: Change = ("client.probe", None)
DOWN = [
    state("server", "down", "no answer: Connection refused"), ("server.way.error", "refused"),
    ("client.way.error", "refused"), ("client.probe", None),
]  # fmt: skip
FAILED: list[Change] = [
    *DOWN, ("server.unit.active", "failed"), ("server.process", None), ("server.said", "comfyui-start: refused: x"),
    ("host.listeners", []),
]  # fmt: skip
OPEN = [state("server", "open", "a stranger was let in"), state("client", "open", "a stranger was let in")]
ELSEWHERE: list[Change] = [("client.way.port", 443), ("client.url", "https://srv-1"), REFUSED]

CLIENT: dict[str, list[tuple[str, list[Change]]]] = {
    "file_missing": [("no file", [sync("missing_file"), UNSENT])],
    "file_unreadable": [("others' file", [("client.unreadable", "user ann may not read /srv/.env"), sync("too_open")])],
    "file_linked": [("a link", [sync("linked", "is a symbolic link"), UNSENT])],
    "key_missing": [("no key", [sync("missing_key"), UNSENT])],
    "key_twice": [("twice", [sync("duplicate_key", "lines 1 and 2"), UNSENT])],
    "file_not_understood": [("odd", [sync("unparsable", "line 4: a tab"), UNSENT])],
    "value_empty": [("empty", [sync("damaged", "the value is empty"), UNSENT])],
    "token_eaten": [
        ("Compose", [damaged("what looks like a variable was dropped, as Compose does outside single quotes")]),
        ("sh", [damaged("expanded by a shell, outside single quotes"), REFUSED]),
    ],
    "token_expands": [("quotes", [sync("damaged", "token of version v7, but readers expand $ in double quotes")])],
    "token_cr": [("CRLF", [damaged("a carriage return at the end")])],
    "token_blanks": [("NBSP", [damaged("a no-break or zero-width space around it")])],
    "token_quotes": [("raw", [damaged("its quotes were kept")])],
    "token_doubled": [("compose config", [damaged("each $ doubled")])],
    "token_backslashes": [("expand", [damaged("backslashes kept")])],
    "token_encoded": [("URL", [damaged("percent-encoded")]), ("JSON", [damaged("escapes of JSON kept")])],
    "token_damaged": [("half", [damaged("cut off")])],
    "password_as_token": [("password", [damaged("the password in place of the token")])],
    "username_as_token": [("user", [damaged("the user name in place of the token")])],
    "fingerprint_as_token": [("fingerprint", [damaged("the fingerprint in place of the token")])],
    "bearer_missing": [
        ("bare", [damaged("the bare token, without what belongs before it")]),
        ("bare, as judged", [sync("damaged", "token of version v7, but what belongs before it is missing")]),
    ],
    "bearer_twice": [("twice", [damaged("'Bearer ' before it")])],
    "old_version": [
        ("retired", [sync("stale", "token of version v6, retired 2026-01-02"), REFUSED]),
        ("previous", [sync("previous", "token of version v6"), REFUSED]),
    ],
    "token_unknown": [("foreign", [sync("unknown", "a value that belongs to no known version"), REFUSED])],
    "pending_not_accepted": [("early", [sync("pending", "token of version v8"), REFUSED])],
    "process_holds_old": [
        (
            "environment",
            [("client.processes", [{"pid": 9, "name": "jupyter", "unit": "jupyter.service", "status": "stale",
                                    "detail": "token of version v6", "fingerprint": None}])],
        ),
    ],
    "url_unusable": [("no scheme", [("client.way.error", "address"), UNSENT])],
    "name_unresolved": [("DNS", [("client.way.error", "name"), ("client.way.addresses", []), UNSENT])],
    "no_route": [("routing", [("client.way.error", "no_route"), UNSENT])],
    "timeout": [("firewall", [("client.way.error", "timeout"), UNSENT])],
    "listens_on_loopback": [
        (
            "bind",
            [("client.way.error", "refused"), UNSENT,
             ("host.listeners", [{"address": "127.0.0.1", "port": 8188, "pid": 70, "name": "p", "loopback": True}])],
        ),
    ],
    "wrong_port": [("closed", [("client.way.error", "refused"), ("client.way.port", 8189), UNSENT])],
    "http_to_tls": [("TLS", [("client.way.error", "closed"), ("client.way.spoken", "tls"), UNSENT])],
    "https_to_plain": [
        ("plain", [("client.url", "https://srv-1:8188"), ("client.way.error", "closed"), UNSENT]),
    ],
    "certificate_untrusted": [
        ("own CA", [*ELSEWHERE[:2], ("client.way.error", "certificate"), ("client.way.spoken", "tls"), UNSENT]),
    ],
    "clock_wrong": [
        (
            "clock",
            [*ELSEWHERE[:2], ("client.way.error", "certificate"), ("client.way.spoken", "tls"),
             ("client.way.skew", -90000.0), UNSENT],
        ),
    ],
    "gateway_error": [("proxy", [("client.way.status", 502), ("client.way.comfyui", False), UNSENT])],
    "proxy_wants_password": [
        ("Basic", [("client.way.challenge", "Basic"), ("client.way.comfyui", False), REFUSED]),
    ],
    "other_service": [
        ("Jupyter", [("client.way.comfyui", False), ("client.way.status", 200), state("client", "open")]),
        ("404", [("client.way.comfyui", False), ("client.way.status", 404), state("client", "unexpected")]),
    ],
    "wrong_server": [
        ("another's credential", [("server.credential", "team-b"), ("truth.team-b", {"fingerprint": "x"}), REFUSED]),
        ("undeclared", [("client.way.port", 8199), REFUSED]),
        ("no instance", [("host.instances", []), REFUSED]),
    ],
    "authorization_stripped": [("nginx", [*ELSEWHERE, ("client.way.server", "nginx"), ("client.way.spoken", "tls")])],
    "cors_origin": [("one Origin", [("server.process.cors", "https://ui"), ("server.origin", "https://ui"), REFUSED])],
}  # fmt: skip

SERVER: dict[str, list[tuple[str, list[Change]]]] = {
    "credential_missing": [("not made", [("truth.main", None)])],
    "connection_refused": [("not yet", [*DOWN])],
    "cors_origin": [("by hand", [("server.process.cors", "https://ui"), state("server", "token_refused"), REFUSED])],
    "node_missing": [("removed", [*OPEN, ("server.node", "missing")])],
    "node_disabled": [("Manager", [*OPEN, ("server.node", "disabled")])],
    "node_import_failed": [("bcrypt gone", [*OPEN, ("server.import_failure", "No module named 'bcrypt'")])],
    "nodes_switched_off": [("argument", [*OPEN, ("server.process.nodes_off", True)])],
    "session_key_broken": [("empty key", [*FAILED, ("server.session_key", "it is empty")])],
    "guests_allowed": [("guests", [*FAILED, ("server.guests", True)])],
    "server_open": [("who knows", [*OPEN])],
    "unit_missing": [("no unit", [*DOWN, ("server.unit.known", False), ("server.unit.active", "inactive")])],
    "unit_stopped": [("stopped", [*DOWN, ("server.unit.active", "inactive"), ("server.process", None)])],
    "unit_failed": [("failed", [*FAILED])],
    "port_taken": [
        (
            "another program",
            [state("server", "open"), ("server.way.comfyui", False), ("server.way.status", 200), ("client.probe", None),
             ("server.process", None), ("server.unit.active", "failed"), ("server.unit.pid", 0),
             ("client.way.error", "refused"),
             ("host.listeners", [{"address": "0.0.0.0", "port": 8188, "pid": 99, "name": "jupyter", "loopback": 0}])],
        ),
    ],
    "server_stuck": [
        ("busy", [state("server", "down"), ("server.way.error", "timeout"), ("client.way.error", "timeout"), UNSENT]),
    ],
    "accept_broken": [("broken", [*FAILED, ("server.accept", {"state": "broken", "detail": "is not JSON"})])],
    "accept_lacks_token": [
        ("not listed", [state("server", "token_refused"), REFUSED,
                        ("server.accept", {"state": "ok", "fingerprints": ["abc"], "detail": ""})]),
    ],
    "process_older_than_password": [
        ("no restart", [state("server", "token_refused"), REFUSED, ("server.password.changed", 2000.0)]),
    ],
    "process_holds_other": [("odd", [state("server", "token_refused"), REFUSED])],
    "server_odd": [("500", [state("server", "unexpected", "answered 500"), state("client", "unexpected")])],
    "password_missing": [("gone", [*FAILED, password("missing")]), ("open", [*OPEN, password("missing")])],
    "password_empty": [("empty", [*FAILED, password("empty")]), ("open", [*OPEN, password("empty")])],
    "password_directory": [("mount", [*FAILED, password("directory")])],
    "password_linked": [("link", [*FAILED, password("linked")])],
    "password_unreadable": [("root's", [*FAILED, password("unreadable")])],
    "password_too_open": [("0644", [*FAILED, password("too_open")])],
    "password_bom": [("BOM", [*FAILED, password("bom")])],
    "password_crlf": [("CRLF", [*FAILED, password("crlf")])],
    "password_no_hash": [("plain", [*FAILED, password("not_hash")])],
    "password_no_username": [("one line", [*FAILED, password("no_username")])],
    "password_old": [
        ("restored", [state("server", "token_refused"), REFUSED,
                      ("server.sync", {"status": "stale", "detail": "token of version v6"})]),
    ],
    "password_unknown": [
        ("by hand", [state("server", "token_refused"), REFUSED, ("server.sync", {"status": "unknown", "detail": ""})]),
    ],
    "password_legacy": [("old place", [*FAILED, ("server.legacy", True)])],
}  # fmt: skip


def of(table: dict[str, list[tuple[str, list[Change]]]]) -> list[Any]:
    return [pytest.param(code, made, id=f"{code}-{name}") for code, rows in table.items() for name, made in rows]


@pytest.mark.parametrize(("code", "changes"), of(CLIENT))
def test_client(code: str, changes: list[Change]) -> None:
    """The client's walk ends with this cause; where its server is well, that is in order."""
    *server, client = diagnose(evidence(*changes))
    assert client.cause is not None
    assert (client.kind, client.cause.code) == ("consumer", code)
    assert [walk.cause for walk in server] == [None] * len(server)


@pytest.mark.parametrize(("code", "changes"), of(SERVER))
def test_server(code: str, changes: list[Change]) -> None:
    """The server's walk and, through it, that of its client end with this cause, and so does the whole."""
    if changes == [("truth.main", None)]:
        told = evidence()
        told = Evidence(told.hosts, {}, {}, told.play)
    else:
        told = evidence(*changes)
    walks = diagnose(told)
    assert [walk.cause.code if walk.cause else None for walk in walks] == [code, code]
    found = first_cause(walks)
    assert found is not None
    assert found[0].code == code


def test_what_works_ends_without_a_cause() -> None:
    walks = diagnose(evidence())
    assert [walk.cause for walk in walks] == [None, None]
    assert first_cause(walks) is None
    steps = [one.step for one in walks[1].findings]
    assert steps == sorted(steps, key=STEPS.index)


def test_an_unreachable_host() -> None:
    told = evidence()
    walks = diagnose(Evidence({}, {"srv-1": "ssh: connect: No route to host"}, told.truth))
    assert [walk.cause.code for walk in walks if walk.cause] == ["host_unreachable"]


def test_an_open_server_comes_first() -> None:
    """Whatever else is broken on however many clients."""
    told = evidence(*OPEN, ("server.node", "missing"))
    eaten = damaged("each $ doubled")[1]
    told.hosts["cli-1"]["consumers"] = [{**CONSUMER, "id": str(n), "sync": eaten, "probe": None} for n in range(5)]
    found = first_cause(diagnose(told))
    assert found is not None
    assert found[0].code == "node_missing"


def test_the_most_frequent_cause_comes_before_others() -> None:
    told = evidence()
    eaten, stale = damaged("each $ doubled")[1], sync("stale", "v6")[1]
    told.hosts["cli-1"]["consumers"] = [
        {**CONSUMER, "id": "a", "sync": stale},
        {**CONSUMER, "id": "b", "sync": eaten, "path": "/b"},
        {**CONSUMER, "id": "c", "sync": eaten, "path": "/b"},
    ]
    found = first_cause(diagnose(told))
    assert found is not None
    assert (found[0].code, found[1]) == ("token_doubled", ["cli-1: b", "cli-1: c"])


def test_every_cause_is_seeded_and_documented() -> None:
    """The tables here and docs/diagnose.md have a row for each cause, and none for any other."""
    assert {*CLIENT, *SERVER, "host_unreachable"} == set(CAUSES)
    page = (ROOT / "docs/diagnose.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `([a-z_]+)` \|", page, re.MULTILINE) == list(CAUSES)


@pytest.mark.parametrize(("code", "changes"), of(CLIENT) + of(SERVER))
def test_sentences_are_complete(code: str, changes: list[Change]) -> None:
    """Nothing that a sentence or a command names is left open, and no value shows."""
    walks = diagnose(evidence(*[one for one in changes if one[0] != "truth.main"]))
    causes = [one for walk in walks for one in [walk.cause, *walk.also] if one]
    text = " ".join(f"{one.sentence} {one.mend} {one.where}" for one in causes)
    assert "?" not in text.replace("PASSWORD?", "")
    assert "None" not in text
    assert "{" not in text
    assert TOKEN not in text


# What the audit says of a damaged token, for real.
SPELLED = {
    "token_eaten": "$2b$04" + TOKEN[TOKEN.index(".") :],
    "token_cr": TOKEN + "\r",
    "token_quotes": f"'{TOKEN}'",
    "token_doubled": TOKEN.replace("$", "$$"),
    "token_backslashes": TOKEN.replace("$", "\\$"),
    "token_blanks": TOKEN + " ",
    "token_encoded": TOKEN.replace("$", "%24"),
    "password_as_token": "Correct-Horse-1",
    "username_as_token": "comfy",
    "fingerprint_as_token": MARK,
    "bearer_twice": f"Bearer {TOKEN}",
    "token_damaged": TOKEN[:40],
}


@pytest.mark.parametrize("code", SPELLED)
def test_the_words_of_the_audit(code: str) -> None:
    """The codes follow the words that the audit really uses."""
    how = recognise(SPELLED[code], TOKEN, TOKEN, "Correct-Horse-1", "comfy")
    assert how is not None
    found = next((one for words, one in _diagnose_client._DAMAGE if words in how), "token_damaged")
    assert found == code
    assert PASSWORD not in how
