# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shape of the files that decide about an instance's login. Words, times and fingerprints; never a value."""

from __future__ import annotations

import base64
import binascii
import errno
import json
import os
import re
import stat
from datetime import datetime, timedelta
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._evidence_host import may_read
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

LOGIN_NODE, GUARD_NODE = "ComfyUI-Login", "ComfyUI-Login-Guard"
_LIMIT = 64 * 1024
_KEY = re.compile(r"([A-Za-z0-9_-]{43}=),([0-9T:.-]+)")
# What ComfyUI logs of a node that failed to load; the second form is its table at the end.
_FAILURE = re.compile(r"Cannot import .*?" + LOGIN_NODE + r"\b(?!-Guard).*")
_REASON = re.compile(r"^\w*(?:Error|Exception|Warning)\b.*")

Json = dict[str, Any]


def _data(path: str) -> tuple[str, bytes, os.stat_result | None]:
    """Return a word for what is there (``ok``, ``missing``, ``directory``, ``linked``, ``unreadable``), and it."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        words = {errno.ENOENT: "missing", errno.ENOTDIR: "missing", errno.ELOOP: "linked"}
        return words.get(error.errno or 0, "unreadable"), b"", None
    try:
        status = os.fstat(handle)
        if not stat.S_ISREG(status.st_mode):
            return "directory" if stat.S_ISDIR(status.st_mode) else "unreadable", b"", status
        return "ok", os.read(handle, _LIMIT), status
    except OSError:
        return "unreadable", b"", None
    finally:
        os.close(handle)


def password(path: str, user: str | None = None) -> Json:
    """Return the state of ``login/PASSWORD``.

    ``state``: ``ok``, ``missing``, ``directory``, ``linked``, ``unreadable`` (*user*, the service's, may not read it),
    ``too_open``, ``empty``, ``bom``, ``crlf``, ``not_hash``, ``no_username``. ``fingerprint`` is that of a whole token
    in line 1, ``changed`` the file's time in seconds, ``detail`` words for a person.
    """
    state, data, status = _data(path)
    found: Json = {"state": state, "fingerprint": None, "changed": None, "detail": ""}
    if state != "ok" or status is None:
        return found
    found["changed"] = status.st_mtime_ns / 1e9
    text = data.decode("utf-8", "replace")
    lines = text.lstrip("\ufeff").split("\n")
    first = lines[0].strip()
    if is_token(first):
        found["fingerprint"] = fingerprint(first)
    refused = may_read(path, user)
    if refused:
        found.update(state="unreadable", detail=refused)
    elif not text.strip():
        found["state"] = "empty"
    elif text.startswith("\ufeff"):
        found["state"] = "bom"
    elif "\r" in text:
        found["state"] = "crlf"
    elif not is_token(lines[0]):
        found["state"] = "not_hash"
    elif len(lines) < 2 or not lines[1].strip():
        found["state"] = "no_username"
    elif status.st_mode & 0o007:
        found.update(state="too_open", detail=f"mode {stat.S_IMODE(status.st_mode):04o}")
    return found


def accept(path: str) -> Json:
    """Return the state of the guard's ``ACCEPT.json``: ``ok``, ``missing``, ``broken``, and whose tokens it lists.

    ``fingerprints`` holds those in force; whatever the guard would refuse makes it ``broken``.
    """
    state, data, status = _data(path)
    found: Json = {"state": state if state in ("ok", "missing") else "broken", "fingerprints": [], "detail": ""}
    if state != "ok" or status is None:
        found["detail"] = "" if state in ("ok", "missing") else state
        return found
    try:
        whole = json.loads(data.decode("utf-8"))
        tokens = [(one["token"], one["expires"]) for one in whole["tokens"]]
        sound = whole["schema"] == 1 and "epoch" in whole and bool(tokens)
    except (ValueError, KeyError, TypeError, RecursionError):
        tokens, sound = [], False
    if not sound or not all(is_token(token) for token, _expires in tokens):
        found.update(state="broken", detail="it is not of the form that the guard reads")
        return found
    if status.st_mode & 0o077:
        found.update(state="broken", detail=f"others may touch it (mode {stat.S_IMODE(status.st_mode):04o})")
    found["fingerprints"] = [fingerprint(token) for token, expires in tokens if not _past(expires)]
    return found


def _past(expires: object) -> bool:
    now = datetime.now().timestamp()
    if isinstance(expires, (int, float)):
        return expires <= now
    try:
        return datetime.fromisoformat(str(expires).replace("Z", "+00:00")).timestamp() <= now
    except ValueError:
        return False


def session_key(path: str) -> str:
    """Return ``ok``, ``missing`` (the node makes one), or what is wrong with the login node's key file."""
    state, data, _status = _data(path)
    if state != "ok":
        return state if state == "missing" else f"it is {state}"
    match = _KEY.fullmatch(data.decode("ascii", "replace").strip())
    if not match:
        return "it is empty" if not data.strip() else "it is no key record"
    try:
        sound = len(base64.urlsafe_b64decode(match[1])) == 32
        old = datetime.now() - datetime.fromisoformat(match[2]) > timedelta(days=30)
    except (binascii.Error, ValueError, TypeError):
        return "it is no key record"
    return "it is no key record" if not sound else "it is older than 30 days" if old else "ok"


def node(directory: str) -> str:
    """Return ``present``, ``missing``, ``disabled`` (ComfyUI skips such names) or ``empty`` (no ``__init__.py``)."""
    if os.path.isdir(directory):
        return "present" if os.path.isfile(os.path.join(directory, "__init__.py")) else "empty"
    parent, name = os.path.split(directory)
    try:
        near = os.listdir(parent)
    except OSError:
        return "missing"
    return "disabled" if f"{name}.disabled".lower() in (one.lower() for one in near) else "missing"


def import_failure(lines: list[str]) -> str:
    """Return what ComfyUI logged about the login node's failed import, without a traceback; empty without one."""
    for number in range(len(lines) - 1, -1, -1):
        match = _FAILURE.search(lines[number])
        if match:
            said = match[0].partition("custom nodes: ")[2]
            return said.strip() or next((one for one in reversed(lines[:number]) if _REASON.search(one)), match[0])
        if "(IMPORT FAILED)" in lines[number] and lines[number].rstrip().endswith(LOGIN_NODE):
            reason = next((one for one in reversed(lines[:number]) if _REASON.search(one)), "")
            return reason.strip() or "its import failed"
    return ""
