# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Queueing prompts, the queue itself and the history."""

from __future__ import annotations

import json
import logging
import uuid
from typing import Any

import nodes
from aiohttp import web
from validation import validate_prompt

NO_PROMPT = {
    "type": "no_prompt",
    "message": "No prompt provided",
    "details": "No prompt provided",
    "extra_info": {},
}


def _number(request: web.Request, name: str, default: int | None) -> int | None:
    return int(request.query[name]) if name in request.query else default


def add_prompt_routes(routes: web.RouteTableDef, server: Any) -> None:
    """Register the routes of `/prompt`, `/queue`, `/history`, `/interrupt` and `/free`."""

    @routes.get("/prompt")
    async def get_prompt(request: web.Request) -> web.Response:
        return web.json_response(server.get_queue_info())

    @routes.post("/prompt")
    async def post_prompt(request: web.Request) -> web.Response:
        logging.info("got prompt")
        body = server.trigger_on_prompt(await request.json())
        if "number" in body:
            number = float(body["number"])
        else:
            number = -server.number if body.get("front") else server.number
            server.number += 1
        if "prompt" not in body:
            return web.json_response({"error": NO_PROMPT, "node_errors": {}}, status=400)
        prompt = body["prompt"]
        prompt_id = str(body.get("prompt_id", uuid.uuid4()))
        error, outputs, node_errors = validate_prompt(prompt, body.get("partial_execution_targets"))
        if error is not None:
            logging.warning("invalid prompt: %s", error)
            return web.json_response({"error": error, "node_errors": node_errors}, status=400)
        extra = body.get("extra_data", {})
        if "client_id" in body:
            extra["client_id"] = body["client_id"]
        server.prompt_queue.put((number, prompt_id, prompt, extra, outputs))
        return web.json_response({"prompt_id": prompt_id, "number": number, "node_errors": node_errors})

    @routes.get("/queue")
    async def get_queue(request: web.Request) -> web.Response:
        running, pending = server.prompt_queue.get_current_queue()
        return web.json_response({"queue_running": running, "queue_pending": pending})

    @routes.post("/queue")
    async def post_queue(request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            server.prompt_queue.wipe_queue()
        for prompt_id in body.get("delete", ()):
            server.prompt_queue.delete_queue_item(prompt_id)
        return web.Response(status=200)

    @routes.get("/history")
    async def get_history(request: web.Request) -> web.Response:
        limit, offset = _number(request, "max_items", None), _number(request, "offset", -1)
        return web.json_response(server.prompt_queue.get_history(max_items=limit, offset=offset))

    @routes.get("/history/{prompt_id}")
    async def get_history_entry(request: web.Request) -> web.Response:
        return web.json_response(server.prompt_queue.get_history(prompt_id=request.match_info["prompt_id"]))

    @routes.post("/history")
    async def post_history(request: web.Request) -> web.Response:
        body = await request.json()
        if body.get("clear"):
            server.prompt_queue.wipe_history()
        for prompt_id in body.get("delete", ()):
            server.prompt_queue.delete_history_item(prompt_id)
        return web.Response(status=200)

    @routes.post("/interrupt")
    async def post_interrupt(request: web.Request) -> web.Response:
        try:
            wanted = (await request.json()).get("prompt_id")
        except json.JSONDecodeError:
            wanted = None
        running, _pending = server.prompt_queue.get_current_queue()
        if wanted is None or any(item[1] == wanted for item in running):
            logging.info("Interrupting %s", f"prompt {wanted}" if wanted else "whatever runs")
            nodes.interrupt_processing()
        return web.Response(status=200)

    @routes.post("/free")
    async def post_free(request: web.Request) -> web.Response:
        body = await request.json()
        for name in ("unload_models", "free_memory"):
            if body.get(name):
                server.prompt_queue.set_flag(name, body[name])
        return web.Response(status=200)
