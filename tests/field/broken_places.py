# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host with many consumers and instances, each broken in its own way, with real files, processes and servers."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import typing as t
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from field_hosts import ROOT

sys.path.insert(0, str(ROOT / "tests" / "standin"))
from harness import PASSWORD, TOKENS, USERNAME, Pair, Server, free_port

TOKEN, OLD, FOREIGN, TEAM_B = TOKENS["letter"], TOKENS["digit"], TOKENS["dot"], TOKENS["slash"]
KEY = "DIAGNOSED_TOKEN"
Json = dict[str, t.Any]


class Answering(BaseHTTPRequestHandler):
    """Answers every request alike, or hands it on without its Authorization header."""

    status: t.ClassVar[int] = 200
    challenge: t.ClassVar[str] = ""
    behind: t.ClassVar[int] = 0

    def log_message(self, *_args: object) -> None:
        """Say nothing."""

    def do_GET(self) -> None:
        """Answer."""
        status, body = self.status, b"<html>notebooks</html>"
        if self.behind:
            connection = http.client.HTTPConnection("127.0.0.1", self.behind, timeout=10)
            connection.request("GET", self.path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            status, body = answer.status, answer.read()
            connection.close()
        self.send_response(status)
        if self.challenge:
            self.send_header("WWW-Authenticate", self.challenge)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def certificate(place: Path) -> Path:
    """Write a key and a certificate that nobody trusts, and return the file."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(timezone.utc)
    made = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
    made = made.serial_number(1).not_valid_before(now - timedelta(1)).not_valid_after(now + timedelta(1))
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ) + made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)
    place.write_bytes(pem)
    return place


class Broken:
    """The host. ``expected`` maps ``consumer ID`` and ``server NAME`` to the code that its diagnosis must name."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.home = place / "home"
        self.units = place / "units"
        self.units.mkdir()
        self.consumers: list[Json] = []
        self.instances: list[Json] = []
        self.servers: list[Server] = []
        self.expected: dict[str, str | None] = {}
        self.running: dict[str, Server] = {}
        self.stack = contextlib.ExitStack()
        self.tools = place / "bin"
        self.tools.mkdir()
        for name in ("systemctl", "journalctl"):
            tool = self.tools / name
            fake = ROOT / "tests" / "unit" / "instances" / "fake_systemd.py"
            tool.write_text(f'#!/bin/sh\nexec {sys.executable} -I {fake} {name} "$@"\n')
            tool.chmod(0o755)

    # --- servers ---

    def pair(self, name: str) -> Pair:
        """Lay down an instance's tree with a sound PASSWORD."""
        pair = Pair(self.home / "instances" / name)
        pair.set_password(TOKEN)
        return pair

    def instance(self, code: str | None, name: str, port: int = 0, credential: str = "main", **unit: t.Any) -> int:
        """Declare an instance; without ``active=...`` it has no unit at all."""
        port = port or free_port()
        self.instances.append({"name": name, "port": port, "credential": credential})
        self.expected[f"server {name}"] = code
        if unit:
            file = self.units / f"comfyui@{name}.service.json"
            file.write_text(json.dumps({"sub": "running", "result": "success", "status": 0, "port": port, **unit}))
        return port

    def says(self, name: str, text: str) -> None:
        """Put lines into the unit's journal."""
        (self.units / f"comfyui@{name}.service.log").write_text(text)

    def start(self, pair: Pair, *arguments: str, env: dict[str, str] | None = None) -> Server:
        """Start an instance; wait with :meth:`up`."""
        server = pair.start(*arguments, env=env)
        self.stack.callback(server.stop)
        self.servers.append(server)
        return server

    def runs(self, code: str | None, name: str, server: Server, credential: str = "main") -> int:
        """Declare a started instance."""
        port = int(server.url.rsplit(":", 1)[1])
        self.running[name] = server
        return self.instance(code, name, port, credential, active="active", pid=server.process.pid)

    def up(self) -> None:
        """Wait until every started instance listens."""
        for server in self.servers:
            server.wait_until_listening(60)

    def listens(self, tls: Path | None = None, **settings: t.Any) -> int:
        """Start something that is no ComfyUI, in this process, and return its port."""
        handler = type("Handler", (Answering,), settings)
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        if tls is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(tls)
            server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        self.stack.callback(server.server_close)
        self.stack.callback(server.shutdown)
        return int(server.server_address[1])

    def drops(self) -> int:
        """Return a port whose connections are never taken: its queue is full."""
        taken = self.stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))
        taken.listen(0)
        for _number in range(4):
            waiting = self.stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(taken.getsockname())
        return int(taken.getsockname()[1])

    def silent(self) -> int:
        """Return a port that takes connections and says nothing."""
        taken = self.stack.enter_context(socket.socket())
        taken.bind(("127.0.0.1", 0))
        taken.listen(64)
        return int(taken.getsockname()[1])

    # --- clients ---

    def file(self, code: str | None, name: str, text: str | bytes | None, **consumer: t.Any) -> Path:
        """Declare a consumer and write its file, None for no file."""
        path = self.place / "files" / name
        path.parent.mkdir(mode=0o755, exist_ok=True)
        if text is not None:
            path.write_bytes(text.encode() if isinstance(text, str) else text)
            path.chmod(0o600)
        defaults = {"id": name, "path": str(path), "codec": "dotenv", "key": KEY}
        self.consumers.append({**defaults, **consumer})
        if consumer.get("key", KEY) is None:
            del self.consumers[-1]["key"]
        self.expected[f"consumer {name}"] = code
        return path

    def at(self, code: str, name: str, url: str) -> None:
        """Declare a consumer with a right file and this address."""
        self.file(code, name, f"{KEY}_{len(self.consumers)}='{TOKEN}'\n", key=f"{KEY}_{len(self.consumers)}", url=url)

    def process_with(self, name: str, value: str) -> None:
        """Start a process that has an environment variable."""
        process = subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], name: value})
        self.stack.callback(process.wait)
        self.stack.callback(process.kill)

    # --- the inventory ---

    def inventory(self, url: str, **more: t.Any) -> Path:
        """Write an inventory of this host, and of one that cannot be reached."""
        host = {
            "ansible_connection": "local", "ansible_python_interpreter": sys.executable, "comfyui_home": str(self.home),
            "comfyui_data_dir": str(self.place / "data"), "comfyui_user": "root", "comfyui_group": "root",
            "comfyui_instances": self.instances, "comfyui_consumers": self.consumers, "comfyui_client_url": url,
        }  # fmt: skip
        variables = {
            "comfyui_credential_store": {"type": "vault_file", "path": str(self.place / "truth.yml")},
            "comfyui_report_dir": str(self.place / "reports"),
            "comfyui_diagnose_timeout": 2,
        }
        groups = {"comfyui_servers": {"hosts": {"field": host}}, "comfyui_clients": {"hosts": more}}
        path = self.place / "inventory.json"
        path.write_text(json.dumps({"all": {"vars": variables, "children": groups}}))
        return path

    def remains(self) -> None:
        """Stop and remove everything."""
        self.stack.close()
        shutil.rmtree(self.home, ignore_errors=True)


__all__ = ["FOREIGN", "KEY", "OLD", "PASSWORD", "TEAM_B", "TOKEN", "USERNAME", "Broken", "certificate"]
