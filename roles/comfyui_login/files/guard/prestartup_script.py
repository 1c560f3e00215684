# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ComfyUI runs this before it imports any node: from here on no token is logged, and nothing listens unguarded."""

from __future__ import annotations

import importlib.util
import os
import sys

try:
    for _name in ("redact", "latch"):
        _place = os.path.join(os.path.dirname(os.path.abspath(__file__)), f"{_name}.py")
        _spec = importlib.util.spec_from_file_location(f"comfyui_login_guard_{_name}", _place)
        if _spec is None or _spec.loader is None:
            raise ImportError(_place)
        _module = importlib.util.module_from_spec(_spec)
        _spec.loader.exec_module(_module)
        _module.install()
        sys.modules[_module.NAME] = _module
except Exception as error:
    # ComfyUI would swallow it; the login node then logs the token.
    _why = f"tokens cannot be kept out of the log, or ComfyUI from listening ({type(error).__name__})"
    print(f"comfyui-login-guard: ended ComfyUI before it listened: {_why}", file=sys.stderr, flush=True)
    raise SystemExit(78) from None
