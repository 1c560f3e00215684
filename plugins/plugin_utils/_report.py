# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a run proved, host by host: gathered from registered results. Pure; no Ansible import.

A place that should have been looked at and was not is named with the reason; it is never counted as in order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._report_verdict import (
    HostReport,
    Json,
    NotChecked,
    in_order,
    line,
)
from ansible_collections.genai.comfyui.plugins.plugin_utils._topology import DEFAULT_INSTANCE

Read = Callable[[str], Any]
"""Returns a variable of one host, or None where there is none. May raise anything."""

# Only what is named here gets into a report: a result that learns to return more cannot leak it through the report.
CONSUMER_KEYS = (
    "id", "path", "codec", "key", "credential", "field", "required", "status", "was", "changed", "fingerprint",
    "detail", "line", "reload",
)  # fmt: skip
PROBE_KEYS = ("name", "url", "credential", "state", "detail", "checks", "waited", "at", "fingerprint")
INSTANCE_KEYS = ("name", "unit", "action", "reasons", "pid", "since", "active", "detail", "probe", "url")
LEFTOVER_KEYS = ("name", "unit", "action", "active")
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
    leftovers: str | None = None
    scan: str | None = None
    contact: str | None = None
    failure: str | None = None
    left_out: str | None = None


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
        self.skipped: dict[str, list[str | None]] = {
            name: [] for name in ("sync", "probes", "instances", "leftovers", "scan")
        }
        self.unreachable = False

    def run(self, is_server: bool) -> HostReport:
        given = self._variable(self.sources.failure)
        if given and isinstance(given, Mapping):
            self.report.failure = {key: line(given.get(key)) for key in ("task", "msg")}
        if self.sources.contact:
            self._unreachable(self._variable(self.sources.contact))
        for name in self.sources.sync:
            self.report.consumers += self._records("sync", name, ("consumers",), CONSUMER_KEYS)
        for name in self.sources.probes:
            self.report.probes += self._records("probes", name, ("targets", "probes"), PROBE_KEYS)
        if self.sources.instances:
            self.report.instances += self._records("instances", self.sources.instances, ("instances",), INSTANCE_KEYS)
        if self.sources.leftovers:
            found = self._records("leftovers", self.sources.leftovers, ("leftovers",), LEFTOVER_KEYS)
            self.report.instances += [{**one, "listed": False} for one in found if one.get("action") != "removed"]
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
            told = ", ".join(line(example) for example in one.get("examples") or [])
            self._missing(f"{one.get('count')} left out by the scan", f"{line(one.get('reason'))}: {told}", fails=False)
        for text in scan["not_searched"] or []:
            self._missing("a secret the scan did not look for", line(text), fails=False)

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
            self._missing("host", f"unreachable: {line(result.get('msg')) or 'no reason given'}")
        return True

    def _records(self, kind: str, name: str, keys: Sequence[str], wanted: Sequence[str]) -> list[Json]:
        result = self._variable(name)
        # A playbook that ran before in the same process leaves empty ones: rotate.yml forgets what an earlier pass saw.
        if not result or not isinstance(result, Mapping) or self._unreachable(result):
            return []
        if result.get("skipped"):
            self.skipped[kind].append(line(result.get("skip_reason")) or "skipped")
            return []
        found = next((result[key] for key in keys if isinstance(result.get(key), list)), None)
        records = [{key: one[key] for key in wanted if key in one} for one in found or [] if isinstance(one, Mapping)]
        if found is None or (result.get("failed") and all(in_order(kind, one) for one in records)):
            # With failed_when: false a failed result does not say so; one without records has proven nothing.
            self._failed(name, line(result.get("msg")) or "the result holds no records")
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
