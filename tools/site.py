# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Run the playbooks on an inventory; where its hosts are local containers, make those first.

Run as ``python -m tools.site ACTION [--inventory DIR] [ansible-playbook's arguments]`` from the repository's root.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from tools import engine, hosts, images, repos
from tools._common import CACHE, ROOT, Fault, main_guard, say, write_if_changed

BIN = Path(sys.executable).parent
DEMO = ROOT / "inventories" / "demo"
PLAYBOOKS = (
    "site", "validate", "audit", "rotate", "discover", "diagnose", "benchmark", "operate", "upgrade", "adopt",
)  # fmt: skip
VAULT_PASSWORD = CACHE / "demo" / "vault-password"


def _groups(document: object) -> dict[str, Any]:
    """Return all groups of a YAML inventory, nested ones included, by name."""
    found: dict[str, Any] = {}
    if isinstance(document, dict):
        for name, group in document.items():
            if isinstance(group, dict):
                found[str(name)] = group
                found.update(_groups(group.get("children")))
    return found


class Local(NamedTuple):
    """An inventory's local hosts: their project (empty where other files say it) and the image of each."""

    project: str
    hosts: dict[str, str]


def local_hosts(inventory: Path) -> Local:
    """Return what an inventory's group "containers" says; no hosts for an inventory of one's own machines.

    :param inventory: a YAML file, or a directory with some
    """
    for path in sorted(inventory.glob("*.y*ml")) if inventory.is_dir() else [inventory]:
        try:
            document = yaml.safe_load(path.read_text())
        except (OSError, UnicodeDecodeError, yaml.YAMLError):
            # Ansible will say what is wrong with it; it may also be a script or an INI file.
            continue
        group = _groups(document).get("containers") or {}
        members = group.get("hosts") or {}
        if members:
            found = {str(name): str((values or {}).get("container_image", "")) for name, values in members.items()}
            return Local(str((group.get("vars") or {}).get("container_project", "")), found)
    return Local("", {})


def is_demo(inventory: Path) -> bool:
    """Tell whether this is the embedded inventory, whose vault password the tool makes up."""
    return inventory.resolve() == DEMO or DEMO in inventory.resolve().parents


def vault_password_file(path: Path = VAULT_PASSWORD) -> Path:
    """Make the demo's vault password at the first use, readable by its owner only, and return where it is."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return path
    with open(descriptor, "w") as stream:
        stream.write(secrets.token_urlsafe(24) + "\n")
    return path


def ansible(
    program: str, inventory: Path, *arguments: str, environment: dict[str, str] | None = None, capture: bool = False
) -> subprocess.CompletedProcess[str]:
    """Run an Ansible program on an inventory, with the demo's vault password where it is the demo's."""
    command = [str(BIN / program), "-i", str(inventory), *arguments]
    if is_demo(inventory):
        command += ["--vault-password-file", str(vault_password_file())]
    variables = {**os.environ, **(environment or {})}
    # Tools that Ansible starts (git, docker) are the system's; its own siblings come from the same environment.
    variables["PATH"] = f"{BIN}{os.pathsep}{variables['PATH']}"
    return subprocess.run(command, cwd=ROOT, env=variables, text=True, capture_output=capture, check=False)


def prepare(inventory: Path) -> None:
    """Make engine, images, repositories and hosts for an inventory of local containers; nothing for others."""
    local = local_hosts(inventory)
    if not local.hosts:
        say("hosts", f"{inventory} has hosts of its own; no local ones are started")
        return
    engine.ensure()
    images.ensure(list(images.RELEASES))
    repos.ensure()
    stamp = CACHE / "hosts" / f"{local.project}.ready"
    if local.project:
        plan = hosts.plan(local.project, local.hosts)
        if not plan["create"] and stamp.exists() and stamp.read_text() == json.dumps(plan["specs"]):
            say("hosts", f"{', '.join(sorted(local.hosts))} run as planned")
            return
    say("hosts", "starting " + ", ".join(f"{name} ({image})" for name, image in sorted(local.hosts.items())))
    stamp.unlink(missing_ok=True)
    # Only what changes is of interest here.
    quiet = {"ANSIBLE_DISPLAY_OK_HOSTS": "0"}
    done = ansible("ansible-playbook", inventory, "tests/hosts/create.yml", "tests/hosts/seed.yml", environment=quiet)
    if done.returncode != 0:
        raise Fault("hosts: they could not be started; see above.")
    if local.project:
        # Written last: an interrupted start is looked at again.
        write_if_changed(stamp, json.dumps(plan["specs"]))
    say("hosts", "up")


def playbook(inventory: Path, name: str, arguments: list[str]) -> int:
    """Run one of the collection's playbooks and return its exit status."""
    say(name, f"playbooks/{name}.yml on {inventory}")
    status = ansible("ansible-playbook", inventory, f"playbooks/{name}.yml", *arguments).returncode
    say(name, "done" if status == 0 else f"failed (exit status {status})")
    return status


def down(inventory: Path) -> int:
    """Remove an inventory's local hosts; credentials and images stay."""
    if not local_hosts(inventory).hosts:
        raise Fault(f"down: {inventory} has no local hosts; nothing to remove.")
    found = engine.probe()
    if not found.version:
        say("down", f"no container engine answers ({found.said}), so no local hosts run")
        return 0
    return ansible("ansible-playbook", inventory, "tests/hosts/destroy.yml").returncode


def password(inventory: Path, arguments: list[str]) -> int:
    """Print user name and web password of every credential of an inventory's truth.

    :raises Fault: the truth cannot be read; Ansible's message is in the fault
    """
    question = "msg={{ lookup('genai.comfyui.credential', as_dict=true) | to_json }}"
    done = ansible(
        "ansible", inventory, "comfyui_servers[0]", "-m", "ansible.builtin.debug", "-a", question, *arguments,
        environment={"ANSIBLE_CALLBACK_RESULT_FORMAT": "json", "ANSIBLE_NOCOLOR": "1"}, capture=True,
    )  # fmt: skip
    credentials = parse_answer(done.stdout) if done.returncode == 0 else None
    if credentials is None:
        raise Fault(f"password: the credentials cannot be read: {reason(done.stdout) or done.stderr.strip()}")
    for name, credential in sorted(credentials.items()):
        print(f"{name}: user {credential.get('username')}, password {credential.get('password') or '(not known)'}")
    return 0


def reason(text: str) -> str:
    """Return the innermost message of a failed ad-hoc command; empty when there is none."""
    try:
        message = str(json.loads(text.split("=>", 1)[1])["msg"])
    except (IndexError, ValueError, KeyError, TypeError):
        return ""
    return re.split(r"The lookup plugin '\S+' failed: ", message)[-1].strip()


def parse_answer(text: str) -> dict[str, dict[str, Any]] | None:
    """Return the dictionary in the output of an ad-hoc debug, or None."""
    try:
        answer = json.loads(text.split("=>", 1)[1])["msg"]
        value = json.loads(answer) if isinstance(answer, str) else answer
    except (IndexError, ValueError, KeyError, TypeError):
        return None
    return value if isinstance(value, dict) else None


def main() -> None:
    """Command line."""
    main_guard()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "action",
        choices=[*PLAYBOOKS, "hosts", "down", "password"],
    )
    parser.add_argument("--inventory", type=Path, default=DEMO)
    options, arguments = parser.parse_known_args()
    inventory: Path = options.inventory
    if not inventory.exists():
        raise Fault(f"site: there is no inventory {inventory}; inventories/example is one to copy.")
    if not os.environ.get("DOCKER_HOST") and engine.endpoint() != engine.DEFAULT_ENDPOINT:
        # Ansible's modules do not know the client's contexts.
        os.environ["DOCKER_HOST"] = engine.endpoint()
    status = 0
    if options.action in ("site", "hosts"):
        prepare(inventory)
    if options.action in PLAYBOOKS:
        status = playbook(inventory, options.action, arguments)
    elif options.action == "down":
        status = down(inventory)
    elif options.action == "password":
        status = password(inventory, arguments)
    if options.action == "site" and status == 0 and is_demo(inventory):
        say("site", "'make password' shows the web password, 'make down' removes the demo hosts")
    sys.exit(status)


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
