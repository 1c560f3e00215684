# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which strings of a credential are secrets, so that nothing shows them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote


def secrets_of(credentials: Any) -> set[str]:
    """Return every token and password in *credentials*, which may have any form, plain and percent-encoded."""
    if isinstance(credentials, dict):
        own = {str(credentials[name]) for name in ("token", "password") if isinstance(credentials.get(name), str)}
        found = {form for value in own if value for form in (value, quote(value, safe=""))}
        return found.union(*(secrets_of(one) for one in credentials.values()))
    return set().union(*(secrets_of(one) for one in credentials)) if isinstance(credentials, list) else set()
