# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as one HTML page, made from the report's JSON and nothing else. Pure.

The page needs no other file, loads nothing and runs nothing; a policy in its head makes browsers enforce that. Tables
become cards where the screen is narrow, by the label that each cell carries.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._report import Json, in_order, is_active
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_style import STYLE

_TITLES = {
    "site": "Converge", "validate": "Validation", "audit": "Audit", "discover": "Discovery", "rotate": "Rotation",
}  # fmt: skip
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_MANY = 12
"""So many lines are shown at once; more are folded."""
_OLD_DAYS = 365

Cell = tuple[str, str]
"""What a cell shows and its form: text, path, mark, strong, time, state:good, state:bad, state:soft or state:none.

What follows a line break is shown small below the rest.
"""


def page(report: Json, drift: bool) -> str:
    """Return the page for a report as :func:`_report_file.document` makes it.

    :param drift: whether a consumer with its previous value is in order, as for an audit.
    """
    title = _TITLES.get(str(report["kind"]), str(report["kind"]).capitalize())
    sections = [
        _head(report, title),
        _tiles(report, drift),
        _reasons(report),
        _tokens(report),
        _consumers(report, drift),
        _findings(report),
        _servers(report),
        _coverage(report),
        _foot(report),
    ]
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{_text(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{_text(_POLICY)}">\n'
        f"<style>{STYLE}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main>\n</body>\n</html>\n"
    )


def _text(value: Any) -> str:
    """Return *value* as text that is safe in HTML, in attributes too; control characters are shown as a mark."""
    shown = "" if value is None else str(value)
    return escape("".join(one if one.isprintable() else "\ufffd" for one in shown), quote=True)


def _head(report: Json, title: str) -> str:
    ok = report["verdict"]["ok"]
    count = len(report["verdict"]["reasons"])
    word = "In order" if ok else "1 finding" if count == 1 else f"{count} findings"
    run = report["durations"].get("run")
    took = f" in {run:g} s" if isinstance(run, (int, float)) else ""
    return (
        f'<header>\n<div><p class="over">genai.comfyui</p>\n<h1>{_text(title)}</h1>\n'
        f'<p class="when">{_when(report["finished"])}{_text(took)}</p></div>\n'
        f'<p class="verdict {"good" if ok else "bad"}">{_text(word)}</p>\n</header>'
    )


def _when(moment: Any) -> str:
    """Return a time in ISO form as people read it, to the minute."""
    shown = str(moment or "")
    day, _mark, time = shown.partition("T")
    return f'<time datetime="{_text(shown)}">{_text(day)} {_text(time[:5])} UTC</time>' if time else _text(shown)


def _unreachable(report: Json) -> list[str]:
    return [one["host"] for one in report["not_checked"] if str(one["reason"]).startswith("unreachable")]


def _tiles(report: Json, drift: bool) -> str:
    hosts, away = report["hosts"], _unreachable(report)
    checked = sum(bool(one["checked"]) for one in hosts)
    consumers = [one for host in hosts for one in host["consumers"]]
    good = sum(in_order("sync", one, drift) for one in consumers)
    probes = [one for host in hosts for one in host["probes"]]
    locked = sum(in_order("probes", one) for one in probes)
    scans = [host["scan"] for host in hosts if host.get("scan")]
    copies = sum(len(scan["findings"]) for scan in scans)
    tiles = [
        ("Hosts checked", f"{checked} of {len(hosts)}", "good" if checked == len(hosts) and hosts else "bad"),
        ("Unreachable", str(len(away)), "bad" if away else "good"),
    ]
    if consumers:
        tiles.append(("Consumers in order", f"{good} of {len(consumers)}", "good" if good == len(consumers) else "bad"))
    if probes:
        tiles.append(("Proven over HTTP", f"{locked} of {len(probes)}", "good" if locked == len(probes) else "bad"))
    if scans:
        tiles.append(("Undeclared copies", str(copies), "bad" if copies else "good"))
    missing = len(report["not_checked"])
    tiles.append(("Not checked", str(missing), "soft" if missing else "good"))
    shown = "".join(
        f'<li class="{how}"><b>{_text(number)}</b><span>{_text(what)}</span></li>' for what, number, how in tiles
    )
    return f'<ul class="tiles" aria-label="Summary">{shown}</ul>'


def _reasons(report: Json) -> str:
    reasons = report["verdict"]["reasons"]
    if not reasons:
        return ""
    shown = [f"<li>{_text(one)}</li>" for one in reasons]
    body = f"<ol>{''.join(shown[:_MANY])}</ol>"
    if len(shown) > _MANY:
        more = f'<ol start="{_MANY + 1}">{"".join(shown[_MANY:])}</ol>'
        body += f"<details><summary>{len(shown) - _MANY} more</summary>{more}</details>"
    return _section("Why it is not in order", body, "reasons")


def _section(title: str, body: str, name: str, note: str = "") -> str:
    said = f'<p class="note">{_text(note)}</p>' if note else ""
    return f'<section id="{name}">\n<h2>{_text(title)}</h2>\n{said}{body}\n</section>'


def _table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a table without the columns in which no row has anything to say."""
    told = [number for number in range(len(head)) if any(cells[number][0] for cells in rows)]
    head = [head[number] for number in told]
    rows = [[cells[number] for number in told] for cells in rows]
    top = "".join(f'<th scope="col">{_text(one)}</th>' for one in head)
    lines = ["<tr>" + "".join(_cell(label, cell) for label, cell in zip(head, cells)) + "</tr>" for cells in rows]
    # A role for each: as cards they are no table any more for some browsers' readers.
    return f'<table role="table"><thead><tr>{top}</tr></thead>\n<tbody>\n' + "\n".join(lines) + "\n</tbody></table>"


def _cell(label: str, cell: Cell) -> str:
    value, form = cell
    if not value:
        return f'<td data-label="{_text(label)}" class="empty"></td>'
    kind, _mark, how = form.partition(":")
    first, _break, more = value.partition("\n")
    inner = _text(first)
    if kind == "state":
        inner = f'<span class="state {how}">{inner}</span>'
    elif kind == "path":
        # Where a long one may be broken.
        inner = f"<code>{inner.replace('/', '/<wbr>')}</code>" if first else ""
    elif kind == "mark":
        inner = f'<code class="mark">{inner}</code>'
    elif kind == "strong":
        inner = f"<strong>{inner}</strong>"
    elif kind == "time":
        inner = _when(value)
    if more:
        inner += f"<small>{_text(more).replace('/', '/<wbr>')}</small>"
    wide = ' class="wide"' if kind == "path" or more else ""
    return f'<td data-label="{_text(label)}"{wide}><div>{inner}</div></td>'


def _tokens(report: Json) -> str:
    rows = []
    for one in report.get("credentials") or []:
        days = one.get("age_days")
        age = "" if days is None else "today" if days < 1 else "1 day" if days == 1 else f"{days} days"
        others = [f"{label} {one[label]['version']}" for label in ("pending", "previous") if one.get(label)]
        retired = one.get("retired") or []
        last = max((str(old.get("retired") or "") for old in retired), default="")[:10]
        rows.append(
            [
                (str(one["name"]), "strong"),
                (_line(one.get("version")), "text"),
                (_line(one.get("fingerprint")), "mark"),
                (_line(one.get("made")), "time"),
                (age, "state:soft" if days is not None and days > _OLD_DAYS else "text"),
                (", ".join(others), "state:soft"),
                (f"{len(retired)}, last {last}" if retired else "none", "text"),
            ]
        )
    if not rows:
        return ""
    head = ("Credential", "Version", "Fingerprint", "Made", "Age", "Rotation", "Retired")
    return _section("Tokens", _table(head, rows), "tokens")


def _line(value: Any) -> str:
    return "" if value is None else " ".join(str(value).split())


def _consumers(report: Json, drift: bool) -> str:
    bad: list[list[Cell]] = []
    good: list[list[Cell]] = []
    for host in report["hosts"]:
        for one in host["consumers"]:
            fine = in_order("sync", one, drift)
            line = f"line {one['line']}" if one.get("line") else ""
            place = ", ".join(filter(None, (_line(one.get("codec")), _line(one.get("key")), line)))
            told = "\n".join(filter(None, (_line(one.get("detail")), _line(one.get("fingerprint")))))
            cells = [
                (f"{host['host']}\n{_line(one.get('id'))}", "strong"),
                (f"{_line(one.get('path'))}\n{place}", "path"),
                (" ".join(filter(None, (_line(one.get("credential")), _line(one.get("field"))))), "text"),
                (_line(one.get("status") or "unknown").replace("_", " "), _state(fine, one.get("status") != "in_sync")),
                (told, "text"),
            ]
            (good if fine else bad).append(cells)
    if not (bad or good):
        return ""
    head = ("Host and consumer", "Place", "Holds", "Status", "What was found")
    body = _table(head, bad) if bad else '<p class="none">No drift: every consumer that was looked at is in order.</p>'
    if good:
        body += _folded(f"{len(good)} in order", _table(head, good), len(good) <= _MANY and not bad)
    return _section("Drift", body, "drift")


def _state(fine: bool | None, soft: bool = False) -> str:
    return "state:none" if fine is None else "state:bad" if not fine else "state:soft" if soft else "state:good"


def _folded(summary: str, body: str, opened: bool = False) -> str:
    return f"<details{' open' if opened else ''}><summary>{_text(summary)}</summary>\n{body}</details>"


def _findings(report: Json) -> str:
    def cells(host: Json, one: Json) -> list[Cell]:
        path = _line(one.get("path")) + (f":{one['line']}" if one.get("line") and one.get("kind") != "git" else "")
        version = " ".join(filter(None, (_line(one.get("credential")), _line(one.get("version")))))
        spelling = "" if one.get("spelling") == "plain" else _line(one.get("spelling"))
        often = f"{one['count']} times" if (one.get("count") or 1) > 1 else ""
        detail = "; ".join(filter(None, (_line(one.get("detail")), spelling, often)))
        retired = one.get("label") == "retired"
        return [
            (str(host["host"]), "strong"),
            (f"{path}\n{'; '.join(filter(None, (_line(one.get('kind')), detail)))}", "path"),
            (f"{_line(one.get('field'))} of {version}\n{_line(one.get('fingerprint'))}".strip(), "text"),
            (_line(one.get("label")), "state:soft" if retired else "state:bad"),
            (_line(one.get("declared")), "text"),
        ]

    scans = [(host, host["scan"]) for host in report["hosts"] if host.get("scan")]
    if not scans:
        return ""
    found = [cells(host, one)[:4] for host, scan in scans for one in scan["findings"]]
    declared = [cells(host, one) for host, scan in scans for one in scan["declared"]]
    head = ("Host", "Place", "Holds", "Version is", "Consumer")
    body = _table(head[:4], found) if found else '<p class="none">None was found where the scan looked.</p>'
    if declared:
        body += _folded(f"{len(declared)} in declared places", _table(head, declared))
    looked = []
    for host, scan in scans:
        counts = ", ".join(
            f"{number} {what.replace('_', ' ')}" for what, number in sorted((scan.get("counts") or {}).items())
        )
        whole = bool(scan.get("complete"))
        state = ("complete" if whole else "ended early", _state(whole))
        looked.append([(str(host["host"]), "strong"), state, (counts, "text"), (f"{scan.get('elapsed')} s", "text")])
    body += _folded("What was searched", _table(("Host", "Scan", "Searched", "Time"), looked))
    return _section("Undeclared copies", body, "copies")


def _servers(report: Json) -> str:
    instances: list[list[Cell]] = []
    probes: list[list[Cell]] = []
    for host in report["hosts"]:
        for one in host["instances"]:
            told = "; ".join(filter(None, [*map(_line, one.get("reasons") or []), _line(one.get("detail"))]))
            active = "active" if is_active(one) else _line(one.get("active") or "inactive")
            state = (active, _state(in_order("instances", one)))
            since = (_line(one.get("since")), "text")
            unit = (_line(one.get("unit") or one.get("name")), "path")
            instances.append(
                [(str(host["host"]), "strong"), unit, state, (_line(one.get("action")), "text"), since, (told, "text")]
            )
        for one in host["probes"]:
            state = (_line(one.get("state") or "unexpected").replace("_", " "), _state(in_order("probes", one)))
            told = _line(one.get("detail"))
            place = (_line(one.get("url")), "path")
            probes.append(
                [(str(host["host"]), "strong"), (_line(one.get("name")), "text"), place, state, (told, "text")]
            )
    body = ""
    if instances:
        body += _table(("Host", "Unit", "State", "Done", "Since", "Details"), instances)
    if probes:
        body += _table(("Host", "Proof of", "Address", "State", "What was seen"), probes)
    return _section("Servers and proofs", body, "servers") if body else ""


def _coverage(report: Json) -> str:
    away = set(_unreachable(report))
    missing: dict[str, list[Json]] = {}
    for one in report["not_checked"]:
        missing.setdefault(one["host"], []).append(one)
    hosts = []
    for host in report["hosts"]:
        gaps = len(missing.get(host["host"], []))
        places = len(host["consumers"]) + len(host["probes"]) + len(host["instances"])
        failure = host.get("failure")
        stopped = f"stopped at '{_line(failure.get('task'))}': {_line(failure.get('msg'))}" if failure else ""
        word = "unreachable" if host["host"] in away else "checked" if host["checked"] else "not checked"
        state = (word, _state(word == "checked"))
        cells = [(str(host["host"]), "strong"), state, (str(places), "text"), (str(gaps) if gaps else "", "text")]
        hosts.append([*cells, (stopped, "text")])
    if not hosts:
        return _section("Coverage", '<p class="none">There was no host to look at.</p>', "coverage")
    body = _table(("Host", "State", "Places looked at", "Not checked", "Failure"), hosts)
    rows: list[list[Cell]] = [
        [(str(one["host"]), "strong"), (_line(one["what"]), "text"), (_line(one["reason"]), "text")]
        for ones in missing.values()
        for one in ones
    ]
    if rows:
        body += "<h3>Not checked</h3>" + _table(("Host", "What", "Why"), rows[:_MANY])
        if len(rows) > _MANY:
            body += _folded(f"{len(rows) - _MANY} more", _table(("Host", "What", "Why"), rows[_MANY:]))
    note = "What was not looked at is not known to be in order."
    return _section("Coverage", body, "coverage", note)


def _foot(report: Json) -> str:
    versions = ", ".join(f"{name.replace('_', '-')} {version}" for name, version in report["versions"].items())
    return (
        "<footer><p>Fingerprints stand for tokens; this page holds no token and no password. "
        f"It is the same report as the JSON file beside it.</p><p>{_text(versions)}</p></footer>"
    )
