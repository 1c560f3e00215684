# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is known of a host, and how it is judged: rows with a verdict each, and why a run is not in order. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Json = dict[str, Any]

_LEFTOVER = "not in comfyui_instances any more; list it again, or remove it with comfyui_leftover: absent"


@dataclass(frozen=True)
class NotChecked:
    """A place that was not looked at. ``fails``: whether that alone is a reason to fail."""

    host: str
    what: str
    reason: str
    fails: bool = True


@dataclass
class HostReport:
    """What is known of one host. The lists hold the modules' records, reduced to the keys above."""

    host: str
    consumers: list[Json] = field(default_factory=list)
    probes: list[Json] = field(default_factory=list)
    instances: list[Json] = field(default_factory=list)
    scan: Json | None = None
    failure: Json | None = None
    not_checked: list[NotChecked] = field(default_factory=list)
    removed: bool = False

    @property
    def checked(self) -> bool:
        """Whether there is a record at all and nothing is missing that should be there."""
        some = self.consumers or self.probes or self.instances or self.scan
        return bool(some) and not any(one.fails for one in self.not_checked)


def line(value: Any) -> str:
    return " ".join(str("" if value is None else value).split())


def is_active(instance: Json) -> bool:
    """Whether systemd says that the unit runs."""
    return instance.get("active") in (True, "active")


def _instance_in_order(one: Json) -> bool:
    probe = one.get("probe")
    state = probe.get("state") if isinstance(probe, Mapping) else probe
    return one.get("listed", True) and is_active(one) and state in (None, "", "locked")


def in_order(kind: str, one: Json, drift: bool = False) -> bool:
    """Whether a record says that all is well. *kind*: sync, probes, instances or scan."""
    if kind == "scan":
        return one.get("declared") is not None
    if kind == "sync":
        settled = ("in_sync", "pending", *(("previous", "current") if drift else ()))
        return one.get("status") in settled and not (drift and one.get("reload") == "pending")
    if kind == "probes":
        return one.get("state") == "locked"
    return _instance_in_order(one)


@dataclass(frozen=True)
class Row:
    """One line of the table. ``kind``: instance, consumer, proof, scan, copy or host. ``fine`` None: not checked."""

    host: str
    kind: str
    what: str
    status: str
    detail: str
    fine: bool | None


def rows(reports: Sequence[HostReport], drift: bool) -> list[Row]:
    """Return the table's rows in the order of the hosts, each with its verdict."""
    done: list[Row] = []
    for report in reports:
        done += [_instance_row(report.host, one) for one in report.instances]
        done += [_consumer_row(report.host, one, drift) for one in report.consumers]
        done += [_probe_row(report.host, one) for one in report.probes]
        if report.scan is not None:
            done += _scan_rows(report.host, report.scan)
        if report.failure is not None:
            done.append(Row(report.host, "host", report.failure["task"], "failed", report.failure["msg"], False))
        for one in report.not_checked:
            kind = {"HTTP": "proof", "consumer": "consumer", "instance": "instance"}.get(
                one.what.partition(" ")[0], "host"
            )
            done.append(Row(one.host, kind, one.what, "not_checked", one.reason, None))
    return done


def _instance_row(host: str, one: Json) -> Row:
    status = "active" if is_active(one) else _word(one.get("active"), "inactive")
    if not one.get("listed", True):
        return Row(host, "instance", line(one.get("unit")), status, _LEFTOVER, False)
    fine = _instance_in_order(one)
    action = line(one.get("action"))
    told = [
        "" if action == "none" else action,
        *(line(reason) for reason in one.get("reasons") or []),
        line(one.get("detail")),
    ]
    probe = one.get("probe")
    if not fine and isinstance(probe, Mapping):
        told += [line(probe.get("state")), line(probe.get("detail"))]
    what = line(one.get("unit")) or line(one.get("name"))
    return Row(host, "instance", what, status, "; ".join(dict.fromkeys(filter(None, told))), fine)


def _word(value: Any, otherwise: str) -> str:
    return otherwise if value in (None, False, "") else str(value)


def _consumer_row(host: str, one: Json, drift: bool) -> Row:
    status = _word(one.get("status"), "unknown")
    told = [line(one.get("detail")) or line(one.get("fingerprint"))]
    was = one.get("was")
    if one.get("changed") and was and was != status:
        told.insert(0, f"was {line(was)}")
    what = f"{line(one.get('path'))} ({line(one.get('id'))})"
    return Row(host, "consumer", what, status, "; ".join(filter(None, told)), in_order("sync", one, drift))


def _probe_row(host: str, one: Json) -> Row:
    what = f"{line(one.get('url'))} ({line(one.get('name'))})"
    return Row(
        host, "proof", what, _word(one.get("state"), "unexpected"), line(one.get("detail")), in_order("probes", one)
    )


def _scan_rows(host: str, scan: Json) -> list[Row]:
    counts = ", ".join(
        f"{number} {what.replace('_', ' ')}" for what, number in sorted((scan.get("counts") or {}).items())
    )
    whole = bool(scan.get("complete"))
    took = f"{scan.get('elapsed')} s" if whole else "it ended early; raise timeout or name fewer roots"
    done = [Row(host, "scan", counts or "nothing", "complete" if whole else "incomplete", took, whole)]
    for one in [*scan["findings"], *scan["declared"]]:
        fine = in_order("scan", one)
        what = line(one.get("path")) + (f":{one['line']}" if one.get("line") and one.get("kind") != "git" else "")
        status = f"declared ({line(one.get('declared'))})" if fine else "undeclared"
        done.append(Row(host, "copy", what, status, finding_text(one), fine))
    return done


def finding_text(one: Json) -> str:
    """Return in words what a scan found: field, credential, version, spelling, place."""
    version = " ".join(line(one.get(key)) for key in ("credential", "version") if one.get(key))
    told = [f"{line(one.get('field'))} of {version}, {line(one.get('label'))}", line(one.get("fingerprint"))]
    told += ["" if one.get("spelling") == "plain" else line(one.get("spelling")), line(one.get("detail"))]
    told.append(f"{one['count']} times" if (one.get("count") or 1) > 1 else "")
    return "; ".join(filter(None, told))


def reasons(reports: Sequence[HostReport], drift: bool) -> list[str]:
    """Say why the run is not in order, host by host. With *drift* only consumers and what was not looked at count."""
    if not reports:
        return ["there is no host in comfyui_servers or comfyui_clients, so nothing was checked"]
    found = []
    for report in reports:
        bad = [row for row in rows([report], drift) if row.fine is False]
        told = [row.detail for row in bad if row.kind != "host" and row.detail]
        for row in bad:
            # A module that failed because of its records says in its message what they say.
            repeated = row.kind == "host" and any(detail in row.detail for detail in told)
            if not repeated and (not drift or row.kind in ("consumer", "host")):
                found.append(f"{row.host}: {row.what}: {row.status}" + (f": {row.detail}" if row.detail else ""))
        found += [f"{one.host}: {one.what} not checked: {one.reason}" for one in report.not_checked if one.fails]
    if not found and not any(one.removed for one in reports) and all(row.fine is None for row in rows(reports, drift)):
        # Every omission has a good reason, and still nothing is proven.
        return ["nothing was checked on any host"]
    return found
