# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small hub on loopback: repositories that redirect to a storage host, and every trouble on demand.

It stands in for a hub that cannot be reached from a test; what it answers is what the client library needs of one.
"""

from __future__ import annotations

import hashlib
import json
import select
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

REVISION = "c232bcb51c1523899c62d6dcaa960b2627668de5"
TOKEN = "hf_" + "abcdefghij" * 3
PIECE = 65536


@dataclass
class Seen:
    """One request as it came."""

    role: str
    method: str
    path: str
    authorization: str | None
    range: str | None


@dataclass
class Hub:
    """Files by ``owner/name/path``; *troubles* are taken from the list one a request, until it is empty.

    A trouble is ``("status", code, headers)``, ``("cut", bytes)``, ``("corrupt",)``, ``("page",)``, ``("none",)``,
    ``("slow", seconds)``, which are waited before each piece of the body, ``("hold", bytes)``: so much is sent, and
    then nothing until the other side closes, ``("whole",)``: what range is asked for is ignored, ``("elsewhere",)``:
    another range is sent, or ``("more", bytes)``: the file has grown by as much.
    """

    files: dict[str, bytes] = field(default_factory=dict)
    gated: set[str] = field(default_factory=set)
    troubles: dict[str, list[tuple[Any, ...]]] = field(default_factory=lambda: {"hub": [], "storage": []})
    seen: list[Seen] = field(default_factory=list)
    sent: int = 0
    url: str = ""
    storage_url: str = ""
    plain_marks: bool = False
    """Whether the hub names no sha256, as for files it does not keep as large ones."""
    xet: bool = False
    """Whether files are also kept in pieces, for the library's other transport."""

    def take(self, role: str) -> tuple[Any, ...] | None:
        """Return the next trouble for this side."""
        return self.troubles[role].pop(0) if self.troubles[role] else None


def _handler(hub: Hub, role: str) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: object) -> None:
            return

        def _head(self, status: int, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()

        def _answer(self) -> None:
            hub.seen.append(
                Seen(role, self.command, self.path, self.headers.get("Authorization"), self.headers.get("Range"))
            )
            trouble = hub.take(role)
            if trouble and trouble[0] == "status":
                self._head(trouble[1], {"Content-Length": "0", **trouble[2]})
                return
            if trouble and trouble[0] == "page":
                body = b"<!doctype html><title>log in</title>"
                self._head(200, {"Content-Type": "text/html; charset=utf-8", "Content-Length": str(len(body))})
                self.wfile.write(body if self.command == "GET" else b"")
                return
            if role == "hub" and self.path == "/api/xet-token":
                lent = {"X-Xet-Cas-Url": hub.storage_url, "X-Xet-Access-Token": "lent"}
                self._head(200, {**lent, "X-Xet-Token-Expiration": "4000000000", "Content-Length": "0"})
            elif role == "hub":
                self._resolve()
            elif "/reconstructions/" in self.path or self.path.startswith("/xorb/"):
                self._pieces(trouble == ("corrupt",))
            else:
                self._content(trouble)

        do_GET = do_HEAD = _answer

        def _resolve(self) -> None:
            path = unquote(urlsplit(self.path).path).strip("/")
            repo, _word, rest = path.partition("/resolve/")
            revision, _slash, name = rest.partition("/")
            key = f"{repo}/{name}"
            if repo in hub.gated and self.headers.get("Authorization") != f"Bearer {TOKEN}":
                said = {"X-Error-Code": "GatedRepo", "X-Error-Message": "Access to this repository is gated"}
                self._head(401 if self.headers.get("Authorization") is None else 403, {"Content-Length": "0", **said})
            elif key not in hub.files or revision not in (REVISION, "main"):
                self._head(404, {"Content-Length": "0", "X-Error-Code": "EntryNotFound"})
            else:
                data = hub.files[key]
                digest = hashlib.sha256(data).hexdigest() if not hub.plain_marks else "d41d8cd9"
                linked = {"X-Linked-Size": str(len(data)), "X-Linked-ETag": f'"{digest}"', "X-Repo-Commit": REVISION}
                linked["ETag"] = linked["X-Linked-ETag"]
                if hub.xet:
                    linked["X-Xet-Hash"] = hashlib.sha256(key.encode()).hexdigest()
                    linked["X-Xet-Refresh-Route"] = f"{hub.url}/api/xet-token"
                place = f"{hub.storage_url}/blob/{key}?signature=secret-signature"
                self._head(302, {"Content-Length": "0", "Location": place, **linked})

        def _pieces(self, spoil: bool) -> None:
            # What hf-xet asks of a content-addressed store: which pieces make up a range, then those pieces.
            mark = self.path.rpartition("/")[2]
            data = next(
                (one for key, one in hub.files.items() if hashlib.sha256(key.encode()).hexdigest() == mark), b""
            )
            asked = (self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").partition("-")
            start, end = int(asked[0]), int(asked[2] or len(data))
            if self.path.startswith("/xorb/"):
                cut = [data[at : at + PIECE] for at in range(0, len(data), PIECE)]
                packed = b"".join(framed(one) for one in cut)[start : end + 1]
                self._head(206, {"Content-Length": str(len(packed)), "Content-Range": f"bytes {start}-{end}/*"})
                self.wfile.write(packed[:-1] + bytes([packed[-1] ^ spoil]))
                hub.sent += len(packed)
                return
            if "/v1/" not in self.path or start >= len(data):
                self._head(416 if "/v1/" in self.path else 404, {"Content-Length": "0"})
                return
            first, last = start // PIECE, -(-len(data) // PIECE)
            bounds = {"start": first * (PIECE + 8), "end": len(data) + 8 * last - 1}
            pieces = {"start": first, "end": last}
            place = {"range": pieces, "url": f"{hub.storage_url}/xorb/{mark}", "url_range": bounds}
            term = {"hash": mark, "unpacked_length": len(data) - first * PIECE, "range": pieces}
            told = {"offset_into_first_range": start % PIECE, "terms": [term], "fetch_info": {mark: [place]}}
            body = json.dumps(told).encode()
            self._head(200, {"Content-Type": "application/json", "Content-Length": str(len(body))})
            self.wfile.write(body)

        def _content(self, trouble: tuple[Any, ...] | None) -> None:
            key = unquote(urlsplit(self.path).path).removeprefix("/blob/")
            how = trouble[0] if trouble else ""
            data = hub.files[key] + bytes(trouble[1] if trouble and how == "more" else 0)
            start, status, headers = 0, 200, {"Content-Type": "application/octet-stream", "Accept-Ranges": "bytes"}
            asked = self.headers.get("Range")
            mark = f'"{hashlib.md5(data).hexdigest()}"'
            if asked and how != "whole" and self.headers.get("If-Range") in (None, mark):
                start = int(asked.removeprefix("bytes=").partition("-")[0])
                if start >= len(data):
                    self._head(416, {"Content-Length": "0", "Content-Range": f"bytes */{len(data)}"})
                    return
                start = 1 if how == "elsewhere" else start
                status, headers["Content-Range"] = 206, f"bytes {start}-{len(data) - 1}/{len(data)}"
            body = data[start:]
            headers.update({"Content-Length": str(len(body)), "ETag": mark})
            self._head(status, headers)
            if self.command == "HEAD":
                return
            if trouble and trouble[0] == "corrupt":
                body = bytes([body[0] ^ 1]) + body[1:]
            if trouble and trouble[0] in ("cut", "hold"):
                body = body[: trouble[1]]
                self.close_connection = True
            step = PIECE
            for at in range(0, len(body), step):
                if trouble and trouble[0] == "slow":
                    time.sleep(trouble[1])
                try:
                    self.wfile.write(body[at : at + step])
                except OSError:
                    self.close_connection = True
                    return
                hub.sent += len(body[at : at + step])
            if trouble and trouble[0] == "hold":
                select.select([self.connection], [], [])

    return Handler


def framed(piece: bytes) -> bytes:
    """Return an uncompressed piece as it lies in a store."""
    size = len(piece).to_bytes(3, "little")
    return b"\0" + size + b"\0" + size + piece


@contextmanager
def serve(tls: ssl.SSLContext | None = None) -> Iterator[Hub]:
    """Run a hub and its storage host, each on an address of its own: libraries take one address for one host."""
    hub = Hub()
    servers = []
    for role, address in (("hub", "127.0.0.1"), ("storage", "127.0.0.2")):
        server = ThreadingHTTPServer((address, 0), _handler(hub, role))
        server.daemon_threads = True
        if tls is not None:
            server.socket = tls.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        servers.append(server)
    scheme = "https" if tls else "http"
    hub.url, hub.storage_url = (f"{scheme}://{server.server_address[0]!s}:{server.server_port}" for server in servers)
    try:
        yield hub
    finally:
        for server in servers:
            server.shutdown()
            server.server_close()
