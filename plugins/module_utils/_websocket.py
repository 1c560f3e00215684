# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A WebSocket client (RFC 6455) for following ComfyUI's messages. Standard library only: managed hosts get no packages.

    with connect("http://127.0.0.1:8188", "/ws?clientId=x", token=token) as socket:
        message = socket.receive(timeout=5)

No extensions, no subprotocols; pings are answered. Errors are HttpError and hold no secret.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import select
import socket
import ssl
import struct
import time
from typing import cast

from ansible_collections.genai.comfyui.plugins.module_utils._http import (
    HttpError,
    check_url,
    connection_to,
    request_headers,
    scrubbed,
)

MESSAGE_LIMIT = 64 * 1024 * 1024
"""Bytes of one message; ComfyUI sends preview images as one."""

_MAGIC = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONTINUATION, _TEXT, _BINARY, _CLOSE, _PING, _PONG = 0, 1, 2, 8, 9, 10
_HEAD_LIMIT = 64 * 1024


class WebSocketRefused(HttpError):
    """The server answered the handshake with something else; *status* is its HTTP status."""

    def __init__(self, status: int) -> None:
        super().__init__("protocol", f"the server answers the WebSocket handshake with status {status}")
        self.status = status


class WebSocket:
    """One open connection; a context manager that closes it."""

    def __init__(self, sock: socket.socket, rest: bytes = b"") -> None:
        self._sock, self._data, self._open = sock, bytearray(rest), True

    def __enter__(self) -> WebSocket:
        return self

    def __exit__(self, *_raised: object) -> None:
        self.close()

    def close(self) -> None:
        """Say goodbye, as far as the other side still listens, and close."""
        if self._open:
            self._open = False
            with contextlib.suppress(HttpError):
                self._send(_CLOSE, struct.pack(">H", 1000))
        self._sock.close()

    def receive(self, timeout: float) -> str | bytes | None:
        """Return the next message: text, or bytes of a binary one; None when *timeout* (seconds) passed without one.

        Raises HttpError: the connection was closed, or what came is not WebSocket.
        """
        deadline = time.monotonic() + timeout
        kind, size = 0, 0
        parts: list[bytes] = []
        while True:
            frame = self._frame(deadline, bool(parts) or kind != 0)
            if frame is None:
                return None
            final, code, payload = frame
            if code == _PING:
                self._send(_PONG, payload)
            elif code == _CLOSE:
                self._open = False
                raise HttpError("unreachable", "the server closed the WebSocket")
            elif code in (_TEXT, _BINARY, _CONTINUATION):
                if (code == _CONTINUATION) != (kind != 0):
                    raise HttpError("protocol", "the parts of a WebSocket message are out of order")
                kind = kind or code
                size += len(payload)
                if size > MESSAGE_LIMIT:
                    raise HttpError("protocol", f"a WebSocket message is larger than {MESSAGE_LIMIT} bytes")
                parts.append(payload)
                if final:
                    return _message(kind, b"".join(parts))
            elif code != _PONG:
                raise HttpError("protocol", "a WebSocket frame is of no known kind")

    def _frame(self, deadline: float, inside: bool) -> tuple[bool, int, bytes] | None:
        # Inside a message there is no giving up: what was read of it would be lost.
        if not self._fill(2, deadline, inside):
            return None
        first, second = self._data[0], self._data[1]
        if first & 0x70 or second & 0x80:
            raise HttpError("protocol", "a WebSocket frame has flags that nobody agreed on")
        length, head = second & 0x7F, 2
        if length > 125:
            head = 4 if length == 126 else 10
            self._fill(head, deadline, True)
            length = int.from_bytes(self._data[2:head], "big")
        if length > MESSAGE_LIMIT:
            raise HttpError("protocol", f"a WebSocket message is larger than {MESSAGE_LIMIT} bytes")
        self._fill(head + length, deadline, True)
        payload = bytes(self._data[head : head + length])
        del self._data[: head + length]
        return bool(first & 0x80), first & 0x0F, payload

    def _fill(self, count: int, deadline: float, must: bool) -> bool:
        """Have *count* bytes; False at the deadline. What *must* come is given up after ten seconds of silence."""
        while len(self._data) < count:
            wait = 10.0 if must or self._data else max(0.0, deadline - time.monotonic())
            # TLS may hold decrypted bytes that the descriptor does not show.
            pending = self._sock.pending() if isinstance(self._sock, ssl.SSLSocket) else 0
            if not pending and not select.select([self._sock], [], [], wait)[0]:
                if must or self._data:
                    raise HttpError("timeout", "the server stopped in the middle of a WebSocket message")
                return False
            try:
                data = self._sock.recv(65536)
            except Exception as error:
                raise scrubbed(error, wait, False) from None
            if not data:
                self._open = False
                raise HttpError("unreachable", "the server closed the connection")
            self._data += data
        return True

    def send(self, text: str) -> None:
        """Send one text message. Raises HttpError."""
        self._send(_TEXT, text.encode("utf-8"))

    def _send(self, code: int, payload: bytes) -> None:
        length = len(payload)
        if length < 126:
            head = struct.pack(">BB", 0x80 | code, 0x80 | length)
        elif length < 1 << 16:
            head = struct.pack(">BBH", 0x80 | code, 0x80 | 126, length)
        else:
            head = struct.pack(">BBQ", 0x80 | code, 0x80 | 127, length)
        mask = os.urandom(4)
        stream = (mask * (length // 4 + 1))[:length]
        masked = (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(length, "big")
        try:
            self._sock.sendall(head + mask + masked)
        except Exception as error:
            raise scrubbed(error, 10.0, False) from None


def connect(
    url: str,
    path: str,
    *,
    token: str | None = None,
    timeout: float = 10.0,
    ca_path: str | None = None,
    verify: bool = True,
    origin: str | None = None,
) -> WebSocket:
    """Open a WebSocket at *url* + *path*; options as of :func:`_http.request`. Raises HttpError or WebSocketRefused."""
    parts = check_url(url)
    key = base64.b64encode(os.urandom(16)).decode()
    headers = request_headers(token, {"Origin": origin} if origin is not None else None)
    default = 443 if parts.scheme == "https" else 80
    name = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    headers["Host"] = name if parts.port in (None, default) else f"{name}:{parts.port}"
    headers.update({"Upgrade": "websocket", "Connection": "Upgrade"})
    headers.update({"Sec-WebSocket-Key": key, "Sec-WebSocket-Version": "13"})
    lines = [f"GET {parts.path.rstrip('/')}{path} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    connection = connection_to(parts, timeout, ca_path, verify, None)
    try:
        connection.connect()
        sock = cast("socket.socket", connection.sock)
        sock.sendall("\r\n".join([*lines, "", ""]).encode("ascii"))
        head, rest = _head(sock, time.monotonic() + timeout)
    except HttpError:
        connection.close()
        raise
    except Exception as error:
        connection.close()
        raise scrubbed(error, timeout, False) from None
    status, answered = _parse(head)
    if status != 101:
        connection.close()
        raise WebSocketRefused(status)
    expected = base64.b64encode(hashlib.sha1(key.encode() + _MAGIC).digest()).decode()  # noqa: S324 - the protocol's own
    if answered.get("sec-websocket-accept") != expected:
        connection.close()
        raise HttpError("protocol", "the answer to the WebSocket handshake is not the right one")
    return WebSocket(sock, rest)


def _head(sock: socket.socket, deadline: float) -> tuple[bytes, bytes]:
    data = b""
    while b"\r\n\r\n" not in data:
        if time.monotonic() > deadline:
            raise HttpError("timeout", "no complete answer to the WebSocket handshake")
        more = sock.recv(4096)
        if not more or len(data) > _HEAD_LIMIT:
            raise HttpError("protocol", "the answer to the WebSocket handshake is not HTTP")
        data += more
    head, _blank, rest = data.partition(b"\r\n\r\n")
    return head, rest


def _parse(head: bytes) -> tuple[int, dict[str, str]]:
    lines = head.decode("latin-1").split("\r\n")
    words = lines[0].split(" ", 2)
    if len(words) < 2 or not words[0].startswith("HTTP/1.") or not words[1].isdigit():
        raise HttpError("protocol", "the answer to the WebSocket handshake is not HTTP")
    pairs = (line.partition(":") for line in lines[1:])
    return int(words[1]), {name.strip().lower(): value.strip() for name, _colon, value in pairs}


def _message(kind: int, data: bytes) -> str | bytes:
    if kind == _BINARY:
        return data
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError:
        raise HttpError("protocol", "a WebSocket text message is not UTF-8") from None
