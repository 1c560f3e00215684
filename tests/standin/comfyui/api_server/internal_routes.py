# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The sub-application `/internal`: log, folder paths, file names. It has no twin below `/api`."""

from __future__ import annotations

import os

import app.logger
import folder_paths
from aiohttp import web


def make_internal_app() -> web.Application:
    """A new application with the internal routes."""
    routes = web.RouteTableDef()

    @routes.get("/logs")
    async def get_logs(request: web.Request) -> web.Response:
        return web.json_response("".join(f"{entry['t']} - {entry['m']}" for entry in app.logger.entries))

    @routes.get("/logs/raw")
    async def get_raw_logs(request: web.Request) -> web.Response:
        return web.json_response({"entries": list(app.logger.entries), "size": {"cols": 80, "rows": 24}})

    @routes.patch("/logs/subscribe")
    async def subscribe(request: web.Request) -> web.Response:
        await request.json()
        return web.Response(status=200)

    @routes.get("/folder_paths")
    async def get_folder_paths(request: web.Request) -> web.Response:
        return web.json_response({name: pair[0] for name, pair in folder_paths.folder_names_and_paths.items()})

    @routes.get("/files/{directory_type}")
    async def get_files(request: web.Request) -> web.Response:
        folder = folder_paths.get_directory_by_type(request.match_info["directory_type"])
        if folder is None:
            return web.json_response({"error": "Invalid directory type"}, status=400)
        files = sorted((e for e in os.scandir(folder) if e.is_file()), key=lambda e: -e.stat().st_mtime)
        return web.json_response([entry.name for entry in files])

    internal = web.Application()
    internal.add_routes(routes)
    return internal
