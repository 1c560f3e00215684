# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The report's page, read by a parser of its own: well-formed, self-contained, escaped, complete; and what it tells."""

from __future__ import annotations

import re
from datetime import datetime, timezone
from html.parser import HTMLParser
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils._report import Sources, collect
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_file import ages, document, refuse_tokens
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_html import page
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_style import STYLE
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_verdict import HostReport, NotChecked, reasons

TOKEN = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
OTHER = "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O"
NOW = datetime(2026, 1, 12, 3, 4, 5, 678000, timezone.utc)
VOID = {"meta", "wbr", "br", "link", "img", "input", "hr"}
CREDENTIALS = {
    "main": {
        "token": TOKEN,
        "version": "v7",
        "made": "2026-01-02T03:04:05Z",
        "password": "Correct-Horse-1",
        "previous": {"token": OTHER, "version": "v6"},
        "retired": [{"version": "v5", "fingerprint": "0123456789ab", "retired": "2026-01-01T00:00:00Z"}],
    },
    "planned": {"token": None, "version": None, "made": None, "planned": True},
}


class Reader(HTMLParser):
    """Reads a page strictly: every element is closed in its turn."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.cells: list[dict[str, str]] = []
        self.feed(text)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len({name for name, _value in attrs}) == len(attrs), f"an attribute twice in {tag}"
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)
        if tag == "tr":
            self.cells.append({})

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.text.append(data)
        labels = [attributes.get("data-label") for tag, attributes in self.tags if tag == "td"]
        if "td" in self.open and self.cells and labels[-1]:
            self.cells[-1][labels[-1]] = self.cells[-1].get(labels[-1], "") + data

    @property
    def words(self) -> str:
        return " ".join(" ".join(self.text).split())


def read(text: str) -> Reader:
    """Parse a page and hold it against what holds for every page."""
    seen = Reader(text)
    assert text.startswith("<!DOCTYPE html>")
    names = {tag for tag, _attributes in seen.tags}
    assert not names & {"script", "link", "img", "iframe", "object", "embed", "form", "base", "svg", "video", "a"}
    for tag, attributes in seen.tags:
        assert not [
            name for name in attributes if name.startswith("on") or name in ("src", "href", "style", "action")
        ], tag
    assert "url(" not in text.replace("&quot;", "")
    assert "@import" not in STYLE
    metas = [attributes for tag, attributes in seen.tags if tag == "meta"]
    assert {"name": "viewport", "content": "width=device-width, initial-scale=1"} in metas
    assert any("default-src 'none'" in (one.get("content") or "") for one in metas)
    refuse_tokens(text)
    return seen


def consumer(name: str, status: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name, "path": f"/srv/{name}.env", "codec": "dotenv", "key": "T", "credential": "main", "field": "token",
        "status": status, "was": status, "fingerprint": fingerprint(TOKEN), "detail": "", "line": 3, **more,
    }  # fmt: skip


def finding(**more: Any) -> dict[str, Any]:
    return {
        "kind": "file", "path": "/home/ann/old.env", "line": 9, "count": 2, "credential": "main", "version": "v7",
        "label": "current", "field": "token", "fingerprint": fingerprint(TOKEN), "spelling": "base64", "detail": "",
        "declared": None, **more,
    }  # fmt: skip


def shown(kind: str, hosts: list[HostReport], drift: bool) -> str:
    made = document(kind, hosts, reasons(hosts, drift), {"collection": "0.1.0"}, None, NOW, ages(CREDENTIALS, NOW))
    return page(made, drift)


def test_audit() -> None:
    away = NotChecked("gone", "host", "unreachable: no route")
    hosts = [
        HostReport("cli-1", consumers=[consumer("a", "in_sync"), consumer("b", "stale", detail="version v5")]),
        HostReport("gone", not_checked=[away]),
        HostReport(
            "cli-2", consumers=[consumer("c", "previous")], not_checked=[NotChecked("cli-2", "HTTP", "no URL", False)]
        ),
    ]
    seen = read(shown("audit", hosts, True))
    assert "Audit" in seen.text
    assert "2 findings" in seen.words
    drift = [row for row in seen.cells if "Holds" in row]
    assert [(row["Host and consumer"], row["Status"]) for row in drift] == [
        ("cli-1b", "stale"), ("cli-1a", "in sync"), ("cli-2c", "previous"),
    ]  # fmt: skip
    assert drift[0]["Place"] == "/srv/b.envdotenv, T, line 3"
    assert "version v5" in drift[0]["What was found"]
    tokens = {row["Credential"]: row for row in seen.cells if "Credential" in row}
    assert tokens["main"]["Age"] == "10 days"
    assert tokens["main"]["Fingerprint"] == fingerprint(TOKEN)
    assert tokens["main"]["Rotation"] == "previous v6"
    assert tokens["main"]["Retired"] == "1, last 2026-01-01"
    assert "Age" not in tokens["planned"]
    states = {row["Host"]: row["State"] for row in seen.cells if "Places looked at" in row}
    assert states == {"cli-1": "checked", "gone": "unreachable", "cli-2": "checked"}
    assert [row["Why"] for row in seen.cells if "Why" in row] == ["unreachable: no route", "no URL"]


def test_nothing_wrong_and_nothing_at_all() -> None:
    fine = read(shown("audit", [HostReport("a", consumers=[consumer("a", "in_sync")])], True))
    assert "In order" in fine.words
    assert "No drift" in fine.words
    assert "Why it is not in order" not in fine.words
    assert "nothing was checked" in read(shown("validate", [], False)).words


def test_discovery() -> None:
    result = {
        "findings": [finding(), finding(kind="git", path="/srv/p/.git", label="retired", detail="x in commit 1")],
        "declared": [finding(declared="a", path="/srv/a.env")],
        "left_out": [{"reason": "a symbolic link", "count": 7, "examples": ["/etc/x"]}],
        "not_searched": ["the password of credential x: too short"],
        "counts": {"files": 12}, "complete": False, "engine": "grep", "elapsed": 1.5, "secret": TOKEN,
    }  # fmt: skip
    variables = {"found": result}
    host = collect("cli-1", variables.get, Sources(scan="found"), False)
    assert host.checked
    told = reasons([host], False)
    assert [one.split(": ")[1:3] for one in told] == [
        ["12 files", "incomplete"], ["/home/ann/old.env:9", "undeclared"], ["/srv/p/.git", "undeclared"],
    ]  # fmt: skip
    seen = read(shown("discover", [host], False))
    assert "3 findings" in seen.words
    copies = [row for row in seen.cells if "Version is" in row]
    assert [(row["Place"], row["Version is"]) for row in copies] == [
        ("/home/ann/old.env:9file; base64; 2 times", "current"),
        ("/srv/p/.gitgit; x in commit 1; base64; 2 times", "retired"),
        ("/srv/a.env:9file; base64; 2 times", "current"),
    ]
    assert copies[2]["Consumer"] == "a"
    assert "ended early" in seen.words
    assert [row["What"] for row in seen.cells if "Why" in row] == [
        "7 left out by the scan", "a secret the scan did not look for",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("result", "why"),
    [
        (None, "no result"),
        ({"failed": True, "msg": "boom"}, "boom"),
        ({"unreachable": True, "msg": "away"}, "unreachable: away"),
    ],
)
def test_scan_that_did_not_happen(result: Any, why: str) -> None:
    host = collect("cli-1", {"found": result}.get, Sources(scan="found"), False)
    assert not host.checked
    assert why in "; ".join(reasons([host], False))


def test_clean_scan_is_in_order() -> None:
    result = {
        "findings": [],
        "declared": [],
        "left_out": [],
        "not_searched": [],
        "counts": {"files": 1},
        "complete": True,
    }
    host = collect("cli-1", {"found": {**result, "elapsed": 1.0}}.get, Sources(scan="found"), False)
    assert reasons([host], False) == []
    assert "None was found where the scan looked." in read(shown("discover", [host], False)).words


EVIL = "</td><script src=https://evil.example/x.js>alert(1)</script><img src=x onerror=alert(1)>\"'&amp;\x1b[2J\u202e"


def evil_hosts(text: str) -> list[HostReport]:
    host = HostReport(text, failure={"task": text, "msg": text}, not_checked=[NotChecked(text, text, text)])
    host.consumers = [consumer(text, text, detail=text, key=text, path=text, codec=text, credential=text, line=text)]
    host.probes = [{"name": text, "url": text, "state": text, "detail": text}]
    host.instances = [{"name": text, "unit": text, "active": text, "reasons": [text], "action": text, "since": text}]
    one = finding(path=text, detail=text, kind=text, version=text, credential=text, label=text, spelling=text)
    counts = {"findings": [one], "declared": [{**one, "declared": text}], "counts": {text: 1}, "elapsed": text}
    host.scan = {**counts, "left_out": [], "not_searched": [], "complete": True, "engine": text}
    return [host]


def evil_page(text: str) -> Reader:
    hosts = evil_hosts(text)
    shown_credentials = [
        {"name": text, "version": text, "fingerprint": text, "made": text, "age_days": 1, "retired": []}
    ]
    return read(page(document("audit", hosts, reasons(hosts, True), {text: text}, text, NOW, shown_credentials), True))


def test_everything_is_escaped() -> None:
    seen = evil_page(EVIL)
    assert "<script src=https://evil.example/x.js>" in seen.words
    assert not re.search("[\x1b\u202e]", seen.words)


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=60))
def test_any_text_gives_a_sound_page(text: str) -> None:
    evil_page(text)


def test_many_lines_are_folded_not_lost() -> None:
    hosts = [HostReport("h", consumers=[consumer(f"c{n}", "stale") for n in range(40)])]
    text = shown("audit", hosts, True)
    assert "28 more" in read(text).words
    assert len([row for row in read(text).cells if "Holds" in row]) == 40
