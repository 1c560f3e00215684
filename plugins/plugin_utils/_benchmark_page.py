# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A benchmark's report as one HTML page, with plots and pictures; made from the report and nothing else. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils import _html as html
from ansible_collections.genai.comfyui.plugins.plugin_utils import _plots as plots
from ansible_collections.genai.comfyui.plugins.plugin_utils._benchmark import FIGURES, GIB, percentile, seconds, shown
from ansible_collections.genai.comfyui.plugins.plugin_utils._pictures import STYLE, gallery

Json = dict[str, Any]


def page(report: Json, pictures: Mapping[str, str]) -> str:
    """Return the page.

    :param report: as :func:`_benchmark.document` and the frame of :func:`_report_file` make it.
    :param pictures: pictures as ``data:`` addresses by their file name; those not there are named instead of shown.
    """
    sections = [
        _head(report),
        _tiles(report),
        _reasons(report),
        _comparison(report),
        _series(report),
        _load(report),
        _gpus(report),
        _pictures(report, pictures),
        _runs(report),
        _missing(report),
        _foot(report),
    ]
    return html.page("Benchmark", sections, pictures=True, style=plots.STYLE + STYLE)


def _head(report: Json) -> str:
    ok, count = report["verdict"]["ok"], len(report["verdict"]["reasons"])
    judged = any(run["thresholds"] for run in report["runs"])
    word = ("Thresholds kept" if judged else "Measured") if ok else "1 finding" if count == 1 else f"{count} findings"
    return (
        '<header>\n<div><p class="over">genai.comfyui</p>\n<h1>Benchmark</h1>\n'
        f'<p class="when">{html.when(report["finished"])}</p></div>\n'
        f'<p class="verdict {"good" if ok else "bad"}">{html.text(word)}</p>\n</header>'
    )


def _tiles(report: Json) -> str:
    tiles = []
    for name in ("s_per_image", "first_image", "s_per_step", "throughput"):
        row = _row(report, name)
        told = {key: value for key, value in (row["values"] if row else {}).items() if value is not None}
        if told:
            best = (max if FIGURES[name].more else min)(told, key=lambda key, told=told: told[key])  # type: ignore[misc]
            who = f", {best}" if len(told) > 1 else ""
            tiles.append((f"{FIGURES[name].title}{who}", shown(name, told[best])))
    if not tiles:
        return ""
    body = "".join(f"<li><b>{html.text(number)}</b><span>{html.text(what)}</span></li>" for what, number in tiles)
    return f'<ul class="tiles" aria-label="Summary">{body}</ul>'


def _row(report: Json, name: str) -> Json | None:
    return next((one for one in report["comparison"]["rows"] if one["figure"] == name), None)


def _reasons(report: Json) -> str:
    reasons = report["verdict"]["reasons"]
    if not reasons:
        return ""
    return html.section(
        "What was missed", "<ol>" + "".join(f"<li>{html.text(one)}</li>" for one in reasons) + "</ol>", "reasons"
    )


def _comparison(report: Json) -> str:
    labels = [run["label"] for run in report["runs"]]
    if not labels:
        return ""
    rows: list[list[html.Cell]] = []
    for one in report["comparison"]["rows"]:
        cells: list[html.Cell] = [(FIGURES[one["figure"]].title, "strong")]
        for label in labels:
            value, ratio = one["values"][label], one["ratios"][label]
            told = shown(one["figure"], value)
            if ratio is not None and label != report["comparison"]["baseline"]:
                told += f"\n{ratio:.2f} x"
            form = "state:none" if value is None else "state:good" if label in one["best"] else "text"
            cells.append((told, form))
        rows.append(cells)
    note = ""
    if len(labels) > 1:
        note = f"Ratios are to {report['comparison']['baseline']}. The best of each line is marked."
    return html.section("Side by side", html.table(("Figure", *labels), rows), "comparison", note)


def _measured(run: Json, phase: str) -> list[Json]:
    return [one for one in run["measured"].get("records") or [] if one["phase"] == phase and not one.get("cached")]


def _series(report: Json) -> str:
    rows = []
    for run in report["runs"]:
        times = [seconds(one) for one in _measured(run, "series") if one["number"] > 0]
        if times and run["figures"]["s_per_image"] is not None:
            rows.append((run["label"], run["figures"]["s_per_image"], min(times), max(times)))
    curves = [
        (run["label"], [(float(one["number"] + 1), seconds(one)) for one in records])
        for run in report["runs"]
        if (records := _measured(run, "series"))
    ]
    if not curves:
        return ""
    body = plots.bars("A warm image: median, least to most", "s", rows) if rows else ""
    body += plots.lines("Image by image, the first one cold", "number of the image", "s", curves, dots=True)
    return html.section("Images in a row", body, "series")


def _load(report: Json) -> str:
    body, curves, rows = "", [], []
    for run in report["runs"]:
        latencies = sorted(float(one["total"]) for one in _measured(run, "load"))
        load, figures, errors = run["measured"].get("load") or {}, run["figures"], run["measured"].get("errors") or []
        if not load.get("ended"):
            continue
        rows.append(
            [
                (run["label"], "strong"),
                (f"{load['clients']} clients, {load['jobs']} jobs each", "text"),
                (shown("throughput", figures["throughput"]), "text"),
                *((shown(f"latency_p{p}", figures[f"latency_p{p}"]), "text") for p in (50, 90, 99)),
                (str(len(errors)), "state:bad" if errors else "text"),
            ]
        )
        if latencies:
            curves.append(
                (run["label"], [(p * 1.0, percentile(latencies, p) or 0.0) for p in (0, *range(5, 100, 5), 99, 100)])
            )
        kinds: dict[str, int] = {}
        for one in errors:
            kinds[one["said"]] = kinds.get(one["said"], 0) + 1
        body += "".join(
            f"<p>{html.text(run['label'])}: {count} times {html.text(said)}</p>" for said, count in kinds.items()
        )
    if not rows:
        return ""
    head = ("Run", "Load", "Throughput", "p50", "p90", "p99", "Errors")
    plot = plots.lines("Latency, so many percent were quicker", "percent", "s", curves) if curves else ""
    return html.section("Under load", html.table(head, rows) + body + plot, "load")


def _gpus(report: Json) -> str:
    memory: list[tuple[str, list[plots.Point]]] = []
    power: list[tuple[str, list[plots.Point]]] = []
    for run in report["runs"]:
        gpus = run["measured"].get("samples", {}).get("gpus", [])
        for gpu in gpus:
            begin = gpu["rows"][0][0] if gpu["rows"] else 0
            name = run["label"] + (f", GPU {gpu['index']}" if len(gpus) > 1 else "")
            for curves, place, unit in ((memory, 1, GIB), (power, 2, 1)):
                points = [(row[0] - begin, row[place] / unit) for row in gpu["rows"] if row[place] is not None]
                if points:
                    curves.append((name, points))
    body = plots.lines("VRAM in use", "s since the begin", "GiB", memory) if memory else ""
    body += plots.lines("Power", "s since the begin", "W", power) if power else ""
    return html.section("GPUs", body, "gpus") if body else ""


def _pictures(report: Json, pictures: Mapping[str, str]) -> str:
    found = []
    for run in report["runs"]:
        for record in _measured(run, "series"):
            for file in record.get("files") or []:
                size = f"{file.get('width')} x {file.get('height')}" if file.get("width") else ""
                found.append((str(file.get("kept") or ""), f"{run['label']}, image {record['number'] + 1}", size))
    shown = gallery(found, pictures)
    return html.section("Pictures", shown, "pictures") if shown else ""


def _runs(report: Json) -> str:
    rows: list[list[html.Cell]] = []
    for run in report["runs"]:
        server, work = run["measured"].get("server") or {}, run.get("workflow") or {}
        devices = ", ".join(html.line(one.get("name")) for one in server.get("devices") or [])
        given = ", ".join(f"{key} {value}" for key, value in sorted((work.get("parameters") or {}).items()))
        what = " ".join(filter(None, (html.line(work.get("name")), html.line(work.get("variant")))))
        rows.append(
            [
                (run["label"], "strong"),
                (f"{what}\n{html.line(given)}".strip(), "text"),
                (f"ComfyUI {server.get('comfyui_version')}\nPyTorch {server.get('pytorch_version')}", "text"),
                (devices, "text"),
                (" ".join(html.line(one) for one in server.get("argv") or []), "path"),
                ("; ".join(run["remarks"]), "text"),
            ]
        )
    if not rows:
        return ""
    head = ("Run", "Workflow", "Software", "Devices", "Arguments", "To know")
    return html.section("What ran", html.table(head, rows), "runs")


def _missing(report: Json) -> str:
    rows: list[list[html.Cell]] = [
        [(html.line(one["host"]), "strong"), (html.line(one["what"]), "text"), (html.line(one["reason"]), "text")]
        for one in report["not_checked"]
    ]
    return html.section("Not measured", html.table(("Host", "What", "Why"), rows), "missing") if rows else ""


def _foot(report: Json) -> str:
    versions = ", ".join(f"{name.replace('_', '-')} {version}" for name, version in report["versions"].items())
    return (
        "<footer><p>Every figure was measured in this run; the JSON file beside this page has each job and sample. "
        f"It holds no token and no password.</p><p>{html.text(versions)}</p></footer>"
    )
