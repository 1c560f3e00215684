# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all parts of a scan share: its limits, its clock, what it found and what it left out."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._scan_secrets import Hit, Secrets

SOURCES = ("files", "histories", "processes", "containers", "journal", "git")
TIME_IS_UP = "time is up"
_ENVIRONMENT = {"LC_ALL": "C", "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"}
_EXAMPLES = 5


@dataclass(frozen=True)
class Options:
    """The bounds of a scan. Sizes in bytes, times in seconds, *journal_days* in days, 0 for all of it."""

    roots: Sequence[str] = ()
    exclude: Sequence[str] = ()
    sources: Sequence[str] = SOURCES
    max_size: int = 32 * 1024 * 1024
    max_depth: int = 40
    max_findings: int = 1000
    timeout: float = 600.0
    one_file_system: bool = True
    journal_days: int = 30


class Clock:
    """The time that a scan may take, in seconds."""

    def __init__(self, seconds: float) -> None:
        self.started = time.monotonic()
        self._end = self.started + seconds

    def left(self) -> float:
        """Seconds left, never less than zero."""
        return max(0.0, self._end - time.monotonic())

    def over(self) -> bool:
        """Whether the time is up."""
        return self.left() <= 0


@dataclass(frozen=True)
class Place:
    """Where a text is from. *path* stands for the whole of it, *detail* says more in words."""

    kind: str
    path: str
    detail: str = ""
    line: bool = True
    name: str | None = None
    """The environment variable, where it is the value of one."""


@dataclass
class Scan:
    """A running scan: what to look for, by when, what was found and what was left out."""

    options: Options
    secrets: Secrets
    clock: Clock
    findings: dict[tuple[Any, ...], dict[str, Any]] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    _skipped: dict[str, tuple[int, list[str]]] = field(default_factory=dict)
    full: bool = False

    def count(self, what: str, number: int = 1) -> None:
        """Count what was looked at."""
        self.counts[what] = self.counts.get(what, 0) + number

    def skip(self, what: str, reason: str) -> None:
        """Note that *what* was not looked at."""
        number, examples = self._skipped.setdefault(reason, (0, []))
        if len(examples) < _EXAMPLES:
            examples.append(self.shown(what))
        self._skipped[reason] = (number + 1, examples)

    def skipped(self) -> list[dict[str, Any]]:
        """Return what was left out: ``reason``, ``count`` and a few ``examples``."""
        return [
            {"reason": reason, "count": number, "examples": examples}
            for reason, (number, examples) in sorted(self._skipped.items())
        ]

    def shown(self, text: str) -> str:
        """Return *text* without any secret, on one line."""
        hidden = self.secrets.hide(text)
        return "".join(one if one.isprintable() else "?" for one in hidden)

    def look(self, place: Place, data: bytes) -> list[Hit]:
        """Search *data*, which is from *place*; note what is found, the same thing in one place once."""
        hits: list[Hit] = self.secrets.find(data)
        for hit in hits:
            self.add(place, hit, data.count(b"\n", 0, hit.start) + 1 if place.line else None)
        return hits

    def add(self, place: Place, hit: Hit, line: int | None) -> None:
        """Note one finding; a further one of the same kind in the same place only counts."""
        known = hit.known
        key = (place.kind, place.path, place.detail, known, hit.spelling)
        if key in self.findings:
            self.findings[key]["count"] += 1
            self.findings[key]["lines"].append(line)
            return
        if len(self.findings) >= self.options.max_findings:
            if not self.full:
                self.skip(f"after {len(self.findings)} findings", "more findings than max_findings")
            self.full = True
            return
        self.findings[key] = {
            "kind": place.kind,
            "path": self.shown(place.path),
            "line": line,
            "count": 1,
            "credential": known.credential,
            "version": known.version,
            "label": known.label,
            "field": known.field,
            "fingerprint": known.fingerprint,
            "spelling": hit.spelling,
            "detail": self.shown(place.detail),
            "declared": None,
            # For whoever finds out whether it is declared; not shown.
            "lines": [line],
            "place": place,
        }


def popen(words: Sequence[str], env: Mapping[str, str] | None = None, **more: Any) -> subprocess.Popen[bytes]:
    """Start a program with a plain environment and without a shell; raises OSError where that cannot be done."""
    # pylint: disable-next=ansible-bad-function  # AnsibleModule.run_command returns whole outputs; these are streams
    process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603 - fixed programs, no shell
        words, env={**_ENVIRONMENT, **(env or {})}, start_new_session=True, **more
    )
    return process


def kill(process: subprocess.Popen[bytes]) -> None:
    """Kill *process* and what it started, which would keep its pipes open."""
    if process.poll() is None:
        with suppress(OSError):
            os.killpg(process.pid, signal.SIGKILL)


@contextmanager
def ended(process: subprocess.Popen[bytes], clock: Clock) -> Iterator[None]:
    """Kill *process* when the time is up, and at the end in any case, so that nobody waits for it."""
    timer = threading.Timer(clock.left(), kill, [process])
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        kill(process)
        process.wait()
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream:
                stream.close()
