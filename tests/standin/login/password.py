# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routes and the check of every request. `TOKEN` is the one token of this process.

The order of the statements below the functions is the contract: a failure of the last two leaves the routes of
the login page registered and the check missing.
"""

from __future__ import annotations

import logging
import os
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from aiohttp_session import get_session, new_session, setup
from aiohttp_session.cookie_storage import EncryptedCookieStorage
from comfy.cli_args import args
from jinja2 import Environment, FileSystemLoader
from server import PromptServer

from . import credentials
from .session_key import load_key

HERE = os.path.dirname(os.path.abspath(__file__))
EXEMPT_SUFFIXES = (".css", ".css.map", ".js", ".ico")
GUEST_POSTS = ("/prompt", "/upload/image")

app, routes = PromptServer.instance.app, PromptServer.instance.routes
pages = Environment(loader=FileSystemLoader(HERE), autoescape=True)
form_login = credentials.FormLogin()
TOKEN = ""

setup(app, EncryptedCookieStorage(load_key()))


def load_token() -> None:
    """Read the token again, as long as there is none, and write it to the log: the imitated fault."""
    global TOKEN
    TOKEN = credentials.read_token()
    if TOKEN:
        logging.info("For direct API calls, use token=%s", TOKEN)


def guest_mode() -> bool:
    return os.path.exists(credentials.GUEST_MODE)


@routes.get("/login")
async def get_login(request: web.Request) -> web.StreamResponse:
    session = await get_session(request)
    if session.get("logged_in"):
        raise web.HTTPFound("/")
    first = form_login.is_first()
    page = pages.get_template("login.html").render(
        first=first,
        username="" if first else form_login.name(),
        wrong_password=request.query.get("wrong_password") == "1",
        guest_mode=guest_mode(),
    )
    return web.Response(text=page, content_type="text/html")


@routes.post("/login")
async def post_login(request: web.Request) -> web.StreamResponse:
    form: Any = await request.post()
    # Looked up before anything else: a form without a password is a server error, for guests as well.
    form["password"]
    if form.get("guest_mode") == "1" and guest_mode():
        (await new_session(request))["guest_mode"] = True
        raise web.HTTPFound("/")
    if form_login.is_first():
        form_login.claim(form)
    # Runs in the event loop: everybody waits.
    elif not form_login.check(form):
        raise web.HTTPFound("/login?wrong_password=1")
    session = await new_session(request)
    session["logged_in"] = True
    session["username"] = form_login.username
    raise web.HTTPFound("/")


@routes.get("/logout")
async def get_logout(request: web.Request) -> web.StreamResponse:
    # Only this browser's cookie is rewritten: a copy of the old one stays valid.
    (await get_session(request))["logged_in"] = False
    raise web.HTTPFound("/login")


@routes.get("/guest_mode")
async def get_guest_mode(request: web.Request) -> web.Response:
    return web.json_response({"guestMode": (await get_session(request)).get("guest_mode", False)})


routes.static("/old_css", os.path.join(HERE, "old_css"))
credentials.prepare()
load_token()


def _token_accepted(request: web.Request) -> bool:
    if args.enable_cors_header not in (None, "*", request.headers.get("Origin")):
        return False
    if request.headers.get("Authorization"):
        # Anything but two words raises, which is a server error even beside a valid ?token=.
        scheme, token = request.headers["Authorization"].split()
        if scheme == "Bearer" and token == TOKEN:
            return True
    return request.query.get("token") == TOKEN


@web.middleware
async def check_login_status(request: web.Request, handler: Handler) -> web.StreamResponse:
    if request.path == "/login" or request.path.endswith(EXEMPT_SUFFIXES):
        return await handler(request)
    if not TOKEN:
        load_token()
    session = await get_session(request)
    if session.get("logged_in"):
        return await handler(request)
    if session.get("guest_mode"):
        if request.method == "GET" or (request.method == "POST" and request.path in GUEST_POSTS):
            return await handler(request)
        return web.json_response({})
    if _token_accepted(request):
        return await handler(request)
    if "text/html" in request.headers.get("Accept", ""):
        raise web.HTTPFound("/login")
    return web.json_response({"error": "Authentication required."}, status=401)


app.middlewares.append(check_login_status)
