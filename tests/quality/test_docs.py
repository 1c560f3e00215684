# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What README and docs say can be followed: links lead somewhere, commands, names and options exist."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import yaml
from quality_tools import ROOT, files_below, no_complaints, project_files, roles, run

FENCE = re.compile(r"^```.*?^```[^\n]*$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)[^)]*\)")
HEADING = re.compile(r"^#{1,6}\s+(.*?)\s*#*$", re.MULTILINE)
MAKE = re.compile(r"(?:^\s*|`|&& )make ((?:[a-z-]+ ?)+)")
NAME = re.compile(r"\bgenai\.comfyui\.([a-z_]+)\b")


def pages() -> Iterator[tuple[Path, str]]:
    """Yield path and text of each page in Markdown, tests' fixtures left out."""
    for path in project_files():
        if path.suffix == ".md" and "fixtures" not in path.parts:
            yield path, (ROOT / path).read_text(encoding="utf-8")


def anchors(text: str) -> set[str]:
    """Return the anchors that a page's headings make, in the way of the usual renderers."""
    titles = (re.sub(r"[`*]", "", title).lower() for title in HEADING.findall(FENCE.sub("", text)))
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in titles}


def test_links() -> None:
    """Links within the project lead to a file, and to a heading where they name one."""
    complaints = []
    for path, text in pages():
        for target in LINK.findall(FENCE.sub("", text)):
            if re.match(r"[a-z]+:", target):
                continue
            name, _mark, anchor = target.partition("#")
            wanted = (ROOT / path).parent / name if name else ROOT / path
            if not wanted.exists():
                complaints.append(f"{path}: link to {target}: no such file")
            elif anchor and wanted.suffix == ".md" and anchor not in anchors(wanted.read_text(encoding="utf-8")):
                complaints.append(f"{path}: link to {target}: no such heading")
    no_complaints(complaints)


def make_targets() -> set[str]:
    """Return the targets of the Makefile."""
    rules = re.findall(r"^([a-z][a-z -]*):(?!=)", (ROOT / "Makefile").read_text(), re.MULTILINE)
    return {target for rule in rules for target in rule.split()}


def test_make_targets() -> None:
    """Each ``make`` target that a page names exists; the usual ones are named in the README."""
    known = make_targets()
    complaints = [
        f"{path}: make {target}: no such target"
        for path, text in pages()
        for words in MAKE.findall(text)
        for target in words.split()[:1]
        if target not in known
    ]
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    complaints += [
        f"README.md: make {name} is not told" for name in ("site", "test", "down") if f"make {name}" not in readme
    ]
    no_complaints(complaints)


def test_make_help() -> None:
    """``make help`` lists every target that has a recipe of its own."""
    shown = run("make", "-s", "help").stdout
    missing = sorted(target for target in make_targets() if not re.search(rf"^\s*{target}\b", shown, re.MULTILINE))
    assert not missing, f"make help does not list {missing}"


def public_names() -> set[str]:
    """Return every short name that the collection offers under ``genai.comfyui.``."""
    names = {*roles(), "plugins"}
    for path in files_below("plugins", "playbooks"):
        kind = path.parts[1] if len(path.parts) == 3 else path.parts[0]
        if kind in ("playbooks", "modules", "action", "lookup", "filter", "test"):
            names.add(path.stem)
    return names


def test_names() -> None:
    """A full name in a page, a playbook, a role or a plugin's documentation is one that exists."""
    known = public_names()
    places = [path for path, _text in pages()]
    places += files_below("playbooks", "roles", "molecule", "inventories", suffixes=[".yml", ".yaml", ".j2"])
    complaints = [
        f"{path}:{number}: genai.comfyui.{name} does not exist"
        for path in places
        for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1)
        for name in NAME.findall(line)
        if name not in known
    ]
    no_complaints(complaints)


def test_readme_variables() -> None:
    """Each variable that the README names is one that a role documents or a playbook reads."""
    used = set()
    for path in files_below("roles", "playbooks", "inventories"):
        used |= set(re.findall(r"\bcomfyui_\w+", (ROOT / path).read_text(encoding="utf-8", errors="replace")))
    named = set(re.findall(r"\bcomfyui_\w+", (ROOT / "README.md").read_text(encoding="utf-8")))
    no_complaints([f"README.md: {name} is used nowhere" for name in sorted(named - used - {*roles()})])


def test_changelog() -> None:
    """What the coming version brings is told in fragments; a released version is on the page."""
    version = yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]
    released = yaml.safe_load((ROOT / "changelogs/changelog.yaml").read_text())["releases"]
    fragments = list((ROOT / "changelogs/fragments").glob("*.y*ml"))
    assert fragments or version in released, "changelogs/fragments is empty, and this version is not released"
    page = (ROOT / "CHANGELOG.rst").read_text()
    assert all(f"v{name}" in page for name in released), "CHANGELOG.rst lacks a released version"


def test_readme_names_every_role_and_playbook() -> None:
    names = [*roles(), *(path.stem for path in (ROOT / "playbooks").glob("*.yml"))]
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"`genai.comfyui.{name}`" not in text] == []
