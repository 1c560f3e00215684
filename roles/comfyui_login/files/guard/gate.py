# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The outermost middleware. It decides by itself; what it lets through, the login node's check judges once more."""

from __future__ import annotations

import os
import time
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from aiohttp.web_urldispatcher import StaticResource, SystemRoute
from multidict import CIMultiDict
from yarl import URL

from . import rules
from .accept import Accept
from .counters import Counters
from .form import Form, refusal
from .health import Health
from .journal import say
from .sessions import USER, Session, Sessions
from .upstream import Login

BODY_LIMIT = 64 * 1024
"""Bytes that somebody unknown may announce; who announces more is told so."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Gate:
    """Who is let in. *guests* says whether guests are allowed at all; *cors* is ComfyUI's --enable-cors-header."""

    def __init__(
        self, login: Login, accept: Accept, form: Form, sessions: Sessions, health: Health, counters: Counters,
        guests: Callable[[], bool], cors: str | None,
    ) -> None:  # fmt: skip
        self._login, self._accept, self._form, self._sessions = login, accept, form, sessions
        self._health, self._counters, self._guests, self._cors = health, counters, guests, cors
        self.sealed = False
        """Whether nothing can come before this middleware any more."""

    async def __call__(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a refusal, or hand the request on. Nothing is raised but what the handler raises."""
        session = None
        try:
            session = await self._session(request)
            outcome = await self._decide(request, session)
        except Exception as error:
            # Whatever it was: nobody has been recognised. The text might quote a credential.
            say(f"refused after an unexpected {type(error).__name__}")
            outcome = self._refuse(request, "error")
        if isinstance(outcome, web.StreamResponse):
            return outcome
        response = await handler(outcome)
        if session is not None and outcome is request and not _static(request):
            await self._sessions.renew(request, response, session)
        return response

    async def _decide(self, request: web.Request, session: Session | None) -> web.Request | web.StreamResponse:
        if not self.sealed:
            return self._health.answer(request, False) or self._refuse(request, "not_ready")
        resource = request.match_info.route.resource
        pattern = "" if resource is None else resource.canonical
        place = rules.canonical(pattern)
        known_token, well_formed, sent = self._token(request)
        known_user = session is not None and session.kind == USER

        if request.method == "POST" and (
            pattern == "/login" or (place == "/login" and (known_user or (known_token and well_formed)))
        ):
            return await self._form.answer(request, self._cors)
        if session is not None and place == "/logout":
            self._counters.ended()
            return await self._sessions.end(session)
        page = self._health.answer(request, known_user or (known_token and well_formed))
        if page is not None:
            return page
        if known_user:
            # The login node looks at the cookie before anything else.
            self._counters.accepted("session")
            return request
        if not well_formed:
            return self._refuse(request, "malformed_authorization")
        if known_token:
            self._counters.accepted("token")
            return self._forward(request, self._login.token)
        if session is not None and self._guests():
            if rules.guest_may(request.method, pattern, _static(request)):
                self._counters.accepted("guest")
                return request
            self._counters.refused("guest_not_allowed")
            return refusal(403, "Not for guests.")
        if _open_to_all(request, pattern):
            return self._forward(request, None)
        cookie = self._sessions.cookie_name in request.cookies
        return self._refuse(request, "unknown_token" if sent else "session_not_valid" if cookie else "no_credential")

    def _token(self, request: web.Request) -> tuple[bool, bool, bool]:
        """Return whether a valid token was sent, whether the Authorization headers are well-formed, and whether any
        token was sent.
        """
        well_formed, in_header = rules.bearer(request.headers.getall("Authorization", []))
        now, accepted = time.time(), self._accept.now()
        sent = [token for token in (in_header, request.query.get("token")) if token]
        for token in sent:
            if accepted.find(token.encode("utf-8", "surrogatepass"), now) is not None:
                return True, well_formed, True
        return False, well_formed, bool(sent)

    async def _session(self, request: web.Request) -> Session | None:
        if self._sessions.cookie_name not in request.cookies:
            return None
        return await self._sessions.find(request, self._accept.now().epoch)

    def _forward(self, request: web.Request, token: str | None) -> web.Request:
        """Return the request as the login node is to see it: with this token as the only credential, or none."""
        cookie = _encodable(request.headers.getall("Cookie", []))
        query = request.rel_url.raw_query_string
        plain = request.headers.getall("Authorization", []) == ([] if token is None else [f"Bearer {token}"])
        if plain and not cookie and "token" not in request.query:
            return request
        names, values = list(request.headers), _encodable(request.headers.values())
        headers: CIMultiDict[str] = CIMultiDict(zip(names, values))
        headers.popall("Authorization", None)
        headers.popall("Cookie", None)
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        name = self._sessions.cookie_name
        for value in filter(None, (rules.without_cookie(value, name) for value in cookie)):
            headers.add("Cookie", value)
        url = URL.build(path=request.rel_url.raw_path, query_string=rules.without_token(query), encoded=True)
        return request.clone(headers=headers, rel_url=url)

    def _refuse(self, request: web.Request, cause: str) -> web.StreamResponse:
        """Refuse as the login node does, and never read what a stranger sends."""
        self._counters.refused(cause)
        if (request.content_length or 0) > BODY_LIMIT:
            return refusal(413, "Too large.")
        if request.method in ("GET", "HEAD") and "text/html" in request.headers.get("Accept", ""):
            return web.Response(status=302, headers={"Location": "/login"})
        return refusal(401, "Authentication required.")


def _static(request: web.Request) -> bool:
    return isinstance(request.match_info.route.resource, StaticResource)


def _open_to_all(request: web.Request, pattern: str) -> bool:
    """Whether this is the login page, an asset that it loads, or a browser's question before another request."""
    route = request.match_info.route
    if request.method in ("GET", "HEAD"):
        asset = _static(request) and rules.plain_asset(request.raw_path, request.path)
        return asset or (pattern == "/login" and request.raw_path.partition("?")[0] == "/login")
    # ComfyUI answers such a question before any handler.
    return request.method == "OPTIONS" and (isinstance(route, SystemRoute) or route.method not in ("*", "OPTIONS"))


def _encodable(values: Iterable[str]) -> list[str]:
    # Cloning writes headers as UTF-8; aiohttp reads other bytes as lone surrogates.
    return [value.encode("utf-8", "replace").decode("utf-8") for value in values]


def guests_allowed(allowed: bool, marker: str) -> Callable[[], bool]:
    """Return whether guests are allowed by us and, at this moment, by the login node's file."""
    return lambda: allowed and os.path.exists(marker)
