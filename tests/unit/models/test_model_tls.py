# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A hub and a storage host whose certificates come from an authority of one's own, by both downloaders."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import hub_authority
import pytest
from local_hub import REVISION, TOKEN, Hub, serve

DATA = random.Random(8).randbytes(700_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
WAYS = ["http", pytest.param("hub", marks=pytest.mark.skipif(
    importlib.util.find_spec("huggingface_hub") is None, reason="this environment has no huggingface_hub"
))]  # fmt: skip

Run = Any


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    return hub_authority.make(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def hub(authority: tuple[Path, Any]) -> Iterator[Hub]:
    with serve(authority[1]) as running:
        running.files["org/repo/x.safetensors"] = DATA
        running.gated.add("org/repo")
        yield running


def lay_down(hub: Hub, folder: Path, downloader: str, ca_path: Path | None, **more: Any) -> dict[str, Any]:
    """Run the module as Ansible runs it; return what it says."""
    one = {"repo": "org/repo", "revision": REVISION, "path": "x.safetensors", "sha256": DIGEST, "size": len(DATA)}
    given: dict[str, Any] = {"dir": str(folder), "files": [one], "endpoints": [hub.url], "downloader": downloader}
    given.update({"hub_python": sys.executable, "token": TOKEN, "reserve": 0, "timeout": 5, **more})
    # What the machine trusts counts only where the task names nothing.
    environment = dict(os.environ)
    if ca_path is not None:
        given["ca_path"] = str(ca_path)
        environment.update(dict.fromkeys(("SSL_CERT_FILE", "CURL_CA_BUNDLE"), "/nowhere/ca.pem"))
    command = [sys.executable, "-m", "ansible_collections.genai.comfyui.plugins.modules.model"]
    asked = json.dumps({"ANSIBLE_MODULE_ARGS": given})
    ran = subprocess.run(command, input=asked, env=environment, capture_output=True, text=True, check=False, timeout=60)
    assert TOKEN not in ran.stdout + ran.stderr
    said: dict[str, Any] = json.loads(ran.stdout)
    return said


@pytest.fixture
def models(tmp_path: Path) -> Path:
    made = tmp_path / "models"
    made.mkdir()
    return made


@pytest.mark.parametrize("form", ["file", "directory"])
@pytest.mark.parametrize("downloader", WAYS)
def test_an_authority_of_ones_own_is_trusted_on_both_hosts(
    hub: Hub, authority: tuple[Path, Any], models: Path, tmp_path: Path, downloader: str, form: str
) -> None:
    if form == "directory" and not shutil.which("openssl"):
        pytest.skip("there is no openssl to name the authority's file")
    given = authority[0] if form == "file" else hub_authority.directory(authority[0], tmp_path / "trusted")
    said = lay_down(hub, models, downloader, given)
    assert "files" in said, said
    assert [(one["status"], one["downloader"]) for one in said["files"]] == [("downloaded", downloader)]
    assert (models / "x.safetensors").read_bytes() == DATA
    assert {one.role for one in hub.seen} == {"hub", "storage"}
    assert {one.authorization for one in hub.seen if one.role == "storage"} == {None}


@pytest.mark.parametrize("trusted", ["nothing", "another"])
@pytest.mark.parametrize("downloader", WAYS)
def test_a_stranger_is_refused_once_and_gets_no_token(
    hub: Hub, models: Path, tmp_path: Path, downloader: str, trusted: str
) -> None:
    given = hub_authority.make(tmp_path, "another")[0] if trusted == "another" else None
    said = lay_down(hub, models, downloader, given)
    address = f"{hub.url}/org/repo/resolve/{REVISION}/x.safetensors"
    assert said["msg"] == f"{address}: the certificate is not trusted; give its authority as ca_path"
    assert hub.seen == [], "not a request was made"
    assert list(models.iterdir()) == []


@pytest.mark.parametrize("content", [None, "no certificate"])
@pytest.mark.parametrize("downloader", WAYS)
def test_what_is_no_authority_is_named_before_anything_is_asked(
    hub: Hub, models: Path, tmp_path: Path, downloader: str, content: str | None
) -> None:
    given = tmp_path / "ca.pem"
    if content is not None:
        given.write_text(content)
    said = lay_down(hub, models, downloader, given)
    why = "No such file or directory" if content is None else "there is no certificate in it"
    assert said["msg"] == f"ca_path {given}: {why}; give a PEM file or a directory of certificate authorities"
    assert hub.seen == []
    assert list(models.iterdir()) == []
