# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ansible-playbook runs on an inventory with servers and clients that are never contacted."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from ansible.parsing.vault import VaultSecret

from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import StoreContext, open_store

VAULT_PASSWORD = "vault-password-of-the-tests"
INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: {python}
    comfyui_credential_store: {{type: vault_file, path: "{{{{ inventory_dir }}}}/truth.vault.yml"{store}}}
  children:
    comfyui_servers:
      hosts:
        s1: {{}}
        s2:
          comfyui_instances: [{{name: a, port: 8188}}, {{name: b, port: 8189, credential: other}}]
        gone: {{comfyui_state: absent}}
    comfyui_clients:
      hosts:
        c1:
          comfyui_consumers:
            - {{id: env, path: /x/.env, codec: dotenv, key: T}}
            - {{id: user, path: /x/.env, codec: dotenv, key: U, field: username}}
            - {{id: extra, path: /x/extra, codec: raw, required: false}}
        s2:
          comfyui_consumers: [{{id: mcp, path: /x/mcp.json, preset: mcp_json}}]
"""


class Plays:
    """A directory with a playbook, an inventory and a vault password, and ansible-playbook to run there."""

    def __init__(self, directory: Path, store: str = "") -> None:
        self.directory = directory
        self.path = directory / "truth.vault.yml"
        (directory / "vault-password").write_text(VAULT_PASSWORD)
        (directory / "inventory.yml").write_text(INVENTORY.format(python=sys.executable, store=store))
        (directory / "ansible.cfg").write_text(
            "[defaults]\nnocows=1\nretry_files_enabled=0\nlocalhost_warning=0\nnocolor=1\n"
            f"local_tmp={directory}/tmp\nremote_tmp={directory}/tmp\n"
        )

    def run(self, tasks: list[dict[str, Any]], *args: str, limit: str = "s1") -> Any:
        """Run the tasks for one host; return the finished process, with ``out`` = all its output."""
        play = [{"hosts": "all", "gather_facts": False, "tasks": tasks}]
        (self.directory / "play.yml").write_text(json.dumps(play))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
        environment.update(ANSIBLE_CONFIG=str(self.directory / "ansible.cfg"), LC_ALL="C.UTF-8", COLUMNS="4000")
        environment["ANSIBLE_HOME"] = str(self.directory / "home")
        tool = Path(sys.executable).with_name("ansible-playbook")
        command = [str(tool), "-i", "inventory.yml", "play.yml", "--vault-password-file", "vault-password"]
        done: Any = subprocess.run(
            [*command, "--limit", limit, *args],
            cwd=self.directory,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        done.out = done.stdout + done.stderr
        return done

    def document(self) -> Any:
        """Return the truth."""
        secrets = [("default", VaultSecret(VAULT_PASSWORD.encode()))]
        context = StoreContext(secrets, str, None)
        return open_store({"type": "vault_file", "path": str(self.path)}, context).read()[0]


def task(state: str, **options: Any) -> dict[str, Any]:
    """Return a task that calls the action for main and shows the result's safe part."""
    names = {} if "names" in options else {"name": "main"}
    return {"genai.comfyui.rotation": {"state": state, **names, **options}, "ignore_errors": True}
