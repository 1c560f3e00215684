# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The figures for monitoring: every line in Prometheus' form, nothing told that is not known, no value, whole files."""

from __future__ import annotations

import re
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.plugin_utils import _metrics, _report, _report_file, _report_verdict

LABEL = r"[a-z_]+=\"(?:[^\"\\\n]|\\[\\\"n])*\""
LINE = re.compile(rf"comfyui_[a-z_]+(?:\{{{LABEL}(?:,{LABEL})*\}})? -?\d+(?:\.\d+)?")
RECORD: dict[str, Any] = {
    "name": "main",
    "phase": "accepted",
    "since": "2026-01-02T03:04:05Z",
    "versions": {"current": {"version": "v7", "fingerprint": "9f3c0c1d2e4b"}},
    "age_days": 31.25,
    "alarm": False,
    "due": False,
    "days_to_due": -1.25,
}
AUDIT: dict[str, Any] = {
    "finished": "2026-01-02T03:04:05.500Z",
    "verdict": {"ok": False, "reasons": ["..."]},
    "hosts": [
        {"host": "web-1", "consumers": [{"status": "in_sync"}, {"status": "stale"}, {"status": "stale"}]},
        {"host": "web-2", "consumers": []},
    ],
    "not_checked": [
        {"host": "web-2", "what": "host", "reason": "unreachable: no route to host"},
        {"host": "web-2", "what": "consumer x", "reason": "unreachable: no route to host"},
        {"host": "web-3", "what": "host", "reason": "it declares no consumers"},
    ],
}
RUNS: dict[str, Any] = {
    "audit": {"started": 90.0, "finished": 100.5, "exit": 2, "succeeded": None},
    "rotate": {"started": 10.0, "finished": 20.0, "exit": 0, "succeeded": 20.0},
}


def figures(content: str) -> dict[str, str]:
    """Return the samples by name and labels; every line has the right form, every family its head."""
    found: dict[str, str] = {}
    headed: set[str] = set()
    for line in content.splitlines():
        if line.startswith("# TYPE "):
            _hash, _type, name, kind = line.split(" ")
            assert (kind, name in headed) == ("gauge", False)
            headed.add(name)
        elif not line.startswith("# HELP "):
            assert LINE.fullmatch(line), line
            assert re.split(r"[{ ]", line)[0] in headed, line
            sample, _space, value = line.rpartition(" ")
            assert sample not in found
            found[sample] = value
    return found


def test_what_is_told() -> None:
    content = _metrics.text([RECORD], AUDIT, RUNS, 1767323045.0)
    assert content.endswith("\n")
    found = figures(content)
    assert found['comfyui_token_info{credential="main",version="v7",fingerprint="9f3c0c1d2e4b"}'] == "1"
    assert found['comfyui_token_age_days{credential="main"}'] == "31.25"
    assert found['comfyui_token_age_alarm{credential="main"}'] == "0"
    assert found['comfyui_token_days_to_due{credential="main"}'] == "-1.25"
    phases = {sample: value for sample, value in found.items() if sample.startswith("comfyui_rotation_phase{")}
    assert len(phases) == len(_metrics.PHASES)
    assert [sample for sample, value in phases.items() if value == "1"] == [
        'comfyui_rotation_phase{credential="main",phase="accepted"}'
    ]
    assert found['comfyui_rotation_phase_since_seconds{credential="main"}'] == "1767323045"
    assert found["comfyui_audit_ok"] == "0"
    assert found["comfyui_audit_timestamp_seconds"] == "1767323045.5"
    assert (found["comfyui_consumers_checked"], found["comfyui_consumers_not_in_sync"]) == ("3", "2")
    assert found['comfyui_consumers_by_status{host="web-1",status="stale"}'] == "2"
    assert (found["comfyui_hosts_unreachable"], found["comfyui_places_not_checked"]) == ("1", "3")
    assert found['comfyui_host_unreachable{host="web-2"}'] == "1"
    assert found['comfyui_run_exit_code{job="audit"}'] == "2"
    assert found['comfyui_run_duration_seconds{job="audit"}'] == "10.5"
    assert found['comfyui_run_success_timestamp_seconds{job="rotate"}'] == "20"
    assert 'comfyui_run_success_timestamp_seconds{job="audit"}' not in found
    assert found["comfyui_metrics_timestamp_seconds"] == "1767323045"


def test_a_report_of_our_own() -> None:
    """The report of an audit, as the collection makes it, of one host in drift and one that cannot be reached."""
    found: dict[str, dict[str, Any]] = {
        "web-1": {"audit": {"consumers": [{"id": "env", "status": "stale", "path": "/x"}]}},
        "web-2": {"audit": {"unreachable": True, "msg": "Failed to connect to the host via ssh"}},
    }
    reports = [_report.collect(host, found[host].get, _report.Sources(sync=["audit"]), False) for host in found]
    why = _report_verdict.reasons(reports, True)
    document = _report_file.document("audit", reports, why, {}, None, datetime(2026, 1, 2, tzinfo=timezone.utc))
    told = figures(_metrics.text([], document, {}, 1.0))
    assert (told["comfyui_audit_ok"], told["comfyui_audit_timestamp_seconds"]) == ("0", "1767312000")
    assert told['comfyui_consumers_by_status{host="web-1",status="stale"}'] == "1"
    assert told['comfyui_host_unreachable{host="web-2"}'] == "1"
    assert told["comfyui_hosts_unreachable"] == "1"


def test_what_is_not_known_has_no_line() -> None:
    """A figure of 0 would say that all is well."""
    found = figures(_metrics.text([{**RECORD, "phase": "idle", "since": None, "days_to_due": None}], None, {}, 1.0))
    for name in ("audit", "consumers", "hosts", "run_", "token_days_to_due", "rotation_phase_since"):
        assert not [sample for sample in found if sample.startswith(f"comfyui_{name}")]
    assert figures(_metrics.text([], None, {}, 1.0)) == {"comfyui_metrics_timestamp_seconds": "1"}


def test_labels_are_escaped() -> None:
    hosts = [{"host": 'a"b\\c\nd', "consumers": [{"status": "stale"}]}]
    found = figures(_metrics.text([], {**AUDIT, "hosts": hosts}, {}, 1.0))
    assert found[r'comfyui_consumers_by_status{host="a\"b\\c\nd",status="stale"}'] == "1"


@pytest.mark.parametrize(
    ("credentials", "audit", "runs"),
    [
        ([{"name": "main"}], None, {}),
        ([{**RECORD, "phase": "flying"}], None, {}),
        ([{**RECORD, "age_days": "31"}], None, {}),
        ([], {"kind": "audit"}, {}),
        ([], {**AUDIT, "finished": "yesterday"}, {}),
        ([], None, {"rotate": {"exit": "0"}}),
        ([], None, {"rotate": 7}),
    ],
)
def test_other_documents_are_refused(credentials: Any, audit: Any, runs: Any) -> None:
    with pytest.raises(_metrics.MetricsError, match=r"the figures (cannot be read|hold something that is no number)"):
        _metrics.text(credentials, audit, runs, 1.0)


def test_alarms() -> None:
    assert _metrics.alarms([RECORD]) == []
    assert _metrics.alarms([RECORD, {**RECORD, "alarm": True}]) == [
        "credential main: its token is 31.2 days old, which its policy calls too old"
    ]


def test_the_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "comfyui.prom"
    assert _metrics.write(path, "one\n")
    before = path.stat()
    assert stat.S_IMODE(before.st_mode) == 0o644
    with path.open(encoding="utf-8") as reader:
        assert _metrics.write(path, "two\n")
        assert reader.read() == "one\n"
    assert path.read_text(encoding="utf-8") == "two\n"
    assert path.stat().st_ino != before.st_ino
    assert not _metrics.write(path, "two\n")
    assert [one.name for one in tmp_path.iterdir()] == ["comfyui.prom"]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    with pytest.raises(_metrics.MetricsError, match="No such file or directory"):
        _metrics.write(tmp_path / "missing" / "comfyui.prom", "one\n")
    (tmp_path / "directory.prom").mkdir()
    with pytest.raises(_metrics.MetricsError, match="cannot be written"):
        _metrics.write(tmp_path / "directory.prom", "one\n")
    assert [one.name for one in tmp_path.iterdir()] == ["directory.prom"]
