# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP and websocket server. Custom nodes reach it as `PromptServer.instance`."""

from __future__ import annotations

import asyncio
import json
import logging
import mimetypes
import os
import ssl
import struct
import traceback
import uuid
from typing import Any

import aiohttp
import execution
import nodes
from aiohttp import web
from api_server.file_routes import add_file_routes
from api_server.info_routes import add_info_routes, features
from api_server.internal_routes import make_internal_app
from api_server.prompt_routes import add_prompt_routes
from app.user_manager import UserManager
from comfy.cli_args import args
from middleware.cache_middleware import cache_control
from middleware.origin_middleware import compress_body, create_cors_middleware, create_origin_only_middleware

WEB_ROOT = os.path.join(os.path.dirname(os.path.realpath(__file__)), "web")


class PromptServer:
    """`app` holds the middlewares, `routes` the routes that `add_routes` registers twice."""

    instance: PromptServer

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        PromptServer.instance = self
        mimetypes.init()
        mimetypes.add_type("application/javascript; charset=utf-8", ".js")
        mimetypes.add_type("image/webp", ".webp")
        self.user_manager = UserManager()
        self.supports = ["custom_nodes_from_web"]
        self.prompt_queue = execution.PromptQueue(self)
        self.loop = loop
        self.messages: asyncio.Queue[tuple[Any, ...]] = asyncio.Queue()
        self.number = 0
        self.client_id: str | None = None
        self.last_node_id: str | None = None
        self.last_prompt_id: str | None = None
        self.on_prompt_handlers: list[Any] = []
        self.sockets: dict[str, web.WebSocketResponse] = {}
        self.sockets_metadata: dict[str, dict[str, Any]] = {}
        middlewares = [cache_control]
        if args.enable_compress_response_body:
            middlewares.append(compress_body)
        if args.enable_cors_header:
            middlewares.append(create_cors_middleware(args.enable_cors_header))
        else:
            middlewares.append(create_origin_only_middleware())
        self.app = web.Application(client_max_size=round(args.max_upload_size * 1024 * 1024), middlewares=middlewares)
        self.web_root = args.front_end_root or WEB_ROOT
        logging.info("[Prompt Server] web root: %s", self.web_root)
        self.routes = web.RouteTableDef()
        self.routes.get("/ws")(self._websocket)
        self.routes.get("/")(self._index)
        add_file_routes(self.routes, self.web_root)
        add_info_routes(self.routes)
        add_prompt_routes(self.routes, self)

    async def _index(self, request: web.Request) -> web.StreamResponse:
        headers = {"Cache-Control": "no-cache", "Pragma": "no-cache", "Expires": "0"}
        return web.FileResponse(os.path.join(self.web_root, "index.html"), headers=headers)

    async def _websocket(self, request: web.Request) -> web.StreamResponse:
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        sid = request.rel_url.query.get("clientId", "") or uuid.uuid4().hex
        # A second socket with the same id takes over.
        self.sockets[sid] = socket
        self.sockets_metadata[sid] = {"feature_flags": {}}
        try:
            await self.send("status", {"status": self.get_queue_info(), "sid": sid}, sid)
            if self.client_id == sid and self.last_node_id is not None:
                await self.send("executing", {"node": self.last_node_id}, sid)
            first = True
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT:
                    await self._receive(sid, message.data, first)
                    first = False
        finally:
            self.sockets.pop(sid, None)
            self.sockets_metadata.pop(sid, None)
        return socket

    async def _receive(self, sid: str, text: str, first: bool) -> None:
        try:
            data = json.loads(text)
        except json.JSONDecodeError:
            logging.warning("Invalid JSON received from client %s: %s", sid, text)
            return
        if first and isinstance(data, dict) and data.get("type") == "feature_flags":
            self.sockets_metadata[sid]["feature_flags"] = data.get("data", {})
            await self.send("feature_flags", features(), sid)

    def add_routes(self) -> None:
        """Register everything custom nodes and ComfyUI collected; called once, after the nodes are loaded."""
        self.user_manager.add_routes(self.routes)
        self.app.add_subapp("/internal", make_internal_app())
        twins = web.RouteTableDef()
        for route in self.routes:
            if isinstance(route, web.RouteDef):
                twins.route(route.method, "/api" + route.path)(route.handler, **route.kwargs)
        self.app.add_routes(twins)
        self.app.add_routes(self.routes)
        for name, folder in nodes.EXTENSION_WEB_DIRS.items():
            self.app.add_routes([web.static("/extensions/" + name, folder)])
        # Last: it matches every path.
        self.app.add_routes([web.static("/", self.web_root)])

    def get_queue_info(self) -> dict[str, Any]:
        return {"exec_info": {"queue_remaining": self.prompt_queue.get_tasks_remaining()}}

    async def send(self, event: Any, data: Any, sid: str | None = None) -> None:
        """Send JSON (or, with an integer event, bytes) to one client, or to all."""
        targets = list(self.sockets.values()) if sid is None else [self.sockets[sid]] if sid in self.sockets else []
        for socket in targets:
            try:
                if isinstance(data, bytes):
                    await socket.send_bytes(struct.pack(">I", event) + data)
                else:
                    await socket.send_json({"type": event, "data": data})
            except (aiohttp.ClientError, ConnectionError) as error:
                logging.warning("send error: %s", error)

    def send_sync(self, event: Any, data: Any, sid: str | None = None) -> None:
        """Queue a message from any thread."""
        self.loop.call_soon_threadsafe(self.messages.put_nowait, (event, data, sid))

    def queue_updated(self) -> None:
        self.send_sync("status", {"status": self.get_queue_info()})

    async def publish_loop(self) -> None:
        while True:
            await self.send(*await self.messages.get())

    async def start_multi_address(self, addresses: list[tuple[str, int]], verbose: bool = True) -> None:
        """Run the start-up hooks, then listen on each address. What a hook raises ends the process."""
        runner = web.AppRunner(self.app, access_log=None)
        await runner.setup()
        context, scheme = None, "http"
        if args.tls_keyfile and args.tls_certfile:
            context, scheme = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), "https"
            context.load_cert_chain(certfile=args.tls_certfile, keyfile=args.tls_keyfile)
        if verbose:
            logging.info("Starting server\n")
        for address, port in addresses:
            await web.TCPSite(runner, address, port, ssl_context=context).start()
            if verbose:
                shown = f"[{address}]" if ":" in address else address
                logging.info("To see the GUI go to: %s://%s:%s", scheme, shown, port)

    def add_on_prompt_handler(self, handler: Any) -> None:
        self.on_prompt_handlers.append(handler)

    def trigger_on_prompt(self, body: dict[str, Any]) -> dict[str, Any]:
        for handler in self.on_prompt_handlers:
            try:
                body = handler(body)
            except Exception:
                logging.warning("[ERROR] An error occurred during the on_prompt_handler processing")
                logging.warning(traceback.format_exc())
        return body
