# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The commands of docs/client-operations.md as they stand there; only the address is put in, none shows the token.

On the stand-in, or on a real ComfyUI where one is named; see tests/contract/README.md.
"""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import yaml
from ansible.parsing.vault import VaultSecret
from harness import TOKEN, Pair, Server

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import StoreContext, open_store

ROOT = Path(__file__).resolve().parents[3]
PAGE = (ROOT / "docs/client-operations.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^```sh\n(.*?)\n```$", PAGE, re.MULTILINE | re.DOTALL)
FORMS = (TOKEN, quote(TOKEN, safe=""), base64.b64encode(TOKEN.encode()).decode()[:-4])
NOW = "2026-01-02T03:04:05Z"


class Desk:
    """A controller and a client at once: inventory, truth, curl file."""

    def __init__(self, folder: Path, server: Server) -> None:
        self.folder, self.server = folder, server
        (folder / "vault-password").write_text("vault-password-of-the-tests")
        secret = [("default", VaultSecret(b"vault-password-of-the-tests"))]
        store = open_store({"type": "vault_file", "path": str(folder / "truth.yml")}, StoreContext(secret, str, None))
        filled = _truth.add_generated(_truth.new_document(), "main", token=TOKEN, password="Correct-Horse-1", now=NOW)
        store.write(_truth.stamp(_truth.new_document(), filled, now=NOW, by="me@here"), None)
        host = {
            "ansible_connection": "local",
            "ansible_python_interpreter": sys.executable,
            "comfyui_credential_store": {"type": "vault_file", "path": str(folder / "truth.yml")},
        }
        (folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": {"gpu-1": host}}}))
        (folder / "ansible.cfg").write_text("[defaults]\ninventory = hosts.yml\nvault_password_file = vault-password\n")
        (folder / ".config").mkdir()
        curl = folder / ".config/comfyui.curl"
        curl.touch(mode=0o600)
        curl.write_text(f'header = "Authorization: Bearer {TOKEN}"\n')

    def run(self, command: str) -> str:
        """Run a command as in the page; return all it said."""
        for said in ("http://127.0.0.1:8188", "http://gpu-1:8188"):
            command = command.replace(said, self.server.url)
        command = command.replace("/var/tmp", str(self.folder))
        # The one thing that is louder than on the page.
        command = command.replace("ansible gpu-1 ", "ansible gpu-1 -vvv ")
        environment = {**os.environ, "HOME": str(self.folder), "ANSIBLE_CONFIG": str(self.folder / "ansible.cfg")}
        environment.update(ANSIBLE_NOCOLOR="1", ANSIBLE_LOCAL_TEMP=str(self.folder / "tmp"))
        environment["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{environment['PATH']}"
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=self.folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout[-3000:]
        for form in FORMS:
            assert form not in done.stdout
        return done.stdout


def answer(output: str) -> dict[str, Any]:
    """Return the result in an ad-hoc command's output."""
    found: dict[str, Any] = json.loads(output[output.index("=> {") + 3 : output.rindex("}") + 1])
    return found


@pytest.fixture(scope="module")
def desk(deployed: Pair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """Set the desk up once."""
    with deployed.serve() as server:
        yield Desk(tmp_path_factory.mktemp("desk"), server)


def test_every_commands_block_is_known() -> None:
    """What is new on the page has to be looked at below, too."""
    assert len(COMMANDS) == 16
    assert all("\n" not in one for one in COMMANDS)
    assert sum("lookup(" in one for one in COMMANDS) == 9


def test_the_controllers_commands(desk: Desk) -> None:
    submit, go_on, queue, history, fetch, upload, interrupt, clear, free = (
        one for one in COMMANDS if one.startswith("ansible ")
    )
    done = answer(desk.run(submit))
    assert done["state"] == "done"
    assert Path(done["outputs"][0]["path"]).read_bytes()[1:4] == b"PNG"
    job = answer(desk.run(go_on))["job"]["prompt_id"]
    assert answer(desk.run(queue))["json"].keys() == {"queue_running", "queue_pending"}
    listed = answer(desk.run(history))["json"]
    assert len(listed) <= 5
    assert job in listed or job in desk.server.request("GET", "/queue", token=TOKEN).text
    fetched = answer(desk.run(fetch))
    assert Path(fetched["path"]).read_bytes()[1:4] == b"PNG"
    assert answer(desk.run(upload))["json"] == {"name": "smoke.png", "subfolder": "", "type": "input"}
    stored = desk.server.request("GET", "/view?filename=smoke.png&type=input", token=TOKEN)
    assert stored.body == Path(fetched["path"]).read_bytes()
    assert answer(desk.run(interrupt))["status"] == 200
    assert answer(desk.run(clear))["status"] == 200
    assert answer(desk.run(free))["status"] == 200


def test_the_clients_commands(desk: Desk) -> None:
    desk.server.request("GET", "/queue", token=TOKEN)
    queue, history, fetch, upload, interrupt, clear, free = (one for one in COMMANDS if one.startswith("curl "))
    assert json.loads(desk.run(queue)).keys() == {"queue_running", "queue_pending"}
    assert len(json.loads(desk.run(history))) <= 5
    desk.run(fetch)
    assert (desk.folder / "out.png").read_bytes()[1:4] == b"PNG"
    assert json.loads(desk.run(upload))["name"].startswith("out")
    for command in (interrupt, clear, free):
        desk.run(command)


def test_refusals_are_told_without_the_token(desk: Desk) -> None:
    queue = next(one for one in COMMANDS if "path=/queue" in one)
    with pytest.raises(AssertionError, match="answers with status 404"):
        desk.run(queue.replace("path=/queue", "path=/nowhere"))
    with pytest.raises(AssertionError, match=r"refuses the token [0-9a-f]{12} \(status 401\)"):
        desk.run(re.sub(r"token=\{\{.*\}\}", "token=" + TOKEN.replace("C64", "C65").replace("$", "\\\\$"), queue))
    upload = next(one for one in COMMANDS if "path=/upload" in one)
    with pytest.raises(AssertionError, match=r"/gone\.png: No such file or directory"):
        desk.run(upload.replace("smoke.png", "gone.png"))
