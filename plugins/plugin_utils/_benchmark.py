# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What benchmarks measured, as figures, compared, and judged by thresholds. Pure; no Ansible import.

A *run* is one instance with one profile: its names, what M(genai.comfyui.benchmark) returned, how long its cold start
took. A figure that was not measured is None, and never counts as kept.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Json = dict[str, Any]
GIB = 1024**3


@dataclass(frozen=True)
class Figure:
    """One figure: how it is called, its unit, and whether more of it is better. ``digits`` are those shown."""

    title: str
    unit: str
    more: bool = False
    digits: int = 2


FIGURES: dict[str, Figure] = {
    "cold_start": Figure("Cold start", "s"),
    "first_image": Figure("First image", "s"),
    "s_per_image": Figure("Image, warm (median)", "s"),
    "s_per_image_worst": Figure("Image, warm (worst)", "s"),
    "s_per_step": Figure("Step (median)", "s", digits=3),
    "queue": Figure("Queue (median)", "s", digits=3),
    "vram_peak": Figure("VRAM, peak", "GiB"),
    "power_mean": Figure("Power, mean", "W", digits=0),
    "power_peak": Figure("Power, peak", "W", digits=0),
    "wh_per_image": Figure("Energy an image", "Wh"),
    "throughput": Figure("Throughput under load", "images/min", more=True),
    "latency_p50": Figure("Latency under load, p50", "s"),
    "latency_p90": Figure("Latency under load, p90", "s"),
    "latency_p95": Figure("Latency under load, p95", "s"),
    "latency_p99": Figure("Latency under load, p99", "s"),
    "error_rate": Figure("Errors under load", "%"),
}
RATIO = "slower_than_baseline"
"""The threshold for s_per_image against that of the baseline's."""


class BenchmarkError(ValueError):
    """The settings contradict themselves; the text names the variable and the mend."""


def percentile(numbers: Iterable[float], percent: float) -> float | None:
    """Return a percentile by linear interpolation between the two nearest; None of nothing."""
    ordered = sorted(numbers)
    if not ordered:
        return None
    place = (len(ordered) - 1) * percent / 100
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def seconds(record: Mapping[str, Any]) -> float:
    """Return how long an image took: by the server's clock without the queue, or all that the client saw."""
    execution = record.get("execution")
    return float(record["total"] if execution is None else execution)


def figures(run: Mapping[str, Any]) -> dict[str, float | None]:
    """Return every figure of FIGURES; None where it was not measured."""
    measured = run.get("measured") or {}
    records = [one for one in measured.get("records") or [] if not one.get("cached")]
    series = [one for one in records if one["phase"] == "series"]
    first = [one for one in series if one["number"] == 0]
    warm = [one for one in series if one["number"] > 0]
    steps = [one["step"] for one in warm or first if one.get("step") is not None]
    queues = [one["queue"] for one in series if one.get("queue") is not None]
    times = [seconds(one) for one in warm]
    done: dict[str, float | None] = {
        "cold_start": run.get("cold_start"),
        "first_image": seconds(first[0]) if first else None,
        "s_per_image": statistics.median(times) if times else None,
        "s_per_image_worst": max(times, default=None),
        "s_per_step": statistics.median(steps) if steps else None,
        "queue": statistics.median(queues) if queues else None,
        **_sampled(measured.get("samples") or {}, series, warm),
        **_load(measured),
    }
    return {name: done.get(name) for name in FIGURES}


def _load(measured: Mapping[str, Any]) -> dict[str, float | None]:
    load = measured.get("load") or {}
    done = [one for one in measured.get("records") or [] if one["phase"] == "load"]
    errors = measured.get("errors") or []
    if not load.get("ended") or not (done or errors):
        return {}
    # What came from the cache was no work, but the client got its answer: it counts for neither.
    worked = [one for one in done if not one.get("cached")]
    wall = max((one["ended"] for one in done), default=load["ended"]) - load["began"]
    latencies = [float(one["total"]) for one in worked]
    return {
        "throughput": len(worked) / wall * 60 if wall > 0 else None,
        **{f"latency_p{percent}": percentile(latencies, percent) for percent in (50, 90, 95, 99)},
        "error_rate": len(errors) / (len(done) + len(errors)) * 100,
    }


def _sampled(samples: Mapping[str, Any], series: Sequence[Json], warm: Sequence[Json]) -> dict[str, float | None]:
    gpus = samples.get("gpus") or []
    vram = [max(known) for gpu in gpus if (known := _column(gpu, 1))]
    spans = [(one["ended"] - seconds(one), one["ended"]) for one in warm or series]
    means: list[float] = []
    peaks: list[float] = []
    for gpu in gpus:
        points = [(row[0], row[2]) for row in gpu["rows"] if row[2] is not None]
        watts = [watt for time, watt in points if any(begin <= time <= end for begin, end in spans)]
        if watts:
            means.append(statistics.fmean(watts))
            peaks.append(max(watts))
    # Of all cards together: two at once need what both need.
    mean = sum(means) if means else None
    times = [seconds(one) for one in warm or series]
    return {
        "vram_peak": sum(vram) / GIB if vram else None,
        "power_mean": mean,
        "power_peak": sum(peaks) if peaks else None,
        "wh_per_image": None if mean is None or not times else mean * statistics.median(times) / 3600,
    }


def _column(gpu: Mapping[str, Any], place: int) -> list[float]:
    return [row[place] for row in gpu["rows"] if row[place] is not None]


def label(run: Mapping[str, Any]) -> str:
    """Return what a run is called: host, instance, profile; what is the usual is left out."""
    words = [str(run["host"])]
    words += [str(run["instance"])] if run.get("instance") not in (None, "default") else []
    words += [f"({run['profile']})"] if run.get("profile") not in (None, "", "as declared") else []
    return " ".join(words)


def check_settings(thresholds: Mapping[str, Any], where: str = "comfyui_benchmark_thresholds") -> dict[str, float]:
    """Return thresholds as numbers. Raises BenchmarkError for one that is not known, or is no number."""
    known = [*FIGURES, RATIO]
    done = {}
    for name, value in thresholds.items():
        if name not in known:
            raise BenchmarkError(f"{where}: there is no figure {name!r}; there is: {', '.join(known)}")
        try:
            if isinstance(value, bool):
                raise ValueError
            done[str(name)] = float(value)
        except (TypeError, ValueError):
            raise BenchmarkError(f"{where}: {name} is {value!r}, which is no number") from None
    return done


def shown(name: str, value: float | None) -> str:
    """Return a figure with its unit, or that it was not measured."""
    figure = FIGURES[name]
    return "not measured" if value is None else f"{value:.{figure.digits}f} {figure.unit}"


def compare(runs: Sequence[Mapping[str, Any]], baseline: str | None) -> dict[str, Any]:
    """Return all figures side by side.

    :param runs: with ``label`` and ``figures``.
    :param baseline: the label of the run that the others are held against; the first one when None.
    :returns: ``baseline``, and ``rows``: ``figure``, ``values`` by label, ``ratios`` by label (to the baseline, None
        where one of both is missing), ``best`` (labels; none where all are alike or only one was measured).
    :raises BenchmarkError: no run has that label.
    """
    labels = [one["label"] for one in runs]
    if baseline is not None and baseline not in labels:
        raise BenchmarkError(
            f"comfyui_benchmark_baseline: no run is called {baseline!r}; there is: {', '.join(labels) or 'none'}"
        )
    base = baseline or (labels[0] if labels else None)
    rows = []
    for name, figure in FIGURES.items():
        values = {one["label"]: one["figures"][name] for one in runs}
        # As they are shown: what looks alike is alike.
        told = {key: round(value, figure.digits) for key, value in values.items() if value is not None}
        if not told:
            continue
        against = values.get(str(base))
        best = (max if figure.more else min)(told.values())
        alike = len(told) < 2 or len(set(told.values())) == 1
        rows.append(
            {
                "figure": name,
                "values": values,
                "ratios": {
                    key: value / against if value is not None and against else None for key, value in values.items()
                },
                "best": [] if alike else [key for key, value in told.items() if value == best],
            }
        )
    return {"baseline": base, "rows": rows}


def verdicts(runs: Sequence[Mapping[str, Any]], baseline: str | None) -> list[str]:
    """Return each threshold that was missed, in words; empty when all were kept.

    :param runs: with ``label``, ``figures`` and ``thresholds`` as :func:`check_settings` returns them.
    :param baseline: label of the run that :data:`RATIO` is about.
    """
    missed = []
    base = next((one["figures"]["s_per_image"] for one in runs if one["label"] == baseline), None)
    for one in runs:
        for name, limit in (one.get("thresholds") or {}).items():
            value = one["figures"].get("s_per_image" if name == RATIO else name)
            where = f"{one['label']}: {name}"
            if value is None or (name == RATIO and not base):
                missed.append(f"{where} was not measured, so the threshold {limit:g} is not kept")
            elif name == RATIO and base:
                if value / base > limit:
                    missed.append(f"{where} is {value / base:.2f}, more than {limit:g}")
            elif FIGURES[name].more and value < limit:
                missed.append(f"{where} is {shown(name, value)}, less than {limit:g}")
            elif not FIGURES[name].more and value > limit:
                missed.append(f"{where} is {shown(name, value)}, more than {limit:g}")
    return missed


def remarks(run: Mapping[str, Any]) -> list[str]:
    """Return what a reader of the figures has to know: what was not sampled, what disturbed, what does not count."""
    measured = run.get("measured") or {}
    records = measured.get("records") or []
    series = [one for one in records if one["phase"] == "series"]
    said = [
        f"{what} was not sampled: {why}"
        for what, why in sorted((measured.get("samples") or {}).get("missing", {}).items())
    ]
    cached = sum(bool(one.get("cached")) for one in records)
    if cached:
        said.append(f"{cached} jobs came from the server's cache and do not count; begin with another seed")
    late = [one for one in series if (one.get("queue") or 0) > 1]
    if late:
        said.append(f"{len(late)} images waited more than 1 s in the queue: somebody else used the server meanwhile")
    if series and not any(one.get("step") for one in series):
        said.append("no time a step: fewer than two steps of progress were heard")
    if any(one.get("followed_by") == "polling" for one in records):
        said.append("some jobs were followed by polling, as no WebSocket could be had")
    if any(one.get("clock") == "client" for one in records):
        said.append("the server's clock differs from the host's, so ends are as the client saw them")
    if series and run.get("cold_start") is None:
        said.append(
            "the first image was made by a process that was already running"
            + (
                ", after its models were unloaded"
                if measured.get("freed")
                else "; its models may have been loaded already"
            )
        )
    return said


def document(runs: Sequence[Mapping[str, Any]], failures: Sequence[Json], baseline: str | None) -> Json:
    """Return the whole report but its frame: ``runs`` with figures, ``comparison``, ``verdict``, ``not_checked``.

    :param runs: ``host``, ``instance``, ``profile``, ``cold_start``, ``thresholds``, ``workflow`` and ``measured``.
    :param failures: ``host``, ``what`` and ``reason`` of what was to be measured and was not.
    :raises BenchmarkError: thresholds or baseline are not known.
    """
    done: list[Json] = []
    for run in runs:
        thresholds = check_settings(run.get("thresholds") or {})
        name = label(run)
        if any(one["label"] == name for one in done):
            raise BenchmarkError(f"two runs are called {name!r}; give each profile a name of its own")
        done.append({**run, "label": name, "thresholds": thresholds, "figures": figures(run), "remarks": remarks(run)})
    comparison = compare(done, baseline)
    reasons = [f"{one['host']}: {one['what']}: {one['reason']}" for one in failures]
    reasons += verdicts(done, comparison["baseline"])
    if not done and not failures:
        reasons.append("nothing was measured: there is no instance in comfyui_servers that is to be")
    return {
        "runs": done,
        "comparison": comparison,
        "not_checked": list(failures),
        "verdict": {"ok": not reasons, "reasons": reasons},
    }
