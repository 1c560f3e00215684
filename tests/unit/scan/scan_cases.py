# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tokens and helpers for the tests of the scan."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._scan import scan
from ansible_collections.genai.comfyui.plugins.module_utils._scan_base import Options

LETTER = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
DIGIT = "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O"
DOT = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"
SLASH = "$2b$04$/hRM0B3tgjpFRE39yawQi.SK6lcV1hbnSOqmkAioWQU3YsCsCoAxi"
PASSWORD = "Correct-Horse-1"
VALUES = (LETTER, DIGIT, DOT, SLASH, PASSWORD)
CREDENTIALS: dict[str, Any] = {
    "main": {
        "username": "admin",
        "password": PASSWORD,
        "token": LETTER,
        "version": "v7",
        "pending": {"token": DIGIT, "version": "v8"},
        "previous": {"token": SLASH, "version": "v6"},
        "retired": [{"version": "v5", "fingerprint": fingerprint(DOT), "retired": "2026-01-02T03:04:05Z"}],
    }
}
# The version of each token, and what it is now.
TOKENS = {LETTER: ("v7", "current"), DIGIT: ("v8", "pending"), SLASH: ("v6", "previous"), DOT: ("v5", "retired")}


def look(
    *roots: Path, sources: tuple[str, ...] = ("files",), grep: str | None = "", declared: Any = (), **more: Any
) -> dict[str, Any]:
    """Scan *roots* and return the result, which holds no value."""
    options = Options(roots=[str(root) for root in roots], sources=sources, **more)
    result = scan(options, CREDENTIALS, declared, grep)
    assert not [value for value in VALUES if value in repr(result)], "a value in the result"
    return result


def places(result: dict[str, Any], root: Path | None = None) -> list[tuple[str, Any, str]]:
    """Return path below *root*, line and version of each finding."""
    return [
        (one["path"] if root is None else one["path"].replace(f"{root}/", ""), one["line"], one["version"])
        for one in result["findings"]
    ]


def left_out(result: dict[str, Any]) -> dict[str, list[str]]:
    """Return the examples of what was left out, by reason."""
    return {one["reason"]: one["examples"] for one in result["left_out"]}
