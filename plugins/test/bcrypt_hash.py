# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Test genai.comfyui.bcrypt_hash; documented in bcrypt_hash.yml."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token


def bcrypt_hash(value: Any) -> bool:
    """Say whether the value is strictly a bcrypt hash. Never raises."""
    return bool(is_token(value))


class TestModule:
    """Tells Ansible the test's name."""

    __test__ = False

    def tests(self) -> dict[str, Callable[..., Any]]:
        """Return the test by name."""
        return {"bcrypt_hash": bcrypt_hash}
