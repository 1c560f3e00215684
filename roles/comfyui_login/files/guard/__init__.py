# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom node without nodes: ends ComfyUI before it listens when ComfyUI-Login's check is not in the application.

ComfyUI swallows whatever goes wrong in a custom node and serves on, without login. SystemExit it does not swallow.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

CHECK = "check_login_status"
REFUSED = 78

# ComfyUI calls a module without this a failed import.
NODE_CLASS_MAPPINGS: dict[str, Any] = {}


def end(reason: str) -> NoReturn:
    """End ComfyUI, from wherever this is called."""
    print(f"comfyui-login-guard: ended ComfyUI before it listened: {reason}", file=sys.stderr, flush=True)
    raise SystemExit(REFUSED)


async def check(app: Any) -> None:
    """Called once all custom nodes are loaded, in whatever order, and before anything listens."""
    if not any(getattr(middleware, "__name__", "") == CHECK for middleware in app.middlewares):
        end("the login check is not in the application; see above why ComfyUI-Login was not loaded")


try:
    from server import PromptServer

    PromptServer.instance.app.on_startup.append(check)
except Exception as error:
    end(f"the guard itself could not be set up ({type(error).__name__}: {error})")
