# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures for monitoring, in the text format of Prometheus, from what runs left behind. Pure, but for :func:`write`.

What is not known has no line: a figure of 0 would say that all is well.
"""

from __future__ import annotations

import os
import secrets
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

PHASES = ("idle", "pending", "accepted", "distributed", "switched", "retiring", "aborting")

Labels = Mapping[str, Any]
Samples = list[tuple[Labels, Any]]


class MetricsError(Exception):
    """What was given is not what runs leave behind, or the file cannot be written; names place and mend."""


def text(
    credentials: Sequence[Mapping[str, Any]],
    audit: Mapping[str, Any] | None,
    runs: Mapping[str, Mapping[str, Any]],
    now: float,
) -> str:
    """Return the whole file.

    :param credentials: records of ``genai.comfyui.rotation``.
    :param audit: the JSON report of the playbook ``audit``; None where there is none.
    :param runs: by job (``rotate``, ``audit``) ``started``, ``finished``, ``succeeded`` (seconds since 1970), ``exit``.
    :param now: seconds since 1970.
    :raises MetricsError: a document of another form.
    """
    try:
        families = [*_truth(credentials), *_audit(audit), *_runs(runs)]
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Only the kind of error: its text may hold whatever stood there.
        raise MetricsError(f"the figures cannot be read from what was given ({type(error).__name__})") from None
    families.append(("metrics_timestamp_seconds", "When these figures were written.", [({}, now)]))
    return "".join(_family(*family) for family in families)


def alarms(credentials: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return one line for each token that is older than its policy's ``alarm_after_days``, or of no known age."""
    return [f"credential {one['name']}: {_alarm(one['age_days'])}" for one in credentials if one.get("alarm")]


def _alarm(days: float) -> str:
    if days < 0:
        return (
            f"by this clock its token will be made in {-days:.1f} days, so one of two clocks is or was wrong and "
            "nobody knows its age"
        )
    return f"its token is {days:.1f} days old, which its policy calls too old"


Family = tuple[str, str, Samples]


def _truth(credentials: Sequence[Mapping[str, Any]]) -> list[Family]:
    by = [({"credential": one["name"]}, one) for one in credentials]
    info: Samples = []
    phases: Samples = []
    since: Samples = []
    for label, one in by:
        current = one["versions"]["current"]
        info.append(({**label, "version": current["version"], "fingerprint": current["fingerprint"]}, 1))
        if one["phase"] not in PHASES:
            raise ValueError
        phases += [({**label, "phase": phase}, int(phase == one["phase"])) for phase in PHASES]
        if one.get("since"):
            since.append((label, _seconds(one["since"])))
    return [
        ("token_info", "The current token's version and fingerprint.", info),
        (
            "token_age_days",
            "Age of the current token.",
            [(at, one["age_days"]) for at, one in by],
        ),
        (
            "token_age_alarm",
            "1 when it is too old, or not made yet.",
            [(at, int(one["alarm"])) for at, one in by],
        ),
        (
            "token_days_to_due",
            "Days until a rotation is due, negative when overdue; no line without rotate_after_days.",
            [(at, one["days_to_due"]) for at, one in by if one.get("days_to_due") is not None],
        ),
        ("rotation_due", "1 when a scheduled rotation would start now.", [(at, int(one["due"])) for at, one in by]),
        ("rotation_phase", "1 at the phase that the rotation is in.", phases),
        ("rotation_phase_since_seconds", "When that phase began.", since),
    ]


def _audit(report: Mapping[str, Any] | None) -> list[Family]:
    if report is None:
        return []
    consumers = [(host["host"], one) for host in report["hosts"] for one in host["consumers"]]
    other = Counter((str(host), str(one["status"])) for host, one in consumers if one["status"] != "in_sync")
    missing = report["not_checked"]
    unreachable = {one["host"] for one in missing if one["reason"].startswith("unreachable")}
    return [
        ("audit_ok", "1 when the last audit found no drift and could look everywhere.", [({}, int(_ok(report)))]),
        ("audit_timestamp_seconds", "When the last audit ended.", [({}, _seconds(report["finished"]))]),
        ("consumers_checked", "Consumers that the last audit looked at.", [({}, len(consumers))]),
        ("consumers_not_in_sync", "Those of them that are not in sync.", [({}, sum(other.values()))]),
        (
            "consumers_by_status",
            "The same by host and status.",
            [({"host": host, "status": status}, number) for (host, status), number in sorted(other.items())],
        ),
        ("places_not_checked", "Places that the last audit could not look at.", [({}, len(missing))]),
        ("hosts_unreachable", "Hosts that the last audit could not reach.", [({}, len(unreachable))]),
        ("host_unreachable", "Those hosts.", [({"host": host}, 1) for host in sorted(unreachable)]),
    ]


def _ok(report: Mapping[str, Any]) -> bool:
    return report["verdict"]["ok"] is True


def _runs(runs: Mapping[str, Mapping[str, Any]]) -> list[Family]:
    by = [({"job": job}, one) for job, one in sorted(runs.items())]
    return [
        ("run_exit_code", "Exit code of the last run.", [(at, one["exit"]) for at, one in by]),
        ("run_timestamp_seconds", "When the last run ended.", [(at, one["finished"]) for at, one in by]),
        ("run_duration_seconds", "How long it took.", [(at, one["finished"] - one["started"]) for at, one in by]),
        (
            "run_success_timestamp_seconds",
            "When a run last succeeded; no line before the first success.",
            [(at, one["succeeded"]) for at, one in by if one.get("succeeded") is not None],
        ),
    ]


def _seconds(moment: Any) -> float:
    return datetime.fromisoformat(str(moment).replace("Z", "+00:00")).timestamp()


def _family(name: str, told: str, samples: Iterable[tuple[Labels, Any]]) -> str:
    lines = [f"comfyui_{name}{_labels(labels)} {_number(value)}\n" for labels, value in samples]
    head = f"# HELP comfyui_{name} {told}\n# TYPE comfyui_{name} gauge\n"
    return head + "".join(lines) if lines else ""


def _labels(labels: Labels) -> str:
    told = ",".join(f'{key}="{_escaped(str(value))}"' for key, value in labels.items())
    return f"{{{told}}}" if told else ""


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _number(value: Any) -> str:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise MetricsError(f"the figures hold something that is no number ({type(value).__name__})")
    return f"{round(float(value), 3):.3f}".rstrip("0").rstrip(".")


def write(path: Path, content: str) -> bool:
    """Replace the file by rename, mode 0644; return whether its content differs.

    The collector of node_exporter may read at any time, and reads every file whose name ends in ``.prom``.

    :raises MetricsError: not possible, with the reason.
    """
    data = content.encode("utf-8")
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        old = path.read_bytes() if path.exists() else None
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(data)
                os.fchmod(stream.fileno(), 0o644)
            os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise
    except OSError as error:
        raise MetricsError(f"{path}: the figures cannot be written ({error.strerror}); mend the path") from None
    return data != old
