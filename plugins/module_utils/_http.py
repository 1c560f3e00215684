# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small HTTP client: one request, one connection, no redirects, no proxies, and errors that hold no secret.

Whatever goes wrong is raised as HttpError, whose text is made here and never copied from a library that might
quote a header: the token travels in a request header and must not come back in a message.
"""

from __future__ import annotations

import http.client
import os
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, urlsplit

BODY_LIMIT = 64 * 1024
"""Bytes of a response body that are kept; the rest is never read."""

_CONTROL = re.compile(r"[\x00-\x20\x7f]")


class HttpError(Exception):
    """No usable response. ``kind`` says why, the text says it in words; neither holds a token or a header.

    Kinds: ``address`` (the URL or an option is unusable), ``unreachable`` (refused, no route, no such name, no such
    socket), ``timeout``, ``tls`` (certificate or handshake), ``protocol`` (what answered does not speak HTTP).
    """

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


@dataclass(frozen=True)
class Response:
    """What came back: status code, headers by lower-case name (the last of a kind), and the start of the body."""

    status: int
    headers: dict[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    truncated: bool = False


def check_url(url: str) -> SplitResult:
    """Take *url* apart; raise HttpError("address") unless it is a plain http(s) base URL without credentials."""
    shown = "the URL"
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise HttpError("address", f"{shown} cannot be understood (host or port)") from None
    if parts.scheme not in ("http", "https"):
        raise HttpError("address", f"{shown} must start with http:// or https://")
    if parts.username is not None or parts.password is not None:
        raise HttpError("address", f"{shown} holds a user name or password; give these on their own")
    if parts.query or parts.fragment:
        raise HttpError("address", f"{shown} must be the server's base address, without '?' or '#'")
    if not parts.hostname or port == 0 or _CONTROL.search(url):
        raise HttpError("address", f"{shown} has no usable host name, or holds blanks")
    return parts


def request(
    method: str,
    url: str,
    path: str = "/",
    *,
    token: str | None = None,
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
    timeout: float = 10.0,
    ca_path: str | None = None,
    verify: bool = True,
    unix_socket: str | None = None,
    limit: int = BODY_LIMIT,
) -> Response:
    """Send one request and return the Response; redirects are returned, not followed.

    *url* is the base address (``https://host:port/prefix``), *path* is put behind it as it is. *token* becomes the
    header ``Authorization: Bearer``. *timeout* (seconds) bounds connecting and then the whole exchange. *ca_path* is a
    PEM file or a directory of them; *verify* False accepts any certificate. With *unix_socket* the connection goes to
    that socket and *url* only names the host. At most *limit* bytes of the answer's body are read. Raises HttpError.
    """
    parts = check_url(url)
    sent = {"Connection": "close", **request_headers(token, headers)}
    connection = connection_to(parts, timeout, ca_path, verify, unix_socket)
    expired = threading.Event()
    watchdog: threading.Timer | None = None
    try:
        connection.connect()
        # A server that sends a byte now and then never trips a socket's own timeout.
        watchdog = threading.Timer(timeout, _cut, (connection.sock, expired))
        watchdog.daemon = True
        watchdog.start()
        connection.request(method, parts.path.rstrip("/") + path, body=body, headers=sent)
        answer = connection.getresponse()
        data = answer.read(limit + 1)
        if expired.is_set():
            raise HttpError("timeout", _too_slow(timeout))
        names = {name.lower(): value for name, value in answer.getheaders()}
        return Response(answer.status, names, data[:limit], len(data) > limit)
    except HttpError:
        raise
    except Exception as error:
        raise scrubbed(error, timeout, expired.is_set()) from None
    finally:
        if watchdog is not None:
            watchdog.cancel()
        connection.close()


def request_headers(token: str | None, headers: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the headers of a request with this token. Raises HttpError("address") for what HTTP does not allow."""
    sent = {"Accept": "application/json", "User-Agent": "genai.comfyui", **(headers or {})}
    if token is not None:
        sent["Authorization"] = "Bearer " + token
    for value in sent.values():
        if not value.isascii() or _CONTROL.search(value.replace(" ", "")):
            raise HttpError("address", "a request header would hold characters that HTTP does not allow")
    return sent


class _UnixConnection(http.client.HTTPConnection):
    def __init__(self, host: str, path: str, timeout: float) -> None:
        super().__init__(host, timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def connection_to(
    parts: SplitResult,
    timeout: float,
    ca_path: str | None,
    verify: bool,
    unix_socket: str | None,
) -> http.client.HTTPConnection:
    """Return a connection, not opened yet, to the address that check_url took apart; options as of request."""
    host = parts.hostname or ""
    if unix_socket is not None:
        return _UnixConnection(host, unix_socket, timeout)
    if parts.scheme == "http":
        return http.client.HTTPConnection(host, parts.port or 80, timeout=timeout)
    try:
        if ca_path is not None and os.path.isdir(ca_path):
            context = ssl.create_default_context(capath=ca_path)
        else:
            context = ssl.create_default_context(cafile=ca_path)
    except (OSError, ssl.SSLError):
        raise HttpError("address", f"{ca_path} cannot be read as certificates (PEM file or directory)") from None
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return http.client.HTTPSConnection(host, parts.port or 443, timeout=timeout, context=context)


def _cut(sock: socket.socket, expired: threading.Event) -> None:
    expired.set()
    try:
        sock.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _too_slow(timeout: float) -> str:
    return f"no complete answer within {timeout:g} s"


def scrubbed(error: Exception, timeout: float, expired: bool) -> HttpError:
    """Return *error* in words of our own; *expired*: the whole exchange took too long."""
    if expired or isinstance(error, (socket.timeout, TimeoutError)):
        return HttpError("timeout", _too_slow(timeout))
    if isinstance(error, ssl.SSLCertVerificationError):
        return HttpError("tls", f"the server's certificate is not trusted: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return HttpError("tls", f"the TLS handshake failed ({error.reason or 'closed by the server'})")
    if isinstance(error, socket.gaierror):
        return HttpError("unreachable", "the host name cannot be resolved")
    if isinstance(error, OSError):
        return HttpError("unreachable", error.strerror or "the connection was closed without an answer")
    return HttpError("protocol", f"the answer is not HTTP ({type(error).__name__})")
