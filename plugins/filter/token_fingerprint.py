# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Filter genai.comfyui.token_fingerprint; documented in token_fingerprint.yml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint


def token_fingerprint(token: Any) -> str:
    """Return the token's fingerprint. :raises AnsibleFilterError: it is not strictly a token."""
    if not is_token(token):
        # Of anything weaker, such as a password, a fingerprint could be guessed from.
        raise AnsibleFilterError("token_fingerprint: the input is not a bcrypt hash of exactly 60 characters")
    shown: str = fingerprint(str.__str__(token))
    return shown


class FilterModule:
    """Tells Ansible the filter's name."""

    def filters(self) -> dict[str, Callable[..., Any]]:
        """Return the filter by name."""
        return {"token_fingerprint": token_fingerprint}
