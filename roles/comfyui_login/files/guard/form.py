# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The login form, answered by the guard itself: nothing is written, nothing raises, and guessing is slow.

The login node's own handler would take over a server without PASSWORD, write to PASSWORD, end in a server error for
an odd form, and compute bcrypt while everybody waits.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections import OrderedDict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import bcrypt
from aiohttp import web

from .accept import Unusable, read_password

FORM_LIMIT = 16 * 1024
FORM_SECONDS = 10.0
WORST_PASSWORD = 72
"""Bytes that bcrypt looks at; more is refused, as bcrypt itself does."""
PENDING = 8
"""Passwords that may wait for bcrypt at once."""
WINDOW, PER_ADDRESS, GLOBAL = 60.0, 20, 120
ADDRESSES = 4096

_FORMS = ("application/x-www-form-urlencoded", "multipart/form-data")


class Throttle:
    """Budgets of failures: for each address, and for all together, refilled evenly over WINDOW seconds."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._debts: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def _debt(self, key: str, budget: int) -> float:
        owed, since = self._debts.get(key, (0.0, 0.0))
        return max(0.0, owed - (self._clock() - since) * budget / WINDOW)

    def wait(self, address: str) -> int:
        """Return the seconds until *address* may try again; 0 when it may now."""
        over = [(self._debt(key, budget) + 1 - budget) * WINDOW / budget for key, budget in self._budgets(address)]
        worst = max(over)
        return 0 if worst <= 0 else int(worst) + 1

    def failed(self, address: str) -> None:
        """Count one failure."""
        for key, budget in self._budgets(address):
            self._debts[key] = (self._debt(key, budget) + 1, self._clock())
            self._debts.move_to_end(key)
        while len(self._debts) > ADDRESSES:
            self._debts.popitem(last=False)

    @staticmethod
    def _budgets(address: str) -> tuple[tuple[str, int], ...]:
        return (address, PER_ADDRESS), ("", GLOBAL)


def network(address: str | None) -> str:
    """Return what counts as one address: an IPv4 address, or the /64 of an IPv6 one."""
    try:
        found = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return "unknown"
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    if mapped is None and isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(mapped or found)


def foreign(host: str, origin: str) -> bool:
    """Whether a page of another origin posts to a loopback address, which is what ComfyUI itself refuses."""
    try:
        here, there = urlsplit("//" + host.lower()), urlsplit(origin.lower())
        name = here.hostname or ""
        if name != "localhost" and not ipaddress.ip_address(name).is_loopback:
            return False
        return bool(there.hostname) and (name, here.port) != (there.hostname, there.port)
    except ValueError:
        return False


def refusal(status: int, text: str, **headers: str) -> web.Response:
    """Return a refusal in the login node's own form."""
    return web.json_response({"error": text}, status=status, headers=headers)


class Form:
    """POST /login."""

    def __init__(
        self, password_file: Path, storage: Any, guests: Callable[[], bool], say: Callable[[str], None]
    ) -> None:
        self._file, self._storage, self._guests, self._say = password_file, storage, guests, say
        self._clock = asyncio.get_running_loop().time
        self._throttle = Throttle(self._clock)
        # One at a time: the other processors belong to the pictures.
        self._worker = ThreadPoolExecutor(1, thread_name_prefix="comfyui-login-guard")
        self._pending = 0

    async def answer(self, request: web.Request, cors: str | None) -> web.StreamResponse:
        """Answer a login. Raises nothing for whatever is sent."""
        address = network(request.remote)
        if not cors and foreign(request.headers.get("Host", ""), request.headers.get("Origin", "")):
            return refusal(403, "Another origin.")
        seconds = self._throttle.wait(address)
        if seconds or self._pending >= PENDING:
            self._say(f"login throttled address={address}")
            return refusal(429, "Too many attempts.", **{"Retry-After": str(seconds or 1)})
        if (request.content_length or 0) > FORM_LIMIT:
            return refusal(413, "Too large.")
        self._pending += 1
        try:
            return await self._judge(request, address)
        except web.HTTPRequestEntityTooLarge:
            return refusal(413, "Too large.")
        finally:
            self._pending -= 1

    async def _judge(self, request: web.Request, address: str) -> web.StreamResponse:
        fields = await self._fields(request)
        password = fields.get("password")
        if not isinstance(password, str):
            return refusal(401, "The form holds no password.")
        if fields.get("guest_mode") == "1" and self._guests():
            return await self._enter(request, {"guest_mode": True})
        try:
            token, username = read_password(self._file)
        except Unusable as fault:
            self._say(f"no login is possible: {fault}")
            return refusal(403, "Login is not possible.")
        if await self._right(password, token):
            self._say(f"login accepted address={address}")
            return await self._enter(request, {"logged_in": True, "username": username})
        self._throttle.failed(address)
        self._say(f"login failed address={address}")
        return web.Response(status=302, headers={"Location": "/login?wrong_password=1"})

    async def _fields(self, request: web.Request) -> Any:
        if request.content_type not in _FORMS:
            return {}
        # Only a request with this limit stops reading in time; the original knows ComfyUI's own, 100 MiB.
        bounded = request.clone(client_max_size=FORM_LIMIT)
        try:
            return await asyncio.wait_for(bounded.post(), FORM_SECONDS)
        except web.HTTPRequestEntityTooLarge:
            raise
        except Exception:
            # aiohttp raises half a dozen kinds of errors for a broken body.
            return {}

    async def _right(self, password: str, token: str) -> bool:
        data = password.encode("utf-8", "surrogatepass")
        if not 0 < len(data) <= WORST_PASSWORD or b"\0" in data:
            return False
        loop = asyncio.get_running_loop()
        try:
            return bool(await loop.run_in_executor(self._worker, bcrypt.checkpw, data, token.encode("ascii")))
        except ValueError:
            return False

    async def _enter(self, request: web.Request, values: dict[str, Any]) -> web.StreamResponse:
        # Always a new one: the time it was made at is what the epoch is held against.
        session = await self._storage.new_session()
        for name, value in values.items():
            session[name] = value
        response = web.Response(status=302, headers={"Location": "/"})
        await self._storage.save_session(request, response, session)
        return response
