# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The runbooks' own commands and playbooks, taken from the page and run on a truth of ours."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultSecret

from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import StoreContext, StoreError, open_store

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "runbooks.md").read_text(encoding="utf-8")
OLD, NEW = "the-old-vault-password", "the-new-vault-password"
LETTER = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_become: false
    ansible_python_interpreter: {python}
    comfyui_credential_store: {{type: vault_file, path: "{{{{ inventory_dir }}}}/truth.vault.yml", vault_id: default}}
  children:
    comfyui_servers: {{hosts: {{gpu-1: {{}}}}}}
    comfyui_clients:
      hosts:
        web-9: {{comfyui_consumers: [{{id: notebooks, path: /x/.env, codec: dotenv, key: T}}]}}
"""


def chapter(title: str) -> str:
    """Return the text below a heading."""
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    assert found, f"docs/runbooks.md has no chapter {title!r}"
    return found.group(1)


def commands(title: str, program: str = "ansible") -> list[list[str]]:
    """Return the words of the chapter's commands that call *program*."""
    lines = re.sub(r"\\\n\s+", "", chapter(title)).splitlines()
    return [shlex.split(line) for line in lines if line.startswith(f"    {program} ")]


def playbook(title: str) -> str:
    """Return the chapter's playbook."""
    found = re.search(r"^```yaml\n(.*?)^```", chapter(title), re.MULTILINE | re.DOTALL)
    assert found
    return found.group(1)


class Desk:
    """A directory with an inventory, passwords, and the programs to run there."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.truth = directory / "truth.vault.yml"
        (directory / "inventory.yml").write_text(INVENTORY.format(python=sys.executable), encoding="utf-8")
        for name, password in (("old", OLD), ("default", NEW)):
            (directory / name).write_text(password, encoding="utf-8")

    def run(self, words: list[str], password: str = "old") -> Any:
        """Run a command of the page; passwords that it would ask for come from files."""
        exact = {"INVENTORY": ["inventory.yml"], "--ask-vault-pass": ["--vault-password-file", password]}
        more = {f"{name}@prompt": [f"{name}@{name}"] for name in ("old", "default")}
        told = [one for word in words[1:] for one in {**exact, **more}.get(word, [word])]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("ANSIBLE_")}
        environment.update(ANSIBLE_HOME=str(self.directory / "home"), LC_ALL="C.UTF-8", ANSIBLE_NOCOLOR="1")
        done: Any = subprocess.run(
            [Path(sys.executable).with_name(words[0]), *told],
            cwd=self.directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        done.out = done.stdout + done.stderr
        return done

    def document(self, password: str) -> Any:
        """Return the truth. :raises StoreError: the password does not open it."""
        context = StoreContext([("default", VaultSecret(password.encode()))], str, None)
        return open_store({"type": "vault_file", "path": str(self.truth)}, context).read()[0]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_take_over_then_change_the_vault_password_then_forget_a_host(desk: Desk) -> None:
    """One truth through three runbooks, as each call of Ansible costs a second."""
    (desk.directory / "PASSWORD").write_text(f"{LETTER}\nann\n", encoding="utf-8")
    (desk.directory / "take-over.yml").write_text(playbook("The truth is lost"), encoding="utf-8")
    taking = commands("The truth is lost", "ansible-playbook")[0]
    given = ["-e", f"password_file={desk.directory}/PASSWORD", "-e", "known_password=Correct-Horse-1"]
    done = desk.run([*taking, *given])
    assert done.returncode == 0, done.out
    assert LETTER not in done.out
    item = desk.document(OLD)["credentials"]["main"]
    assert (item["username"], item["versions"]["v1"]["hash"]) == ("ann", LETTER)
    assert item["password"]["value"] == "Correct-Horse-1"

    before = desk.document(OLD)
    first, second, proof = commands("Change the vault password")
    for words in (first, second):
        done = desk.run(words)
        assert (done.returncode, "CHANGED" in done.out) == (0, True), done.out
    after = desk.document(NEW)
    assert after["credentials"]["main"]["versions"] == before["credentials"]["main"]["versions"]
    assert (after["serial"], after["credentials"]["main"]["policy"]["hold"]) == (before["serial"] + 2, False)
    with pytest.raises(StoreError, match="none of the vault secrets given"):
        desk.document(OLD)
    done = desk.run(proof, "default")
    assert (done.returncode, '"phase": "idle"' in done.out) == (0, True), done.out
    done = desk.run(proof, "old")
    assert done.returncode != 0
    assert "none of the vault secrets given (ids: default) decrypts it" in done.out

    (desk.directory / "new-password.yml").write_text(playbook("Nobody knows the password"), encoding="utf-8")
    starting = commands("Nobody knows the password", "ansible-playbook")[0]
    done = desk.run([*starting, "-e", "new_password=Another-Horse-2"], "default")
    assert done.returncode == 0, done.out
    rotation = desk.document(NEW)["credentials"]["main"]["rotation"]
    assert (rotation["phase"], rotation["required"]) == ("pending", ["web-9:notebooks"])
    done = desk.run(commands("A host is gone for good")[0], "default")
    assert done.returncode == 0, done.out
    assert desk.document(NEW)["credentials"]["main"]["rotation"]["required"] == []


def test_each_chapter_is_complete() -> None:
    titles = re.findall(r"^## (.*)$", PAGE, re.MULTILINE)
    assert len(titles) == 9
    for title in titles:
        for part in ("Sign", "Do", "You see", "Proof"):
            assert f"**{part}.**" in chapter(title), f"{title}: {part}"
        assert commands(title) or commands(title, "ansible-playbook"), title


def test_messages_are_the_ones_that_are_shown() -> None:
    """What the page quotes as a sign stands in the code."""
    plugins = Path(__file__).resolve().parents[3] / "plugins"
    code = "".join(path.read_text(encoding="utf-8") for path in sorted(plugins.rglob("plugin_utils/**/*.py")))
    plain = re.sub(r'"\s*\n\s*f?"', "", code)
    for quoted in (
        "there is no such file",
        "the file is empty",
        "is damaged",
        "the field is newer than the truth",
        "the truth does not keep its password",
    ):
        assert quoted in PAGE
        assert quoted in plain, quoted
