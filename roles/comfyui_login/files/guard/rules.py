# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a request says about itself: pure functions on text, testable with anything. They never raise."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import unquote

EXEMPT_SUFFIXES = (".css", ".css.map", ".js", ".ico")
"""Ends of a path for which ComfyUI-Login checks nothing."""

# What a static file's name needs no escape for, or hides a path in.
_HIDING = re.compile(r"%(?:2[eEfF]|5[cC]|25|[01][0-9a-fA-F]|7[fF])|//|\\")
_CANONICAL_API = "/api"

# What guests may ask for, by the route's own pattern; its twin below /api as well. No logs, no system data, no
# settings and user files, no queue (it holds other users' keys).
_GUEST_GET = {
    "/", "/ws", "/prompt", "/history", "/history/{prompt_id}", "/view", "/object_info", "/object_info/{node_class}",
    "/models", "/models/{folder}", "/embeddings", "/extensions", "/features", "/i18n", "/workflow_templates",
    "/guest_mode", "/login", "/logout",
}  # fmt: skip
_GUEST_POST = {"/prompt", "/upload/image"}


def bearer(values: list[str]) -> tuple[bool, str | None]:
    """Return (well-formed, token) of all Authorization headers. Another scheme is well-formed and holds no token."""
    if not values or values == [""]:
        return True, None
    words = values[0].split()
    if len(values) != 1 or len(words) != 2:
        return False, None
    return True, words[1] if words[0] == "Bearer" else None


def without_token(query: str) -> str:
    """Return a raw query string without any token parameter; every other byte stays."""
    kept = [part for part in query.split("&") if unquote(part.split("=", 1)[0].replace("+", " ")) != "token"]
    return "&".join(kept)


def without_cookie(header: str, name: str) -> str:
    """Return a Cookie header without the cookie *name*, however it is spaced or quoted."""
    return ";".join(part for part in header.split(";") if part.split("=", 1)[0].strip().strip('"') != name).strip()


def plain_asset(raw_path: str, path: str) -> bool:
    """Whether raw and decoded path both name one and the same asset, with nothing hidden in an escape."""
    raw = raw_path.split("?", 1)[0].split("#", 1)[0]
    if not raw.startswith("/") or not raw.endswith(EXEMPT_SUFFIXES) or not path.endswith(EXEMPT_SUFFIXES):
        return False
    if _HIDING.search(raw) or not path.isprintable() or "\\" in path or "%" in path:
        return False
    return posixpath.normpath(path) == path and unquote(raw) == path


def canonical(pattern: str) -> str:
    """Return a route's pattern without the /api of its twin."""
    return pattern[len(_CANONICAL_API) :] if pattern.startswith(_CANONICAL_API + "/") else pattern


def guest_may(method: str, pattern: str, static: bool) -> bool:
    """Whether a guest may ask for the route of this pattern."""
    if method in ("GET", "HEAD"):
        return static or canonical(pattern) in _GUEST_GET
    return method == "POST" and canonical(pattern) in _GUEST_POST
