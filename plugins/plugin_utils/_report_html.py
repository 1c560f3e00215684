# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as one HTML page, made from the report's JSON and nothing else. Pure.

The page needs no other file, loads nothing and runs nothing; a policy in its head makes browsers enforce that. Tables
become cards where the screen is narrow, by the label that each cell carries.
"""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.genai.comfyui.plugins.plugin_utils import _html as html
from ansible_collections.genai.comfyui.plugins.plugin_utils._pictures import STYLE, gallery
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_verdict import Json, in_order, is_active

_TITLES = {
    "site": "Converge", "validate": "Validation", "audit": "Audit", "discover": "Discovery", "rotate": "Rotation",
}  # fmt: skip
_OLD_DAYS = 365


def page(report: Json, drift: bool, pictures: Mapping[str, str] | None = None) -> str:
    """Return the page for a report as :func:`_report_file.document` makes it.

    :param drift: whether a consumer with its previous value is in order, as for an audit.
    :param pictures: pictures of the report's ``smoke`` as ``data:`` addresses by their file name.
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
        _smoke(report, pictures or {}),
        _coverage(report),
        _foot(report),
    ]
    return html.page(title, sections, pictures=bool(pictures), style=STYLE if pictures else "")


def _head(report: Json, title: str) -> str:
    ok = report["verdict"]["ok"]
    count = len(report["verdict"]["reasons"])
    word = "In order" if ok else "1 finding" if count == 1 else f"{count} findings"
    run = report["durations"].get("run")
    took = f" in {run:g} s" if isinstance(run, (int, float)) else ""
    return (
        f'<header>\n<div><p class="over">genai.comfyui</p>\n<h1>{html.text(title)}</h1>\n'
        f'<p class="when">{html.when(report["finished"])}{html.text(took)}</p></div>\n'
        f'<p class="verdict {"good" if ok else "bad"}">{html.text(word)}</p>\n</header>'
    )


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
        f'<li class="{how}"><b>{html.text(number)}</b><span>{html.text(what)}</span></li>'
        for what, number, how in tiles
    )
    return f'<ul class="tiles" aria-label="Summary">{shown}</ul>'


def _reasons(report: Json) -> str:
    reasons = report["verdict"]["reasons"]
    if not reasons:
        return ""
    shown = [f"<li>{html.text(one)}</li>" for one in reasons]
    body = f"<ol>{''.join(shown[: html.MANY])}</ol>"
    if len(shown) > html.MANY:
        more = f'<ol start="{html.MANY + 1}">{"".join(shown[html.MANY :])}</ol>'
        body += f"<details><summary>{len(shown) - html.MANY} more</summary>{more}</details>"
    return html.section("Why it is not in order", body, "reasons")


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
                (html.line(one.get("version")), "text"),
                (html.line(one.get("fingerprint")), "mark"),
                (html.line(one.get("made")), "time"),
                (age, "state:soft" if days is not None and days > _OLD_DAYS else "text"),
                (", ".join(others), "state:soft"),
                (f"{len(retired)}, last {last}" if retired else "none", "text"),
            ]
        )
    if not rows:
        return ""
    head = ("Credential", "Version", "Fingerprint", "Made", "Age", "Rotation", "Retired")
    return html.section("Tokens", html.table(head, rows), "tokens")


def _consumers(report: Json, drift: bool) -> str:
    bad: list[list[html.Cell]] = []
    good: list[list[html.Cell]] = []
    for host in report["hosts"]:
        for one in host["consumers"]:
            fine = in_order("sync", one, drift)
            line = f"line {one['line']}" if one.get("line") else ""
            place = ", ".join(filter(None, (html.line(one.get("codec")), html.line(one.get("key")), line)))
            told = "\n".join(filter(None, (html.line(one.get("detail")), html.line(one.get("fingerprint")))))
            cells = [
                (f"{host['host']}\n{html.line(one.get('id'))}", "strong"),
                (f"{html.line(one.get('path'))}\n{place}", "path"),
                (" ".join(filter(None, (html.line(one.get("credential")), html.line(one.get("field"))))), "text"),
                (
                    html.line(one.get("status") or "unknown").replace("_", " "),
                    html.state_of(fine, one.get("status") != "in_sync"),
                ),
                (told, "text"),
            ]
            (good if fine else bad).append(cells)
    if not (bad or good):
        return ""
    head = ("Host and consumer", "Place", "Holds", "Status", "What was found")
    body = (
        html.table(head, bad) if bad else '<p class="none">No drift: every consumer that was looked at is in order.</p>'
    )
    if good:
        body += html.folded(f"{len(good)} in order", html.table(head, good), len(good) <= html.MANY and not bad)
    return html.section("Drift", body, "drift")


def _findings(report: Json) -> str:
    def cells(host: Json, one: Json) -> list[html.Cell]:
        path = html.line(one.get("path")) + (f":{one['line']}" if one.get("line") and one.get("kind") != "git" else "")
        version = " ".join(filter(None, (html.line(one.get("credential")), html.line(one.get("version")))))
        spelling = "" if one.get("spelling") == "plain" else html.line(one.get("spelling"))
        often = f"{one['count']} times" if (one.get("count") or 1) > 1 else ""
        detail = "; ".join(filter(None, (html.line(one.get("detail")), spelling, often)))
        retired = one.get("label") == "retired"
        return [
            (str(host["host"]), "strong"),
            (f"{path}\n{'; '.join(filter(None, (html.line(one.get('kind')), detail)))}", "path"),
            (f"{html.line(one.get('field'))} of {version}\n{html.line(one.get('fingerprint'))}".strip(), "text"),
            (html.line(one.get("label")), "state:soft" if retired else "state:bad"),
            (html.line(one.get("declared")), "text"),
        ]

    scans = [(host, host["scan"]) for host in report["hosts"] if host.get("scan")]
    if not scans:
        return ""
    found = [cells(host, one)[:4] for host, scan in scans for one in scan["findings"]]
    declared = [cells(host, one) for host, scan in scans for one in scan["declared"]]
    head = ("Host", "Place", "Holds", "Version is", "Consumer")
    body = html.table(head[:4], found) if found else '<p class="none">None was found where the scan looked.</p>'
    if declared:
        body += html.folded(f"{len(declared)} in declared places", html.table(head, declared))
    looked = []
    for host, scan in scans:
        counts = ", ".join(
            f"{number} {what.replace('_', ' ')}" for what, number in sorted((scan.get("counts") or {}).items())
        )
        whole = bool(scan.get("complete"))
        state = ("complete" if whole else "ended early", html.state_of(whole))
        looked.append([(str(host["host"]), "strong"), state, (counts, "text"), (f"{scan.get('elapsed')} s", "text")])
    body += html.folded("What was searched", html.table(("Host", "Scan", "Searched", "Time"), looked))
    return html.section("Undeclared copies", body, "copies")


def _servers(report: Json) -> str:
    instances: list[list[html.Cell]] = []
    probes: list[list[html.Cell]] = []
    for host in report["hosts"]:
        for one in host["instances"]:
            told = "; ".join(filter(None, [*map(html.line, one.get("reasons") or []), html.line(one.get("detail"))]))
            active = "active" if is_active(one) else html.line(one.get("active") or "inactive")
            state = (active, html.state_of(in_order("instances", one)))
            since = (html.line(one.get("since")), "text")
            unit = (html.line(one.get("unit") or one.get("name")), "path")
            instances.append(
                [
                    (str(host["host"]), "strong"),
                    unit,
                    state,
                    (html.line(one.get("action")), "text"),
                    since,
                    (told, "text"),
                ]
            )
        for one in host["probes"]:
            state = (
                html.line(one.get("state") or "unexpected").replace("_", " "),
                html.state_of(in_order("probes", one)),
            )
            told = html.line(one.get("detail"))
            place = (html.line(one.get("url")), "path")
            probes.append(
                [(str(host["host"]), "strong"), (html.line(one.get("name")), "text"), place, state, (told, "text")]
            )
    body = ""
    if instances:
        body += html.table(("Host", "Unit", "State", "Done", "Since", "Details"), instances)
    if probes:
        body += html.table(("Host", "Proof of", "Address", "State", "What was seen"), probes)
    return html.section("Servers and proofs", body, "servers") if body else ""


def _smoke(report: Json, pictures: Mapping[str, str]) -> str:
    done = report.get("smoke") or []
    if not done:
        return ""
    rows: list[list[html.Cell]] = [
        [
            (html.line(one["host"]), "strong"),
            (html.line(one.get("instance")), "text"),
            (html.line(one.get("workflow")), "text"),
            ("" if one.get("seconds") is None else f"{one['seconds']} s", "text"),
            (html.line(one.get("picture")), "path"),
        ]
        for one in done
    ]
    head = ("Host", "Instance", "Workflow", "Took", "Picture")
    shown = [(html.line(one.get("picture")), f"{one['host']} {one.get('instance')}", "") for one in done]
    return html.section("Smoke test", html.table(head, rows) + gallery(shown, pictures), "smoke")


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
        stopped = f"stopped at '{html.line(failure.get('task'))}': {html.line(failure.get('msg'))}" if failure else ""
        word = "unreachable" if host["host"] in away else "checked" if host["checked"] else "not checked"
        state = (word, html.state_of(word == "checked"))
        cells = [(str(host["host"]), "strong"), state, (str(places), "text"), (str(gaps) if gaps else "", "text")]
        hosts.append([*cells, (stopped, "text")])
    if not hosts:
        return html.section("Coverage", '<p class="none">There was no host to look at.</p>', "coverage")
    body = html.table(("Host", "State", "Places looked at", "Not checked", "Failure"), hosts)
    rows: list[list[html.Cell]] = [
        [(str(one["host"]), "strong"), (html.line(one["what"]), "text"), (html.line(one["reason"]), "text")]
        for ones in missing.values()
        for one in ones
    ]
    if report.get("left_out"):
        left_out = ", ".join(str(host) for host in report["left_out"])
        body += f"<h3>Left out by --limit</h3><p>{html.text(left_out)}</p>"
    if rows:
        body += "<h3>Not checked</h3>" + html.table(("Host", "What", "Why"), rows[: html.MANY])
        if len(rows) > html.MANY:
            body += html.folded(f"{len(rows) - html.MANY} more", html.table(("Host", "What", "Why"), rows[html.MANY :]))
    note = "What was not looked at is not known to be in order."
    return html.section("Coverage", body, "coverage", note)


def _foot(report: Json) -> str:
    versions = ", ".join(f"{name.replace('_', '-')} {version}" for name, version in report["versions"].items())
    return (
        "<footer><p>Fingerprints stand for tokens; this page holds no token and no password. "
        f"It is the same report as the JSON file beside it.</p><p>{html.text(versions)}</p></footer>"
    )
