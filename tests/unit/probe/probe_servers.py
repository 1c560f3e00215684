# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small real HTTP servers that behave as a ComfyUI does, well or badly."""

from __future__ import annotations

import datetime
import ipaddress
import socketserver
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

import pytest

TOKEN = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
OTHER = "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O"
PASSWORD = "Correct-Horse-1"


@dataclass
class Behaviour:
    """What a server does; the defaults are a locked ComfyUI."""

    token: str = TOKEN
    check: bool = True
    any_token: bool = False
    also: tuple[str, ...] = ()
    guarded: bool = True
    origin: str | None = None
    refusal: tuple[int, str] = (401, "")
    accepted: int = 200
    form: Callable[[str], tuple[int, str]] = lambda password: (
        (302, "/") if password == PASSWORD else (302, "/login?wrong_password=1")
    )
    body: bytes = b"{}"
    # (method, path, Authorization, Origin) of every request, in order.
    seen: list[tuple[str, str, str | None, str | None]] = field(default_factory=list)

    def lets_in(self, query: str, bearer: str | None, origin: str | None) -> bool:
        if not self.check:
            return True
        if self.origin is not None and origin != self.origin:
            return False
        if bearer is not None and (bearer[7:] in (self.token, *self.also) or self.any_token):
            return True
        return parse_qs(query, keep_blank_values=True).get("token") == [self.token]


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def log_message(self, *args: Any) -> None:
        pass

    def answer(self, status: int, location: str = "") -> None:
        self.send_response(status)
        if location:
            self.send_header("Location", location)
        self.send_header("Content-Length", str(len(self.server.behaviour.body)))
        self.end_headers()
        self.wfile.write(self.server.behaviour.body)

    def note(self) -> Behaviour:
        behaviour: Behaviour = self.server.behaviour
        behaviour.seen.append((self.command, self.path, self.headers["Authorization"], self.headers["Origin"]))
        return behaviour

    def do_GET(self) -> None:
        behaviour = self.note()
        path, _mark, query = self.path.partition("?")
        if path.endswith(".js") and not behaviour.guarded:
            self.answer(404)
            return
        if behaviour.lets_in(query, self.headers["Authorization"], self.headers["Origin"]):
            bearer = self.headers["Authorization"] == f"Bearer {behaviour.token}"
            self.answer(behaviour.accepted if bearer else 200)
        else:
            self.answer(*behaviour.refusal)

    def do_POST(self) -> None:
        behaviour = self.note()
        form = parse_qs(self.rfile.read(int(self.headers["Content-Length"])).decode())
        self.answer(*behaviour.form(form["password"][0]))


class _Unix(socketserver.ThreadingUnixStreamServer):
    daemon_threads = True

    def finish_request(self, request: Any, client_address: Any) -> None:
        _Handler(request, ("unix", 0), self)  # type: ignore[arg-type]


@contextmanager
def serve(
    behaviour: Behaviour, tls: ssl.SSLContext | None = None, unix: Path | None = None, port: int = 0
) -> Iterator[str]:
    """Serve until the block ends; yields the base address (of no use for a unix socket)."""
    server: Any = _Unix(str(unix), _Handler) if unix else ThreadingHTTPServer(("127.0.0.1", port), _Handler)
    server.behaviour = behaviour
    server.handle_error = lambda *_: None
    if tls is not None:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        scheme = "https" if tls else "http"
        yield "http://localhost" if unix else f"{scheme}://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for 127.0.0.1 and its key, in one PEM file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "probe tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return path


@pytest.fixture(scope="session")
def tls(certificate: Path) -> ssl.SSLContext:
    """A server's context with that certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context
