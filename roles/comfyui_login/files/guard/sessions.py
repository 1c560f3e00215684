# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Browser sessions: begun by the login form, refused when too old, too idle or ended. They live in the login node's
own encrypted cookie, so that its check knows them too.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from .ended import Ended
from .settings import Settings

GUEST, USER = "guest", "user"
MARK = "comfyui_login_guard"
AHEAD = 60.0
"""Seconds that a session may have begun in the future, after a clock was set back."""


@dataclass(frozen=True)
class Session:
    """A session in force. *seen* is when its cookie was last renewed; seconds since 1970.

    *epoch* is the one that was in force when it began: whether a session is from before an epoch must not depend on
    whose clock goes wrong, the controller's or this host's.
    """

    kind: str
    number: str
    born: float
    until: float
    seen: int
    epoch: int
    values: dict[str, Any]


class Sessions:
    """Reads and writes the cookie. *storage* is the login node's."""

    def __init__(self, storage: Any, chosen: Settings, ended: Ended, clock: Callable[[], float] = time.time) -> None:
        self._storage, self._chosen, self._ended, self._clock = storage, chosen, ended, clock
        self._writing = asyncio.Lock()
        self.cookie_name: str = storage.cookie_name
        # Whatever the login node itself would still set has these too.
        storage.cookie_params.update(samesite=chosen.cookie_samesite, secure=chosen.cookie_secure or None)

    async def find(self, request: web.Request, epoch: int) -> Session | None:
        """Return the session that the request's cookie is for, if it is in force. Raises nothing."""
        try:
            loaded = await self._storage.load_session(request)
            number, born, until, begun = loaded[MARK]
            found = Session(
                USER if loaded.get("logged_in") else GUEST, str(number), float(born), float(until), int(loaded.created),
                int(begun), {name: loaded[name] for name in loaded},
            )  # fmt: skip
            if found.kind == GUEST and not loaded.get("guest_mode"):
                return None
        except Exception:
            # No cookie, one of another key, one that is not even text, one that the guard did not make.
            return None
        return found if self._in_force(found, epoch) else None

    def _in_force(self, found: Session, epoch: int) -> bool:
        now = self._clock()
        age, idle = now - found.born, now - found.seen
        if found.epoch < epoch or self._ended.has(found.number, found.born):
            return False
        if not -AHEAD <= age <= self._chosen.session_lifetime or now > found.until:
            return False
        return not self._chosen.session_idle or idle <= self._chosen.session_idle

    async def begin(self, request: web.Request, response: web.Response, values: dict[str, Any], epoch: int) -> None:
        """Give the response the cookie of a new session. *epoch* is the one in force now."""
        born = round(self._clock(), 3)
        until = born + self._chosen.session_lifetime
        await self._save(request, response, {**values, MARK: [secrets.token_hex(16), born, until, epoch]}, until)

    async def renew(self, request: web.Request, response: web.StreamResponse, found: Session) -> None:
        """Note that the session is used, in a new cookie, when a good part of the idle limit has passed."""
        idle = self._chosen.session_idle
        if idle and not response.prepared and self._clock() - found.seen >= min(600, max(1, idle // 4)):
            await self._save(request, response, found.values, found.until)

    async def _save(
        self, request: web.Request, response: web.StreamResponse, values: dict[str, Any], until: float
    ) -> None:
        session = await self._storage.new_session()
        for name, value in values.items():
            session[name] = value
        if self._chosen.cookie_max_age:
            session.max_age = max(1, min(self._chosen.cookie_max_age, int(until - self._clock())))
        await self._storage.save_session(request, response, session)

    async def end(self, found: Session) -> web.StreamResponse:
        """Log out: the session is over for every copy of its cookie."""
        self._ended.end(found.number, found.born, found.until)
        async with self._writing:
            await asyncio.get_running_loop().run_in_executor(None, self._ended.keep)
        response = web.Response(status=302, headers={"Location": "/login"})
        response.del_cookie(
            self.cookie_name, path="/", httponly=True, samesite=self._chosen.cookie_samesite,
            secure=self._chosen.cookie_secure or None,
        )  # fmt: skip
        return response
