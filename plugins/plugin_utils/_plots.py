# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plots as inline SVG, without a script; as wide as a phone's screen, and larger where there is room. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ansible_collections.genai.comfyui.plugins.plugin_utils._html import text

Point = tuple[float, float]

WIDTH = 360
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 18, 10, 34
_HEIGHT = 210
_COLOURS = 6
_BAR = 40

STYLE = """
:root { --p0: #2f6fd0; --p1: #c2571a; --p2: #12803c; --p3: #8a45b8; --p4: #b02a5b; --p5: #52606f; }
@media (prefers-color-scheme: dark) { :root { --p0: #7fb0ff; --p1: #f2a065; --p2: #74d99b; --p3: #cf9cf2;
  --p4: #ff8fb4; --p5: #aab6c6; } }
figure { margin: 0 0 1.2rem; max-width: 36rem; }
figcaption { font-weight: 600; margin-bottom: .3rem; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 12px system-ui, sans-serif; fill: var(--soft-ink); }
svg .name { fill: var(--ink); }
svg .axis { stroke: var(--line); stroke-width: 1; fill: none; }
svg .whisker { stroke: var(--ink); stroke-width: 1.5; }
.legend { display: flex; flex-wrap: wrap; gap: .2rem 1rem; padding: 0; margin: .3rem 0 0; list-style: none;
  font-size: .9rem; }
.legend li + li { margin: 0; }
.legend i { display: inline-block; width: .8rem; height: .8rem; border-radius: .2rem; margin-right: .35rem; }
""" + "".join(
    f"svg .s{n} {{ stroke: var(--p{n}); fill: none; stroke-width: 2; }} svg .f{n} {{ fill: var(--p{n}); }} "
    f".legend .k{n} {{ background: var(--p{n}); }}\n"
    for n in range(_COLOURS)
)


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Return round numbers from *low* to *high*, at most *most* steps apart; the last may lie above *high*."""
    span = high - low
    if span <= 1e-6 * max(1.0, abs(low)):
        # So near each other they cannot be told apart in a plot.
        return [low, low + 1]
    step: float = 10.0 ** math.floor(math.log10(span / most))
    step = next(step * one for one in (1, 2, 2.5, 5, 10) if span / (step * one) <= most)
    begin = math.floor(low / step) * step
    count = math.ceil((high - begin) / step - 1e-9)
    return [round(begin + number * step, 10) for number in range(count + 1)]


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 10000 else f"{value:.0f}"


def _figure(caption: str, height: int, body: list[str], said: str, legend: str = "") -> str:
    return (
        f'<figure><figcaption>{text(caption)}</figcaption><svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{text(said)}">{"".join(body)}</svg>{legend}</figure>'
    )


def bars(caption: str, unit: str, rows: Sequence[tuple[str, float, float | None, float | None]]) -> str:
    """Return bars beneath each other: name, value, and the least and most that it is made of (None without)."""
    top = max([value for _name, value, _low, _high in rows] + [high or 0 for _name, _value, _low, high in rows])
    scale = (WIDTH - 80) / (top or 1)
    body, told = [], []
    for number, (name, value, low, high) in enumerate(rows):
        y = number * _BAR + 16
        colour = number % _COLOURS
        body.append(f'<text class="name" x="0" y="{y - 4}">{text(name)}</text>')
        body.append(f'<rect class="f{colour}" x="0" y="{y}" width="{max(1.0, value * scale):.1f}" height="14" rx="2"/>')
        if low is not None and high is not None and high > low:
            body.append(f'<path class="whisker" d="M{low * scale:.1f} {y + 7}H{high * scale:.1f}"/>')
        end = max(value, high or 0) * scale + 6
        body.append(f'<text x="{end:.1f}" y="{y + 11}">{_number(value)} {text(unit)}</text>')
        told.append(f"{name}: {_number(value)} {unit}")
    return _figure(caption, len(rows) * _BAR + 4, body, f"{caption}. " + "; ".join(told))


def lines(caption: str, across: str, up: str, series: Sequence[tuple[str, Sequence[Point]]], dots: bool = False) -> str:
    """Return curves over one another; each has a name and points, with None nowhere.

    :param across: what is told from left to right, with its unit; *up* the same for the height.
    :param dots: whether each point is marked, as where there are few.
    """
    points = [point for _name, some in series for point in some]
    xs = ticks(min(x for x, _y in points), max(x for x, _y in points))
    ys = ticks(0, max(y for _x, y in points) or 1)
    wide, high = WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM

    def at(point: Point) -> str:
        x = _LEFT + (point[0] - xs[0]) / (xs[-1] - xs[0]) * wide
        return f"{x:.1f} {_TOP + high - point[1] / ys[-1] * high:.1f}"

    body = []
    for tick in ys:
        x, y = at((xs[0], tick)).split()
        body.append(f'<path class="axis" d="M{x} {y}H{WIDTH - _RIGHT}"/>')
        body.append(f'<text x="{_LEFT - 5}" y="{float(y) + 4:.1f}" text-anchor="end">{_number(tick)}</text>')
    for tick in xs:
        x = at((tick, 0)).split()[0]
        body.append(f'<text x="{x}" y="{_HEIGHT - _BOTTOM + 15}" text-anchor="middle">{_number(tick)}</text>')
    body.append(f'<text x="{WIDTH - _RIGHT}" y="{_HEIGHT - 3}" text-anchor="end">{text(across)}</text>')
    for number, (_name, some) in enumerate(series):
        colour = number % _COLOURS
        if len(some) > 1:
            body.append(f'<polyline class="s{colour}" points="{" ".join(at(one).replace(" ", ",") for one in some)}"/>')
        if dots or len(some) == 1:
            for one in some:
                x, y = at(one).split()
                body.append(f'<circle class="f{colour}" cx="{x}" cy="{y}" r="3"/>')
    legend = "".join(
        f'<li><i class="k{number % _COLOURS}"></i>{text(name)}</li>' for number, (name, _some) in enumerate(series)
    )
    told = "; ".join(f"{name}: {len(some)} points up to {_number(max(y for _x, y in some))}" for name, some in series)
    return _figure(f"{caption}, {up}", _HEIGHT, body, f"{caption}, {up}. {told}", f'<ul class="legend">{legend}</ul>')
