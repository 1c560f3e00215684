# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Taking secrets out of what other programs say: whole ones, encoded ones, and pieces of them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote

_PIECE = 6
"""Characters. A piece of a secret of this length is masked; shorter ones are in every other text."""
_VALUE = 6
"""Characters. Shorter values of other keys are masked nowhere: they are words like "true"."""
_TOKEN = re.compile(r"\$\$?2[abxy]?\$\$?\d\d\$\$?[./A-Za-z0-9]{10,}")
_LONGEST = 1000
MASK = "<masked>"


def values_in(text: str) -> set[str]:
    """Return what in a configuration file may be values: other people's secrets, which a parser may quote."""
    found: set[str] = set()
    for line in text.splitlines():
        line = line.strip()
        value = re.split(r"[=:]", line, maxsplit=1)[-1].strip().rstrip(",").strip("'\" \t")
        # A line that holds only a key is what makes a message useful.
        found |= {one for one in (value, line) if len(one) >= _VALUE and not line.endswith((":", "{", "[", "]", "}"))}
    return found


def masked(text: str, secrets: Iterable[str], values: Iterable[str] = ()) -> str:
    """Return *text* without the *secrets*, without forms and pieces of them, and without the whole *values*.

    At most its last thousand characters are returned.
    """
    forms = {form for secret in secrets if secret for form in _forms(secret)}
    hidden = [False] * len(text)
    for match in _TOKEN.finditer(text):
        _hide(hidden, match.start(), match.end())
    for value in values:
        _hide_all(hidden, text, value)
    pieces: set[str] = set()
    for form in forms:
        if len(form) <= _PIECE:
            _hide_all(hidden, text, form)
        pieces.update(form[start : start + _PIECE] for start in range(len(form) - _PIECE + 1))
    for start in range(len(text) - _PIECE + 1):
        if text[start : start + _PIECE] in pieces:
            _hide(hidden, start, start + _PIECE)
    shown: list[str] = []
    for character, hide in zip(text, hidden):
        if not hide:
            shown.append(character)
        elif not shown or shown[-1] != MASK:
            shown.append(MASK)
    return "".join(shown)[-_LONGEST:]


def _forms(secret: str) -> set[str]:
    forms = {secret, quote(secret, safe=""), quote(secret), json.dumps(secret)[1:-1], secret.lower()}
    forms |= {secret.replace("$", "$$"), secret.replace("$", "\\$"), secret.replace("'", "'\\''")}
    forms.add(secret.replace("'", "'\"'\"'"))
    # The ends of a base64 text depend on what surrounds the secret.
    for before in range(3):
        raw = base64.b64encode(b"\0" * before + secret.encode("utf-8", "surrogateescape")).decode("ascii")
        forms |= {raw[4:].rstrip("=")[:-1], raw[4:].rstrip("=")[:-1].replace("+", "-").replace("/", "_")}
    return {form for form in forms if form}


def _hide_all(hidden: list[bool], text: str, what: str) -> None:
    start = text.find(what)
    while start >= 0 and what:
        _hide(hidden, start, start + len(what))
        start = text.find(what, start + 1)


def _hide(hidden: list[bool], start: int, end: int) -> None:
    hidden[start:end] = [True] * (end - start)
