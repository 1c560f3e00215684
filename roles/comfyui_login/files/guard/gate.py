# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outermost middleware. It decides by itself; what it lets through, the login node's check judges once more."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web
from aiohttp.web_urldispatcher import StaticResource, SystemRoute
from multidict import CIMultiDict
from yarl import URL

from . import rules
from .accept import Accept
from .form import Form, refusal
from .upstream import Login

BODY_LIMIT = 64 * 1024
"""Bytes that somebody unknown may announce; who announces more is told so."""

STRANGER, GUEST, USER = "stranger", "guest", "user"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """Who is let in. *guests* says whether guests are allowed at all."""

    def __init__(
        self, login: Login, accept: Accept, form: Form, guests: Callable[[], bool], cors: str | None,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._login, self._accept, self._form, self._guests, self._cors = login, accept, form, guests, cors
        self._say = say
        self.sealed = False
        """Whether nothing can come before this middleware any more."""

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a refusal, or hand the request on. Nothing is raised but what the handler raises."""
        try:
            outcome = await self._decide(request)
        except Exception as error:
            # Whatever it was: nobody has been recognised. The text might quote a credential.
            self._say(f"refused after an unexpected {type(error).__name__}")
            outcome = _refuse(request)
        return outcome if isinstance(outcome, web.StreamResponse) else await handler(outcome)

    async def _decide(self, request: web.Request) -> web.Request | web.StreamResponse:
        if not self.sealed:
            return _refuse(request)
        route = request.match_info.route
        resource = route.resource
        pattern = "" if resource is None else resource.canonical
        known_token, well_formed = self._token(request)
        session = await self._session(request) if self._login.storage.cookie_name in request.cookies else STRANGER

        if request.method == "POST" and pattern == "/login":
            return await self._form.answer(request, self._cors)
        if session == USER:
            if request.method == "POST" and rules.canonical(pattern) == "/login":
                return await self._form.answer(request, self._cors)
            # The login node looks at the cookie before anything else.
            return request
        if not well_formed:
            return _refuse(request)
        if known_token:
            if request.method == "POST" and rules.canonical(pattern) == "/login":
                return await self._form.answer(request, self._cors)
            return self._forward(request, self._login.token)
        static = isinstance(resource, StaticResource)
        if session == GUEST and self._guests():
            if rules.guest_may(request.method, pattern, static):
                return request
            return refusal(403, "Not for guests.")
        if request.method in ("GET", "HEAD"):
            asset = static and rules.plain_asset(request.raw_path, request.path)
            if asset or (pattern == "/login" and request.raw_path.partition("?")[0] == "/login"):
                return self._forward(request, None)
        elif request.method == "OPTIONS" and (isinstance(route, SystemRoute) or route.method not in ("*", "OPTIONS")):
            # A browser's question before a request of another origin; ComfyUI answers it before any handler.
            return self._forward(request, None)
        return _refuse(request)

    def _token(self, request: web.Request) -> tuple[bool, bool]:
        """Return whether a valid token was sent, and whether the Authorization headers are well-formed."""
        well_formed, in_header = rules.bearer(request.headers.getall("Authorization", []))
        now, accepted = time.time(), self._accept.now()
        for token in (in_header, request.query.get("token")):
            if token and accepted.find(token.encode("utf-8", "surrogatepass"), now) is not None:
                return True, well_formed
        return False, well_formed

    async def _session(self, request: web.Request) -> str:
        try:
            session = await self._login.storage.load_session(request)
            if session.new or session.created < self._accept.current.epoch:
                return STRANGER
            return USER if session.get("logged_in") else GUEST if session.get("guest_mode") else STRANGER
        except Exception:
            # A cookie that is not even text.
            return STRANGER

    def _forward(self, request: web.Request, token: str | None) -> web.Request:
        """Return the request as the login node is to see it: with this token as the only credential, or none."""
        cookie = request.headers.getall("Cookie", [])
        query = request.rel_url.raw_query_string
        plain = request.headers.getall("Authorization", []) == ([] if token is None else [f"Bearer {token}"])
        if plain and not cookie and "token" not in request.query:
            return request
        headers: CIMultiDict[str] = CIMultiDict(_encodable(request.headers.items()))
        headers.popall("Authorization", None)
        headers.popall("Cookie", None)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        name = self._login.storage.cookie_name
        for value in filter(None, (rules.without_cookie(value, name) for value in cookie)):
            headers.add("Cookie", value)
        url = URL.build(path=request.rel_url.raw_path, query_string=rules.without_token(query), encoded=True)
        return request.clone(headers=headers, rel_url=url)


def _encodable(items: Any) -> list[tuple[str, str]]:
    # Cloning writes headers as UTF-8; aiohttp reads other bytes as lone surrogates.
    return [(name, value.encode("utf-8", "replace").decode("utf-8")) for name, value in items]


def _refuse(request: web.Request) -> web.StreamResponse:
    """Refuse as the login node does, and never read what a stranger sends."""
    if (request.content_length or 0) > BODY_LIMIT:
        return refusal(413, "Too large.")
    if request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", ""):
        return web.Response(status=302, headers={"Location": "/login"})
    return refusal(401, "Authentication required.")


def guests_allowed(allowed: bool, marker: str) -> Callable[[], bool]:
    """Return whether guests are allowed by us and, at this moment, by the login node's file."""
    return lambda: allowed and os.path.exists(marker)
