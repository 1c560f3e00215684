# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the report looks, and the files it is written to."""

from __future__ import annotations

import json
import stat
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.plugin_utils._report_file import (
    ReportError,
    collection_version,
    document,
    refuse_tokens,
    write,
)
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_table import is_utf8, login_lines, summary, table
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_verdict import HostReport, NotChecked, Row

TOKEN = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, timezone.utc)
ROWS = [
    Row("srv-1", "consumer", "/opt/" + "long/" * 30 + "PASSWORD", "missing_file", "x" * 90 + "end", False),
    Row("a-host-with-a-long-name.example.org", "proof", "http://srv-1:8188 (ü)", "token_refused", "short", False),
    Row("cli", "host", "host", "not_checked", "unreachable", None),
    Row("cli", "host", "Some task", "failed", "msg", False),
    Row("cli", "instance", "unit", "active", "", True),
]


@pytest.mark.parametrize("utf8", [True, False])
@pytest.mark.parametrize("width", [20, 100, 160, 1000])
def test_table(width: int, utf8: bool) -> None:
    text = table(ROWS, width, utf8)
    lines = text.splitlines()
    assert len({len(line) for line in lines}) == 1, "the right edge is straight"
    assert len(lines[0]) <= max(width, 120), "only what may never be cut widens the table"
    assert text.isascii() is not utf8
    for row in ROWS:
        assert row.status in text
        assert row.host in text
    assert ("┌" in text) is utf8
    if width == 1000:
        assert ROWS[0].what in text
        assert ROWS[0].detail in text
    elif width == 100:
        assert len(lines[0]) == 112
        assert "PASSWORD" in text, "the end of a path tells more than its middle"
    if width == 160:
        assert len(lines[0]) == 160
        assert "end " in text


def test_terminal_commands_are_not_shown() -> None:
    text = table([Row("h", "host", "a\x1b[2Jb\nc\u202e", "failed", "\u65e5\u672c", False)], 100, True)
    assert "\x1b" not in text
    assert "\u202e" not in text
    assert "a?[2Jb?c?" in text


@pytest.mark.parametrize(
    ("encoding", "utf8"),
    [("utf-8", True), ("UTF-8", True), ("utf8", True), ("ANSI_X3.4-1968", False), ("latin-1", False), (None, False)],
)
def test_encoding(encoding: str, utf8: bool) -> None:
    assert is_utf8(encoding) is utf8


def test_summary() -> None:
    assert summary(ROWS[-1:] * 14, "/r.json") == "14 checked, 14 in order, 0 not checked; report: /r.json"
    assert summary(ROWS, None) == "3 checked, 1 in order, 1 failed, 1 not checked; report: not written"


INSTANCE: dict[str, Any] = {"name": "default", "probe": {"state": "locked", "url": "http://127.0.0.1:8189"}}
OPEN: dict[str, Any] = {"comfyui_listen": "0.0.0.0"}


@pytest.mark.parametrize(
    ("address", "settings", "said"),
    [
        ("srv-1", OPEN, "http://srv-1:8189/ ("),
        ("10.0.0.1", OPEN, "http://10.0.0.1:8189/ ("),
        ("fd00::1", OPEN, "http://[fd00::1]:8189/ ("),
        ("srv-1", {}, "http://127.0.0.1:8189/ on srv-1 itself ("),
        ("srv-1", {**OPEN, "comfyui_instances": [{"listen": "127.0.0.1"}]}, "http://127.0.0.1:8189/ on srv-1 itself ("),
        ("srv-1", {"comfyui_instances": [{"name": "default", "url": "https://c.example"}]}, "https://c.example/ ("),
    ],
)
def test_where_to_log_in(address: str, settings: dict[str, Any], said: str) -> None:
    lines = login_lines(HostReport("srv-1", instances=[INSTANCE]), address, settings)
    assert lines == [f"log in: {said}'make password' shows user name and password)"]


def test_user_name_where_known() -> None:
    report = HostReport("srv-1", instances=[{**INSTANCE, "username": "admin"}, {"name": "nowhere"}])
    expected = ["log in: http://srv-1:8189/ as admin; 'make password' shows the password"]
    assert login_lines(report, "srv-1", OPEN) == expected


def make(**more: Any) -> dict[str, Any]:
    report = HostReport("h1", probes=[{"waited": 0.5}, {"waited": 1.25}, {}], **more)
    made: dict[str, Any] = document("audit", [report], ["why"], {"collection": "1"}, "2026-01-02T03:04:00Z", NOW)
    return made


def test_document() -> None:
    report = make(not_checked=[NotChecked("h1", "host", "unreachable: x")])
    assert report["durations"] == {"probes_waited": 1.75, "longest_probe_waited": 1.25, "run": 5.678}
    assert report["finished"] == "2026-01-02T03:04:05.678Z"
    assert report["not_checked"] == [{"host": "h1", "what": "host", "reason": "unreachable: x"}]
    assert report["verdict"] == {"ok": False, "reasons": ["why"]}
    assert report["hosts"][0]["checked"] is False


def test_written_twice_and_private(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "reports"
    path = write(directory, make(), NOW)
    assert path.name == "audit-20260102T030405.678Z.json"
    assert stat.S_IMODE(directory.stat().st_mode) == 0o750
    latest = directory / "audit-latest.json"
    assert sorted(directory.iterdir()) == sorted([path, latest])
    for each in (path, latest):
        assert stat.S_IMODE(each.stat().st_mode) == 0o600
        assert json.loads(each.read_text()) == make()


def test_replaced_never_written_through(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / "audit-latest.json").symlink_to(elsewhere)
    write(tmp_path, make(), NOW)
    assert elsewhere.read_text() == "mine"
    assert not (tmp_path / "audit-latest.json").is_symlink()


def test_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ReportError, match=r"file: the report cannot be written .*mend comfyui_report_dir"):
        write(tmp_path / "file", make(), NOW)


@pytest.mark.parametrize(
    ("value", "place"),
    [
        ({"hosts": [{"consumers": [{"id": "a"}, {"detail": f"was {TOKEN}"}]}]}, r"hosts\[0\]\.consumers\[1\]\.detail "),
        ({"hosts": [{TOKEN: 1}]}, r"a key of hosts\[0\] "),
        ({"not_checked": [TOKEN + "x"]}, r"not_checked\[0\] "),
    ],
)
def test_token_refused(value: dict[str, Any], place: str) -> None:
    with pytest.raises(ReportError, match=place) as refused:
        refuse_tokens(value)
    assert TOKEN not in str(refused.value)


def test_fingerprints_are_no_tokens() -> None:
    refuse_tokens({"a": ["9f3c0c1d2e4b", TOKEN[:-1], 1, None, True]})


def test_version(tmp_path: Path) -> None:
    assert collection_version(tmp_path) == "unknown"
    (tmp_path / "galaxy.yml").write_text("version: 1.2.3\n")
    assert collection_version(tmp_path) == "1.2.3"
    (tmp_path / "MANIFEST.json").write_text('{"collection_info": {"version": "1.2.4"}}')
    assert collection_version(tmp_path) == "1.2.4"
