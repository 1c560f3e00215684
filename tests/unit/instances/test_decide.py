# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is done about an instance, as a table, and what is read from systemd, from its own words."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _probe, _systemd
from ansible_collections.genai.comfyui.plugins.module_utils._instances import SLACK, decide, newest_after

TOKEN = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"

UNITS = {
    "runs": _systemd.Unit("u", "loaded", "active", "running", pid=7),
    "inactive": _systemd.Unit("u", "loaded", "inactive", "dead"),
    "failed": _systemd.Unit("u", "loaded", "failed", "failed", "exit-code"),
    "missing": _systemd.Unit("u"),
    "starting": _systemd.Unit("u", "loaded", "activating", "start-post", pid=7),
    "retrying": _systemd.Unit("u", "loaded", "activating", "auto-restart"),
}
NEWER, NOTHING = "/opt/x/PASSWORD", None
OTHER = "the process holds another token than the truth"
ODD = "it does not answer as it should: seen"
RETRY = "it does not come up by itself (activating, auto-restart)"


def seen(state: str | None) -> _probe.Evidence | None:
    return None if state is None else _probe.Evidence(state, "seen", "http://h", None)


@pytest.mark.parametrize(
    ("wanted", "unit", "newer", "state", "action", "reasons"),
    [
        ("started", "runs", NOTHING, "locked", "none", []),
        ("started", "runs", NOTHING, None, "none", []),
        ("started", "runs", NEWER, "locked", "restart", [f"{NEWER} changed after the process started"]),
        ("started", "runs", NEWER, None, "restart", [f"{NEWER} changed after the process started"]),
        ("started", "runs", NEWER, "open", "stop_start", ["seen"]),
        ("started", "runs", NOTHING, "open", "stop_start", ["seen"]),
        ("started", "runs", NOTHING, "token_refused", "restart", [OTHER]),
        ("started", "runs", NEWER, "token_refused", "restart", [f"{NEWER} changed after the process started", OTHER]),
        ("started", "runs", NOTHING, "down", "restart", [ODD]),
        ("started", "runs", NOTHING, "unexpected", "restart", [ODD]),
        ("started", "inactive", NOTHING, None, "start", ["it does not run"]),
        ("started", "failed", NOTHING, None, "start", ["it failed"]),
        ("started", "missing", NOTHING, None, "start", ["it does not run"]),
        ("started", "retrying", NOTHING, None, "restart", [RETRY]),
        ("started", "starting", NOTHING, None, "restart", ["it does not come up by itself (activating, start-post)"]),
        ("restarted", "runs", NOTHING, "locked", "restart", ["a restart was asked for"]),
        ("restarted", "runs", NOTHING, "open", "stop_start", ["seen"]),
        ("restarted", "inactive", NOTHING, None, "start", ["it does not run"]),
        ("stopped", "runs", NEWER, "open", "stop", ["it runs"]),
        ("stopped", "retrying", NOTHING, None, "stop", ["it runs"]),
        ("stopped", "inactive", NOTHING, None, "none", []),
        ("stopped", "failed", NOTHING, None, "none", []),
        ("stopped", "missing", NOTHING, None, "none", []),
        ("status", "runs", NEWER, "open", "none", []),
        ("status", "failed", NOTHING, None, "none", []),
    ],
)
def test_decision(
    wanted: str, unit: str, newer: str | None, state: str | None, action: str, reasons: list[str]
) -> None:
    decision = decide(wanted, UNITS[unit], newer, seen(state))
    assert (decision.action, list(decision.reasons)) == (action, reasons)


def test_unread_unit_files_restart_what_runs_and_nothing_else() -> None:
    assert decide("started", UNITS["runs"], None, seen("locked"), replaced=True).action == "restart"
    assert decide("stopped", UNITS["inactive"], None, None, replaced=True).action == "none"
    told = decide("started", UNITS["runs"], NEWER, None, replaced=True).reasons
    assert told == (f"{NEWER} changed after the process started",)


@pytest.mark.parametrize(
    ("after", "counts"), [(-1.0, False), (-2 * SLACK, False), (-SLACK / 2, True), (0.0, True), (0.001, True)]
)
def test_a_file_of_the_very_moment_of_the_start_counts_as_newer(tmp_path: Path, after: float, counts: bool) -> None:
    file = tmp_path / "PASSWORD"
    file.write_text("")
    started = 1_700_000_000.5
    os.utime(file, ns=(0, int((started + after) * 1e9)))
    assert newest_after([str(file)], started) == (str(file) if counts else None)


def test_the_file_that_changed_last_is_named_and_absent_ones_are_not_missed(tmp_path: Path) -> None:
    for name, moment in (("older", 200), ("newest", 300), ("before", 50)):
        (tmp_path / name).mkdir()
        os.utime(tmp_path / name, (moment, moment))
    paths = [str(tmp_path / name) for name in ("absent", "older", "newest", "before")]
    assert newest_after(paths, 100.0) == str(tmp_path / "newest")
    assert newest_after(paths[:1] + paths[3:], 100.0) is None


def test_a_directory_counts_when_a_name_in_it_came_or_went(tmp_path: Path) -> None:
    (tmp_path / "old.conf").write_text("")
    os.utime(tmp_path, (100, 100))
    assert newest_after([str(tmp_path)], time.time() - 60) is None
    (tmp_path / "old.conf").unlink()
    assert newest_after([str(tmp_path)], time.time() - 60) == str(tmp_path)


def test_the_start_of_a_process_is_exact_enough_for_the_slack() -> None:
    for _try in range(3):
        before = time.time()
        with subprocess.Popen([sys.executable, "-I", "-S", "-c", "input()"], stdin=subprocess.PIPE) as process:
            begun = time.time()
            started = _systemd.started_at(process.pid)
            assert started is not None
            assert before - SLACK < started < begun + SLACK
            assert process.stdin is not None
            process.stdin.write(b"\n")
        assert _systemd.started_at(process.pid) is None


SHOWN = """\
Result=success
ExecMainStatus=0
NeedDaemonReload=no
Id=comfyui@default.service
LoadState=loaded
ActiveState=active
SubState=running
FragmentPath=/etc/systemd/system/comfyui@.service
DropInPaths=/etc/systemd/system/comfyui@default.service.d/instance.conf /run/systemd/system/service.d/10-x.conf
UnitFileState=enabled
MainPID=4711

Result=exit-code
ExecMainStatus=78
NeedDaemonReload=yes
Id=comfyui@second.service
LoadState=loaded
ActiveState=activating
SubState=auto-restart
FragmentPath=/etc/systemd/system/comfyui@.service
DropInPaths=
UnitFileState=disabled
MainPID=0

Result=success
ExecMainStatus=
NeedDaemonReload=no
Id=gone.service
LoadState=not-found
ActiveState=inactive
SubState=dead
FragmentPath=
DropInPaths=
UnitFileState=
MainPID=
"""


def test_properties_of_several_units() -> None:
    units = _systemd.parse(SHOWN)
    first, second, gone = (
        units[name] for name in ("comfyui@default.service", "comfyui@second.service", "gone.service")
    )
    assert (first.pid, first.running, first.settling, first.enabled, first.needs_reload) == (
        4711,
        True,
        False,
        True,
        False,
    )
    assert first.files == (
        "/etc/systemd/system/comfyui@.service",
        "/etc/systemd/system/comfyui@default.service.d/instance.conf",
        "/run/systemd/system/service.d/10-x.conf",
    )
    assert first.drop_ins == "/etc/systemd/system/comfyui@default.service.d"
    assert (second.result, second.status, second.needs_reload) == ("exit-code", 78, True)
    assert (second.running, second.settling) == (True, False)
    assert (gone.known, gone.running, gone.pid, gone.status, gone.files) == (False, False, 0, 0, ())


def test_settling_is_only_what_waiting_helps() -> None:
    assert UNITS["starting"].settling
    assert not UNITS["retrying"].settling
    assert not UNITS["failed"].settling


@pytest.mark.parametrize(
    ("given", "full"),
    [("comfyui@a", "comfyui@a.service"), ("comfyui@a.service", "comfyui@a.service"), ("x.target", "x.target")],
)
def test_full_name(given: str, full: str) -> None:
    assert _systemd.full_name(given) == full


def test_no_token_survives_masking() -> None:
    for text in (TOKEN, f"token={TOKEN}!", TOKEN.replace("$2b$", "$2y$"), TOKEN + TOKEN):
        assert not re.search(r"\$2.?\$|67gb", _systemd.masked(f"said {text} and more"))
    assert _systemd.masked("costs $2 and $20") == "costs $2 and $20"


def test_the_journal_gives_our_last_words_without_tokens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "journalctl"
    lines = [f"comfyui-start: try {number}" for number in range(5)]
    lines += ["Traceback (most recent call last):", f"python[3]: comfyui-prove: {TOKEN} was let in", lines[-1]]
    program.write_text("#!/bin/sh\ncat <<'EOF'\n" + "\n".join(lines) + "\nEOF\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert _systemd.said("u", 1.0) == "comfyui-start: try 3; comfyui-start: try 4; comfyui-prove: <token> was let in"
