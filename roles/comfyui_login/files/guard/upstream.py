# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard relies on in ComfyUI-Login and aiohttp. Where it is not as expected, ComfyUI does not start."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import re
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import make_mocked_request
from aiohttp_session import AbstractStorage

from .accept import is_token

CHECK = "check_login_status"
TOKEN = "TOKEN"  # noqa: S105


class Unexpected(Exception):
    """What is not as it must be."""


class Login:
    """The login node as found in the application: its check, its session storage and the token it holds."""

    def __init__(self, app: web.Application) -> None:
        """Find the parts. Raises Unexpected unless there is exactly one of each."""
        found: list[Any] = list(app.middlewares)
        checks = [one for one in found if getattr(one, "__name__", "") == CHECK]
        if not checks:
            raise Unexpected("the login check is not in the application; see above why ComfyUI-Login was not loaded")
        self.check: Any = checks[0]
        if len(checks) > 1 or not asyncio.iscoroutinefunction(self.check) or TOKEN not in self.check.__globals__:
            raise Unexpected("the login check is not the one of ComfyUI-Login")
        factories = [one for one in found if getattr(one, "__module__", "").partition(".")[0] == "aiohttp_session"]
        held = [value for one in factories for value in inspect.getclosurevars(one).nonlocals.values()]
        storages = [value for value in held if isinstance(value, AbstractStorage)]
        if len(factories) != 1 or len(storages) != 1:
            raise Unexpected("the login node does not keep its sessions with aiohttp_session as expected")
        self._sessions: Any = factories[0]
        self.storage: Any = storages[0]

    @property
    def token(self) -> str:
        """The token that the login node takes now."""
        return str(self.check.__globals__[TOKEN])

    def in_place(self, app: web.Application) -> bool:
        """Whether the check is still in the application and holds a token at all."""
        return self.check in app.middlewares and is_token(self.token)

    async def prove(self, origin: str | None) -> None:
        """Ask the check itself: a stranger must be refused, its own token let in. Raises Unexpected."""
        accept = {"Accept": "application/json"} | ({"Origin": origin} if origin else {})
        stranger = await self._ask("/system_stats", accept)
        empty = await self._ask("/system_stats?token=", accept)
        known = await self._ask("/system_stats", {**accept, "Authorization": f"Bearer {self.token}"})
        if stranger or empty:
            raise Unexpected("the login check lets in whoever has no credential")
        if not known:
            raise Unexpected("the login check refuses its own token")

    async def _ask(self, path: str, headers: dict[str, str]) -> bool:
        reached = False

        async def handler(_request: web.Request) -> web.StreamResponse:
            nonlocal reached
            reached = True
            return web.Response()

        async def checked(request: web.Request) -> web.StreamResponse:
            answer: web.StreamResponse = await self.check(request, handler)
            return answer

        with contextlib.suppress(web.HTTPException):
            await self._sessions(make_mocked_request("GET", path, headers), checked)
        return reached


_PROJECT_VERSION = re.compile(r'^version\s*=\s*"([^"\n]{1,64})"', re.MULTILINE)
_COMMIT = re.compile(r"[0-9a-f]{40,64}")


def versions(login: Login, own: str) -> dict[str, str]:
    """Return the versions of guard, node and ComfyUI, "unknown" where one cannot be told. Raises nothing."""
    folder = Path(login.check.__code__.co_filename).parent
    node = _PROJECT_VERSION.search(_text(folder / "pyproject.toml"))
    try:
        from comfyui_version import __version__ as comfyui
    except ImportError:
        comfyui = "unknown"
    return {"guard": own, "node": node[1] if node else "unknown", "node_commit": _commit(folder), "comfyui": comfyui}


def _text(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(100_000)
    except OSError:
        return ""


def _commit(folder: Path) -> str:
    head = _text(folder / ".git" / "HEAD").strip()
    if head.startswith("ref: "):
        head = _text(folder / ".git" / head[5:]).strip()
    return head if _COMMIT.fullmatch(head) else "unknown"
