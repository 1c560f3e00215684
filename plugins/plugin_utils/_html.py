# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Parts of a page that needs no other file, loads nothing and runs nothing; what any report is put together from. Pure.

A policy in the page's head makes browsers enforce that. Tables become cards where the screen is narrow, by the label
that each cell carries.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._report_style import STYLE

MANY = 12
"""So many lines are shown at once; more are folded."""

Cell = tuple[str, str]
"""What a cell shows and its form: text, path, mark, strong, time, state:good, state:bad, state:soft or state:none.

What follows a line break is shown small below the rest.
"""


def page(title: str, sections: Iterable[str], pictures: bool = False, style: str = "") -> str:
    """Return a whole page.

    :param pictures: whether it holds pictures as data; nothing else may be shown then either.
    """
    policy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
    if pictures:
        policy += "; img-src data:"
    return (
        f'<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>{text(title)}</title>\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light dark">\n<meta name="referrer" content="no-referrer">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{text(policy)}">\n'
        f"<style>{STYLE}{style}</style>\n</head>\n<body>\n<main>\n"
        + "\n".join(filter(None, sections))
        + "\n</main>\n</body>\n</html>\n"
    )


def text(value: Any) -> str:
    """Return *value* as text that is safe in HTML, in attributes too; control characters are shown as a mark."""
    shown = "" if value is None else str(value)
    return escape("".join(one if one.isprintable() else "\ufffd" for one in shown), quote=True)


def when(moment: Any) -> str:
    """Return a time in ISO form as people read it, to the minute."""
    shown = str(moment or "")
    day, _mark, time = shown.partition("T")
    return f'<time datetime="{text(shown)}">{text(day)} {text(time[:5])} UTC</time>' if time else text(shown)


def section(title: str, body: str, name: str, note: str = "") -> str:
    """Return a card with a heading; *body* is HTML already, *name* its anchor."""
    said = f'<p class="note">{text(note)}</p>' if note else ""
    return f'<section id="{name}">\n<h2>{text(title)}</h2>\n{said}{body}\n</section>'


def table(head: Sequence[str], rows: Sequence[Sequence[Cell]]) -> str:
    """Return a table without the columns in which no row has anything to say."""
    told = [number for number in range(len(head)) if any(cells[number][0] for cells in rows)]
    head = [head[number] for number in told]
    rows = [[cells[number] for number in told] for cells in rows]
    top = "".join(f'<th scope="col">{text(one)}</th>' for one in head)
    lines = ["<tr>" + "".join(_cell(label, cell) for label, cell in zip(head, cells)) + "</tr>" for cells in rows]
    # A role for each: as cards they are no table any more for some browsers' readers.
    return f'<table role="table"><thead><tr>{top}</tr></thead>\n<tbody>\n' + "\n".join(lines) + "\n</tbody></table>"


def _cell(label: str, cell: Cell) -> str:
    value, form = cell
    if not value:
        return f'<td data-label="{text(label)}" class="empty"></td>'
    kind, _mark, how = form.partition(":")
    first, _break, more = value.partition("\n")
    inner = text(first)
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
        inner = when(value)
    if more:
        inner += f"<small>{text(more).replace('/', '/<wbr>')}</small>"
    wide = ' class="wide"' if kind == "path" or more else ""
    return f'<td data-label="{text(label)}"{wide}><div>{inner}</div></td>'


def folded(summary: str, body: str, opened: bool = False) -> str:
    """Return what opens at a click; *body* is HTML already."""
    return f"<details{' open' if opened else ''}><summary>{text(summary)}</summary>\n{body}</details>"


def line(value: Any) -> str:
    """Return *value* as one line."""
    return "" if value is None else " ".join(str(value).split())


def state_of(fine: bool | None, soft: bool = False) -> str:
    """Return the form of a cell that tells a verdict; None is one without."""
    return "state:none" if fine is None else "state:bad" if not fine else "state:soft" if soft else "state:good"
