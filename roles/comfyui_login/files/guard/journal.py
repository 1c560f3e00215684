# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The guard's lines in ComfyUI's log. Their form is a promise: `files/fail2ban` in the role reads it.

comfyui-login-guard: 2026-01-02T03:04:05Z login failed address=192.0.2.1 user="comfy"
"""

from __future__ import annotations

import logging
import re
import time

from .redact import text

USER_LIMIT = 64

# With a level of its own: ComfyUI's --verbose does not silence it.
_LOGGER = logging.getLogger("comfyui-login-guard")
_LOGGER.setLevel(logging.INFO)
_ODD = re.compile(rb"[^A-Za-z0-9._@+-]")


def say(line: str) -> None:
    """Report one line. Whoever calls this sees to it that it holds no secret and no text of a stranger."""
    # Libraries that configure logging switch off whatever was there before.
    _LOGGER.disabled = False
    _LOGGER.warning("comfyui-login-guard: %s", line)


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
    say(f'{moment} login {result} address={address} user="{user}"')
