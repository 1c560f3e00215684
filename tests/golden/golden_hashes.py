# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The hashes of the golden matrix, one credential for each, and the spellings that people try."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

TOKENS = {
    "letter": "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK",
    "digit": "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O",
    "dot": "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe",
    "slash": "$2b$04$/hRM0B3tgjpFRE39yawQi.SK6lcV1hbnSOqmkAioWQU3YsCsCoAxi",
    # Where $04 becomes the script's name, $12 becomes nothing.
    "twelve": "$2b$12$fZ16p/p4EDjrt881s5JyJe0WilbSEVXhfAoQa9RETvOkiP4.GFhw6",
}
PASSWORD = "Correct-Horse-1"

SPELLINGS: dict[str, Callable[[str], str]] = {
    "bare": lambda token: token,
    "single": lambda token: f"'{token}'",
    "double": lambda token: f'"{token}"',
    "doubled": lambda token: token.replace("$", "$$"),
    "doubled_double": lambda token: '"' + token.replace("$", "$$") + '"',
    "doubled_single": lambda token: "'" + token.replace("$", "$$") + "'",
    "escaped_double": lambda token: '"' + token.replace("$", "\\$") + '"',
    "escaped_single": lambda token: "'" + token.replace("$", "\\$") + "'",
}


def credential(name: str) -> dict[str, Any]:
    """The credential whose version v7 is the token *name*."""
    return {"username": "admin", "password": PASSWORD, "token": TOKENS[name], "version": "v7"}
