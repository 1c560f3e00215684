# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The server's part of a walk: origin, login node, process, PASSWORD, truth. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._diagnose import (
    Evidence,
    Finding,
    Json,
    Server,
    Walk,
    decide,
)

_PASSWORD_CODES = {
    "missing": "password_missing",
    "empty": "password_empty",
    "directory": "password_directory",
    "linked": "password_linked",
    "unreadable": "password_unreadable",
    "too_open": "password_too_open",
    "bom": "password_bom",
    "crlf": "password_crlf",
    "not_hash": "password_no_hash",
    "no_username": "password_no_username",
}


def values_of(server: Server) -> Json:
    """Return what sentences about a server may name."""
    record = server.record
    app = str(record["password_file"])[: -len("/login/PASSWORD")]
    return {
        "server": server.host, "host": server.host, "instance": record["name"], "unit": record["unit_name"],
        "url": record["url"], "port": record["port"], "right_port": record["port"], "right_url": record["url"],
        "password_file": record["password_file"], "legacy": f"{app}/PASSWORD",
        "node": f"{app}/custom_nodes/ComfyUI-Login", "credential": record["credential"], "place": record["unit_name"],
    }  # fmt: skip


def walk(evidence: Evidence, server: Server) -> Walk:
    """Return the walk of one instance."""
    found = Walk("server", server.host, str(server.record["name"]), list(findings(evidence, server)))
    return decide(found, values_of(server), evidence.play)


def findings(evidence: Evidence, server: Server) -> Iterator[Finding]:
    """Yield what was found from the server's address to the truth, in the order of the walk."""
    yield from _address(server)
    yield from _origin(server)
    yield from _node(server)
    yield from _process(evidence, server)
    yield from _password(server)
    yield from _truth(evidence, server)


def state_of(server: Server) -> str:
    """Return the state of the server's own proof: locked, open, token_refused, down or unexpected."""
    return str((server.record.get("probe") or {}).get("state") or "unknown")


def _at(server: Server, place: object) -> dict[str, Any]:
    return {"where": f"{server.host}: {place}"}


def _address(server: Server) -> Iterator[Finding]:
    record, probe = server.record, server.record.get("probe") or {}
    way, unit = record.get("way") or {}, record.get("unit")
    running = unit is None or unit["active"] == "active"
    state, detail = state_of(server), str(probe.get("detail") or "")
    if state == "locked":
        yield Finding("address", True, f"{record['url']} is locked: {detail}")
    elif way.get("status") is not None and not way.get("comfyui") and way["status"] not in (502, 503, 504):
        owner = next((one for one in server.told.get("listeners") or [] if one["port"] == record["port"]), None)
        text = f"what answers at {record['url']} is not ComfyUI"
        if owner is not None and owner["pid"] and (unit is None or owner["pid"] != unit["pid"]):
            told = {"process": owner["name"], "pid": owner["pid"], **_at(server, f"port {record['port']}")}
            yield Finding("address", False, text, "port_taken", told)
        else:
            yield Finding("address", False, text, "server_odd", {"detail": f"status {way['status']}"})
    elif state == "open":
        yield Finding("address", False, detail, "server_open", {"detail": detail})
    elif state == "down" and running and (way.get("error") == "timeout" or not (way.get("error") or way.get("status"))):
        # It took the connection, here or when the proof was made, and then said nothing.
        yield Finding("address", False, f"{record['url']}: {detail}", "server_stuck")
    elif state == "down":
        yield Finding("address", False, f"{record['url']}: {detail}", "connection_refused" if running else None)
    elif state == "token_refused":
        yield Finding("address", False, f"{record['url']}: {detail}")
    else:
        yield Finding("address", False, f"{record['url']}: {detail}", "server_odd", {"detail": detail})


def _origin(server: Server) -> Iterator[Finding]:
    process = server.record.get("process") or {}
    origin = process.get("cors")
    if not origin:
        yield Finding("origin", True if process else None, "no Origin is asked for" if process else "no process")
    elif origin == "*" or origin == server.record.get("origin"):
        yield Finding("origin", True, f"it was started with --enable-cors-header {origin}, as declared")
    elif state_of(server) == "token_refused":
        text = f"it was started with --enable-cors-header {origin}, which the inventory does not declare"
        yield Finding("origin", False, text, "cors_origin", {"origin": origin})
    else:
        yield Finding("origin", True, f"it was started with --enable-cors-header {origin}")


def _node(server: Server) -> Iterator[Finding]:
    record, node = server.record, server.record.get("node")
    locked = state_of(server) in ("locked", "token_refused")
    place = _at(server, f"{record['name']}/custom_nodes/ComfyUI-Login")
    if node in ("missing", "empty"):
        yield Finding("node", False, "the login node is not there", "node_missing", place)
    elif node == "disabled":
        yield Finding("node", False, "the login node's folder is called .disabled", "node_disabled", place)
    else:
        yield Finding("node", True, "the login node is there")
    key = record.get("session_key")
    if key not in ("ok", "missing", None):
        yield Finding("node", False, f"session key: {key}", "session_key_broken", {"detail": key, **place})
    if (record.get("process") or {}).get("nodes_off"):
        yield Finding("node", False, "custom nodes are switched off", "nodes_switched_off")
    if record.get("import_failure") and not locked:
        detail = record["import_failure"]
        yield Finding("node", False, f"its import failed: {detail}", "node_import_failed", {"detail": detail, **place})
    if record.get("guests"):
        yield Finding("node", False, "login/GUEST_MODE is there", "guests_allowed", _at(server, "login/GUEST_MODE"))


def _process(evidence: Evidence, server: Server) -> Iterator[Finding]:
    record, unit, process = server.record, server.record.get("unit"), server.record.get("process")
    listeners = [one for one in server.told.get("listeners") or [] if one["port"] == record["port"]]
    own = {(unit or {}).get("pid"), (process or {}).get("pid") if unit is None else None}
    foreign = next((one for one in listeners if one["pid"] and one["pid"] not in own), None)
    if unit is not None and foreign is not None and record["port"] not in ((process or {}).get("ports") or []):
        told = {"process": foreign["name"], "pid": foreign["pid"], **_at(server, f"port {record['port']}")}
        yield Finding("process", False, f"port {record['port']} belongs to {foreign['name']}", "port_taken", told)
    if unit is None:
        text = f"process {process['pid']}" if process else "nothing listens"
        yield Finding("process", True if process else None, f"systemd cannot be asked; {text}")
    elif not unit["known"]:
        yield Finding("process", False, f"there is no {record['unit_name']}", "unit_missing")
    elif unit["active"] in ("active", "reloading"):
        yield Finding("process", True, f"{record['unit_name']} runs as process {unit['pid']}")
    elif unit["active"] == "inactive":
        yield Finding("process", False, f"{record['unit_name']} does not run", "unit_stopped")
    else:
        detail = record.get("said") or f"{unit['active']}, {unit['result']}, exit status {unit['status']}"
        yield Finding("process", False, f"{record['unit_name']}: {detail}", "unit_failed", {"detail": detail})
    yield from _accept(evidence, server)
    if state_of(server) != "token_refused":
        return
    password, sync = record.get("password") or {}, record.get("sync") or {}
    if sync.get("status") in ("in_sync", "too_open") and process and _newer(password, process):
        text = "it started before login/PASSWORD changed"
        yield Finding("process", False, text, "process_older_than_password")
    else:
        detail = (record.get("probe") or {}).get("detail") or ""
        yield Finding("process", False, "it refuses the current token", "process_holds_other", {"detail": detail})


def _newer(password: Mapping[str, Any], process: Mapping[str, Any]) -> bool:
    # Both times are cut to the kernel's ticks; nothing of ours is read so soon after a start.
    return bool((password.get("changed") or 0) > process["since"] + 0.05)


def _accept(evidence: Evidence, server: Server) -> Iterator[Finding]:
    accept = server.record.get("accept") or {}
    place = _at(server, "login/ACCEPT.json")
    wanted = (evidence.truth.get(server.record["credential"]) or {}).get("fingerprint")
    if accept.get("state") == "broken":
        detail = accept.get("detail") or "it is not of the form that the guard reads"
        yield Finding("process", False, f"ACCEPT.json: {detail}", "accept_broken", {"detail": detail, **place})
    elif accept.get("state") == "ok" and wanted and wanted not in accept.get("fingerprints", []):
        yield Finding("process", False, "ACCEPT.json does not list the current token", "accept_lacks_token", place)
    elif accept.get("state") == "ok":
        yield Finding("process", True, f"ACCEPT.json lists {', '.join(accept['fingerprints'])}")


def _password(server: Server) -> Iterator[Finding]:
    record, sync = server.record, server.record.get("sync") or {}
    password: Mapping[str, Any] = record.get("password") or {"state": "unreadable", "detail": "not looked at"}
    place = _at(server, record["password_file"])
    told = {"detail": password.get("detail") or "permission denied", **place}
    code = _PASSWORD_CODES.get(str(password["state"]))
    if record.get("legacy"):
        yield Finding("password", False, "there is a PASSWORD in the old place", "password_legacy", place)
    if code is not None:
        text = f"login/PASSWORD: {password['state'].replace('_', ' ')}"
        yield Finding("password", False, text, code, told)
        return
    status, detail = str(sync.get("status")), str(sync.get("detail") or "")
    shown = f"login/PASSWORD holds {password.get('fingerprint')}: {detail or status}"
    if status in ("in_sync", "pending", "too_open"):
        yield Finding("password", True, shown)
    elif status in ("previous", "stale"):
        yield Finding("password", False, shown, "password_old", {**told, "detail": detail})
    elif status == "unknown":
        yield Finding("password", False, shown, "password_unknown", told)
    else:
        yield Finding("password", None, shown)


def _truth(evidence: Evidence, server: Server) -> Iterator[Finding]:
    name = server.record["credential"]
    known = evidence.truth.get(name)
    if known is None:
        yield Finding("truth", False, f"it has no credential {name}", "credential_missing", {"where": "the truth"})
    else:
        yield Finding("truth", True, f"{name}: version {known.get('version')}, {known.get('fingerprint')}")
