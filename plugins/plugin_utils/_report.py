# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run proved, host by host: gathered from registered results, and judged. Pure; no Ansible import.

A place that should have been looked at and was not is named with the reason; it is never counted as in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._topology import DEFAULT_INSTANCE

Json = dict[str, Any]
Read = Callable[[str], Any]
"""Returns a variable of one host, or None where there is none. May raise anything."""

# Only what is named here gets into a report: a result that learns to return more cannot leak it through the report.
CONSUMER_KEYS = (
    "id", "path", "codec", "key", "credential", "field", "required", "status", "was", "changed", "fingerprint",
    "detail", "line", "reload",
)  # fmt: skip
PROBE_KEYS = ("name", "url", "credential", "state", "detail", "checks", "waited", "at", "fingerprint")
INSTANCE_KEYS = ("name", "unit", "action", "reasons", "pid", "since", "active", "detail", "probe", "url")
FINDING_KEYS = (
    "kind", "path", "line", "count", "credential", "version", "label", "field", "fingerprint", "spelling", "detail",
    "declared",
)  # fmt: skip
_NO_TOKEN = "it holds no token ({field} only)"  # noqa: S105
_NO_URL = "no URL is known for it; set its url, or comfyui_client_url"


@dataclass(frozen=True)
class Sources:
    """Names of the variables that hold the results, and what this run was about.

    ``left_out`` is why results may be missing on purpose (``--tags``), or None. What it explains fails nothing.
    """

    sync: Sequence[str] = ()
    probes: Sequence[str] = ()
    instances: str | None = None
    scan: str | None = None
    contact: str | None = None
    failure: str | None = None
    left_out: str | None = None


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


def plain(value: Any) -> Any:
    """Return *value* as plain JSON types, without the tags and lazy containers of newer cores."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool):
        return value
    for kind in (int, float):
        if isinstance(value, kind):
            return kind(value)
    return "".join(str(value))


def collect(host: str, read: Read, sources: Sources, is_server: bool) -> HostReport:
    """Gather what is known of *host*. Never raises for what variables hold; what cannot be read is not checked."""
    return _Collector(HostReport(host), read, sources).run(is_server)


class _Collector:
    def __init__(self, report: HostReport, read: Read, sources: Sources) -> None:
        self.report, self.read, self.sources = report, read, sources
        # One entry a result: whether it was skipped. Failed and unreachable ones are not among them.
        self.skipped: dict[str, list[str | None]] = {"sync": [], "probes": [], "instances": [], "scan": []}
        self.unreachable = False

    def run(self, is_server: bool) -> HostReport:
        given = self._variable(self.sources.failure)
        if isinstance(given, Mapping):
            self.report.failure = {key: _line(given.get(key)) for key in ("task", "msg")}
        if self.sources.contact:
            self._unreachable(self._variable(self.sources.contact))
        for name in self.sources.sync:
            self.report.consumers += self._records("sync", name, ("consumers",), CONSUMER_KEYS)
        for name in self.sources.probes:
            self.report.probes += self._records("probes", name, ("targets", "probes"), PROBE_KEYS)
        if self.sources.instances:
            self.report.instances += self._records("instances", self.sources.instances, ("instances",), INSTANCE_KEYS)
        if self.sources.scan:
            self._scan(self.sources.scan)
        if not self.unreachable:
            self._expect(is_server)
        return self.report

    def _scan(self, name: str) -> None:
        findings = self._records("scan", name, ("findings",), FINDING_KEYS)
        result = self._variable(name)
        if not isinstance(result, Mapping) or not isinstance(result.get("findings"), list):
            return
        scan = {key: result.get(key) for key in ("left_out", "not_searched", "counts", "complete", "engine", "elapsed")}
        declared = self._records("scan", name, ("declared",), FINDING_KEYS)
        self.report.scan = {"findings": findings, "declared": declared, **scan}
        for one in scan["left_out"] or []:
            told = ", ".join(_line(example) for example in one.get("examples") or [])
            self._missing(
                f"{one.get('count')} left out by the scan", f"{_line(one.get('reason'))}: {told}", fails=False
            )
        for text in scan["not_searched"] or []:
            self._missing("a secret the scan did not look for", _line(text), fails=False)

    def _variable(self, name: str | None) -> Any:
        if not name:
            return None
        try:
            return plain(self.read(name))
        except Exception as error:  # a template may raise anything, and its text may hold anything
            self._missing("host", f"{name} cannot be read ({type(error).__name__})")
            return None

    def _missing(self, what: str, reason: str, fails: bool = True) -> None:
        self.report.not_checked.append(NotChecked(self.report.host, what, reason, fails))

    def _unreachable(self, result: Any) -> bool:
        if not isinstance(result, Mapping) or not result.get("unreachable"):
            return False
        if not self.unreachable:
            self.unreachable = True
            self._missing("host", f"unreachable: {_line(result.get('msg')) or 'no reason given'}")
        return True

    def _records(self, kind: str, name: str, keys: Sequence[str], wanted: Sequence[str]) -> list[Json]:
        result = self._variable(name)
        if not isinstance(result, Mapping) or self._unreachable(result):
            return []
        if result.get("skipped"):
            self.skipped[kind].append(_line(result.get("skip_reason")) or "skipped")
            return []
        found = next((result[key] for key in keys if isinstance(result.get(key), list)), None)
        records = [{key: one[key] for key in wanted if key in one} for one in found or [] if isinstance(one, Mapping)]
        if found is None or (result.get("failed") and all(in_order(kind, one) for one in records)):
            # With failed_when: false a failed result does not say so; one without records has proven nothing.
            self._failed(name, _line(result.get("msg")) or "the result holds no records")
        else:
            self.skipped[kind].append(None)
        return records

    def _failed(self, name: str, message: str) -> None:
        if self.report.failure is None:
            self.report.failure = {"task": name, "msg": message}
        elif message not in self.report.failure["msg"]:
            self.report.failure["msg"] += f"; {name}: {message}"

    def _expect(self, is_server: bool) -> None:
        """Name what the inventory declares and no result covers."""
        declared = self._declared("comfyui_consumers")
        self.report.removed = is_server and self._variable("comfyui_state") == "absent"
        is_server = is_server and not self.report.removed
        records = self.report.consumers or self.report.probes or self.report.instances or self.report.scan
        known = records or declared or is_server or self.report.failure or self.report.not_checked
        if not (known or self.sources.scan):
            # An empty result of a host without consumers is no evidence of anything.
            self._missing("host", "it declares no consumers", fails=False)
        elif not any(self.skipped.values()):
            self._without_result("host")
        else:
            if is_server:
                self._expect_instances()
            if self.sources.sync:
                seen = {one.get("id") for one in self.report.consumers}
                for one in declared:
                    if one.get("id") not in seen:
                        self._absent("sync", f"consumer {_name(one)}")
            if self.sources.probes:
                self._expect_proofs(declared)

    def _expect_instances(self) -> None:
        names = [str(one.get("name", "default")) for one in self._declared("comfyui_instances") or [DEFAULT_INSTANCE]]
        for kind, what in (("instances", "instance"), ("probes", "HTTP proof of")):
            if not getattr(self.sources, kind):
                continue
            seen = {one.get("name") for one in getattr(self.report, kind)}
            for name in names:
                if name not in seen:
                    self._absent(kind, f"{what} {name}")

    def _expect_proofs(self, declared: list[Json]) -> None:
        common = self._variable("comfyui_client_url")
        for one in declared:
            what, url = f"HTTP proof of {_name(one)}", one.get("url") or common
            holds = one.get("field", "token")
            if any(
                seen.get("name") == _name(one) and (not url or seen.get("url") == url) for seen in self.report.probes
            ):
                continue
            if holds not in ("token", "bearer"):
                self._missing(what, _NO_TOKEN.format(field=holds), fails=False)
            elif not url:
                self._missing(what, _NO_URL, fails=False)
            else:
                self._absent("probes", what)

    def _absent(self, kind: str, what: str) -> None:
        """Name something without a record; a task that was skipped on purpose is no reason to fail."""
        states = self.skipped[kind]
        if states and None not in states:
            self._missing(what, f"skipped: {states[0]}", fails=False)
        else:
            self._without_result(what)

    def _without_result(self, what: str) -> None:
        if self.report.failure is not None:
            self._missing(what, f"the run stopped on this host at '{self.report.failure['task']}'")
        elif self.sources.left_out:
            self._missing(what, self.sources.left_out, fails=False)
        else:
            self._missing(what, "this run has no result for it (see the output above, and --limit)")

    def _declared(self, variable: str) -> list[Json]:
        value = self._variable(variable)
        if value is None:
            return []
        if not isinstance(value, list) or not all(isinstance(one, Mapping) for one in value):
            self._missing("host", f"{variable} is no list of mappings")
            return []
        return value


def _name(consumer: Json) -> str:
    return str(consumer.get("id", consumer.get("path")))


def _line(value: Any) -> str:
    return " ".join(str("" if value is None else value).split())


def is_active(instance: Json) -> bool:
    """Whether systemd says that the unit runs."""
    return instance.get("active") in (True, "active")


def _instance_in_order(one: Json) -> bool:
    probe = one.get("probe")
    state = probe.get("state") if isinstance(probe, Mapping) else probe
    return is_active(one) and state in (None, "", "locked")


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
    fine = _instance_in_order(one)
    action = _line(one.get("action"))
    told = [
        "" if action == "none" else action,
        *(_line(reason) for reason in one.get("reasons") or []),
        _line(one.get("detail")),
    ]
    probe = one.get("probe")
    if not fine and isinstance(probe, Mapping):
        told += [_line(probe.get("state")), _line(probe.get("detail"))]
    what = _line(one.get("unit")) or _line(one.get("name"))
    return Row(host, "instance", what, status, "; ".join(dict.fromkeys(filter(None, told))), fine)


def _word(value: Any, otherwise: str) -> str:
    return otherwise if value in (None, False, "") else str(value)


def _consumer_row(host: str, one: Json, drift: bool) -> Row:
    status = _word(one.get("status"), "unknown")
    told = [_line(one.get("detail")) or _line(one.get("fingerprint"))]
    was = one.get("was")
    if one.get("changed") and was and was != status:
        told.insert(0, f"was {_line(was)}")
    what = f"{_line(one.get('path'))} ({_line(one.get('id'))})"
    return Row(host, "consumer", what, status, "; ".join(filter(None, told)), in_order("sync", one, drift))


def _probe_row(host: str, one: Json) -> Row:
    what = f"{_line(one.get('url'))} ({_line(one.get('name'))})"
    return Row(
        host, "proof", what, _word(one.get("state"), "unexpected"), _line(one.get("detail")), in_order("probes", one)
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
        what = _line(one.get("path")) + (f":{one['line']}" if one.get("line") and one.get("kind") != "git" else "")
        status = f"declared ({_line(one.get('declared'))})" if fine else "undeclared"
        done.append(Row(host, "copy", what, status, finding_text(one), fine))
    return done


def finding_text(one: Json) -> str:
    """Return in words what a scan found: field, credential, version, spelling, place."""
    version = " ".join(_line(one.get(key)) for key in ("credential", "version") if one.get(key))
    told = [f"{_line(one.get('field'))} of {version}, {_line(one.get('label'))}", _line(one.get("fingerprint"))]
    told += ["" if one.get("spelling") == "plain" else _line(one.get("spelling")), _line(one.get("detail"))]
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
