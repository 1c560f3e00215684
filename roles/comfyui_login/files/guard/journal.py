# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's lines in ComfyUI's log. Their form is a promise: `files/fail2ban` in the role reads it.

comfyui-login-guard: 2026-01-02T03:04:05Z login failed address=192.0.2.1 user="comfy"
"""

from __future__ import annotations

import re
import sys
import time

from .redact import text

USER_LIMIT = 64

_ODD = re.compile(rb"[^A-Za-z0-9._@+-]")


def say(line: str) -> None:
    """Write one line to stderr. Whoever calls this sees to it that it holds no secret and no text of a stranger.

    Not by logging: ComfyUI's --verbose would silence the line, and newer ones colour what stands before it.
    """
    _write(f"comfyui-login-guard: {line}\n")


def _write(lines: str) -> None:
    try:
        # At once, so that what other threads write does not come between.
        sys.stderr.write(text(lines))
        sys.stderr.flush()
    except (AttributeError, OSError, ValueError):
        # Nowhere to write to. Refusing goes on.
        pass


def user_name(typed: object, password: object = None) -> str:
    """Return what somebody typed as a user name, as plain ASCII without blanks or quotes, at most USER_LIMIT bytes
    of it. A token or the password in the wrong field does not show.
    """
    if not isinstance(typed, str):
        return ""
    if text(typed) != typed or (typed and typed == password):
        return "(secret)"
    data = typed.encode("utf-8", "surrogatepass")
    cut = "..." if len(data) > USER_LIMIT else ""
    return _ODD.sub(lambda match: b"\\x" + match[0].hex().encode(), data[:USER_LIMIT]).decode("ascii") + cut


def login(result: str, address: str, user: str = "") -> None:
    """Log one login: *result* is accepted, guest, failed, malformed or throttled; *user* comes from `user_name`."""
    moment = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    # A progress bar leaves the line open on which it stands; fail2ban looks at whole lines.
    _write(f'\ncomfyui-login-guard: {moment} login {result} address={address} user="{user}"\n')
