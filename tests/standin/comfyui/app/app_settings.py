# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The user's settings file and its routes."""

from __future__ import annotations

import json
import logging
import os
from typing import Any

from aiohttp import web


class AppSettings:
    """Reads and writes `comfy.settings.json` of the requesting user."""

    def __init__(self, user_manager: Any) -> None:
        self.user_manager = user_manager

    def _path(self, request: web.Request) -> str:
        path: str = self.user_manager.get_request_user_filepath(request, "comfy.settings.json")
        return path

    def get_settings(self, request: web.Request) -> dict[str, Any]:
        try:
            path = self._path(request)
        except KeyError as error:
            logging.error("User settings not found.")
            raise web.HTTPUnauthorized() from error
        if not os.path.isfile(path):
            return {}
        try:
            with open(path, encoding="utf-8") as stream:
                settings: dict[str, Any] = json.load(stream)
                return settings
        except ValueError:
            logging.error("The user settings file is corrupted: %s", path)
            return {}

    def save_settings(self, request: web.Request, settings: dict[str, Any]) -> None:
        with open(self._path(request), "w", encoding="utf-8") as stream:
            json.dump(settings, stream, indent=4)

    def add_routes(self, routes: web.RouteTableDef) -> None:
        @routes.get("/settings")
        async def get_settings(request: web.Request) -> web.Response:
            return web.json_response(self.get_settings(request))

        @routes.get("/settings/{id}")
        async def get_setting(request: web.Request) -> web.Response:
            return web.json_response(self.get_settings(request).get(request.match_info["id"]))

        @routes.post("/settings")
        async def post_settings(request: web.Request) -> web.Response:
            settings = self.get_settings(request)
            self.save_settings(request, {**settings, **await request.json()})
            return web.Response(status=200)

        @routes.post("/settings/{id}")
        async def post_setting(request: web.Request) -> web.Response:
            settings = self.get_settings(request)
            settings[request.match_info["id"]] = await request.json()
            self.save_settings(request, settings)
            return web.Response(status=200)
