# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a report looks on a terminal: a table, a summary line, and where to log in. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.genai.comfyui.plugins.plugin_utils._report_verdict import HostReport, Row

HEAD = ("host", "kind", "what", "status", "detail")
# Of these two columns text may be cut; the others are always whole.
_WHAT, _DETAIL = 2, 4
_LEAST = 20
_NAMED = 5
_BOX = {"line": "─", "bar": "│", "top": "┌┬┐", "middle": "├┼┤", "bottom": "└┴┘", "cut": "…"}
_ASCII = {"line": "-", "bar": "|", "top": "+++", "middle": "+++", "bottom": "+++", "cut": "..."}
_LOOPBACK = ("127.", "::1", "[::1]", "localhost")


def is_utf8(encoding: str | None) -> bool:
    """Whether an output of this encoding can show box drawing."""
    return (encoding or "").lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig")


def table(rows: Sequence[Row], width: int, utf8: bool) -> str:
    """Return the table, *width* columns wide if the columns that may not be cut leave room for that."""
    style = _BOX if utf8 else _ASCII
    cells = [HEAD, *((row.host, row.kind, row.what, row.status, row.detail) for row in rows)]
    clean = [[_clean(cell, utf8) for cell in line] for line in cells]
    widths = _widths([max(_width(line[number]) for line in clean) for number in range(len(HEAD))], width)
    body = [_line(line, widths, style) for line in clean]
    return "\n".join(
        [
            _rule(widths, style, "top"),
            body[0],
            _rule(widths, style, "middle"),
            *body[1:],
            _rule(widths, style, "bottom"),
        ]
    )


def _clean(text: str, utf8: bool) -> str:
    """Return *text* on one line, without what a terminal would take as a command."""
    shown = "".join(character if unicodedata.category(character)[0] != "C" else "?" for character in text)
    return shown if utf8 else shown.encode("ascii", "replace").decode("ascii")


def _width(text: str) -> int:
    return sum(
        0 if unicodedata.combining(one) else 2 if unicodedata.east_asian_width(one) in "WF" else 1 for one in text
    )


def _widths(natural: list[int], width: int) -> list[int]:
    """Return the columns' widths: the wider of the two that may be cut gives way first, then both alike."""
    widths = list(natural)
    excess = sum(widths) + 3 * len(widths) + 1 - width
    while excess > 0:
        number = max((_WHAT, _DETAIL), key=lambda one: widths[one])
        if widths[number] <= _LEAST:
            break
        widths[number] -= 1
        excess -= 1
    return widths


def _cut(text: str, width: int, mark: str) -> str:
    """Return *text*, shortened in its middle if need be: paths and messages differ at both ends."""
    if _width(text) <= width:
        return text
    left, right = "", ""
    for first, last in zip(text, reversed(text)):
        if _width(left + first + mark + right) > width:
            break
        left += first
        if _width(left + mark + last + right) > width:
            break
        right = last + right
    return left + mark + right


def _line(cells: Sequence[str], widths: Sequence[int], style: Mapping[str, str]) -> str:
    cut = [_cut(cell, width, style["cut"]) for cell, width in zip(cells, widths)]
    padded = [cell + " " * (width - _width(cell)) for cell, width in zip(cut, widths)]
    return f"{style['bar']} " + f" {style['bar']} ".join(padded) + f" {style['bar']}"


def _rule(widths: Sequence[int], style: Mapping[str, str], place: str) -> str:
    ends = style[place]
    return ends[0] + ends[1].join(style["line"] * (width + 2) for width in widths) + ends[2]


def summary(rows: Sequence[Row], path: str | None) -> str:
    """Return the line below the table, such as ``14 checked, 14 in order, 0 not checked; report: PATH``."""
    failures = sum(row.status == "failed" and row.kind == "host" for row in rows)
    checked = [row for row in rows if row.fine is not None and not (row.status == "failed" and row.kind == "host")]
    parts = [f"{len(checked)} checked", f"{sum(bool(row.fine) for row in checked)} in order"]
    if failures:
        parts.append(f"{failures} failed")
    parts.append(f"{sum(row.fine is None for row in rows)} not checked")
    return ", ".join(parts) + f"; report: {path or 'not written'}"


def left_out_lines(hosts: Sequence[str]) -> list[str]:
    """Return the line that names hosts which this run was not about (``--limit``); no line where there is none."""
    if not hosts:
        return []
    named = ", ".join(hosts[:_NAMED]) + (", ..." if len(hosts) > _NAMED else "")
    return [f"left out by --limit: {len(hosts)} {'host' if len(hosts) == 1 else 'hosts'} ({named})"]


def login_lines(report: HostReport, address: str, settings: Mapping[str, Any]) -> list[str]:
    """Return where each instance of a server can be logged in to.

    :param address: name or address of the host, as the controller knows it.
    :param settings: the host's ``comfyui_instances`` and ``comfyui_listen``, as far as the inventory sets them.
    """
    declared = {str(one.get("name", "default")): one for one in settings.get("comfyui_instances") or []}
    lines = []
    for one in report.instances:
        name, probe = str(one.get("name")), one.get("probe")
        seen = [item.get("url") for item in report.probes if item.get("name") == name]
        local = str(
            next(iter(seen), None) or one.get("url") or (probe.get("url") if isinstance(probe, Mapping) else "")
        )
        instance = declared.get(name, {})
        listen = str(instance.get("listen") or settings.get("comfyui_listen") or "127.0.0.1")
        if instance.get("url"):
            where = str(instance["url"]).rstrip("/") + "/"
        elif not local:
            continue
        elif listen.startswith(_LOOPBACK):
            # Its own proxy or a tunnel leads there; nobody but the inventory's owner knows the address of that.
            where = f"{local.rstrip('/')}/ on {report.host} itself"
        else:
            parts = urlsplit(local)
            shown = f"[{address}]" if ":" in address else address
            where = f"{parts.scheme}://{shown}" + (f":{parts.port}" if parts.port else "") + "/"
        user = one.get("username")
        lines.append(
            f"log in: {where} as {user}; 'make password' shows the password"
            if user
            else f"log in: {where} ('make password' shows user name and password)"
        )
    return lines
