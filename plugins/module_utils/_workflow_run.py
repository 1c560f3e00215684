# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Running a workflow on a server: submit, follow, fetch, cancel. Every request carries the token.

The job's name (``prompt_id``) is chosen here, before it is sent: an answer that gets lost can be asked for again.
What counts is what the server's queue and history say; messages of the WebSocket only tell when to look, and how far
the running node is.
"""

from __future__ import annotations

import json
import os
import re
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlencode

from ansible_collections.genai.comfyui.plugins.module_utils import _http, _picture, _websocket
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import Graph, WorkflowError, classes

ANSWER_LIMIT = 64 * 1024 * 1024
FILE_LIMIT = 512 * 1024 * 1024
POLL = 2.0
"""Seconds between two looks at the queue while no message comes."""

_SAFE = re.compile(r"[^A-Za-z0-9._ ()-]")


@dataclass
class Client:
    """One server as seen by one token; *timeout* (seconds) bounds each request. Raises WorkflowError or HttpError."""

    url: str
    token: str = field(repr=False)
    ca_path: str | None = None
    verify: bool = True
    origin: str | None = None
    timeout: float = 30.0

    def request(
        self,
        method: str,
        path: str,
        content: Any = None,
        limit: int = ANSWER_LIMIT,
        form: tuple[str, bytes] | None = None,
    ) -> _http.Response:
        """Send *content* as JSON, or *form* (its type and bytes); return the answer, unless it refuses the token."""
        headers = {"Origin": self.origin} if self.origin is not None else {}
        body = None
        if form is not None:
            headers["Content-Type"], body = form
        elif content is not None:
            body = json.dumps(content).encode()
            headers["Content-Type"] = "application/json"
        answer = _http.request(
            method,
            self.url,
            path,
            token=self.token,
            headers=headers,
            body=body,
            timeout=self.timeout,
            ca_path=self.ca_path,
            verify=self.verify,
            limit=limit,
        )
        if answer.status in (401, 403) or "/login" in answer.headers.get("location", ""):
            shown = fingerprint(self.token)
            raise WorkflowError(
                f"{self.url} refuses the token {shown} (status {answer.status}); compare with playbook validate.yml"
            )
        return answer

    def json(self, method: str, path: str, content: Any = None) -> Any:
        """Return the answer's JSON. Raises WorkflowError for another status than 200 and for what is not JSON."""
        answer = self.request(method, path, content)
        shown = path.partition("?")[0]
        if answer.status >= 500:
            # A proxy in front of a server that is just restarting.
            raise _http.HttpError("unreachable", f"{self.url}{shown} answers with status {answer.status}")
        if answer.status != 200:
            raise WorkflowError(f"{self.url}{shown} answers with status {answer.status}")
        try:
            return json.loads(answer.body)
        except ValueError:
            raise WorkflowError(f"{self.url}{shown} answers with something that is not JSON") from None

    def offered(self, graph: Graph) -> dict[str, Any]:
        """Return the server's description of each class that *graph* uses; see _workflow.problems."""
        return {
            name: self.json("GET", "/object_info/" + quote(name, safe="")).get(name) or {} for name in classes(graph)
        }

    def submit(self, graph: Graph, prompt_id: str, client_id: str, front: bool = False) -> None:
        """Queue *graph*. Raises WorkflowError with the server's own reasons."""
        wanted = {"prompt": graph, "prompt_id": prompt_id, "client_id": client_id, "front": front}
        try:
            answer = self.request("POST", "/prompt", wanted)
        except _http.HttpError as error:
            # The answer got lost, perhaps not the job.
            with suppress(_http.HttpError, WorkflowError):
                if self.look(prompt_id)["state"] != "lost":
                    return
            raise WorkflowError(f"{self.url}: the job could not be submitted: {error}") from None
        if answer.status != 200:
            raise WorkflowError(f"{self.url} refuses the workflow: " + _refusal(answer))

    def look(self, prompt_id: str) -> dict[str, Any]:
        """Return ``state`` (queued, running, done, error, interrupted or lost), and what belongs to it.

        ``position`` and ``queued`` for a queued job (1: next), ``record`` (the history's entry) for one that ended.
        """
        # A job only moves from queue to history: what is in neither, asked in this order, is gone.
        queue = self.json("GET", "/queue")
        running = [item[1] for item in queue.get("queue_running", [])]
        pending = [item[1] for item in sorted(queue.get("queue_pending", []), key=lambda item: item[0])]
        if prompt_id in running:
            return {"state": "running"}
        if prompt_id in pending:
            return {"state": "queued", "position": pending.index(prompt_id) + 1, "queued": len(pending)}
        record = self.json("GET", "/history/" + quote(prompt_id, safe="")).get(prompt_id)
        if record is None:
            return {"state": "lost"}
        return {"state": _ending(record), "record": record}

    def vram_used(self) -> int | None:
        """Return the VRAM in use on all CUDA devices now, in bytes; None without such a device."""
        devices = [one for one in self.json("GET", "/system_stats").get("devices", []) if one.get("type") == "cuda"]
        return sum(one["vram_total"] - one["vram_free"] for one in devices) if devices else None

    def fetch(self, output: Mapping[str, Any]) -> bytes:
        """Return the bytes of one output (filename, subfolder, type)."""
        asked = {name: output.get(name, "") for name in ("filename", "subfolder", "type")}
        answer = self.request("GET", "/view?" + urlencode(asked), limit=FILE_LIMIT)
        if answer.status != 200 or answer.truncated:
            why = f"status {answer.status}" if answer.status != 200 else f"more than {FILE_LIMIT} bytes"
            raise WorkflowError(f"{self.url}: output {asked['filename']} cannot be fetched ({why})")
        data: bytes = answer.body
        return data

    def cancel(self, prompt_id: str) -> bool:
        """Take the job out of the queue, or interrupt it; whether it was still there."""
        state = self.look(prompt_id)["state"]
        if state == "queued":
            self.request("POST", "/queue", {"delete": [prompt_id]})
            state = self.look(prompt_id)["state"]
            if state == "lost":
                return True
        if state == "running":
            # An old ComfyUI takes no name and interrupts whatever runs: only while it is ours.
            self.request("POST", "/interrupt", {"prompt_id": prompt_id})
            return True
        return False


def _refusal(answer: _http.Response) -> str:
    try:
        said = json.loads(answer.body)
        error = said.get("error", {})
        text = error if isinstance(error, str) else f"{error.get('message', '')} {error.get('details', '')}".strip()
        reasons = [text]
        for number, node in said.get("node_errors", {}).items():
            reasons += [
                f"node {number} ({node.get('class_type', '?')}): {one.get('message', '')} {one.get('details', '')}"
                for one in node.get("errors", [])
            ]
        return "; ".join(filter(None, reasons)) or f"status {answer.status}"
    except (ValueError, AttributeError):
        return f"status {answer.status}"


def _ending(record: Mapping[str, Any]) -> str:
    status = record.get("status") or {}
    if status.get("status_str") == "success":
        return "done"
    said = {name for name, _data in status.get("messages", [])}
    return "interrupted" if "execution_interrupted" in said else "error"


def failure_of(record: Mapping[str, Any]) -> str:
    """Return in words why a job failed."""
    for name, data in (record.get("status") or {}).get("messages", []):
        if name == "execution_error":
            what = str(data.get("exception_message", "")).strip().partition("\n")[0]
            return f"node {data.get('node_id')} ({data.get('node_type')}): {data.get('exception_type')}: {what}"
        if name == "execution_interrupted":
            return f"interrupted at node {data.get('node_id')} ({data.get('node_type')})"
    return "the server gives no reason"


def execution_seconds(record: Mapping[str, Any]) -> float | None:
    """Return how long the job ran by the server's own clock; None where it does not say."""
    stamps = stamps_of(record)
    return None if stamps is None else stamps[1] - stamps[0]


def stamps_of(record: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return begin and end of the execution by the server's own clock, in seconds; None where it does not say."""
    stamps = [
        data["timestamp"]
        for name, data in (record.get("status") or {}).get("messages", [])
        if name.startswith("execution_") and isinstance(data.get("timestamp"), (int, float))
    ]
    return (min(stamps) / 1000, max(stamps) / 1000) if len(stamps) > 1 else None


def cached_nodes(record: Mapping[str, Any]) -> set[str]:
    """Return the nodes whose results the server still had, so that it did not run them."""
    found: set[str] = set()
    for name, data in (record.get("status") or {}).get("messages", []):
        if name == "execution_cached":
            found |= {str(node) for node in data.get("nodes") or []}
    return found


def outputs_of(record: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every file that the job put out: node, filename, subfolder, type, in the order of nodes."""
    found = []
    for node, shown in sorted(record.get("outputs", {}).items()):
        for listed in shown.values():
            for one in listed if isinstance(listed, list) else []:
                if isinstance(one, dict) and isinstance(one.get("filename"), str):
                    place = {name: one.get(name, "") for name in ("filename", "subfolder", "type")}
                    found.append({"node": node, **place})
    return found


@dataclass
class Seen:
    """What was seen while following: *progress* of the running node (value, max), most *vram* in use (bytes).

    *steps* holds a list for each node that told its progress: time and value when it was first and last heard, and max.
    """

    progress: tuple[int, int] | None = None
    node: str | None = None
    vram: int | None = None
    by: str = "polling"
    steps: dict[str, list[float]] = field(default_factory=dict)

    def heard(self, node: str, value: int, most: int) -> None:
        """Take note of how far *node* is."""
        now = time.time()
        known = self.steps.get(node)
        # A node may begin anew, as with two passes of one sampler.
        if known is None or value <= known[3] or most != known[4]:
            self.steps[node] = [now, value, now, value, most]
        else:
            known[2:4] = [now, value]

    def seconds_per_step(self) -> float | None:
        """Return the time between two steps of the node with most steps; None where fewer than two were heard."""
        most = max(self.steps.values(), key=lambda one: one[3] - one[1], default=None)
        if most is None or most[3] <= most[1]:
            return None
        return (most[2] - most[0]) / (most[3] - most[1])


def follow(
    client: Client, prompt_id: str, client_id: str, seconds: float, seen: Seen, lean: bool = False
) -> dict[str, Any]:
    """Wait up to *seconds* for the job's end; return the last look (see Client.look).

    A server that does not answer meanwhile is asked again; then ``state`` is ``unreachable`` at the end.

    :param lean: ask the server for nothing but the job itself, and only at news of this job, where the asking would
        be part of what is measured. No VRAM is sampled then.
    """
    deadline = time.monotonic() + seconds
    socket: _websocket.WebSocket | None = None
    with suppress(_http.HttpError):
        asked = urlencode({"clientId": client_id})
        socket = _websocket.connect(
            client.url,
            "/ws?" + asked,
            token=client.token,
            ca_path=client.ca_path,
            verify=client.verify,
            origin=client.origin,
        )
        seen.by = "websocket"
    try:
        while True:
            try:
                state = client.look(prompt_id)
                if state["state"] == "running" and not lean:
                    used = client.vram_used()
                    seen.vram = used if seen.vram is None or used is None else max(seen.vram, used)
            except _http.HttpError as error:
                state = {"state": "unreachable", "detail": str(error)}
            left = deadline - time.monotonic()
            if state["state"] not in ("queued", "running", "unreachable") or left <= 0:
                return state
            socket = _listen(socket, prompt_id, min(POLL, left), seen, lean)
    finally:
        if socket is not None:
            socket.close()


def _listen(
    socket: _websocket.WebSocket | None, prompt_id: str, seconds: float, seen: Seen, lean: bool
) -> _websocket.WebSocket | None:
    """Take messages until one says that the job's state changed, or the time is over; None when the socket broke."""
    deadline = time.monotonic() + seconds
    if socket is None:
        time.sleep(seconds)
        return None
    try:
        while True:
            message = socket.receive(max(0.0, deadline - time.monotonic()))
            if message is None:
                return socket
            if isinstance(message, str) and _notice(message, prompt_id, seen, lean):
                return socket
    except _http.HttpError:
        seen.by = "polling"
        socket.close()
        return None


def _notice(message: str, prompt_id: str, seen: Seen, lean: bool) -> bool:
    try:
        said = json.loads(message)
        kind, data = said["type"], said.get("data") or {}
    except (ValueError, KeyError, TypeError):
        return False
    if not isinstance(data, dict) or data.get("prompt_id", prompt_id) != prompt_id:
        return False
    if kind == "progress" and isinstance(data.get("value"), int) and isinstance(data.get("max"), int):
        seen.progress = (data["value"], data["max"])
        seen.heard(str(data.get("node") or seen.node), data["value"], data["max"])
    if kind == "executing":
        seen.node, seen.progress = data.get("node"), None
        return data.get("node") is None
    ends = ("execution_success", "execution_error", "execution_interrupted")
    return kind in ends or (kind == "status" and not lean)


def save(data: bytes, directory: str, name: str) -> str:
    """Write *data* below *directory* whole or not at all, under *name* without what a path could hide in it."""
    plain = _SAFE.sub("_", os.path.basename(name)).lstrip(".") or "output"
    path = os.path.join(directory, plain)
    descriptor, temporary = tempfile.mkstemp(prefix=".", suffix=".part", dir=directory)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(data)
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(temporary, 0o666 & ~umask)
        os.replace(temporary, path)
    except OSError:
        with suppress(OSError):
            os.unlink(temporary)
        raise
    return path


def judge(name: str, data: bytes, check: str) -> dict[str, Any]:
    """Return width, height and kind of a picture. Raises WorkflowError where it does not pass *check*.

    *check* is ``varied`` (whole, and not all of one colour), ``decodable`` (whole) or ``none``.
    """
    if check == "none":
        return {}
    try:
        picture = _picture.look(data)
    except _picture.PictureError as error:
        raise WorkflowError(f"output {name}: {error}") from None
    if check == "varied" and picture.varied is False:
        raise WorkflowError(f"output {name} is a picture of one single colour")
    return {"kind": picture.kind, "width": picture.width, "height": picture.height}
