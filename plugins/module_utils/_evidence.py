# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All that one host can tell about its consumers and instances, gathered in one call. The back end of ``evidence``.

Reads and asks, changes nothing, and judges nothing: that is done where the evidence of all hosts comes together.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import (
    _evidence_host,
    _evidence_login,
    _evidence_way,
    _systemd,
)
from ansible_collections.genai.comfyui.plugins.module_utils._agree import agree
from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._consumers import read_field
from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError, check_url
from ansible_collections.genai.comfyui.plugins.module_utils._judge import check_credential, judge
from ansible_collections.genai.comfyui.plugins.module_utils._presets import PresetError, resolve
from ansible_collections.genai.comfyui.plugins.module_utils._probe import Target, probe

Json = dict[str, Any]
_MOST_THREADS = 16
_ENVIRONMENT_CODECS = frozenset(
    {"dotenv", "dotenv_raw", "dotenv_expand", "compose_env", "compose_yaml", "systemd_env", "shell", "fish", "json"}
)
"""Codecs of files whose value usually reaches a process as an environment variable."""


def server_consumer(instance: Mapping[str, Any]) -> Json:
    """Return an instance's ``login/PASSWORD`` as a consumer."""
    user = instance.get("user") or None
    return {
        "id": f"server:{instance['name']}",
        "path": instance["password_file"],
        "codec": "login_password",
        "credential": instance["credential"],
        "owner": user,
        "group": user,
        "mode": "0600",
    }


def gather(
    consumers: Sequence[Mapping[str, Any]],
    instances: Sequence[Mapping[str, Any]],
    credentials: Mapping[str, Any],
    url: str | None = None,
    timeout: float = 5.0,
) -> Json:
    """Return ``consumers`` and ``instances`` (one record each, in order), ``addresses`` and ``listeners`` of the host.

    Never raises for what is found. Whatever could not be looked at is None in its record.
    """
    named = [_named(one, url) for one in consumers]
    passwords = [server_consumer(one) for one in instances]
    records = agree([*passwords, *consumers], credentials, True).records
    variables = {one["variable"] for one in named if one["variable"]}
    holding = _evidence_host.holders(variables)
    with ThreadPoolExecutor(max_workers=max(1, min(len(named) + len(instances), _MOST_THREADS))) as pool:
        units = _units([one["unit"] for one in instances])
        servers = [pool.submit(_instance, one, credentials, units.get(one["unit"]), timeout) for one in instances]
        clients = [pool.submit(_consumer, one, credentials, holding, timeout) for one in named]
        seen = [{**job.result(), "sync": record} for job, record in zip(servers, records)]
        found = [{**job.result(), "sync": record} for job, record in zip(clients, records[len(passwords) :])]
    ports = {one["port"] for one in seen if one["port"]}
    ports |= {one["way"]["port"] for one in found if one["way"] and one["way"]["port"]}
    listening = [
        {"address": one.address, "port": one.port, "pid": one.pid, "name": one.name, "loopback": one.loopback}
        for one in _evidence_host.listeners(ports)
    ]
    return {
        "consumers": found,
        "instances": seen,
        "addresses": _evidence_host.addresses(),
        "listeners": listening,
    }


def _named(given: Mapping[str, Any], url: str | None) -> Json:
    """Return a consumer with its preset resolved as far as possible, and the variable that it becomes."""
    try:
        one = resolve(given)
    except PresetError:
        one = dict(given)
    key = str(one.get("key") or "")
    last = key.rsplit("/", 1)[-1]
    name = last if one.get("codec") in _ENVIRONMENT_CODECS and re.fullmatch(r"[A-Z][A-Z0-9_]{3,}", last) else ""
    return {**one, "key": key or None, "address": one.get("url") or url or None, "variable": name}


def _consumer(one: Json, credentials: Mapping[str, Any], holding: Mapping[str, Any], timeout: float) -> Json:
    credential = credentials.get(one.get("credential") or "main")
    usable = _usable(one.get("credential") or "main", credential)
    field = one.get("field") or "token"
    processes = []
    for holder in holding.get(one["variable"], ()):
        verdict = judge(holder.value, field, usable, one.get("url")) if usable else None
        processes.append(
            {
                "pid": holder.pid,
                "name": holder.name,
                "unit": holder.unit,
                "status": verdict.status if verdict else "unknown",
                "detail": verdict.detail if verdict else "",
                "fingerprint": verdict.fingerprint if verdict else None,
            }
        )
    address = one["address"]
    way = _evidence_way.look(address, timeout=timeout) if address else None
    proof, unsent = None, None
    if way is not None and way["error"] is None and field in ("token", "bearer"):
        proof, unsent = _proof(one, address, timeout)
    return {
        **{key: one.get(key) for key in ("id", "path", "codec", "key")},
        "credential": one.get("credential") or "main",
        "field": field,
        "url": address,
        "unreadable": _evidence_host.may_read(str(one.get("path") or "/"), one.get("owner")),
        "variable": one["variable"],
        "processes": processes,
        "way": way,
        "probe": proof,
        "unsent": unsent,
    }


def _usable(name: str, credential: Any) -> Mapping[str, Any] | None:
    if not isinstance(credential, Mapping):
        return None
    try:
        check_credential(str(name), credential)
    except ValueError:
        return None
    return credential


def _proof(one: Json, url: str, timeout: float) -> tuple[Json | None, str | None]:
    """Return what the server says to the token as the file spells it, or None and why nothing was sent."""
    try:
        value = read_field(str(one.get("path")), str(one.get("codec")), one.get("key"))
    except (ValueError, OSError) as error:
        return None, str(error)
    value = value[len("Bearer ") :] if value.startswith("Bearer ") else value
    if not is_token(value):
        return None, "the file holds no whole token; nothing was sent"
    return dict(probe(Target(url, token=value, timeout=timeout)).as_dict()), None


def _units(names: list[str]) -> Mapping[str, _systemd.Unit]:
    try:
        return _systemd.show(names) if names else {}
    except _systemd.SystemdError:
        return {}


def _instance(
    one: Mapping[str, Any], credentials: Mapping[str, Any], unit: _systemd.Unit | None, timeout: float
) -> Json:
    credential = credentials.get(one["credential"]) or {}
    try:
        parts = check_url(one["url"])
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except HttpError:
        port = None
    listening = _evidence_host.listeners({port}) if port else []
    pid = unit.pid if unit is not None and unit.pid else 0
    pid = pid or next((item.pid for item in listening if item.pid), 0)
    since = _systemd.started_at(pid) if pid else None
    lines = _journal(one["unit"], since)
    target = Target(one["url"], token=credential.get("token"), origin=one.get("origin") or None, timeout=timeout)
    seen = dict(probe(target).as_dict())
    app = one["app"]
    return {
        **{key: one.get(key) for key in ("name", "url", "credential", "origin", "password_file")},
        "unit_name": one["unit"],
        "port": port,
        "unit": None
        if unit is None
        else {
            "known": unit.known,
            "active": unit.active,
            "sub": unit.sub,
            "result": unit.result,
            "status": unit.status,
            "pid": unit.pid,
        },
        "said": _systemd.said(one["unit"], since) if unit is not None and unit.known else "",
        "import_failure": _systemd.masked(_evidence_login.import_failure(lines)),
        "process": _process(pid, since),
        "node": _evidence_login.node(one["login_node"]),
        "session_key": _evidence_login.session_key(one["session_key"]),
        "password": _evidence_login.password(one["password_file"], one.get("user") or None),
        "accept": _evidence_login.accept(os.path.join(app, "login", "ACCEPT.json")),
        "legacy": os.path.lexists(os.path.join(app, "PASSWORD")),
        "guests": os.path.lexists(os.path.join(app, "login", "GUEST_MODE")) and not one.get("guest"),
        "way": _evidence_way.look(one["url"], timeout=timeout),
        "probe": seen,
    }


def _process(pid: int, since: float | None) -> Json | None:
    """Return what an instance's process was started with; of its arguments only those that decide about the login."""
    if not pid or since is None:
        return None
    words = _evidence_host.arguments_of(pid)
    origin = None
    for number, word in enumerate(words):
        if word == "--enable-cors-header":
            following = words[number + 1] if number + 1 < len(words) else ""
            origin = following if following and not following.startswith("-") else "*"
        elif word.startswith("--enable-cors-header="):
            origin = word.partition("=")[2] or "*"
    return {
        "pid": pid,
        "name": _evidence_host.name_of(pid),
        "since": since,
        "cors": origin,
        "nodes_off": "--disable-all-custom-nodes" in words and _evidence_login.LOGIN_NODE not in words,
        "ports": _evidence_host.ports_of(pid),
    }


def _journal(unit: str, since: float | None) -> list[str]:
    when = [] if since is None else ["--since", f"@{int(since)}"]
    try:
        done = _systemd.run("journalctl", "--no-pager", "-q", "-o", "cat", "-n", "400", "-u", unit, *when)
    except _systemd.SystemdError:
        return []
    return list(done.stdout.splitlines())
