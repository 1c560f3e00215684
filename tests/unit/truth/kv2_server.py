# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A small server that speaks what the library asks of Vault: KV version 2, two logins, capabilities; over TLS.

It stands in for a real server, whose program cannot be had where the tests run. Its answers follow Vault's API
documents.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ROOT, ISSUED, SECRET_ID, JWT = "hvs.root-token", "hvs.issued-token", "secret-id-of-the-tests", "eyJ.jwt.of-the-tests"
MISMATCH = "check-and-set parameter did not match the current version"


@dataclass
class Vault:
    """What the server holds, and what it does wrong."""

    url: str = ""
    versions: list[dict[str, Any] | None] = field(default_factory=list)
    """Versions 1, 2, ...; None is a deleted one."""
    tokens: set[str] = field(default_factory=lambda: {ROOT})
    namespace: str | None = None
    mount_version: str | None = "2"
    capabilities: list[str] = field(default_factory=lambda: ["create", "read", "update"])
    fail: list[int] = field(default_factory=list)
    """Statuses for the next requests, before anything is done."""
    lose: int = 0
    """How many writes to do without an answer."""
    logins: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)


def _handler(vault: Vault) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_arguments: object) -> None:
            return

        def _send(self, status: int, content: Any) -> None:
            body = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _errors(self, status: int, *texts: str) -> None:
            self._send(status, {"errors": list(texts)})

        def _body(self) -> Any:
            return json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)) or b"{}")

        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(self._body())

        do_PUT = do_POST

        def _answer(self, body: Any) -> None:
            if vault.fail:
                self._errors(vault.fail.pop(0), f"troubled {ROOT}")
            elif vault.namespace is not None and self.headers.get("X-Vault-Namespace") != vault.namespace:
                self._errors(404, "namespace not found")
            elif self.path == "/v1/auth/approle/login":
                self._login(body == {"role_id": "role-of-the-tests", "secret_id": SECRET_ID})
            elif self.path == "/v1/auth/jwt/login":
                self._login(body == {"role": "ops", "jwt": JWT})
            elif self.headers.get("X-Vault-Token") not in vault.tokens:
                self._errors(403, "permission denied")
            elif self.path == "/v1/sys/capabilities-self":
                self._send(200, {"data": {body["paths"][0]: vault.capabilities}})
            elif self.path == "/v1/sys/internal/ui/mounts/secret":
                options = None if vault.mount_version is None else {"version": vault.mount_version}
                self._send(200, {"data": {"type": "kv", "options": options}})
            elif self.path == "/v1/secret/data/comfyui/credentials":
                self._write(body) if body is not None else self._read()
            else:
                self._errors(404)

        def _login(self, right: bool) -> None:
            vault.logins += 1
            if not right:
                self._errors(400, "invalid role or secret ID")
                return
            vault.tokens.add(ISSUED)
            self._send(200, {"auth": {"client_token": ISSUED, "lease_duration": 3600}})

        def _read(self) -> None:
            if not vault.versions:
                self._errors(404)
                return
            data = vault.versions[-1]
            deleted = "" if data is not None else "2026-01-02T03:04:05Z"
            metadata = {"version": len(vault.versions), "deletion_time": deleted, "destroyed": False}
            self._send(404 if data is None else 200, {"data": {"data": data, "metadata": metadata}})

        def _write(self, body: Any) -> None:
            with vault.lock:
                if body.get("options", {}).get("cas") != len(vault.versions):
                    self._errors(400, MISMATCH)
                    return
                vault.versions.append(body["data"])
                version = len(vault.versions)
            if vault.lose:
                vault.lose -= 1
                self.close_connection = True
                self.connection.close()
                return
            self._send(200, {"data": {"version": version}})

    return Handler


def certificate(folder: Path) -> Path:
    """Write a certificate for 127.0.0.1 and its key into one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "vault of the tests")])
    now = datetime.datetime.now(datetime.timezone.utc)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(minutes=5))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path = folder / "vault.pem"
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM) + secret)
    return path


@contextmanager
def serve(pem: Path) -> Iterator[Vault]:
    """Run a server with this certificate."""
    vault = Vault()
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(vault))
    server.daemon_threads = True
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(pem)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    vault.url = f"https://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    try:
        yield vault
    finally:
        server.shutdown()
        server.server_close()
