# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What answers before any custom node's check: CORS headers, or the refusal of foreign origins on loopback."""

from __future__ import annotations

import ipaddress
import logging
import socket
from typing import Any
from urllib.parse import urlparse, urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler


@web.middleware
async def compress_body(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Compress JSON and plain text for clients that take gzip."""
    response = await handler(request)
    if (
        isinstance(response, web.Response)
        and response.content_type in ("application/json", "text/plain")
        and response.body
        and "gzip" in request.headers.get("Accept-Encoding", "")
    ):
        response.enable_compression()
    return response


def create_cors_middleware(origin: str) -> Any:
    """Answer OPTIONS and add CORS headers for one origin (or `*`)."""

    @web.middleware
    async def cors_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        response = web.Response() if request.method == "OPTIONS" else await handler(request)
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Allow-Methods"] = "POST, GET, DELETE, PUT, OPTIONS"
        response.headers["Access-Control-Allow-Headers"] = "Content-Type, Authorization"
        response.headers["Access-Control-Allow-Credentials"] = "true"
        return response

    return cors_middleware


def is_loopback(host: str | None) -> bool:
    """Whether an address, or every address of a name, is a loopback one."""
    if host is None:
        return False
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        pass
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except OSError:
        return False
    return bool(found) and all(ipaddress.ip_address(entry[4][0]).is_loopback for entry in found)


def create_origin_only_middleware() -> Any:
    """Answer OPTIONS; refuse a loopback Host that comes with another Origin."""

    @web.middleware
    async def origin_only_middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
        if "Host" in request.headers and "Origin" in request.headers:
            host = urlsplit("//" + request.headers["Host"].lower())
            origin = urlparse(request.headers["Origin"])
            host_domain: str | None = request.headers["Host"].lower()
            origin_domain: str | None = origin.netloc.lower()
            if origin.port is None:
                host_domain = host.hostname
            if host.port is None:
                origin_domain = origin.hostname
            if is_loopback(host.hostname) and host_domain and origin_domain and host_domain != origin_domain:
                message = "WARNING: request with non matching host and origin %s != %s, returning 403"
                logging.warning(message, host_domain, origin_domain)
                return web.Response(status=403)
        return web.Response() if request.method == "OPTIONS" else await handler(request)

    return origin_only_middleware
