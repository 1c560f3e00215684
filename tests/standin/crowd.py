# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many servers and clients on this machine, for real runs of the playbooks: a directory and a name for each.

A pseudo-server is the stand-in with the login node and the real guard, one plain process on a port of its own; a small
program answers for systemctl. A pseudo-client is a file. Ansible reaches all of them by its local connection.
"""

from __future__ import annotations

import base64
import getpass
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from ansible.parsing.vault import VaultSecret
from harness import USERNAME, Pair, Server

from ansible_collections.genai.comfyui.plugins.plugin_utils import _hashing, _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import StoreContext, open_store

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
GUARD = ROOT / "roles" / "comfyui_login" / "files" / "guard"
VAULT_PASSWORD = "of the crowd only"
POLICY = {"cost": 4, "overlap_hours": 0}
KEY = "COMFYUI_API_TOKEN"
# Nothing has to be started or stopped here, so everything but a look is a mistake that must show.
SYSTEMCTL = """#!/bin/sh
if [ "$1" != show ]; then echo "nothing may be done here: $*" >&2; exit 1; fi
while [ $# -gt 1 ]; do shift; done
cat "{units}/$1"
"""


@dataclass(frozen=True)
class Played:
    """One finished playbook: ``cpu_s`` and ``wall_s`` of all its processes, and who decrypted the truth, in order."""

    code: int
    out: str
    cpu_s: float
    wall_s: float
    decryptions: list[str]


class Crowd:
    """``serve`` starts the servers; ``choose`` puts a truth and some of the hosts into their first state."""

    def __init__(self, where: Path) -> None:
        self.where = where
        self.servers: dict[str, tuple[Pair, Server]] = {}
        self.inventory = where / "inventory.yml"
        self.store = {"type": "vault_file", "path": str(where / "truth.vault.yml")}
        (where / "bin").mkdir()
        (where / "units").mkdir()
        systemctl = where / "bin" / "systemctl"
        systemctl.write_text(SYSTEMCTL.format(units=where / "units"))
        systemctl.chmod(0o755)
        (where / "vault-password").write_text(VAULT_PASSWORD)
        (where / "ansible.cfg").write_text(
            "[defaults]\nforks = 10\ngathering = explicit\nretry_files_enabled = False\nnocolor = True\n"
            f"local_tmp = {where}/tmp\nremote_tmp = {where}/tmp\n[connection]\npipelining = True\n"
        )

    @contextmanager
    def serve(self, count: int) -> Iterator[None]:
        """Let so many servers run until the block ends. They take the first token that :meth:`choose` makes, too."""
        with ExitStack() as stack:
            started = []
            for number in range(count):
                name = f"srv-{number:03d}"
                pair = Pair(self.where / name / "instances" / name, arguments=("--cpu",))
                shutil.copytree(GUARD, pair.custom_nodes / "ComfyUI-Login-Guard")
                self._give(pair, _hashing.make_token("first", cost=4))
                # As the role does, before the first start: a process that is older than it has to be restarted.
                key = base64.urlsafe_b64encode(os.urandom(32)).decode()
                pair.key_file.write_text(f"{key},{datetime.now().isoformat()}")
                os.utime(pair.key_file, (time.time() - 60, time.time() - 60))
                server = pair.start()
                stack.callback(server.stop)
                started.append((name, pair, server))
            for name, pair, server in started:
                server.wait_until_listening(pair.start_timeout)
                unit = {
                    "Id": f"comfyui@{name}.service", "LoadState": "loaded", "ActiveState": "active",
                    "SubState": "running", "Result": "success", "MainPID": server.process.pid,
                    "NeedDaemonReload": "no", "UnitFileState": "enabled",
                }  # fmt: skip
                text = "".join(f"{key}={value}\n" for key, value in unit.items())
                (self.where / "units" / str(unit["Id"])).write_text(text)
                self.servers[name] = (pair, server)
            yield

    def choose(self, servers: int, clients: int) -> None:
        """Make a new truth that these hosts hold, and an inventory of them."""
        path = Path(self.store["path"])
        path.unlink(missing_ok=True)
        password = _hashing.random_password()
        token = _hashing.make_token(password, cost=POLICY["cost"])
        document = _truth.add_generated(
            _truth.new_document(), "main", token=token, password=password, now="2026-01-01T00:00:00Z",
            username=USERNAME, policy=POLICY,
        )  # fmt: skip
        self._open().write(document, None)
        groups: dict[str, dict[str, Any]] = {"comfyui_servers": {}, "comfyui_clients": {}}
        for name in list(self.servers)[:servers]:
            pair, server = self.servers[name]
            self._give(pair, token)
            groups["comfyui_servers"][name] = {
                "comfyui_home": str(self.where / name),
                "comfyui_instances": [{"name": name, "port": int(server.url.rpartition(":")[2])}],
            }
        for number in range(clients):
            file = self.where / f"cli-{number:03d}.env"
            file.touch(0o600)
            file.write_text(f"{KEY}='{token}'\n")
            consumer = {"id": "env", "path": str(file), "codec": "dotenv", "key": KEY}
            groups["comfyui_clients"][file.stem] = {"comfyui_consumers": [consumer]}
        common = {
            "ansible_connection": "local",
            "ansible_python_interpreter": "/usr/bin/python3" if os.path.exists("/usr/bin/python3") else sys.executable,
            "comfyui_credential_store": self.store,
            "comfyui_user": getpass.getuser(),
            "comfyui_group": getpass.getuser(),
            "comfyui_rotation_lock": str(self.where / "lock"),
            "comfyui_report_dir": str(self.where / "reports"),
        }
        children = {group: {"hosts": hosts} for group, hosts in groups.items()}
        # JSON is YAML, too.
        self.inventory.write_text(json.dumps({"all": {"vars": common, "children": children}}))

    def play(self, playbook: str, *arguments: str) -> Played:
        """Run one of the collection's playbooks to its end."""
        counted = self.where / "counted"
        counted.write_text("")
        environment = {name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")}
        environment.update(
            ANSIBLE_CONFIG=str(self.where / "ansible.cfg"),
            ANSIBLE_HOME=str(self.where / "home"),
            COUNTED=str(counted),
            PATH=f"{self.where / 'bin'}:{os.environ['PATH']}",
        )
        command = [sys.executable, str(HERE / "counted.py"), "-i", str(self.inventory), playbook]
        command += ["--vault-password-file", str(self.where / "vault-password"), *arguments]
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
        wall, after = time.monotonic() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        lines = [line.partition(" ")[2] for line in counted.read_text().splitlines()]
        return Played(done.returncode, done.stdout + done.stderr, cpu, wall, lines)

    def document(self) -> Any:
        """Return the truth."""
        return self._open().read()[0]

    def behind(self) -> list[str]:
        """Return the chosen hosts that do not hold the truth's current token, or servers that do not take it alone."""
        document = self.document()
        token = _truth.current_token(document["credentials"]["main"])
        children = json.loads(self.inventory.read_text())["all"]["children"]
        found = []
        for name in children["comfyui_servers"]["hosts"]:
            pair, server = self.servers[name]
            held = pair.password_file.read_text().splitlines()[0]
            status = server.request("GET", "/system_stats", token=token).status
            listed = [one["token"] for one in json.loads((pair.code / "login" / "ACCEPT.json").read_text())["tokens"]]
            found += [name] if (held, status, listed) != (token, 200, [token]) else []
        for name, variables in children["comfyui_clients"]["hosts"].items():
            text = Path(variables["comfyui_consumers"][0]["path"]).read_text()
            found += [name] if text != f"{KEY}='{token}'\n" else []
        return found

    def _open(self) -> Any:
        secrets = [("default", VaultSecret(VAULT_PASSWORD.encode()))]
        return open_store(self.store, StoreContext(secrets, str, None))

    @staticmethod
    def _give(pair: Pair, token: str) -> None:
        pair.set_password(token)
        accept = pair.code / "login" / "ACCEPT.json"
        entry = {"version": "v1", "token": token, "expires": None}
        new = accept.with_name(".new")
        new.touch(0o600)
        new.write_text(json.dumps({"schema": 1, "epoch": 0, "tokens": [entry]}))
        new.rename(accept)
