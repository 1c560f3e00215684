# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The module as Ansible runs it: a process of its own, arguments as JSON, one JSON answer."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from probe_servers import OTHER, PASSWORD, TOKEN, Behaviour, serve

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

MODULE = "ansible_collections.genai.comfyui.plugins.modules.login_probe"


@pytest.fixture
def run(tmp_path: Path) -> Any:
    def call(_ok: bool = True, **arguments: Any) -> dict[str, Any]:
        given = tmp_path / "arguments.json"
        given.write_text(json.dumps({"ANSIBLE_MODULE_ARGS": arguments}))
        done = subprocess.run(
            [sys.executable, "-m", MODULE, str(given)], capture_output=True, text=True, timeout=60, check=False
        )
        result: dict[str, Any] = json.loads(done.stdout)
        told = json.dumps({key: value for key, value in result.items() if key != "invocation"}) + done.stderr
        for secret in (TOKEN, OTHER, PASSWORD):
            assert secret not in told
            assert secret not in json.dumps(result.get("invocation", {}))
        assert (done.returncode == 0) == _ok, done.stdout + done.stderr
        assert not result.get("changed", False)
        return result

    return call


def test_a_single_locked_server(run: Any) -> None:
    with serve(Behaviour()) as url:
        result = run(url=url, token=TOKEN, username="comfy", password=PASSWORD, credential="main")
    (record,) = result["targets"]
    assert result["locked"] is True
    assert (record["name"], record["url"], record["credential"]) == (url, url, "main")
    assert (record["state"], record["fingerprint"]) == ("locked", fingerprint(TOKEN))
    assert [check["name"] for check in record["checks"]][-1] == "form_login"


def test_check_mode_looks_just_the_same(run: Any) -> None:
    behaviour = Behaviour()
    with serve(behaviour) as url:
        assert run(url=url, token=TOKEN, _ansible_check_mode=True)["locked"] is True
    assert len(behaviour.seen) == 4


def test_each_trouble_has_its_own_words(run: Any) -> None:
    servers = [Behaviour(), Behaviour(check=False), Behaviour(token=OTHER), Behaviour(refusal=(404, ""))]
    with serve(servers[0]) as good, serve(servers[1]) as leaky, serve(servers[2]) as other, serve(servers[3]) as odd:
        targets = [
            {"name": name, "url": url, "token": TOKEN}
            for name, url in (("good", good), ("leaky", leaky), ("other", other), ("odd", odd))
        ]
        targets.append({"name": "gone", "url": "http://127.0.0.1:1", "token": TOKEN})
        result = run(_ok=False, targets=targets)
        reported = run(targets=targets, expect="any")
    assert result["msg"].startswith("4 of 5 targets not locked. leaky: open: a stranger (no credential) was let in")
    assert "; other: token_refused: strangers are refused, and so is the token" in result["msg"]
    assert "; odd: unexpected: to a stranger (no credential) GET /system_stats answered 404" in result["msg"]
    assert "; gone: down: no answer: Connection refused" in result["msg"]
    assert "good:" not in result["msg"]
    states = [record["state"] for record in reported["targets"]]
    assert states == ["locked", "open", "token_refused", "unexpected", "down"]
    assert reported["locked"] is False


def test_targets_are_waited_for_at_the_same_time(run: Any) -> None:
    targets = [{"url": f"http://127.0.0.1:{port}", "token": TOKEN} for port in range(1, 9)]
    begin = time.monotonic()
    run(targets=targets, expect="any", wait=1)
    assert time.monotonic() - begin < 5


def test_the_token_is_read_from_the_clients_own_file(run: Any, tmp_path: Path) -> None:
    env = tmp_path / ".env"
    env.write_text(f"# ours\nTOKEN='{TOKEN}'\nHEADER='Bearer {TOKEN}'\nEATEN='$b$04'\nPASS='{PASSWORD}'\n")
    with env.open("a") as file:
        file.write(f"URL='http://h/ws?a=1&token={quote(TOKEN, safe='')}#x'\n")
    behaviour = Behaviour()
    with serve(behaviour) as url:

        def source(key: str, codec: str = "dotenv") -> dict[str, Any]:
            return {"url": url, "from": {"path": str(env), "codec": codec, "key": key}}

        assert run(**source("TOKEN"))["locked"] is True
        assert run(targets=[source("HEADER")])["locked"] is True
        for key, field in (("HEADER", "bearer"), ("URL", "url")):
            given = source(key)
            given["from"]["field"] = field
            assert run(**given)["locked"] is True
        behaviour.seen.clear()
        eaten = run(_ok=False, **source("EATEN"))["msg"]
        password = run(_ok=False, **source("PASS"))["msg"]
        missing = run(_ok=False, **source("NONE"))["msg"]
        strange = run(_ok=False, **source("TOKEN", codec="nonesuch"))["msg"]
    assert f"{env} (EATEN) is not a token (a whole bcrypt hash, 60 characters); it was not sent" in eaten
    assert f"{env} (PASS) is not a token" in password
    assert "no token could be read: " in missing
    assert str(env) in missing
    assert "nonesuch" in strange
    assert not any(PASSWORD in str(request) or "04'" in str(request) for request in behaviour.seen)


def test_user_names_are_not_taken_for_secrets(run: Any) -> None:
    with serve(Behaviour()) as url:
        result = run(url=url, name="comfy on server", token=TOKEN, username="comfy", password=PASSWORD)
    assert result["targets"][0]["name"] == "comfy on server"


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        ({}, "one of the following is required: targets, url"),
        ({"url": "http://h", "targets": []}, "mutually exclusive: targets|url"),
        ({"targets": []}, "targets is empty, so nothing would be proven"),
        ({"url": "http://h", "token": TOKEN, "from": {"path": "/x", "codec": "raw"}}, "mutually exclusive: token|from"),
        ({"url": "http://h", "password": PASSWORD}, "missing parameter(s) required by 'password': username"),
        ({"targets": [{"name": "a", "url": "h:1"}]}, "target 1 (a): the URL must start with http:// or https://"),
        ({"url": "http://h", "timeout": 0}, "timeout must be more than 0 seconds"),
    ],
)
def test_bad_input(run: Any, arguments: dict[str, Any], why: str) -> None:
    assert why in run(_ok=False, **arguments)["msg"]
