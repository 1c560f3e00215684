# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login form, answered by the guard itself: nothing is written, nothing raises, and guessing is slow.

The login node's own handler would take over a server without PASSWORD, write to PASSWORD, end in a server error for
an odd form, and compute bcrypt while everybody waits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import bcrypt
from aiohttp import web

from . import addresses, journal
from .accept import Accept, Unusable, read_password
from .counters import Counters
from .sessions import Sessions
from .settings import Settings
from .throttle import Throttle

FORM_LIMIT = 16 * 1024
WORST_PASSWORD = 72
"""Bytes that bcrypt looks at; more is refused, as bcrypt itself does."""
MOST_COST = 16
"""Hashes of a higher cost, seconds each, are not tried: one login would keep all others waiting."""
PENDING = 8
"""Passwords that may wait for bcrypt at once."""

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


def refusal(status: int, text: str, **headers: str) -> web.Response:
    """Return a refusal in the login node's own form."""
    return web.json_response({"error": text}, status=status, headers=headers)


def matches(password: bytes, hashes: list[bytes]) -> bool:
    """Whether the password is that of one of the hashes. Takes its time; raises nothing."""
    for one in hashes:
        try:
            if int(one[4:6]) <= MOST_COST and bcrypt.checkpw(password, one):
                return True
        except ValueError:
            continue
    return False


class Form:
    """POST /login."""

    def __init__(
        self, password_file: Path, accept: Accept, sessions: Sessions, guests: Callable[[], bool], chosen: Settings,
        counters: Counters,
    ) -> None:  # fmt: skip
        self._file, self._accept, self._sessions, self._guests = password_file, accept, sessions, guests
        self._proxies, self._seconds, self._counters = chosen.proxies, chosen.form_timeout, counters
        self._clock = asyncio.get_running_loop().time
        self._throttle = Throttle(self._clock)
        # One at a time: the other processors belong to the pictures.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="comfyui-login-guard")
        self._pending = 0
        self._next_line = 0.0

    async def answer(self, request: web.Request, cors: str | None) -> web.StreamResponse:
        """Answer a login. Raises nothing for whatever is sent."""
        address = addresses.client(request.remote, request.headers.getall("X-Forwarded-For", []), self._proxies)
        if not cors and addresses.foreign(request.headers.get("Host", ""), request.headers.get("Origin", "")):
            self._counters.login("foreign")
            return refusal(403, "Another origin.")
        network = addresses.network(address)
        if seconds := self._throttle.wait(network):
            return self._busy(address, seconds)
        if (request.content_length or 0) > FORM_LIMIT:
            self._seldom("malformed", address)
            return refusal(413, "Too large.")
        try:
            with self._throttle.reading(network):
                fields = await self._fields(request)
        except web.HTTPRequestEntityTooLarge:
            self._seldom("malformed", address)
            return refusal(413, "Too large.")
        if self._pending >= PENDING:
            return self._busy(address, 1)
        self._pending += 1
        try:
            return await self._judge(request, fields, address, network)
        finally:
            self._pending -= 1

    async def _judge(self, request: web.Request, fields: Any, address: str, network: str) -> web.StreamResponse:
        password = fields.get("password")
        if not isinstance(password, str):
            self._seldom("malformed", address)
            return refusal(401, "The form holds no password.")
        user = journal.user_name(fields.get("username"), password)
        if fields.get("guest_mode") == "1" and self._guests():
            self._tell("guest", address, user)
            return await self._enter(request, {"guest_mode": True})
        try:
            token, owner = read_password(self._file)
        except Unusable as fault:
            self._counters.login("impossible")
            journal.say(f"no login is possible: {fault}")
            return refusal(403, "Login is not possible.")
        if await self._right(password, token.encode("ascii")):
            self._tell("accepted", address, user)
            return await self._enter(request, {"logged_in": True, "username": owner})
        self._throttle.failed(network)
        self._tell("failed", address, user)
        return web.Response(status=302, headers={"Location": "/login?wrong_password=1"})

    def _tell(self, result: str, address: str, user: str) -> None:
        self._counters.login(result)
        journal.login(result, address, user)

    def _seldom(self, result: str, address: str) -> None:
        # No password was tried, and nothing slows the sender: at most one line a second.
        self._counters.login(result)
        if self._clock() >= self._next_line:
            self._next_line = self._clock() + 1
            journal.login(result, address)

    def _busy(self, address: str, seconds: int) -> web.StreamResponse:
        self._seldom("throttled", address)
        return refusal(429, "Too many attempts.", **{"Retry-After": str(seconds)})

    async def _fields(self, request: web.Request) -> Any:
        # No browser compresses a form.
        if request.content_type not in _FORMS or "Content-Encoding" in request.headers:
            return {}
        # Only a request with this limit stops reading in time; the original knows ComfyUI's own, 100 MiB.
        bounded = request.clone(client_max_size=FORM_LIMIT)
        try:
            return await asyncio.wait_for(bounded.post(), self._seconds)
        except web.HTTPRequestEntityTooLarge:
            raise
        except Exception:
            # Too slow; and aiohttp raises half a dozen kinds of errors for a broken body.
            return {}

    async def _right(self, password: str, token: bytes) -> bool:
        data = password.encode("utf-8", "surrogatepass")
        if not 0 < len(data) <= WORST_PASSWORD or b"\0" in data:
            return False
        # While a rotation runs people may know the old password, the new one, or either.
        listed = self._accept.now().valid(time.time()) if self._accept.present else []
        others = [one.token for one in listed if one.token != token]
        return await asyncio.get_running_loop().run_in_executor(self._worker, matches, data, [token, *others])

    async def _enter(self, request: web.Request, values: dict[str, Any]) -> web.StreamResponse:
        # Always a new session: the time it was made at is what its lifetime is held against.
        response = web.Response(status=302, headers={"Location": "/"})
        await self._sessions.begin(request, response, values, self._accept.now().epoch)
        return response
