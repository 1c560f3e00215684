# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Custom node without nodes: makes ComfyUI-Login fail closed, and lets several tokens be valid for a while.

ComfyUI swallows whatever goes wrong in a custom node and serves on, without login. SystemExit it does not swallow:
where anything is not as it must be, ComfyUI ends before it listens. `setup.py` beside this file says what that is.
"""

from __future__ import annotations

import sys
from typing import Any, NoReturn

REFUSED = 78

# ComfyUI calls a module without this a failed import.
NODE_CLASS_MAPPINGS: dict[str, Any] = {}


def end(reason: str) -> NoReturn:
    """End ComfyUI, from wherever this is called."""
    print(f"comfyui-login-guard: ended ComfyUI before it listened: {reason}", file=sys.stderr, flush=True)
    raise SystemExit(REFUSED)


try:
    from .setup import install

    install(end)
except Exception as error:
    end(f"the guard itself could not be set up ({type(error).__name__}: {error})")
