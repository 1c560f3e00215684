# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hand-made service is adopted as it is: its token stays, its copies are named, nothing of it is changed."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from ansible_collections.genai.comfyui.plugins.plugin_utils import _original

ROOT = Path(__file__).resolve().parents[3]
BIN = Path(sys.executable).parent
LETTER = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
DIGIT = "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O"
PASSWORD = "Correct-Horse-1"
SERVICE = "docker-configurations/services/comfyui-qwen"


@pytest.fixture
def service(tmp_path: Path) -> Path:
    """Lay the service down as its own tools left it."""
    root = tmp_path / "repository"
    files = {
        ".env": f"COMFYUI_API_TOKEN='{LETTER}'\nCOMFYUI_RAW_TOKEN={PASSWORD}\n",
        ".secrets/comfyui_auth_tokens.conf": json.dumps({"raw_token": "older", "bcrypt_hash": DIGIT}),
        ".secrets/qwen-api-user.token": LETTER,
        f"{SERVICE}/.env": f"COMFYUI_PORT=8199\nGPU_DEVICE_ID=1\nCOMFYUI_BEARER_TOKEN={LETTER}\nHF_TOKEN=\n",
        f"{SERVICE}/docker-compose.yml": "services:\n  x:\n    volumes:\n      - ../../shared/models:/models:rw\n",
        f"{SERVICE}/workspace/ComfyUI/login/PASSWORD": f"{LETTER}\nalice\n",
    }
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o600)
    (root / ".secrets/qwen-api-user.token").chmod(0o644)
    return root


def read(root: Path) -> dict[str, str]:
    """Return what slurp would find."""
    answers = []
    for place in _original.original_places(str(root)):
        path = Path(place)
        known = {"content": base64.b64encode(path.read_bytes()).decode()} if path.exists() else {"failed": True}
        answers.append({"item": place, **known})
    return _original.original_files(answers)


def test_the_password_file_decides_and_its_password_is_found(service: Path) -> None:
    secret = _original.original_secret(read(service))
    assert secret["path"] == str(service / SERVICE / "workspace/ComfyUI/login/PASSWORD")
    assert (secret["token"], secret["username"], secret["password"]) == (LETTER, "alice", PASSWORD)
    (service / ".env").write_text("COMFYUI_RAW_TOKEN=another\n")
    assert _original.original_secret(read(service))["password"] is None


def test_what_cannot_be_adopted_is_named(service: Path) -> None:
    deciding = service / SERVICE / "workspace/ComfyUI/login/PASSWORD"
    deciding.write_text("$2b$04$tooshort\nalice\n")
    assert f"{deciding}: line 1 is not a bcrypt hash" in _original.original_complaint(read(service))
    deciding.unlink()
    assert "no login/PASSWORD was found" in _original.original_complaint(read(service))
    for number, token in enumerate((LETTER, DIGIT)):
        path = service / _original.SERVICES[number] / "workspace/ComfyUI/login/PASSWORD"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{token}\nalice\n")
    assert "hold different tokens" in _original.original_complaint(read(service))
    with pytest.raises(_original.OriginalError, match="is not UTF-8"):
        _original.original_files([{"item": "/x", "content": base64.b64encode(b"\xff").decode()}])


def test_a_workspace_elsewhere_is_looked_at(service: Path) -> None:
    (service / SERVICE / ".env").write_text("COMFYUI_WORKSPACE_PATH=/srv/flows\n")
    assert _original.original_workspace(read(service))[0] == "/srv/flows/ComfyUI/login/PASSWORD"
    (service / SERVICE / ".env").write_text("COMFYUI_WORKSPACE_PATH=./workspace\n")
    assert _original.original_workspace(read(service)) == []


def test_the_inventory_serves_the_same_data_on_the_same_port(service: Path) -> None:
    assert _original.original_inventory(read(service)) == {
        "comfyui_instances": [{"name": "default", "port": 8199, "credential": "main", "gpus": "1"}],
        "comfyui_models_dir": str(service / "docker-configurations/shared/models"),
    }


def adopt(root: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the playbook on this machine."""
    inventory = root.parent / "inventory.yml"
    inventory.write_text(
        yaml.safe_dump(
            {
                "comfyui_servers": {
                    "hosts": {
                        "localhost": {"ansible_connection": "local", "ansible_python_interpreter": sys.executable}
                    },
                    "vars": {
                        "comfyui_credential_store": {"type": "vault_file", "path": str(root.parent / "truth.yml")},
                        "comfyui_credential_create": True,
                        "comfyui_adopt_root": str(root),
                    },
                }
            }
        )
    )
    vault = root.parent / "vault"
    vault.write_text("tests only\n")
    return subprocess.run(
        [str(BIN / "ansible-playbook"), "-i", str(inventory), "--vault-password-file", str(vault), "-vvv",
         "playbooks/adopt.yml", *arguments],
        cwd=ROOT, env={**os.environ, "ANSIBLE_NOCOLOR": "1"}, capture_output=True, text=True, check=False, timeout=120,
    )  # fmt: skip


def test_the_playbook_adopts_and_shows_no_secret(service: Path) -> None:
    before = read(service)
    done = adopt(service)
    assert done.returncode == 0, done.stdout[-4000:]
    said = " ".join(done.stdout.split())
    assert f"{service}/.secrets/comfyui_auth_tokens.conf /bcrypt_hash: unknown" in said
    assert f"{service}/{SERVICE}/.env COMFYUI_BEARER_TOKEN: damaged" in said
    assert f"{service}/.secrets/qwen-api-user.token: too_open" in said
    assert f"{service}/.env COMFYUI_API_TOKEN: in_sync" in said
    for secret in (LETTER, DIGIT, PASSWORD):
        assert secret not in done.stdout + done.stderr
    assert read(service) == before
    view = subprocess.run(
        [str(BIN / "ansible-vault"), "view", "--vault-password-file", str(service.parent / "vault"),
         str(service.parent / "truth.yml")],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    credential = yaml.safe_load(view.stdout)["credentials"]["main"]
    assert [one["hash"] for one in credential["versions"].values()] == [LETTER]
    assert (credential["username"], credential["password"]["value"]) == ("alice", PASSWORD)
    again = adopt(service)
    assert again.returncode == 0, again.stdout[-4000:]
    assert "changed=0" in again.stdout


def test_the_playbook_refuses_without_a_deciding_file(service: Path) -> None:
    (service / SERVICE / "workspace/ComfyUI/login/PASSWORD").unlink()
    done = adopt(service)
    assert done.returncode != 0
    assert "no login/PASSWORD was found" in " ".join(done.stdout.split())
    assert not (service.parent / "truth.yml").exists()
