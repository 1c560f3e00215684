# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prompts are checked, queued, run and remembered. All of this may be asked of a running server."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from typing import Any
from urllib.parse import urlencode

import aiohttp
import pytest
from harness import Answer, Site
from png import pixels

from ansible_collections.genai.comfyui.plugins.module_utils import _queue
from ansible_collections.genai.comfyui.plugins.module_utils._probe import Target

RED = 0xFF0000


def picture(prefix: str = "accept", **inputs: Any) -> dict[str, Any]:
    """The acceptance workflow: a 64x64 red picture, saved."""
    empty = {"width": 64, "height": 64, "batch_size": 1, "color": RED, **inputs}
    return {
        "1": {"class_type": "EmptyImage", "inputs": empty},
        "2": {"class_type": "SaveImage", "inputs": {"images": ["1", 0], "filename_prefix": prefix}},
    }


def post(site: Site, bearer: dict[str, str], body: Any, path: str = "/prompt") -> Answer:
    kind = {"Content-Type": "application/json"}
    return site.request("POST", path, headers={**bearer, **kind}, body=json.dumps(body).encode())


def wait_for(site: Site, bearer: dict[str, str], prompt_id: str) -> Any:
    """The history entry of a prompt."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        found = site.request("GET", f"/history/{prompt_id}", headers=bearer).json()
        if prompt_id in found:
            return found[prompt_id]
        time.sleep(0.05)
    raise AssertionError(f"prompt {prompt_id} did not end within 60 s")


def test_a_picture_can_be_made_and_fetched(site: Site, bearer: dict[str, str]) -> None:
    # A name of its own: an identical prompt is answered from the cache.
    accepted = post(site, bearer, {"prompt": picture(f"accept-{uuid.uuid4().hex[:8]}"), "client_id": "acceptance-test"})
    assert accepted.status == 200
    assert accepted.json()["node_errors"] == {}
    entry = wait_for(site, bearer, accepted.json()["prompt_id"])
    assert entry["status"]["status_str"] == "success"
    assert entry["status"]["completed"] is True
    (image,) = entry["outputs"]["2"]["images"]
    assert image["filename"].endswith("_00001_.png")
    assert (image["subfolder"], image["type"]) == ("", "output")
    fetched = site.request("GET", "/view?" + urlencode(image), headers=bearer)
    assert (fetched.status, fetched.headers["content-type"]) == (200, "image/png")
    assert pixels(fetched.body) == (64, 64, {(255, 0, 0)})
    assert site.request("GET", "/view?" + urlencode(image)).status == 401


def test_the_same_prompt_again_is_answered_from_the_cache(site: Site, bearer: dict[str, str]) -> None:
    body = {"prompt": picture(f"cache-{uuid.uuid4().hex[:8]}"), "client_id": "acceptance-test"}
    first, second = (wait_for(site, bearer, post(site, bearer, body).json()["prompt_id"]) for _turn in range(2))
    assert second["outputs"] == first["outputs"]
    cached = next(data for event, data in second["status"]["messages"] if event == "execution_cached")
    assert sorted(cached["nodes"]) == ["1", "2"]


async def _messages(site: Site, bearer: dict[str, str], prompt: dict[str, Any]) -> list[Any]:
    """What the client of a prompt is told, until it has ended."""
    client = uuid.uuid4().hex
    seen = []
    async with (
        aiohttp.ClientSession(headers=bearer) as session,
        session.ws_connect(f"{site.url}/ws?clientId={client}") as socket,
        session.post(f"{site.url}/prompt", json={"prompt": prompt, "client_id": client}) as accepted,
    ):
        prompt_id = (await accepted.json())["prompt_id"]
        while True:
            message = await asyncio.wait_for(socket.receive_json(), 60)
            if message["data"].get("prompt_id", prompt_id) == prompt_id:
                seen.append(message)
            if message["type"] == "executing" and message["data"]["node"] is None:
                return [message for message in seen if message["type"] not in ("status", "progress_state")]


def test_the_socket_tells_how_a_prompt_goes(site: Site, bearer: dict[str, str]) -> None:
    name = uuid.uuid4().hex
    colour = int(name[:6], 16)
    fresh = asyncio.run(_messages(site, bearer, picture(f"ws-{name[:8]}-a", color=colour)))
    assert [(message["type"], message["data"].get("node")) for message in fresh] == [
        ("execution_start", None),
        ("execution_cached", None),
        ("executing", "1"),
        ("executing", "2"),
        ("executed", "2"),
        ("execution_success", None),
        ("executing", None),
    ]
    assert fresh[4]["data"]["output"]["images"][0]["type"] == "output"
    again = asyncio.run(_messages(site, bearer, picture(f"ws-{name[:8]}-b", color=colour)))
    assert [(message["type"], message["data"].get("node")) for message in again] == [
        ("execution_start", None),
        ("execution_cached", None),
        ("executing", "2"),
        ("executed", "2"),
        ("execution_success", None),
        ("executing", None),
    ]
    assert again[1]["data"]["nodes"] == ["1"]


REFUSED: dict[str, tuple[Any, str, str]] = {
    "no prompt": ({}, "no_prompt", "No prompt provided"),
    "unknown node": (
        {"prompt": {"1": {"class_type": "Nope", "inputs": {}}}},
        "invalid_prompt",
        "Cannot execute because node Nope does not exist.",
    ),
    "no class": (
        {"prompt": {"1": {"inputs": {}}}},
        "invalid_prompt",
        "Cannot execute because a node is missing the class_type property.",
    ),
    "no nodes": ({"prompt": {}}, "prompt_no_outputs", "Prompt has no outputs"),
    "no output": ({"prompt": {"1": picture()["1"]}}, "prompt_no_outputs", "Prompt has no outputs"),
    "missing input": (
        {"prompt": {"2": {"class_type": "SaveImage", "inputs": {}}}},
        "prompt_outputs_failed_validation",
        "Prompt outputs failed validation",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_a_prompt_that_cannot_run_is_refused_with_the_reason(site: Site, bearer: dict[str, str], case: str) -> None:
    body, kind, message = REFUSED[case]
    answer = post(site, bearer, body)
    assert answer.status == 400
    assert answer.json().keys() == {"error", "node_errors"}
    assert answer.json()["error"].keys() == {"type", "message", "details", "extra_info"}
    assert (answer.json()["error"]["type"], answer.json()["error"]["message"]) == (kind, message)


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        ({"width": 0}, "value_smaller_than_min"),
        ({"height": 99999}, "value_bigger_than_max"),
        ({"batch_size": "many"}, "invalid_input_type"),
        ({"color": [1]}, "bad_linked_input"),
        ({"color": ["1", 0]}, "return_type_mismatch"),
    ],
)
def test_a_bad_input_is_named_with_its_node(
    site: Site, bearer: dict[str, str], inputs: dict[str, Any], kind: str
) -> None:
    answer = post(site, bearer, {"prompt": picture(**inputs)})
    assert answer.status == 400
    node = answer.json()["node_errors"]["1"]
    assert [reason["type"] for reason in node["errors"]] == [kind]
    assert (node["class_type"], node["dependent_outputs"]) == ("EmptyImage", ["2"])


def test_a_file_that_is_not_there_is_refused(site: Site, bearer: dict[str, str]) -> None:
    prompt = picture()
    prompt["1"] = {"class_type": "LoadImage", "inputs": {"image": "no-such-file.png"}}
    answer = post(site, bearer, {"prompt": prompt})
    assert answer.status == 400
    (reason,) = answer.json()["node_errors"]["1"]["errors"]
    assert reason["type"] == "custom_validation_failed"
    assert reason["details"] == "image - Invalid image file: no-such-file.png"


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/history/no-such-id", {}),
        ("/object_info/NoSuchNode", {}),
        ("/features", {"supports_preview_metadata": True, "max_upload_size": 104857600}),
        ("/api/history/no-such-id", {}),
    ],
)
def test_small_questions_have_their_known_answers(site: Site, bearer: dict[str, str], path: str, expected: Any) -> None:
    answer = site.request("GET", path, headers=bearer)
    assert (answer.status, answer.json()) == (200, expected)


def test_the_queue_tells_what_waits(site: Site, bearer: dict[str, str]) -> None:
    assert site.request("GET", "/prompt", headers=bearer).json().keys() == {"exec_info"}
    assert site.request("GET", "/queue", headers=bearer).json().keys() == {"queue_running", "queue_pending"}


def test_a_picture_that_is_not_there_is_not_found(site: Site, bearer: dict[str, str]) -> None:
    assert site.request("GET", "/view?filename=no-such-file.png", headers=bearer).status == 404
    assert site.request("GET", "/view?filename=..%2F..%2Fmain.py", headers=bearer).status == 400
    assert site.request("GET", "/view?filename=x.png&type=nowhere", headers=bearer).status == 400
    assert site.request("GET", "/view?filename=x.png&subfolder=..%2F..", headers=bearer).status == 403


def test_the_model_lists_are_lists_of_names(site: Site, bearer: dict[str, str]) -> None:
    kinds = site.request("GET", "/models", headers=bearer).json()
    assert {"checkpoints", "diffusion_models", "text_encoders", "vae", "loras"} <= set(kinds)
    assert isinstance(site.request("GET", "/models/checkpoints", headers=bearer).json(), list)
    assert site.request("GET", "/models/no-such-kind", headers=bearer).status == 404


def test_internal_routes_have_no_twin(site: Site, bearer: dict[str, str]) -> None:
    assert site.request("GET", "/internal/logs", headers=bearer).status == 200
    assert site.request("GET", "/api/internal/logs", headers=bearer).status == 404


def test_a_queued_prompt_can_be_taken_out_and_put_back_under_its_name(site: Site, bearer: dict[str, str]) -> None:
    """What a restart does with the queue: the server gives prompts away whole, and takes them with their names."""
    token, target = bearer["Authorization"].partition(" ")[2], Target(site.url)
    large = {"width": 2048, "height": 2048, "batch_size": 2}
    names = []
    for number in range(6):
        prompt = picture(f"queue-{uuid.uuid4().hex[:8]}", **{"color": number, **large})
        names.append(post(site, bearer, {"prompt": prompt}).json()["prompt_id"])
    found = _queue.jobs(target, ["$2b$04$wrong", token])
    assert found is not None
    assert [job.id for job in found] == names[-len(found) :]
    waiting = [job for job in found if not job.running]
    taken = waiting[-2:]
    assert len(taken) == 2
    post(site, bearer, {"delete": [job.id for job in taken]}, "/queue")
    assert not {job.id for job in taken} & {job.id for job in _queue.jobs(target, [token]) or []}
    assert [_queue.put_back(target, token, job) for job in taken] == ["", ""]
    for name in names:
        assert wait_for(site, bearer, name)["status"]["status_str"] == "success"
    assert _queue.put_back(target, token, _queue.Job("x", False, b'{"prompt": {}}')) == "refused with 400"
    assert _queue.jobs(target, ["$2b$04$wrong"]) is None
