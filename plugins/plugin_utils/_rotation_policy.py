# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""When a rotation may start: a chain of small pure rules, each of which says why. Times are UTC, always."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_checks import TruthError

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_PART = re.compile(r"(?:([A-Za-z,\s-]+?)\s+)?(\d\d):(\d\d)\s*-\s*(\d\d):(\d\d)Z")
_EXAMPLE = "'Sun 02:00-05:00Z', 'Mon-Fri 22:00-04:00Z' or '01:00-03:00Z', several with ';' between them"
CLOCKS_DIFFER = timedelta(minutes=5)
"""By which clocks may differ without anything being wrong."""
_WEEK = 7 * 24 * 60


@dataclass(frozen=True)
class Verdict:
    """What one rule says. ``until``: when it will say otherwise by itself, where that is known."""

    rule: str
    allows: bool
    why: str
    until: str | None = None


@dataclass(frozen=True)
class Due:
    """Whether a rotation may start now, why, and the figures for an alarm. ``days_to_due`` is negative when overdue,
    ``age_days`` when by this clock the token is still to be made; that is an alarm whatever the policy says.
    """

    due: bool
    why: list[str]
    age_days: float
    due_at: str | None
    days_to_due: float | None
    alarm: bool


def moment(text: str) -> datetime:
    """Return the time that the document spells ``2026-01-02T03:04:05Z``."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)


def spell(when: datetime) -> str:
    """Return the time as the document spells it."""
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_window(text: str, where: str = "policy.window") -> list[tuple[int, int]]:
    """Return (start, length) pairs in minutes, the start counted from Monday 00:00 UTC; a length is 1 to 1440.

    :raises TruthError: not of the form; the message shows examples.
    """
    spans = []
    for part in str(text).split(";"):
        found = _PART.fullmatch(part.strip())
        if not found:
            raise TruthError(f"{where}: {part.strip()!r} is not a window; write {_EXAMPLE} (times in UTC, with Z)")
        hours = [int(found.group(n)) for n in (2, 4)]
        minutes = [int(found.group(n)) for n in (3, 5)]
        if any(h > 24 for h in hours) or any(m > 59 for m in minutes) or (hours[1], minutes[1]) > (24, 0):
            raise TruthError(f"{where}: {part.strip()!r} has a time that is none")
        start, end = (h * 60 + m for h, m in zip(hours, minutes))
        length = (end - start) % 1440 or 1440
        spans += [(day * 1440 + start, length) for day in _days(found.group(1), where)]
    return spans


def _days(text: str | None, where: str) -> list[int]:
    if text is None or text.strip().lower() == "daily":
        return list(range(7))
    found: list[int] = []
    for part in text.split(","):
        names = [name.strip().capitalize() for name in part.split("-")]
        if len(names) > 2 or any(name not in _DAYS for name in names):
            raise TruthError(f"{where}: {part.strip()!r} is not a day; days are {', '.join(_DAYS)} or daily")
        first, last = _DAYS.index(names[0]), _DAYS.index(names[-1])
        found += [(first + step) % 7 for step in range((last - first) % 7 + 1)]
    return found


def window_opens(text: str, now: datetime) -> datetime | None:
    """Return when the window opens next; None while it is open. :raises TruthError: malformed."""
    spans = parse_window(text)
    minute = now.weekday() * 1440 + now.hour * 60 + now.minute
    if any((minute - start) % _WEEK < length for start, length in spans):
        return None
    wait = min((start - minute) % _WEEK for start, _length in spans)
    return now.replace(second=0, microsecond=0) + timedelta(minutes=wait)


Rule = Callable[[Mapping[str, Any], datetime, datetime], Verdict]


def _age(policy: Mapping[str, Any], made: datetime, now: datetime) -> Verdict:
    days = policy["rotate_after_days"]
    old = f"the token is {_count((now - made) / timedelta(days=1))} days old"
    if now < made - CLOCKS_DIFFER:
        # Else nothing would be due until then, which may be years.
        why = (
            f"by this clock the token will be made on {spell(made)}, so one of two clocks is or was wrong and its age "
            "is not known: set this one right; if it is, rotate by hand"
        )
        return Verdict("age", False, why)
    if now < made:
        old = "the token was just made"
    if days is None:
        return Verdict("age", False, f"{old}, and rotate_after_days is not set")
    due = made + timedelta(days=days)
    if now < due:
        return Verdict("age", False, f"{old}; it is due after {days} days, on {spell(due)}", spell(due))
    return Verdict("age", True, f"{old}; it was due after {days} days, on {spell(due)}")


def _window(policy: Mapping[str, Any], made: datetime, now: datetime) -> Verdict:
    if policy["window"] is None:
        return Verdict("window", True, "no window is set, so it may start at any time")
    opens = window_opens(policy["window"], now)
    if opens is None:
        return Verdict("window", True, f"the window {policy['window']} is open")
    return Verdict("window", False, f"the window {policy['window']} opens on {spell(opens)}", spell(opens))


def _hold(policy: Mapping[str, Any], made: datetime, now: datetime) -> Verdict:
    if policy["hold"]:
        return Verdict("hold", False, "its policy says hold; take that off to let rotations start")
    return Verdict("hold", True, "it is not on hold")


CHAINS: Mapping[str, tuple[Rule, ...]] = {
    "scheduled": (_hold, _age, _window),
    "manual": (_hold,),
    "drift": (_hold,),
    # Nothing may delay the answer to a compromise.
    "compromise": (),
}
"""Which rules bind a rotation, by its reason."""


def due(policy: Mapping[str, Any], made: str, now: str, reason: str) -> Due:
    """Say whether a rotation for this reason may start.

    :param policy: a complete policy, as :func:`_truth.policy_of` returns it.
    :param made: when the current token was made.
    :raises TruthError: a malformed window.
    """
    born, today = moment(made), moment(now)
    verdicts = [rule(policy, born, today) for rule in CHAINS[reason]]
    age = (today - born) / timedelta(days=1)
    days, alarm = policy["rotate_after_days"], policy["alarm_after_days"]
    stop = [one for one in verdicts if not one.allows]
    return Due(
        due=not stop,
        why=[one.why for one in stop or verdicts] or [f"reason {reason} starts at once"],
        age_days=round(age, 3),
        due_at=None if days is None else spell(born + timedelta(days=days)),
        days_to_due=None if days is None else round(days - age, 3),
        alarm=(alarm is not None and age >= alarm) or today < born - CLOCKS_DIFFER,
    )


def explain(policy: Mapping[str, Any], made: str, now: str) -> Iterator[str]:
    """Yield what every rule of a scheduled rotation says."""
    for rule in CHAINS["scheduled"]:
        verdict = rule(policy, moment(made), moment(now))
        yield f"{verdict.rule}: {verdict.why}"


def _count(days: float) -> str:
    return f"{days:.1f}".rstrip("0").rstrip(".")
