# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The client's part of a walk: file, header, address; then on through its server. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils import _diagnose_server
from ansible_collections.genai.comfyui.plugins.plugin_utils._diagnose import (
    Evidence,
    Finding,
    Json,
    Server,
    Walk,
    decide,
    server_of,
)

_DAMAGE = (
    ("the bare token, without what belongs before it", "bearer_missing"),
    ("what belongs before it is missing", "bearer_missing"),
    ("the password in place of the token", "password_as_token"),
    ("the user name in place of the token", "username_as_token"),
    ("the fingerprint in place of the token", "fingerprint_as_token"),
    ("'Bearer ' before it", "bearer_twice"),
    ("looks like a variable was dropped", "token_eaten"),
    ("expanded by a shell", "token_eaten"),
    ("a variable's value in its middle", "token_eaten"),
    ("each $ removed", "token_eaten"),
    ("each $ doubled", "token_doubled"),
    ("its quotes were kept", "token_quotes"),
    ("a carriage return", "token_cr"),
    ("blanks", "token_blanks"),
    ("line break", "token_blanks"),
    ("no-break", "token_blanks"),
    ("byte order mark", "token_blanks"),
    ("backslashes kept", "token_backslashes"),
    ("encoded", "token_encoded"),
    ("escape", "token_encoded"),
    ("the value is empty", "value_empty"),
)
"""Words of the audit, in the order in which they decide, and the code of their cause."""

_STATUS = {
    "missing_file": "file_missing",
    "missing_key": "key_missing",
    "duplicate_key": "key_twice",
    "unparsable": "file_not_understood",
    "linked": "file_linked",
    "stale": "old_version",
    "previous": "old_version",
    "unknown": "token_unknown",
}
_ERRORS = {"address": "url_unusable", "name": "name_unresolved", "no_route": "no_route"}
_SKEW = 300
"""Seconds between two clocks from which on certificates are judged wrongly."""


def walk(evidence: Evidence, host: str, one: Json) -> Walk:
    """Return the walk of one consumer."""
    server = server_of(evidence, host, one)
    values: Json = {"right_url": "that of its server"}
    if server:
        values = {**_diagnose_server.values_of(server), "where": None}
    if server and server.host != host:
        # The instance's own address may be a loopback one.
        values["right_url"] = f"http://{server.host}:{server.record['port']}"
    port = (one.get("way") or {}).get("port")
    values.update(
        {key: one.get(key) for key in ("id", "path", "codec", "credential", "url")},
        host=host, key=one.get("key") or "the value", place=one.get("path"), port=port,
        address=next(iter((one.get("way") or {}).get("addresses") or ()), "?"),
        client_address=next((a for a in evidence.hosts[host].get("addresses") or () if not a.startswith("127.")), host),
    )  # fmt: skip
    found = Walk("consumer", host, str(one["id"]))
    found.findings += _file(evidence, one)
    found.findings += _header(one)
    found.findings += _address(evidence, host, one, server)
    if _state(one) != "locked" and server is not None:
        rest = [item for item in _diagnose_server.findings(evidence, server) if item.step != "address"]
        found.findings += [_moved(item, server) for item in rest]
    return decide(found, values, evidence.play)


def _moved(found: Finding, server: Server) -> Finding:
    """Return a server's finding with the values that its sentence needs, for a walk that began elsewhere."""
    values = _diagnose_server.values_of(server)
    own = {"where": f"{server.host}: {values['place']}", **values, **found.values}
    return Finding(found.step, found.fine, found.text, found.code, own)


def _state(one: Json) -> str:
    return str((one.get("probe") or {}).get("state") or "unknown")


def _file(evidence: Evidence, one: Json) -> Iterator[Finding]:
    sync: Mapping[str, Any] = one.get("sync") or {}
    status, detail = str(sync.get("status")), str(sync.get("detail") or "")
    place = f"{one.get('path')}" + (f", line {sync['line']}" if sync.get("line") else "")
    text = f"{place}: {detail or status}"
    if one["credential"] not in evidence.truth:
        missing = f"the truth has no credential {one['credential']}"
        yield Finding("file", False, missing, "credential_missing", {"where": "the truth"})
        return
    if one.get("unreadable"):
        told = {"detail": one["unreadable"]}
        yield Finding("file", False, f"{place}: {one['unreadable']}", "file_unreadable", told)
    if status == "too_open" and "damaged" not in detail:
        # Found with the right value and a wrong owner or mode: the audit's business, unless nobody can read it.
        yield Finding("file", True, text)
    elif status in ("in_sync", "pending"):
        refused = status == "pending" and _state(one) == "token_refused"
        yield Finding("file", not refused, text, "pending_not_accepted" if refused else None)
    elif status == "previous" and _state(one) == "locked":
        yield Finding("file", True, f"{text}, which is still accepted")
    elif status == "damaged":
        # Some words tell of the header, not of the token.
        code = next((code for words, code in _DAMAGE if words in detail), None)
        if code is None:
            code = "token_expands" if ", but " in detail else "token_damaged"
        step = "header" if code.startswith("bearer") else "file"
        yield Finding(step, False, text, code, {"detail": detail})
    else:
        yield Finding("file", False, text, _STATUS.get(status, "file_not_understood"), {"detail": detail})


def _header(one: Json) -> Iterator[Finding]:
    if (one.get("sync") or {}).get("status") in ("in_sync", "pending", "too_open"):
        field = one.get("field")
        text = "Authorization: Bearer with the whole token" if field in ("token", "bearer") else f"field {field}"
        yield Finding("header", True, text)
    for process in one.get("processes") or ():
        if process["status"] in ("in_sync", "pending"):
            continue
        unit = str(process.get("unit") or "")
        restart = f"ansible.builtin.systemd_service -a 'name={unit} state=restarted'"
        if unit.startswith("container "):
            restart = f"ansible.builtin.command -a 'docker inspect {unit.split()[1]}' (then make that service anew)"
        elif not unit:
            restart = f"ansible.builtin.command -a 'kill {process['pid']}' (then start the program again)"
        told = {
            "pid": process["pid"], "process": process["name"], "restart": restart,
            "detail": process["detail"] or process["status"], "where": None,
        }  # fmt: skip
        text = f"process {process['pid']} ({process['name']}) was started with {told['detail']}"
        yield Finding("header", False, text, "process_holds_old", told)


def _address(evidence: Evidence, host: str, one: Json, server: Server | None) -> Iterator[Finding]:
    way, url = one.get("way"), one.get("url")
    if not url or way is None:
        yield Finding("address", None, "no address is known for it; set its url, or comfyui_client_url")
        return
    error, detail = way.get("error"), str(way.get("detail") or "")
    text = f"{url}: {detail or error}"
    https = str(url).startswith("https")
    if error in _ERRORS:
        yield Finding("address", False, text, _ERRORS[error], {"detail": detail})
    elif https and way.get("spoken") == "plain":
        right = "http" + str(url)[len("https") :]
        yield Finding("address", False, text, "https_to_plain", {"right_url": right})
    elif not https and way.get("spoken") == "tls":
        right = "https" + str(url)[len("http") :]
        yield Finding("address", False, text, "http_to_tls", {"right_url": right})
    elif error == "certificate":
        skew = abs(way.get("skew") or 0)
        if skew > _SKEW:
            yield Finding("address", False, text, "clock_wrong", {"seconds": round(skew)})
        else:
            yield Finding("address", False, text, "certificate_untrusted", {"detail": detail})
    elif error == "timeout":
        yield Finding("address", False, f"{url}: no answer in time", _silent(server))
    elif error is not None:
        yield _refused(host, one, server, text)
    else:
        yield from _answer(evidence, one, server, way)


def _silent(server: Server | None) -> str:
    if server is None or _diagnose_server.state_of(server) in ("locked", "token_refused", "open"):
        return "timeout"
    unit = server.record.get("unit")
    return "server_stuck" if unit is None or unit["active"] == "active" else "connection_refused"


def _refused(host: str, one: Json, server: Server | None, text: str) -> Finding:
    """Judge a connection that nobody takes."""
    way = one["way"]
    if server is not None:
        record = server.record
        listening = [item for item in server.told.get("listeners") or [] if item["port"] == record["port"]]
        if record["port"] != way["port"]:
            return Finding("address", False, text, "wrong_port")
        if host != server.host and listening and all(item["loopback"] for item in listening):
            return Finding("address", False, text, "listens_on_loopback", {"where": f"{server.host}: comfyui_listen"})
    return Finding("address", False, text, "connection_refused")


def _answer(evidence: Evidence, one: Json, server: Server | None, way: Mapping[str, Any]) -> Iterator[Finding]:
    """Judge what answered: ComfyUI, the right one, a proxy, or something else."""
    url, status, state = one["url"], way["status"], _state(one)
    seen = str((one.get("probe") or {}).get("detail") or "")
    what = way.get("server") or "no Server header"
    text = f"{url}: {seen or f'an anonymous request gets {status}'}"
    if state == "locked":
        yield Finding("address", True, text)
    elif status in (502, 503, 504):
        yield Finding("address", False, text, "gateway_error", {"status": status})
    elif way.get("challenge", "").lower() in ("basic", "digest", "negotiate", "ntlm"):
        yield Finding("address", False, text, "proxy_wants_password", {"challenge": way["challenge"]})
    elif not way.get("comfyui"):
        yield Finding("address", False, text, "other_service", {"status": status, "what": what})
    elif state == "open":
        yield Finding("address", False, text, "server_open", {"detail": seen})
    elif state == "token_refused" and (one.get("sync") or {}).get("status") in ("in_sync", "too_open"):
        if server is None and evidence.missing:
            yield Finding("address", None, f"{text}; which instance that is, nobody told")
        else:
            yield _lost(one, server, text, str(what))
    elif state in ("unexpected", "down"):
        yield Finding("address", False, text, "server_odd", {"detail": seen})
    else:
        yield Finding("address", None, text)


def _lost(one: Json, server: Server | None, text: str, what: str) -> Finding:
    """Judge a right token that is refused: does its server take it, and does the address lead there?"""
    way = one["way"]
    if server is None:
        told = {"detail": "no declared instance is there", "right_url": "that of its instance"}
        return Finding("address", False, text, "wrong_server", told)
    record = server.record
    if record["credential"] != one["credential"]:
        detail = f"instance {record['name']} of {server.host} has credential {record['credential']}"
        told = {"detail": detail, "right_url": f"the instance with credential {one['credential']}"}
        return Finding("address", False, text, "wrong_server", told)
    if _diagnose_server.state_of(server) != "locked":
        return Finding("address", True, f"{text} (its server refuses it itself)")
    origin = (record.get("process") or {}).get("cors")
    if origin and origin != "*":
        return Finding("origin", False, text, "cors_origin", {"origin": origin, "instance": record["name"]})
    if record["port"] != way["port"] and "aiohttp" in what:
        return Finding("address", False, text, "wrong_server", {"detail": "no declared instance has that port"})
    return Finding("address", False, text, "authorization_stripped", {"what": way.get("via") or what})
