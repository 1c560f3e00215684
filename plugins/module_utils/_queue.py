# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The jobs of a ComfyUI that is restarted: which there are, and putting them back under the same names.

ComfyUI keeps its queue in memory, and gives it away whole to whoever has a token. Private to the collection. Standard
library only.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError, Response, request
from ansible_collections.genai.comfyui.plugins.module_utils._probe import Target

MOST = 256 * 1024 * 1024
"""Bytes of a queue; what is larger is not taken along."""
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True)
class Job:
    """One job. *request* is what makes it again; people's own content, so it is never shown."""

    id: str
    running: bool
    request: bytes = field(repr=False)


def jobs(target: Target, tokens: Sequence[str]) -> list[Job] | None:
    """Return what runs and what waits, in the order in which it runs; None where it cannot be told."""
    told = look(target, tokens)
    return None if told is None else read(told)


def look(target: Target, tokens: Sequence[str]) -> bytes | None:
    """Return the queue as the server tells it, for :func:`read`; None where it cannot be had.

    Asks with every token that the process may hold, as it may hold an older one than its files.
    """
    for token in tokens:
        try:
            answer = _ask(target, token, "GET", "/queue")
        except HttpError:
            continue
        if answer.status == 200 and not answer.truncated:
            return answer.body
    return None


def read(body: bytes) -> list[Job] | None:
    """Return the jobs of a queue in the order in which they run; None where it is no queue."""
    try:
        told = json.loads(body)
        waiting = sorted(told["queue_pending"], key=lambda item: item[0])
        return [_job(item, True) for item in told["queue_running"]] + [_job(item, False) for item in waiting]
    except (ValueError, KeyError, TypeError, IndexError):
        return None


def put_back(target: Target, token: str, job: Job) -> str:
    """Submit a job again; return why that failed, empty when it did not.

    An older ComfyUI that gives it a name of its own counts as success, and the text says which name.
    """
    try:
        answer = _ask(target, token, "POST", "/prompt", job.request)
        if answer.status != 200:
            return f"refused with {answer.status}"
        name = str(json.loads(answer.body)["prompt_id"])
        return "" if name == job.id else f"runs under another name, {name}"
    except HttpError as error:
        return str(error)
    except (ValueError, KeyError, TypeError):
        return "the answer is not ComfyUI's"


def _job(item: Any, running: bool) -> Job:
    _number, name, prompt, extra, outputs = item[:5]
    again = {"prompt": prompt, "prompt_id": name, "extra_data": extra, "partial_execution_targets": outputs}
    return Job(str(name), running, json.dumps(again).encode())


def _ask(target: Target, token: str, method: str, path: str, body: bytes | None = None) -> Response:
    headers = dict(_JSON) if body is not None else {}
    if target.origin:
        headers["Origin"] = target.origin
    return request(
        method,
        target.url,
        path,
        token=token,
        headers=headers,
        body=body,
        ca_path=target.ca_path,
        limit=MOST,
        timeout=30,
    )
