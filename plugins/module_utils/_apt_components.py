# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""More components of an archive that a host already uses: same address, same key, no host named by us.

Private to the collection. Standard library only. Text to text.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.genai.comfyui.plugins.module_utils._apt_text import MARK

_LINE = re.compile(r"deb\s+(?:\[([^\]]*)\]\s+)?(\S+)\s+(\S+)\s+(\S.*)")


class Entry(t.NamedTuple):
    """One archive and suite, with the components that are switched on; ``signed_by`` may be empty."""

    uri: str
    suite: str
    components: tuple[str, ...]
    signed_by: str


def read_list(text: str) -> list[Entry]:
    """Read the one-line format; unusable lines are left out, as apt would complain about them itself."""
    found = []
    for line in text.splitlines():
        match = _LINE.match(line.split("#", 1)[0].strip())
        if match:
            options = dict(word.split("=", 1) for word in (match[1] or "").split() if "=" in word)
            found.append(Entry(match[2], match[3], tuple(match[4].split()), options.get("signed-by", "")))
    return found


def read_deb822(text: str) -> list[Entry]:
    """Read the stanza format; a stanza whose key is embedded is left out."""
    found = []
    for stanza in re.split(r"\n[ \t]*\n", re.sub(r"(?m)^#.*\n?", "", text)):
        fields: dict[str, str] = {}
        name = ""
        for line in stanza.splitlines():
            if line[:1].isspace() and name:
                fields[name] += "\n" + line.strip()
            elif ":" in line:
                name, value = line.split(":", 1)
                name = name.strip().lower()
                fields[name] = value.strip()
        if "deb" not in fields.get("types", "").split() or fields.get("enabled", "yes").lower() in ("no", "false"):
            continue
        signed_by = fields.get("signed-by", "")
        if "\n" in signed_by:
            continue
        for uri in fields.get("uris", "").split():
            found += [
                Entry(uri, suite, tuple(fields.get("components", "").split()), signed_by)
                for suite in fields.get("suites", "").split()
            ]
    return found


def read_sources(name: str, text: str) -> list[Entry]:
    """Read a file of either format by its *name*."""
    return read_deb822(text) if name.endswith(".sources") else read_list(text)


def more_components(entries: t.Sequence[Entry], suites: t.Sequence[str], wanted: t.Sequence[str]) -> str:
    """Return a deb822 text that adds *wanted* to the *suites* in use; empty when all of it is switched on already.

    :raises ValueError: the first of *suites* is not in use, so there is no address to take over
    """
    have: dict[tuple[str, str], set[str]] = {}
    keys: dict[tuple[str, str], str] = {}
    for entry in entries:
        if entry.suite in suites:
            have.setdefault((entry.uri, entry.suite), set()).update(entry.components)
            keys[entry.uri, entry.suite] = entry.signed_by
    with_main = {place for place, components in have.items() if "main" in components}
    if not any(suite == suites[0] for _uri, suite in with_main):
        raise ValueError(
            f"apt's sources have no component 'main' of suite {suites[0]}, whose address could be used for "
            f"{' '.join(wanted)}; add these components to a source of your own"
        )
    stanzas = []
    for uri, suite in sorted(with_main, key=lambda place: (list(suites).index(place[1]), place[0])):
        # Another entry of the same suite may bring what this one lacks.
        lacking = [one for one in wanted if one not in have[uri, suite]]
        if lacking:
            signed = f"Signed-By: {keys[uri, suite]}\n" if keys[uri, suite] else ""
            stanzas.append(f"Types: deb\nURIs: {uri}\nSuites: {suite}\nComponents: {' '.join(lacking)}\n{signed}")
    return MARK + "\n".join(stanzas) if stanzas else ""
