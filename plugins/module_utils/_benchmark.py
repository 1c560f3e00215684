# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Measuring a server: a series of jobs one after the other, then as many clients at once as wanted.

Private to the collection. Standard library only. What was measured is kept in one plain mapping, the *state*, so that
a long run can be cut into slices: the jobs go on at the server while nobody listens. Times are seconds.
"""

from __future__ import annotations

import threading
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run
from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import (
    Graph,
    WorkflowError,
    is_link,
    prepare,
    problems,
)

Json = dict[str, Any]
_SEEDS = ("seed", "noise_seed")
_GOING_ON = ("queued", "running", "unreachable")


def varied(document: Mapping[str, Any], wanted: str | None) -> list[str]:
    """Return the names of the parameters to give another value with each job; ComfyUI does not repeat equal jobs.

    :param wanted: the name that somebody chose; the seed when None.
    :raises WorkflowError: there is no seed, and nothing else was chosen.
    """
    if wanted is not None:
        return [wanted]
    if "graph" in document:
        found = [name for name in _SEEDS if name in document.get("parameters", {})][:1]
    else:
        found = [
            f"{number}.{name}"
            for number, node in document.items()
            for name in _SEEDS
            if isinstance(node, Mapping) and name in node.get("inputs", {}) and not is_link(node["inputs"][name])
        ]
    if not found:
        raise WorkflowError(
            "the workflow has no seed, and ComfyUI answers a job that equals the last one from its cache; "
            "name with vary a parameter that takes whole numbers"
        )
    return found


@dataclass
class Plan:
    """What to run: *graphs* gives the graph of a job by its number, counted from 0 over series and load together."""

    client: run.Client
    graphs: Callable[[int], Graph]
    images: int
    clients: int = 0
    jobs: int = 0
    timeout: float = 900.0
    keep: int = 2
    fetch: Callable[[Json, int], list[Json]] = field(default=lambda _record, _number: [])


def plan_graphs(
    document: Mapping[str, Any], values: Mapping[str, Any], variant: str | None, vary: Sequence[str], base: int
) -> Callable[[int], Graph]:
    """Return what gives the graph of job *n*: the varied parameters are ``base + n``."""

    def graph(number: int) -> Graph:
        return prepare(document, {**values, **dict.fromkeys(vary, base + number)}, variant)

    return graph


def fresh() -> Json:
    """Return the state of a run that has not begun."""
    return {"phase": "series", "lanes": [], "records": [], "errors": [], "load": {}, "samples": None}


def check(plan: Plan) -> None:
    """Raise WorkflowError naming everything that the server would refuse."""
    graph = plan.graphs(0)
    found = problems(graph, plan.client.offered(graph))
    if found:
        raise WorkflowError(f"{plan.client.url}: the workflow cannot run: " + "; ".join(found))


def await_idle(client: run.Client, seconds: float) -> float:
    """Return how long it took until nothing ran or waited. Raises WorkflowError when that is too long."""
    begun = time.monotonic()
    while True:
        left = int(client.json("GET", "/prompt")["exec_info"]["queue_remaining"])
        waited = time.monotonic() - begun
        if left == 0:
            return round(waited, 3)
        if waited >= seconds:
            raise WorkflowError(
                f"{client.url}: after {seconds:g} s there are still {left} jobs of others; figures taken beside them "
                "would not be its own. Wait longer (idle), or run it when nobody works"
            )
        time.sleep(min(1.0, seconds - waited))


def server_facts(client: run.Client) -> Json:
    """Return what the server says of itself: versions, arguments, devices."""
    stats = client.json("GET", "/system_stats")
    system = stats.get("system", {})
    names = ("comfyui_version", "python_version", "pytorch_version", "os", "argv", "ram_total")
    shown = ("name", "type", "index", "vram_total")
    return {
        **{name: system.get(name) for name in names},
        "devices": [{name: one.get(name) for name in shown} for one in stats.get("devices", [])],
    }


def measure(plan: Plan, state: Json, until: float) -> None:
    """Go on with *state* until it is over (``phase`` is ``over``) or the time *until* (wall clock) has come.

    :raises WorkflowError, HttpError: a job of the series did not end well. Under load that is counted instead.
    """
    if state["phase"] == "series":
        if not state["lanes"]:
            state["lanes"] = [_lane(0)]
        _series(plan, state, until)
        if state["lanes"][0]["next"] < plan.images:
            return
        state.update(phase="load" if plan.clients else "over", lanes=[])
    if state["phase"] == "load":
        if not state["lanes"]:
            state["lanes"] = [_lane(number) for number in range(plan.clients)]
            state["load"] = {"clients": plan.clients, "jobs": plan.jobs, "began": time.time(), "ended": None}
        threads = [
            threading.Thread(target=_client, args=(plan, state, lane, until), daemon=True) for lane in state["lanes"]
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if all(lane["next"] >= plan.jobs for lane in state["lanes"]):
            state["load"]["ended"] = time.time()
            state.update(phase="over", lanes=[])


def cancel(plan: Plan, state: Json) -> int:
    """Take back every job that is still out; return how many that were."""
    taken = 0
    for lane in state["lanes"]:
        if lane["job"] is not None:
            with suppress(WorkflowError, HttpError):
                taken += plan.client.cancel(lane["job"]["prompt_id"])
    return taken


def _lane(number: int) -> Json:
    return {"number": number, "next": 0, "job": None}


def _series(plan: Plan, state: Json, until: float) -> None:
    (lane,) = state["lanes"]
    while lane["next"] < plan.images:
        record = _job(plan, lane, lane["next"], until)
        if record is None:
            return
        number = lane["next"]
        record["files"] = plan.fetch(record.pop("history"), number) if _is_kept(number, plan) else []
        state["records"].append({"phase": "series", "number": number, **record})
        lane.update(next=number + 1, job=None)


def _is_kept(number: int, plan: Plan) -> bool:
    """Whether a picture is shown: the first one and the last ones; all are made, not all are of use."""
    return plan.keep > 0 and (number == 0 or number > plan.images - plan.keep)


def _client(plan: Plan, state: Json, lane: Json, until: float) -> None:
    while lane["next"] < plan.jobs:
        number = plan.images + lane["next"] * plan.clients + lane["number"]
        try:
            record = _job(plan, lane, number, until)
        except (WorkflowError, HttpError) as error:
            job = lane["job"] or {}
            with suppress(WorkflowError, HttpError):
                if job:
                    plan.client.cancel(job["prompt_id"])
            said = str(error).replace(str(job.get("prompt_id")), "...")
            state["errors"].append({"client": lane["number"], "at": round(time.time(), 3), "said": said})
            lane.update(next=lane["next"] + 1, job=None)
            continue
        if record is None:
            return
        del record["history"]
        state["records"].append({"phase": "load", "client": lane["number"], "number": number, **record})
        lane.update(next=lane["next"] + 1, job=None)


def _job(plan: Plan, lane: Json, number: int, until: float) -> Json | None:
    """Run one job to its end; None when the time is over first. Raises for every end but a good one."""
    client = plan.client
    if lane["job"] is None:
        if time.time() >= until:
            return None
        graph = plan.graphs(number)
        job = lane["job"] = {"prompt_id": str(uuid.uuid4()), "client_id": str(uuid.uuid4()), "steps": {}}
        job["submitted"] = time.time()
        client.submit(graph, job["prompt_id"], job["client_id"])
    job = lane["job"]
    deadline = job["submitted"] + plan.timeout
    seen = run.Seen(steps=job["steps"])
    wait = max(0.0, min(until, deadline) - time.time())
    look = run.follow(client, job["prompt_id"], job["client_id"], wait, seen, lean=True)
    name = f"{client.url}: job {job['prompt_id']}"
    if look["state"] in _GOING_ON:
        if time.time() < deadline:
            return None
        raise WorkflowError(
            f"{name} did not end within {plan.timeout:g} s: {look.get('detail') or 'it is still ' + look['state']}"
        )
    if look["state"] == "lost":
        raise WorkflowError(f"{name} is lost: the server was restarted, or somebody cleared its queue and history")
    if look["state"] != "done":
        raise WorkflowError(f"{name} failed: {run.failure_of(look['record'])}")
    times = timing(run.stamps_of(look["record"]), job["submitted"], time.time())
    most = max((one[4] for one in seen.steps.values()), default=None)
    step = seen.seconds_per_step()
    return {
        **times,
        "step": None if step is None else round(step, 4),
        "steps": most,
        "cached": bool(run.cached_nodes(look["record"]) & _seeded(plan, number)),
        "followed_by": seen.by,
        "history": look["record"],
    }


def _seeded(plan: Plan, number: int) -> set[str]:
    """Return the nodes of a job that differ from those of the job before."""
    one, other = plan.graphs(number), plan.graphs(number + 1)
    return {name for name in one if one[name] != other[name]}


def timing(stamps: tuple[float, float] | None, submitted: float, seen: float) -> Json:
    """Return ``submitted``, ``ended``, ``total``, ``queue`` and ``execution`` of a job, and by whose ``clock``.

    The server's own stamps count where they lie between submission and the end that was *seen*: they are exact, and
    the end may have been seen late. With a clock that differs only their distance is of use.
    """
    if stamps is None:
        return _times(submitted, seen, None, "client")
    begun, ended = stamps
    # Stamps are whole milliseconds.
    if submitted - 0.002 <= begun <= ended <= seen + 0.002:
        return _times(submitted, max(ended, submitted), ended - begun, "server")
    return _times(submitted, seen, ended - begun, "client")


def _times(submitted: float, ended: float, execution: float | None, clock: str) -> Json:
    total = ended - submitted
    return {
        "submitted": round(submitted, 3),
        "ended": round(ended, 3),
        "total": round(total, 3),
        "execution": None if execution is None else round(execution, 3),
        "queue": None if execution is None else round(max(0.0, total - execution), 3),
        "clock": clock,
    }
