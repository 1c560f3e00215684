# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Puts the guard into ComfyUI's application: checks at import, once all nodes are loaded, and at the last moment."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import folder_paths
from aiohttp import web
from comfy.cli_args import args
from server import PromptServer

from . import redact
from .accept import Accept, Unusable, read_password
from .counters import Counters
from .ended import Ended
from .form import Form
from .gate import Gate, guests_allowed
from .health import Health
from .journal import say
from .sessions import Sessions
from .settings import BadSetting, Settings, read
from .upstream import Login, Unexpected, versions

CODE = Path(os.path.dirname(os.path.abspath(folder_paths.__file__)))
PASSWORD, ACCEPT, GUEST_MODE = (CODE / "login" / name for name in ("PASSWORD", "ACCEPT.json", "GUEST_MODE"))
ENDED = ".comfyui-login-guard-ended.json"
"""In ComfyUI's user directory, which its service may write to, unlike `login/`; no route reaches it there."""
SETTINGS = Path(__file__).resolve().parent / "settings.json"

LATCH = "comfyui_login_guard_latch"
VERSION = "0.1.0"
"""The collection's."""

End = Callable[[str], NoReturn]


def settings() -> Settings:
    """Return the settings of this instance; without a file the strict ones. Raises Unusable."""
    try:
        return read(json.loads(SETTINGS.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return Settings()
    except BadSetting as fault:
        raise Unusable(f"{SETTINGS}: {fault}") from None
    except (OSError, ValueError, RecursionError):
        raise Unusable(f"{SETTINGS}: cannot be read") from None


def install(end: End) -> None:
    """Called at import. Nothing of this may be left out: each hook notices when the one before it did not run."""
    app: Any = PromptServer.instance.app
    gate: Any | None = None
    latch: Any = sys.modules.get(LATCH)
    if redact.NAME not in sys.modules or latch is None:
        end("prestartup_script.py did not run, so tokens would get into the log")
    redact.install()
    try:
        if os.path.lexists(CODE / "PASSWORD"):
            raise Unusable(f"{CODE}/PASSWORD: the login node would move it over login/PASSWORD")
        read_password(PASSWORD)
        chosen = settings()
    except Unusable as fault:
        end(str(fault))
    freeze = app.pre_freeze
    login: Any | None = None

    def locked() -> bool:
        return gate is not None and gate.sealed and login is not None and login.in_place(app)

    async def loaded(_app: web.Application) -> None:
        """All custom nodes are loaded, in whatever order, and nothing listens yet."""
        nonlocal gate, login
        try:
            token, _name = read_password(PASSWORD)
            login = Login(app)
            if login.token != token:
                raise Unexpected("the login node does not hold the token of login/PASSWORD")
            await login.prove(args.enable_cors_header)
            redact.install()
            accept = Accept(ACCEPT, token, say, time.monotonic)
            ended = Ended(Path(folder_paths.get_user_directory()) / ENDED, say, time.time)
            sessions, counters = Sessions(login.storage, chosen, ended), Counters()
            guests = guests_allowed(chosen.guests, str(GUEST_MODE))
            form = Form(PASSWORD, accept, sessions, guests, chosen, counters)
            health = Health(locked, accept, counters, versions(login, VERSION))
            gate = Gate(login, accept, form, sessions, health, counters, guests, args.enable_cors_header)
        except Exception as fault:
            name = "" if isinstance(fault, (Unusable, Unexpected)) else f"{type(fault).__name__}: "
            end(f"{name}{fault}")

    def last() -> None:
        """The list of middlewares is fixed after this; whoever was put in first until now comes second."""
        if gate is None:
            end("the application starts without having asked whether it is locked")

        @web.middleware
        async def comfyui_login_guard(request: web.Request, handler: Any) -> web.StreamResponse:
            answer: web.StreamResponse = await gate(request, handler)
            return answer

        app.middlewares.insert(0, comfyui_login_guard)
        freeze()
        gate.sealed = app.middlewares[0] is comfyui_login_guard
        if not gate.sealed:
            end("the guard is not the first of the application's middlewares")
        latch.stands = True

    # Not a plain assignment: aiohttp warns of attributes that it does not know.
    object.__setattr__(app, "pre_freeze", last)
    app.on_startup.append(loaded)
