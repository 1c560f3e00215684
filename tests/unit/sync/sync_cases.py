# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials and consumers for the tests of sync, and one way to call it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._agree import Outcome, agree

TOKENS = {
    "letter": "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK",
    "digit": "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O",
    "dot": "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe",
    "slash": "$2b$04$/hRM0B3tgjpFRE39yawQi.SK6lcV1hbnSOqmkAioWQU3YsCsCoAxi",
}
LETTER, DIGIT, DOT, SLASH = TOKENS.values()
# A well-formed token that no credential knows.
STRANGER = LETTER[:-4] + "aaaK"
PASSWORD = "Correct-Horse-1"
SECRETS = (*TOKENS.values(), STRANGER, PASSWORD)
FINGERPRINTS = {"letter": "9dd7d353a709", "digit": "7ac749e18810", "dot": "cfd86cf72773", "slash": "c468565ff4f3"}


def credential(**others: Any) -> dict[str, Any]:
    """The credential ``main``: version v7 is the letter token."""
    return {"username": "admin", "password": PASSWORD, "token": LETTER, "version": "v7", **others}


ROTATING = credential(
    pending={"token": DIGIT, "version": "v8"},
    previous={"token": DOT, "version": "v6"},
    retired=[{"version": "v5", "fingerprint": FINGERPRINTS["slash"], "retired": "2026-01-02T03:04:05Z"}],
)
PLANNED = {"username": "admin", "password": None, "token": None, "version": None}


def consumer(path: Path | str, codec: str = "dotenv", **others: Any) -> dict[str, Any]:
    """A consumer as the module gives it, with a key where the codec needs one."""
    key = {"dotenv": "T", "systemd_env": "T", "json": "/t"}.get(codec)
    return {"id": Path(path).name, "path": str(path), "codec": codec, "key": key, **others}


def sync(
    *consumers: dict[str, Any],
    main: dict[str, Any] | None = None,
    check: bool = False,
    unknown: str = "replace",
    **credentials: Any,
) -> Outcome:
    """Call the back end; whatever it says must not hold a secret."""
    known = {"main": main or ROTATING, **credentials}
    outcome = agree(consumers, known, check, unknown=unknown)
    for secret in SECRETS:
        assert secret not in repr(vars(outcome))
    assert [record["id"] for record in outcome.records] == [one["id"] for one in consumers]
    return outcome


def file(path: Path, text: str, mode: int = 0o600) -> Path:
    """Write *text* to *path*, byte for byte."""
    path.write_text(text, encoding="utf-8", newline="")
    path.chmod(mode)
    return path
