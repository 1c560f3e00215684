# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps every token out of what this process logs and prints. Standard library only; loads without the package.

`prestartup_script.py` installs it before any node is imported. A token is a bcrypt hash, so its form tells it; nobody
has to know which ones there are. Percent-encoded and shell-escaped spellings count, and so do cut-off ones.
"""

from __future__ import annotations

import hashlib
import logging
import re
import sys
import traceback
from typing import Any
from urllib.parse import unquote

NAME = "comfyui_login_guard_redact"
"""Under which `sys.modules` knows that this is in force."""

_ESCAPED = "%(?:25)*"
_DOLLAR = rf"(?:\\*\$+|{_ESCAPED}24)"
_DIGIT = rf"(?:[0-9]|{_ESCAPED}3[0-9])"
_LETTER = rf"(?:\\*[./A-Za-z0-9]|{_ESCAPED}[2-7][0-9A-Fa-f])"
_TOKEN = re.compile(
    rf"{_DOLLAR}(?:2|{_ESCAPED}32)(?:[abxy]|{_ESCAPED}(?:6[12]|7[89])){_DOLLAR}{_DIGIT}{{2}}{_DOLLAR}{_LETTER}{{16,53}}"
)
_WHOLE = re.compile(r"\$2[abxy]\$[0-9]{2}\$[./A-Za-z0-9]{53}")


def fingerprint(token: str) -> str:
    """Return the only form of a token that may be shown; the same as everywhere in the collection."""
    return hashlib.sha256(b"genai.comfyui token v1\0" + token.encode("utf-8", "surrogatepass")).hexdigest()[:12]


def _name(match: re.Match[str]) -> str:
    plain = match[0]
    for _layer in range(4):
        plain = unquote(plain)
    plain = re.sub(r"\$+", "$", plain.replace("\\", ""))
    return f"<token {fingerprint(plain)}>" if _WHOLE.fullmatch(plain) else "<token>"


def text(said: str) -> str:
    """Return *said* with each token replaced by its fingerprint."""
    return _TOKEN.sub(_name, said) if "$" in said or "%" in said else said


def _clean(record: logging.LogRecord) -> None:
    try:
        said = record.getMessage()
    except Exception:
        # A bad format string. Logging reports it on stderr, where it is looked at again.
        said = ""
    if (cleaned := text(said)) != said:
        record.msg, record.args = cleaned, ()
    if record.exc_info and not record.exc_text:
        trace = "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
        if (cleaned := text(trace)) != trace:
            record.exc_text, record.exc_info = cleaned, None
    if record.stack_info:
        record.stack_info = text(record.stack_info)


def _records() -> None:
    make = logging.getLogRecordFactory()
    if hasattr(make, NAME):
        return

    def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
        made = make(*args, **kwargs)
        _clean(made)
        return made

    setattr(record, NAME, True)
    logging.setLogRecordFactory(record)


def _stream(stream: Any) -> None:
    write = getattr(stream, "write", None)
    if write is None or hasattr(write, NAME):
        return

    def cleaned(data: Any) -> Any:
        return write(text(data) if isinstance(data, str) else data)

    setattr(cleaned, NAME, True)
    stream.write = cleaned


def install() -> None:
    """Put it before whatever logs and prints. Called again, it sees to what others replaced meanwhile."""
    _records()
    handlers = [getattr(one, "stream", None) for one in logging.getLogger().handlers]
    for stream in (sys.stdout, sys.stderr, sys.__stdout__, sys.__stderr__, *handlers):
        _stream(stream)
