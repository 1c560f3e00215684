# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An image is started where nothing depends on it before it replaces what runs; that leaves nothing behind."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest
from container_host import Host

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token

HELP = "usage: main.py [--listen] [--cpu] [--database-url URL]"
GUARD = (
    {"path": "/login/GUEST_MODE", "content": ""},
    {"path": "/guard/__init__.py", "content": "guard"},
    {"path": "/guard/settings.json", "content": "{}"},
)
REFUSED = (
    "comfyui-start: refused: ComfyUI is not locked; Cannot import /opt/comfyui/app/custom_nodes/ComfyUI-Login module"
)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def rehearse(
    host: Host, answer: tuple[int, str, str], guard: Sequence[dict[str, str]] = GUARD, known: str = HELP
) -> tuple[subprocess.CompletedProcess[str], list[str]]:
    """Rehearse with an engine that answers so; return how that ended and what a container was asked for."""
    host.answers({"run": answer})
    cache = host.home / "compose"
    cache.mkdir(exist_ok=True)
    (cache / f"help-{hashlib.sha256(b'sha256:1').hexdigest()[:16]}.txt").write_text(known)
    (cache / "rehearsal-of-a-run-that-was-killed").mkdir(exist_ok=True)
    words = ["--image", "sha256:1", "--cache", str(cache), "--user", f"{os.getuid()}:{os.getgid()}", "--seconds", "30"]
    done = host.run("rehearse", *words, given=json.dumps(guard))
    calls = [call for call, _names in host.calls()]
    assert [calls[0], calls[-1]] == [["rm", "--force", "comfyui.rehearsal"]] * 2
    assert not list(cache.glob("rehearsal-*"))
    return done, next(call for call in calls if call[0] == "run")


def after(words: list[str], flag: str) -> str:
    return words[words.index(flag) + 1]


def test_it_has_no_network_no_port_no_rights_and_nothing_of_an_instance(host: Host) -> None:
    done, words = rehearse(host, (0, "", ""))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (after(words, "--network"), after(words, "--cap-drop")) == ("none", "ALL")
    assert (after(words, "--security-opt"), after(words, "--pull")) == ("no-new-privileges", "never")
    assert {"--rm", "--read-only"} < set(words)
    assert not [word for word in words if word.startswith(("-p", "--publish", "--gpus", "--volume"))]
    assert [one for word, one in zip(words, words[1:]) if word == "--env" and "/srv" in one] == []
    mounts = [word for word in words if word.startswith("type=bind")]
    assert len(mounts) == 3
    assert all(word.startswith(f"type=bind,readonly,source={host.home}/compose/rehearsal-") for word in mounts)
    image = words.index("sha256:1")
    assert words[image + 1 : image + 4] == ["-B", "/opt/comfyui/lib/rehearse.py", "30"]
    arguments = words[words.index("--", image) :]
    assert after(arguments, "--listen") == "127.0.0.1"
    assert after(arguments, "--database-url").startswith("sqlite:////tmp/")
    assert "--cpu" in arguments


def test_its_password_and_key_are_made_up_private_and_in_no_word(host: Host) -> None:
    _done, words = rehearse(host, (0, "", ""))
    seen = host.mounted()
    (mode, password) = seen["opt_comfyui_app_login"]["PASSWORD"]
    token, name, _end = password.split("\n")
    assert (mode, is_token(token), name) == (0o600, True, "rehearsal")
    ((key_mode, key),) = seen["opt_comfyui_app_custom_nodes_ComfyUI-Login_.secret-key.txt"].values()
    assert (key_mode, len(key.partition(",")[0])) == (0o600, 44)
    assert seen["opt_comfyui_app_custom_nodes_ComfyUI-Login-Guard"] == {
        "__init__.py": [0o644, "guard"],
        "settings.json": [0o644, "{}"],
    }
    assert not [word for word in words if token in word or key[:20] in word]
    rehearse(host, (0, "", ""))
    assert host.mounted()["opt_comfyui_app_login"]["PASSWORD"][1] != password


def test_without_a_guard_and_for_a_comfyui_that_knows_less(host: Host) -> None:
    _done, words = rehearse(host, (0, "", ""), [], "usage: main.py [--listen]")
    assert "--no-guard" in words
    assert not {"--cpu", "--database-url"} & set(words)
    assert len([word for word in words if word.startswith("type=bind")]) == 2


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        (
            (78, "loading\n", f"{REFUSED}\n"),
            "ComfyUI is not locked; Cannot import /opt/comfyui/app/custom_nodes/ComfyUI-Login module",
        ),
        (
            (
                78,
                "",
                "comfyui-start: refused: see its line\ncomfyui-login-guard: ended ComfyUI before it listened: why\n",
            ),
            "why; see its line",
        ),
        ((1, "one\n", "Traceback\n  two\nImportError: x\n"), "one; Traceback; two; ImportError: x"),
        ((137, "", "loading\n"), "it was killed, as when memory is short"),
        ((5, "", ""), "it ended with status 5 and said nothing"),
        (
            (125, "", "docker: Error response from daemon: No such image: sha256:1"),
            "the image sha256:1 is not there; run the playbook for this host again",
        ),
        (
            (125, "", "Cannot connect to the Docker daemon at unix:///var/run/docker.sock."),
            "the container engine does not answer; see: systemctl status docker",
        ),
    ],
)
def test_why_it_failed_is_told_in_one_line(host: Host, answer: tuple[int, str, str], told: str) -> None:
    done, _words = rehearse(host, answer)
    assert (done.returncode, done.stderr) == (1, f"comfyui-start: {told}\n")
