# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How the report's page looks: light and dark, as the reader's system says; tables, or cards below 760 pixels."""

from __future__ import annotations

STYLE = """
:root { color-scheme: light dark; --page: #f5f6f8; --card: #fff; --ink: #1b1f27; --soft-ink: #5a6272;
  --line: #dfe3e9; --good: #12703c; --good-bg: #e0f4e7; --bad: #ad1f1f; --bad-bg: #fde7e5;
  --warn: #835500; --warn-bg: #fdf0d1; --none-bg: #e9ecf1; }
@media (prefers-color-scheme: dark) { :root { --page: #12151b; --card: #1b2029; --ink: #e6e9ef; --soft-ink: #9ba5b5;
  --line: #303845; --good: #74d99b; --good-bg: #15382a; --bad: #ff9d94; --bad-bg: #482021;
  --warn: #f1c265; --warn-bg: #40331a; --none-bg: #2a313d; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink);
  font: 16px/1.45 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
main { max-width: 84rem; margin: 0 auto; padding: 1.25rem 1.5rem 2rem; }
header { display: flex; flex-wrap: wrap; gap: .75rem 1.5rem; align-items: center; justify-content: space-between; }
h1 { margin: 0; font-size: 1.8rem; line-height: 1.2; }
h2 { margin: 0 0 .6rem; font-size: 1.15rem; }
h3 { margin: 1.25rem 0 .4rem; font-size: 1rem; }
p { margin: 0; }
.over, .when, .note, footer { color: var(--soft-ink); font-size: .9rem; }
.note { margin-bottom: .6rem; }
.verdict { padding: .35rem 1rem; border-radius: 99rem; font-weight: 650; font-size: 1.1rem; }
.verdict.good, .state.good { background: var(--good-bg); color: var(--good); }
.verdict.bad, .state.bad { background: var(--bad-bg); color: var(--bad); }
.state.soft { background: var(--warn-bg); color: var(--warn); }
.state.none { background: var(--none-bg); color: var(--soft-ink); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(9.5rem, 1fr)); gap: .75rem; padding: 0;
  margin: 1.25rem 0; list-style: none; }
.tiles li { background: var(--card); border: 1px solid var(--line); border-left: .3rem solid var(--line);
  border-radius: .6rem; padding: .7rem .9rem; }
.tiles b { display: block; font-size: 1.45rem; line-height: 1.25; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft-ink); font-size: .9rem; }
.tiles .good { border-left-color: var(--good); }
.tiles .bad { border-left-color: var(--bad); }
.tiles .bad b { color: var(--bad); }
.tiles .soft { border-left-color: var(--warn); }
section { background: var(--card); border: 1px solid var(--line); border-radius: .6rem; padding: 1rem 1.1rem;
  margin: 0 0 1rem; overflow-x: auto; }
ol { margin: 0; padding-left: 1.6rem; overflow-wrap: anywhere; }
li + li { margin-top: .3rem; }
.tiles li + li { margin-top: 0; }
table { width: 100%; border-collapse: collapse; font-size: .92rem; }
table + table { margin-top: 1rem; }
th { text-align: left; color: var(--soft-ink); font-weight: 600; font-size: .82rem; white-space: nowrap; }
th, td { padding: .5rem .6rem; border-bottom: 1px solid var(--line); vertical-align: top; }
tbody tr:last-child td { border-bottom: 0; }
td { overflow-wrap: break-word; min-width: 4rem; }
code { font: .9em/1.4 ui-monospace, "SF Mono", Menlo, Consolas, "Liberation Mono", monospace; overflow-wrap: anywhere; }
.mark { white-space: nowrap; }
.wide { min-width: 13rem; }
td:first-child { min-width: 9.5rem; }
small { display: block; color: var(--soft-ink); font-size: .86rem; overflow-wrap: anywhere; }
.state { display: inline-block; padding: .08rem .55rem; border-radius: 99rem; font-weight: 600; font-size: .86rem;
  white-space: nowrap; }
.none { color: var(--soft-ink); }
details { margin-top: .8rem; }
summary { cursor: pointer; color: var(--soft-ink); padding: .35rem 0; font-weight: 600; }
summary:focus-visible { outline: 2px solid currentColor; outline-offset: 2px; border-radius: .3rem; }
footer p { margin-top: .35rem; }
@media (max-width: 760px) {
  main { padding: 1rem .75rem 1.5rem; }
  h1 { font-size: 1.5rem; }
  section { padding: .85rem .8rem; }
  .tiles { grid-template-columns: repeat(2, 1fr); gap: .5rem; margin: 1rem 0; }
  .tiles li { padding: .55rem .7rem; }
  thead { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
  table, tbody, tr, td { display: block; width: 100%; }
  tr { border: 1px solid var(--line); border-radius: .5rem; padding: .35rem .7rem; }
  tr + tr { margin-top: .6rem; }
  .wide, td:first-child { min-width: 0; }
  td { display: grid; grid-template-columns: 6.6rem 1fr; gap: .6rem; padding: .3rem 0; border: 0; }
  td > div { min-width: 0; overflow-wrap: anywhere; }
  td::before { content: attr(data-label); color: var(--soft-ink); font-size: .84rem; }
  td:first-child { display: block; }
  td:first-child::before, td.empty { display: none; }
}
@media print { body { background: none; } section { break-inside: avoid-page; } details > * { display: block; } }
"""
