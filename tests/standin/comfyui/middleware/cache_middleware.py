# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cache headers by the name and status of what is served."""

from __future__ import annotations

from aiohttp import web
from aiohttp.typedefs import Handler

IMAGES = (".jpg", ".jpeg", ".png", ".ppm", ".bmp", ".pgm", ".tif", ".tiff", ".webp")


@web.middleware
async def cache_control(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Scripts and styles are checked each time; images are kept for a day, their absence for an hour."""
    response = await handler(request)
    path, last = request.path, request.path.rsplit("/", 1)[-1]
    entry_point = last.startswith("index") and last.endswith(".json")
    if path.endswith((".js", ".css")) or entry_point:
        response.headers.setdefault("Cache-Control", "no-cache")
    elif path.lower().endswith(IMAGES):
        if response.status == 404:
            response.headers.setdefault("Cache-Control", "public, max-age=3600")
        elif response.status in (200, 201, 202, 203, 204, 205, 206, 301, 308):
            response.headers.setdefault("Cache-Control", "public, max-age=86400")
        elif response.status in (302, 303, 307):
            response.headers.setdefault("Cache-Control", "no-cache")
    return response
