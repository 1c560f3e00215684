# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The way from this host to a server's address: name, connection, TLS, and what kind of thing answers.

Nothing here is authenticated: no token ever goes along, so that whoever answers learns nothing.
"""

from __future__ import annotations

import errno
import json
import socket
import time
from email.utils import parsedate_to_datetime
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError, Response, check_url, request

_ERRORS = {
    errno.ECONNREFUSED: "refused",
    errno.ETIMEDOUT: "timeout",
    errno.ENETUNREACH: "no_route",
    errno.EHOSTUNREACH: "no_route",
    errno.EADDRNOTAVAIL: "no_route",
}
_PATH = "/system_stats"

Json = dict[str, Any]


def look(url: str, ca_path: str | None = None, timeout: float = 5.0) -> Json:
    """Return what is seen of the way to *url*, in plain types. Never raises; each step may take *timeout* seconds.

    ``error``: None, or ``address``, ``name``, ``refused``, ``timeout``, ``no_route``, ``closed``, ``certificate``.
    ``addresses`` are what the name stands for, ``port`` the port, ``spoken`` is ``tls`` or ``plain`` as the port
    answers, ``status`` that of an anonymous request, ``comfyui`` whether the answer looks like ComfyUI's or its login
    node's, ``server`` and ``via`` its headers, ``challenge`` the scheme it asks for, ``skew`` the server's clock minus
    this one in seconds, ``detail`` words for a person.
    """
    found: Json = {
        "error": None,
        "detail": "",
        "addresses": [],
        "port": None,
        "spoken": None,
        "status": None,
        "comfyui": False,
        "server": "",
        "via": "",
        "challenge": "",
        "skew": None,
    }
    try:
        parts = check_url(url)
    except HttpError as error:
        return {**found, "error": "address", "detail": str(error)}
    host, secure = parts.hostname or "", parts.scheme == "https"
    found["port"] = parts.port or (443 if secure else 80)
    try:
        known = socket.getaddrinfo(host, found["port"], type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        return {**found, "error": "name", "detail": f"the name {host} cannot be resolved"}
    found["addresses"] = sorted({str(one[4][0]) for one in known})
    try:
        socket.create_connection((host, found["port"]), timeout=timeout).close()
    except OSError as error:
        slow = isinstance(error, (socket.timeout, TimeoutError))
        kind = "timeout" if slow else _ERRORS.get(error.errno or 0, "closed")
        return {**found, "error": kind, "detail": "" if slow else (error.strerror or "")}
    try:
        answer = request("GET", url, _PATH, ca_path=ca_path, timeout=timeout)
    except HttpError as error:
        found["detail"] = str(error)
        found["spoken"] = "plain" if secure and _plain(url, timeout) else None
        loose = None if found["spoken"] else _loose(url, timeout)
        if loose is not None:
            found["spoken"] = "tls"
            _take(found, loose)
        if found["spoken"] == "tls" and secure:
            found["error"] = "certificate"
        else:
            found["error"] = "timeout" if error.kind == "timeout" else "closed"
        return found
    found["spoken"] = "tls" if secure else "plain"
    _take(found, answer)
    if not secure and answer.status == 400 and not found["comfyui"] and _loose(url, timeout) is not None:
        # nginx answers "plain HTTP request was sent to HTTPS port" in plain HTTP.
        found.update(spoken="tls", error="closed")
    return found


def _plain(url: str, timeout: float) -> bool:
    try:
        request("GET", "http" + url[len("https") :], _PATH, timeout=timeout)
    except HttpError:
        return False
    return True


def _loose(url: str, timeout: float) -> Response | None:
    """Return the answer over TLS, whoever's the certificate."""
    try:
        parts = check_url(url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
        return request("GET", f"https://{host}:{port}{parts.path}", _PATH, timeout=timeout, verify=False)
    except HttpError:
        return None


def _take(found: Json, answer: Response) -> None:
    headers = answer.headers
    found["status"] = answer.status
    found["server"], found["via"] = headers.get("server", "")[:80], headers.get("via", "")[:80]
    found["challenge"] = headers.get("www-authenticate", "").split(" ")[0][:20]
    found["comfyui"] = _is_comfyui(answer)
    try:
        found["skew"] = round(parsedate_to_datetime(headers["date"]).timestamp() - time.time(), 1)
    except (KeyError, ValueError, TypeError):
        found["skew"] = None


def _is_comfyui(answer: Response) -> bool:
    """Whether it answers as ComfyUI (with its system data) or as its login node (with its own words) does."""
    try:
        body = json.loads(answer.body)
    except ValueError:
        return bool(answer.headers.get("location", "").split("?")[0].rstrip("/").endswith("/login"))
    if not isinstance(body, dict):
        return False
    return (answer.status == 200 and "system" in body) or (
        answer.status == 401 and "authentication required" in str(body.get("error", "")).lower()
    )
