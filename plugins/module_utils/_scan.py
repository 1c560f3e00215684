# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Search a host for copies of tokens and passwords that no consumer declares. Reads only. Standard library only."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import line_of, to_text
from ansible_collections.genai.comfyui.plugins.module_utils._presets import PresetError, resolve
from ansible_collections.genai.comfyui.plugins.module_utils._scan_base import TIME_IS_UP, Clock, Options, Scan
from ansible_collections.genai.comfyui.plugins.module_utils._scan_files import Files
from ansible_collections.genai.comfyui.plugins.module_utils._scan_git import repositories
from ansible_collections.genai.comfyui.plugins.module_utils._scan_secrets import Secrets
from ansible_collections.genai.comfyui.plugins.module_utils._scan_sieve import Sieve, gnu_grep
from ansible_collections.genai.comfyui.plugins.module_utils._scan_system import containers, journal, processes

_INCOMPLETE = (TIME_IS_UP, "more findings than max_findings")


def scan(
    options: Options,
    credentials: Mapping[str, Any],
    declared: Sequence[Mapping[str, Any]] = (),
    grep: str | None = "",
) -> dict[str, Any]:
    """Search this host and return what was found, as plain data without any value.

    :param credentials: as the lookup ``credential`` returns them, by name.
    :param declared: consumers as the module ``sync`` takes them; one without ``codec`` owns its whole file.
    :param grep: path of GNU grep, None for none; empty means to look for it.

    Returns ``findings`` (undeclared), ``declared`` (known places that hold a known secret), ``left_out``,
    ``not_searched`` (secrets), ``counts``, ``complete``, ``engine`` and ``elapsed`` (seconds).
    """
    clock = Clock(options.timeout)
    running = Scan(options, Secrets(credentials), clock)
    sieve = Sieve(running.secrets.pattern, clock, gnu_grep() if grep == "" else grep)
    try:
        if not running.secrets.empty:
            _search(running, sieve)
    finally:
        sieve.close()
    findings = _declare(running.findings.values(), declared)
    for one in findings:
        lines = one.pop("lines")
        one.update(line=lines[0], count=len(lines))
        del one["place"]
    findings.sort(key=lambda one: (one["kind"], one["path"], one["line"] or 0, one["detail"]))
    skipped = running.skipped()
    return {
        "findings": [one for one in findings if one["declared"] is None],
        "declared": [one for one in findings if one["declared"] is not None],
        "left_out": skipped,
        "not_searched": running.secrets.left_out
        + ([] if findings or not running.secrets.empty else ["nothing is known"]),
        "counts": running.counts,
        "complete": not any(one["reason"] in _INCOMPLETE for one in skipped),
        "engine": sieve.engine,
        "elapsed": round(time.monotonic() - clock.started, 3),
    }


def _search(running: Scan, sieve: Sieve) -> None:
    # What is quick comes first: a scan that runs out of time has seen it.
    wanted = running.options.sources
    files = Files(running, sieve)
    if "processes" in wanted:
        processes(running)
    if "containers" in wanted:
        containers(running)
    if "histories" in wanted:
        files.histories()
    if "files" in wanted:
        files.run()
    if "git" in wanted:
        if "files" not in wanted:
            running.skip("git", "repositories are found by source files, which is left out")
        repositories(running, sieve, files.repositories)
    if "journal" in wanted:
        journal(running, sieve)


def _declare(findings: Iterable[dict[str, Any]], declared: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the findings, each with the consumer that it is, if it is one; split where only some of its lines are."""
    places: dict[str, list[tuple[str, range | None]]] = {}
    variables: dict[tuple[str, str], str] = {}
    for given in declared:
        try:
            one = resolve(given) if given.get("codec") or given.get("preset") else dict(given)
            path = str(one["path"])
        except (PresetError, KeyError):
            # What sync refuses declares nothing.
            continue
        name = str(one.get("id") or path)
        place = os.path.join(os.path.realpath(os.path.dirname(path)), os.path.basename(path))
        places.setdefault(place, []).append((name, _lines(place, one)))
        key = str(one.get("key") or "").rpartition("/")[2]
        if key:
            variables[(key, str(one.get("credential") or "main"))] = name
    done = []
    for finding in findings:
        place = finding["place"]
        if place.name:
            # A process or container that read its environment from the consumer's file.
            finding["declared"] = variables.get((place.name, finding["credential"]))
        rest = finding["lines"]
        for name, lines in places.get(place.path, []) if place.kind in ("file", "history") else ():
            own = [line for line in rest if lines is None or line in lines]
            rest = [line for line in rest if line not in own]
            if own:
                done.append({**finding, "declared": name, "lines": own})
        if rest:
            done.append({**finding, "lines": rest})
    return done


def _lines(path: str, consumer: Mapping[str, Any]) -> range | None:
    """Return the lines of a consumer's value; None for the whole file."""
    if not consumer.get("codec"):
        return None
    try:
        codec = _codecs.get(str(consumer["codec"]))
        if not codec.needs_key:
            return None
        with open(path, "rb") as stream:
            text = to_text(stream.read())
        span = codec.locate(text, consumer.get("key"))
    except (CodecError, OSError):
        # What cannot be told apart is the consumer's: sync and audit say what is wrong with it.
        return None
    return range(0) if span is None else range(span.line, line_of(text, max(span.start, span.end - 1)) + 1)
