# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holds ComfyUI back from listening until the guard stands; loads without the package.

`prestartup_script.py` puts it in place. ComfyUI swallows whatever keeps a node from loading, so a guard whose own files
are damaged could not say so.
"""

from __future__ import annotations

import sys
from typing import Any

from aiohttp import web_runner

NAME = "comfyui_login_guard_latch"
"""Under which `sys.modules` knows that this is in force."""
REFUSED = 78

stands = False
"""Set by the guard once nothing can come before it any more."""


def install() -> None:
    """Put it before every way in which ComfyUI's own application listens; other applications are not ours."""
    sites: Any = web_runner.BaseSite
    start = sites.start

    async def held(site: Any) -> None:
        server = sys.modules.get("server")
        ours = getattr(getattr(getattr(server, "PromptServer", None), "instance", None), "app", None)
        if not stands and ours is not None and getattr(site._runner, "app", None) is ours:
            why = "the guard itself was not loaded; run the playbook for this host again"
            print(f"comfyui-login-guard: ended ComfyUI before it listened: {why}", file=sys.stderr, flush=True)
            raise SystemExit(REFUSED)
        await start(site)

    sites.start = held
