# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the tests of the truth share: fixture hashes, vault secrets, documents, real ansible-playbook runs."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible.parsing.vault import VaultSecret

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import StoreContext, open_store

PASSWORD = "Correct-Horse-1"
LETTER = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
DIGIT = "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O"
DOT = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"
SLASH = "$2b$04$/hRM0B3tgjpFRE39yawQi.SK6lcV1hbnSOqmkAioWQU3YsCsCoAxi"
NOW = "2026-01-02T03:04:05Z"
LATER = "2026-02-02T03:04:05Z"
VAULT_PASSWORD = "vault-password-of-the-tests"


def vault_secrets(*pairs: tuple[str, str]) -> list[tuple[str, Any]]:
    """Return Ansible's list of vault secrets; by default one."""
    return [(i, VaultSecret(p.encode())) for i, p in pairs or [("default", VAULT_PASSWORD)]]


def document(**credentials: str) -> _truth.Document:
    """Return a stamped document with these credentials (name -> token)."""
    new = _truth.new_document()
    for name, token in credentials.items():
        new = _truth.add_generated(new, name, token=token, password=PASSWORD, now=NOW)
    return _truth.stamp(_truth.new_document(), new, now=NOW, by="me@here")


@pytest.fixture(name="h")
def helpers() -> SimpleNamespace:
    """Give tests the shared values; conftest files cannot be imported by name."""
    return SimpleNamespace(
        PASSWORD=PASSWORD,
        LETTER=LETTER,
        DIGIT=DIGIT,
        DOT=DOT,
        SLASH=SLASH,
        NOW=NOW,
        LATER=LATER,
        VAULT_PASSWORD=VAULT_PASSWORD,
        document=document,
        secrets=vault_secrets,
    )


@pytest.fixture(name="make_store")
def _make_store() -> Any:
    """Return a function that opens the vault-file store at a path."""

    def make(path: Path, *pairs: tuple[str, str], secrets: Any = None, vault_id: str | None = None, **spec: Any) -> Any:
        context = StoreContext(vault_secrets(*pairs) if secrets is None else secrets, str, None)
        if vault_id is not None:
            spec["vault_id"] = vault_id
        return open_store({"type": "vault_file", "path": str(path), **spec}, context)

    return make


class Plays:
    """A directory with a playbook, an inventory and a vault password, and ansible-playbook to run there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.store = directory / "truth.vault.yml"
        (directory / "vault-password").write_text(VAULT_PASSWORD)
        (directory / "inventory.yml").write_text(
            "all:\n  vars:\n    ansible_connection: local\n"
            f"    ansible_python_interpreter: {sys.executable}\n"
            '    comfyui_credential_store: {type: vault_file, path: "{{ inventory_dir }}/truth.vault.yml"}\n'
            "  hosts: {one: {}}\n"
        )
        (directory / "ansible.cfg").write_text(
            "[defaults]\nnocows=1\nretry_files_enabled=0\nlocalhost_warning=0\nnocolor=1\nsystem_warnings=1\n"
            f"local_tmp={directory}/tmp\nremote_tmp={directory}/tmp\n"
            "fact_caching=jsonfile\n"
            f"fact_caching_connection={directory}/facts\n"
        )

    def run(self, *tasks: str, args: tuple[str, ...] = (), vault: str | None = "vault-password") -> Any:
        """Run the tasks (YAML texts) for host ``one``; return the finished process, with ``out`` = all its output."""
        indented = "".join("    " + line + "\n" for task in tasks for line in task.strip("\n").split("\n"))
        (self.directory / "play.yml").write_text("- hosts: one\n  gather_facts: false\n  tasks:\n" + indented)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
        environment.update(ANSIBLE_CONFIG=str(self.directory / "ansible.cfg"), LC_ALL="C.UTF-8", COLUMNS="4000")
        environment["ANSIBLE_HOME"] = str(self.directory / "home")
        tool = Path(sys.executable).with_name("ansible-playbook")
        command = [str(tool), "-i", "inventory.yml", "play.yml", *args]
        if vault is not None:
            command += ["--vault-password-file", vault]
        done: Any = subprocess.run(
            command, cwd=self.directory, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        done.out = done.stdout + done.stderr
        return done


@pytest.fixture(name="plays")
def _plays(tmp_path: Path) -> Plays:
    return Plays(tmp_path)
