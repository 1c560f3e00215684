# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The field during a rotation: in which order hosts are brought in line, and what was seen of them. Pure functions.

Only what this very pass has seen is evidence. A host that failed, could not be reached or dropped out of the play on
the way keeps the results of an earlier pass in its variables; its stamp tells that they are old.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.genai.comfyui.plugins.plugin_utils._report import plain
from ansible_collections.genai.comfyui.plugins.plugin_utils._topology import DEFAULT_INSTANCE

Json = dict[str, Any]
Hosts = Mapping[str, Mapping[str, Any]]

STAMP = "comfyui_rotation_seen"
"""The variable in which a host says in which pass it was looked at."""
RESULTS = {
    "accept": "comfyui_login_accept_result",
    "password": "comfyui_login_sync_result",
    "probe": "comfyui_login_probe_result",
    "consumers": "comfyui_client_sync_result",
    "instance": "comfyui_instance_result",
}
_STRANGERS = ("anonymous", "empty_token", "random_token")


def rotation_steps(hostvars: Hosts, servers: Sequence[str], clients: Sequence[str]) -> list[Json]:
    """Return the order of a pass: a list of ``part`` (server, look or client) and ``hosts``, in this order.

    ``gate`` says that what was seen may let the rotation move after the step; it is then brought to the next hosts.
    ``after`` is the server that a client step follows and ``only`` the ids of the consumers that it is for, by host;
    without them all are meant.

    Servers with guard come first, all at once, and clients last, all at once: nobody is refused in between. A server
    without guard refuses its clients from its restart on until their files are written, so each comes alone, followed
    at once by the clients that name it; those that name none follow the last server of their credential.
    """
    hostvars = _once(hostvars, [*servers, *clients])
    guarded = [host for host in servers if boolean(_get(hostvars, host, "comfyui_login_guard", True), strict=False)]
    bare = [host for host in servers if host not in guarded]
    steps = [_step("server", guarded), _step("look", guarded, gate=not bare)] if guarded else []
    holders = list(dict.fromkeys([*servers, *clients]))
    after: dict[str, dict[str, list[str]]] = {server: {} for server in bare}
    for host in holders:
        for consumer, server in _follows(hostvars, host, bare):
            after[server].setdefault(host, []).append(consumer)
    for server in bare:
        steps.append(_step("server", [server]))
        if after[server]:
            # A host's consumers of other servers wait for theirs, which still take the former token only.
            steps.append({**_step("client", list(after[server])), "after": server, "only": after[server]})
        # Only now: to ask who gets in would keep the clients waiting.
        steps.append(_step("look", [server]))
    with_consumers = [host for host in holders if _get(hostvars, host, "comfyui_consumers", [])]
    return [*steps, _step("client", with_consumers, gate=True)]


def _step(part: str, hosts: Sequence[str], gate: bool = False) -> Json:
    return {"part": part, "hosts": list(hosts), "gate": gate}


def _follows(hostvars: Hosts, host: str, bare: Sequence[str]) -> list[tuple[str, str]]:
    """Return (id, server) of each consumer of *host*: the server without guard after which it is written."""
    found = []
    for consumer in _get(hostvars, host, "comfyui_consumers", []) or []:
        name = str(consumer.get("credential") or "main")
        users = [server for server in bare if name in {_credential(one) for one in _instances(hostvars, server)}]
        url = str(consumer.get("url") or _get(hostvars, host, "comfyui_client_url", "") or "")
        named = [server for server in users if urlsplit(url).hostname in _names(hostvars, server)]
        found += [(str(consumer.get("id")), server) for server in (named or users)[-1:]]
    return found


def _names(hostvars: Hosts, server: str) -> set[str]:
    """Return the names by which clients may know a server."""
    addresses = {urlsplit(str(one.get("url") or "")).hostname for one in _instances(hostvars, server)}
    known = {server, str(_get(hostvars, server, "ansible_host", server)), *addresses}
    return {name.lower() for name in known if name}


def rotation_evidence(
    hostvars: Hosts, servers: Sequence[str], clients: Sequence[str], number: int, at: str = ""
) -> Json:
    """Return what pass *number* saw, for ``genai.comfyui.rotation``: records of all servers and consumers.

    :param at: when it was gathered, UTC. Records of hosts that the pass did not see say ``reachable: false``.
    """
    hostvars = _once(hostvars, [*servers, *clients])
    found: Json = {"servers": [], "consumers": []}
    for host in servers:
        seen, why = _seen(hostvars, host, number)
        for one in _instances(hostvars, host):
            found["servers"].append({"at": at, **_server(hostvars, host, one, seen, why)})
    for host in dict.fromkeys([*servers, *clients]):
        seen, why = _seen(hostvars, host, number)
        records = _records(hostvars, host, "consumers", "consumers") if seen else []
        for record in records:
            wanted = ("id", "credential", "required", "status", "version", "fingerprint", "reload", "detail")
            kept = {key: record[key] for key in wanted if key in record}
            found["consumers"].append({"at": at, "host": host, "reachable": True, **kept})
        if not records:
            why = why or _failure(hostvars, host)
            for consumer in _get(hostvars, host, "comfyui_consumers", []) or []:
                place = {"host": host, "id": str(consumer.get("id")), "credential": _credential(consumer)}
                found["consumers"].append({"at": at, **place, "reachable": False, "detail": why})
    return found


def _server(hostvars: Hosts, host: str, instance: Mapping[str, Any], seen: bool, why: str) -> Json:
    name = str(instance.get("name", "default"))
    place = {"host": host, "instance": name, "credential": _credential(instance)}
    probe = _named(_records(hostvars, host, "probe", "targets"), "name", name) if seen else None
    accept = (_named(_records(hostvars, host, "accept", "instances"), "name", name) if seen else None) or {}
    password = (
        _named(_records(hostvars, host, "password", "consumers"), "id", f"server:{name}") if seen else None
    ) or {}
    known = {
        "password": password.get("version"),
        "fingerprint": password.get("fingerprint"),
        "accept_versions": accept.get("found_versions") or [],
        "accept_fingerprints": accept.get("found_fingerprints") or [],
    }
    if probe is None:
        return {**place, **known, "reachable": False, "detail": why or _failure(hostvars, host)}
    asked = plain(_get(hostvars, host, RESULTS["probe"], {}))
    checks = {one.get("name"): one.get("ok") is True for one in probe.get("checks") or []}
    guarded = probe.get("guarded")
    accepts = list(probe.get("accepts") or [])
    return {
        **place,
        **known,
        "reachable": probe.get("state") != "down",
        "acceptor": "" if guarded is None else "guard" if guarded else "none",
        "locked": all(checks.get(stranger) for stranger in _STRANGERS),
        "accepts": accepts,
        "refuses": list(probe.get("refuses") or []),
        # A bare node holds exactly one token, the one it was started with. What a guard's process holds nobody sees.
        "holds": accepts[0] if guarded is False and len(accepts) == 1 else None,
        "clock": asked.get("clock"),
        "asked": asked.get("asked"),
        "detail": str(probe.get("detail") or ""),
    }


def _seen(hostvars: Hosts, host: str, number: int) -> tuple[bool, str]:
    """Return whether this pass got to the host, and why not."""
    contact = plain(_get(hostvars, host, "comfyui_contact", {}))
    if str(_get(hostvars, host, STAMP, 0)) == str(number):
        return True, ""
    if isinstance(contact, dict) and contact.get("unreachable"):
        return False, f"unreachable: {contact.get('msg') or 'no reason given'}"
    return False, "not looked at in this run (left out by --limit, or it failed on the way)"


def _failure(hostvars: Hosts, host: str) -> str:
    failure = plain(_get(hostvars, host, "comfyui_failure", {}))
    if isinstance(failure, dict) and failure.get("task"):
        return f"{failure['task']}: {' '.join(str(failure.get('msg')).split())}"
    return "it was not looked at yet"


def _records(hostvars: Hosts, host: str, result: str, key: str) -> list[Json]:
    found = plain(_get(hostvars, host, RESULTS[result], {}))
    records = found.get(key) if isinstance(found, dict) else None
    return [one for one in records or [] if isinstance(one, dict)]


def _named(records: Sequence[Json], key: str, name: str) -> Json | None:
    return next((one for one in records if str(one.get(key)) == name), None)


def _credential(one: Mapping[str, Any]) -> str:
    return str(one.get("credential") or "main")


def _instances(hostvars: Hosts, host: str) -> list[Mapping[str, Any]]:
    return list(_get(hostvars, host, "comfyui_instances", None) or [DEFAULT_INSTANCE])


def _once(hostvars: Hosts, hosts: Sequence[str]) -> Hosts:
    # Each look into hostvars puts all of a host's variables together anew; one look a host is enough.
    return {host: hostvars[host] for host in dict.fromkeys(hosts) if host in hostvars}


def _get(hostvars: Hosts, host: str, name: str, default: Any) -> Any:
    value = hostvars[host].get(name) if host in hostvars else None
    return default if value is None else value


def newer_than_truth(hostvars: Hosts, servers: Sequence[str]) -> list[str]:
    """Return why servers may be newer than the truth, as their own files were just seen: one text a file.

    Whoever wrote the truth's tokens into clients' files then would lock them out.
    """
    hostvars = _once(hostvars, servers)
    kinds = (("accept", "instances"), ("password", "consumers"))
    records = [(host, one) for host in servers for kind in kinds for one in _records(hostvars, host, *kind)]
    return [f"{host}: {one.get('detail')}" for host, one in records if one.get("status") == "unknown"]


def unjudged_holders(hostvars: Hosts, servers: Sequence[str], clients: Sequence[str]) -> list[str]:
    """Return the hosts with consumers of a credential that has servers, of which none was looked at in this run.

    Where that is so, nothing tells whether the truth is older than what such a consumer holds.
    """
    hostvars = _once(hostvars, [*servers, *clients])
    users: dict[str, list[bool]] = {}
    for server in servers:
        seen = bool(_records(hostvars, server, "password", "consumers"))
        for name in {_credential(one) for one in _instances(hostvars, server)}:
            users.setdefault(name, []).append(seen)
    unseen = {name for name, seen in users.items() if not any(seen)}
    return [
        host
        for host in dict.fromkeys([*servers, *clients])
        if unseen & {_credential(one) for one in _get(hostvars, host, "comfyui_consumers", []) or []}
    ]


def rotation_windows(hostvars: Hosts, servers: Sequence[str], clients: Sequence[str]) -> list[Json]:
    """Return for how long each restart of a server without guard refused its clients: ``host``, ``seconds``, ``jobs``.

    ``jobs`` says what became of what was queued when it stopped: ``kept`` and ``lost``, lists of names, ``late``, how
    many may have come too late to be seen, and ``unknown``, whether there was something that could not be read.

    The time is from the moment at which the old process took no connections any more, until the new one was proven and
    the last client's file was written. Each part is measured by one machine's monotonic clock, where it happened; only
    the way from a host's result to another's is measured here, so no host's clock and no slow answer is in it.
    """
    hostvars = _once(hostvars, [*servers, *clients])
    bare = [h for h in servers if not boolean(_get(hostvars, h, "comfyui_login_guard", True), strict=False)]
    windows = []
    for server in bare:
        restarts = plain(_get(hostvars, server, "comfyui_login_restarts", []))
        written = [
            _written_at(hostvars, host, server)
            for host in dict.fromkeys([*servers, *clients])
            if server in [after for _consumer, after in _follows(hostvars, host, bare)]
        ]
        ends = [float(one["at"]) for one in restarts[1:]] + [float("inf")]
        for restart, end in zip(restarts, ends):
            known = [one for one in restart["instances"] if one.get("gap") is not None]
            if known:
                up, gap = float(restart["at"]), max(float(one["gap"]) for one in known)
                shut = [float(one["gap"] if one.get("proven") is None else one["proven"]) for one in known]
                seconds = max([*shut, *(gap + at - up for at in written if up <= at < end)])
                windows.append({"host": server, "seconds": round(seconds, 1), "jobs": _jobs(known)})
    return windows


def _written_at(hostvars: Hosts, host: str, server: str) -> float:
    """Return when files of *host* were last written in a step after *server*, or, where there was none, at the end."""
    times = plain(_get(hostvars, host, "comfyui_rotation_written_at", {}))
    return float(times.get(server) or times.get("") or 0)


def _jobs(restarts: Sequence[Mapping[str, Any]]) -> Json:
    told = [one.get("jobs") for one in restarts]
    jobs = [one for one in told if isinstance(one, Mapping)]
    return {
        "kept": [str(name) for one in jobs for name in one.get("kept") or []],
        "lost": [str(lost.get("id")) for one in jobs for lost in one.get("lost") or []],
        "late": sum(one.get("late") or 0 for one in jobs),
        "unknown": len(jobs) < len(told) or any(one.get("late") is None for one in jobs),
    }


def _jobs_told(jobs: Mapping[str, Any]) -> list[str]:
    """Return lines about the jobs that were queued when a server stopped; names only, never what is in them."""
    lines = []
    if jobs["kept"]:
        lines.append(f"put back what was queued, {len(jobs['kept'])} in all: {_some(jobs['kept'])}")
    if jobs["lost"]:
        lines.append(f"lost what was queued, {len(jobs['lost'])} in all: {_some(jobs['lost'])}")
    if jobs["late"]:
        lines.append(
            f"up to {jobs['late']} more came while it was being stopped; what of them is not named here is lost, so "
            "whoever submitted jobs at that moment has to look"
        )
    if jobs["unknown"]:
        lines.append("a queue or a journal could not be read, so nobody knows which jobs were lost")
    return lines or ["its queue was empty"]


def _some(names: Sequence[str], most: int = 20) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def rotation_report(
    credentials: Sequence[Mapping[str, Any]], failure: str = "", windows: Sequence[Mapping[str, Any]] = ()
) -> Json:
    """Return what a run tells at its end: ``lines`` to show, and ``problems`` for which it fails.

    To wait for a time is no problem; to wait for a host, a server or a consumer is.

    :param credentials: the records of ``genai.comfyui.rotation``. :param failure: why it could not be asked.
    """
    lines, problems = [], [failure] if failure else []
    for one in plain(list(credentials)):
        versions = {label: f"{v['version']} ({v['fingerprint']})" for label, v in one["versions"].items()}
        known = ", ".join(f"{label} {version}" for label, version in versions.items())
        lines.append(f"{one['name']}: {one['phase']}; {known}")
        lines += [f"  {text}" for text in one["why"]]
        for waiting in one["waiting_for"]:
            place = f"{waiting['kind']} {waiting['id']}".strip()
            lines.append(f"  waits for {place}: {waiting['why']}")
            if waiting["kind"] != "time":
                problems.append(f"{one['name']} ({one['phase']}) waits for {place}: {waiting['why']}")
        lines += [f"  next: {text}" for text in one["next"]]
    for window in plain(list(windows)):
        lines.append(f"{window['host']} has no guard: its clients were refused for {window['seconds']:g} s")
        lines += [f"  {text}" for text in _jobs_told(window["jobs"])]
    return {"lines": lines, "problems": problems}
