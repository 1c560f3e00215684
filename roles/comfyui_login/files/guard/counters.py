# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard counts, and Prometheus' text format of it. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

Labels = tuple[tuple[str, str], ...]
Sample = tuple[str, Mapping[str, str], float]

PREFIX = "comfyui_login_guard_"
# Name to kind and meaning; the order is the order of the page.
FAMILIES = {
    "locked": ("gauge", "1 while whoever has no credential is refused."),
    "info": ("gauge", "Versions of what runs."),
    "accepted_token": ("gauge", "Each token that is valid now, by version and fingerprint."),
    "accepted_token_expires_seconds": ("gauge", "When a token ends, seconds since 1970."),
    "sessions_epoch_seconds": ("gauge", "Sessions from before do not count, seconds since 1970."),
    "accept_file_sound": ("gauge", "0 while login/ACCEPT.json cannot be used and what it said before is in force."),
    "requests_accepted_total": ("counter", "Requests let in, by credential."),
    "requests_refused_total": ("counter", "Requests refused, by cause."),
    "logins_total": ("counter", "Login forms, by result."),
    "sessions_ended_total": ("counter", "Log-outs."),
}
# All of them from the start, so that a rate can be taken of the first one.
STARTING: tuple[tuple[str, str, tuple[str, ...]], ...] = (
    ("requests_accepted_total", "credential", ("token", "session", "guest")),
    ("requests_refused_total", "cause", (
        "no_credential", "unknown_token", "malformed_authorization", "session_not_valid", "guest_not_allowed",
        "not_ready", "error",
    )),
    ("logins_total", "result", ("accepted", "guest", "failed", "malformed", "throttled", "impossible", "foreign")),
)  # fmt: skip


class Counters:
    """Counts by name and one label."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[str, Labels]] = Counter()
        for name, label, values in STARTING:
            for value in values:
                self._counts[name, ((label, value),)] = 0
        self._counts["sessions_ended_total", ()] = 0

    def accepted(self, credential: str) -> None:
        """Count a request that was let in."""
        self._counts["requests_accepted_total", (("credential", credential),)] += 1

    def refused(self, cause: str) -> None:
        """Count a request that was refused."""
        self._counts["requests_refused_total", (("cause", cause),)] += 1

    def login(self, result: str) -> None:
        """Count a login form."""
        self._counts["logins_total", (("result", result),)] += 1

    def ended(self) -> None:
        """Count a log-out."""
        self._counts["sessions_ended_total", ()] += 1

    def samples(self) -> list[Sample]:
        """Return all counts."""
        return [(name, dict(labels), count) for (name, labels), count in self._counts.items()]


def _escape(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def exposition(samples: Iterable[Sample]) -> str:
    """Return samples as Prometheus reads them, ordered by family."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample[0], []).append(sample)
    lines = []
    for name, (kind, meaning) in FAMILIES.items():
        if name not in by_name:
            continue
        lines += [f"# HELP {PREFIX}{name} {meaning}", f"# TYPE {PREFIX}{name} {kind}"]
        for _name, labels, value in by_name[name]:
            inner = ",".join(f'{key}="{_escape(text)}"' for key, text in labels.items())
            lines.append(f"{PREFIX}{name}{'{' + inner + '}' if inner else ''} {value:.15g}")
    return "\n".join(lines) + "\n"
