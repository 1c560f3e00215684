# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Neither a token nor a password shows anywhere but in the files that are meant to hold it."""

from __future__ import annotations

import base64
import subprocess
import urllib.parse
from pathlib import Path

import pytest
from field_hosts import CACHE, PROJECT, Field

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

# Where a secret is meant to be.
MEANT = {
    "srv-1": [f"/opt/comfyui/instances/default/ComfyUI/login/{name}" for name in ("PASSWORD", "ACCEPT.json")],
    "cli-1": ["/srv/notebooks.env", "/etc/comfyui-mcp.json"],
}


def forms(secret: str) -> dict[str, bytes]:
    """Return the spellings in which a secret could leave: as it is, in a URL, in base64 at each alignment, escaped."""
    found = {
        "raw": secret.encode(),
        "percent-encoded": urllib.parse.quote(secret, safe="").encode(),
        "json-escaped": secret.replace("/", "\\/").encode(),
        "dollar-doubled": secret.replace("$", "$$").encode(),
        "backslashed": secret.replace("$", "\\$").encode(),
    }
    for shift in range(3):
        # Whole groups of three bytes only: what stands before and after changes the others.
        padded = base64.b64encode(b"\0" * shift + secret.encode())
        found[f"base64 at {shift}"] = padded[4 if shift else 0 : -4]
    return found


def leaks(haystack: bytes, secrets: list[str]) -> list[str]:
    """Name the spellings that occur, never the value."""
    return [form for secret in secrets for form, needle in forms(secret).items() if needle in haystack]


def test_the_search_finds_every_spelling() -> None:
    secret = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
    for text in (
        secret,
        urllib.parse.quote(secret, safe=""),
        base64.b64encode(f"Bearer {secret}\n".encode()).decode(),
        base64.b64encode(f"T={secret}".encode()).decode(),
        base64.b64encode(f"{secret}\n".encode()).decode(),
    ):
        assert leaks(f"x {text} y".encode(), [secret]), text


def outputs(field: Field) -> dict[str, bytes]:
    """Run everything as loudly as possible and return what was said and what was left on the controller."""
    facts = CACHE / "facts"
    loud = {
        "ANSIBLE_CACHE_PLUGIN": "ansible.builtin.jsonfile",
        "ANSIBLE_CACHE_PLUGIN_CONNECTION": str(facts),
        "ANSIBLE_LOG_PATH": str(CACHE / "ansible.log"),
        "TMPDIR": str(CACHE / "tmp"),
        "ANSIBLE_LOCAL_TEMP": str(CACHE / "tmp"),
    }
    (CACHE / "tmp").mkdir(exist_ok=True)
    # Something to change and to show in a diff: a token eaten by a shell, and a stale mode.
    field.on("cli-1", "sed -i 's/TOKEN=.*/TOKEN=b.eaten/' /srv/notebooks.env; chmod 644 /srv/notebooks.env")
    said = {}
    for name, arguments in {
        "check": ("--check",), "site": (), "again": (),
    }.items():  # fmt: skip
        done = field.site("-vvv", "--diff", *arguments, **loud)
        assert done.returncode == 0, done.stdout[-4000:]
        said[f"output of {name}"] = (done.stdout + done.stderr).encode()
    for name in ("validate", "audit", "benchmark"):
        done = field.play(f"playbooks/{name}.yml", "-vvv", "--diff", **loud)
        assert done.returncode == 0, done.stdout[-4000:]
        said[f"output of {name}"] = (done.stdout + done.stderr).encode()
    assert any(facts.iterdir()), "the fact cache was not used"
    kept = [CACHE / "ansible.log", *facts.rglob("*"), *(CACHE / "tmp").rglob("*"), *(CACHE / "reports").rglob("*")]
    for path in kept:
        if Path(path).is_file():
            said[str(path.relative_to(CACHE))] = Path(path).read_bytes()
    return said


def on_host(host: str) -> dict[str, bytes]:
    """Return what a host keeps: journal, units, arguments, environments, and every file that is not meant to."""

    def ask(script: str) -> bytes:
        command = ["docker", "exec", f"{PROJECT}-{host}", "sh", "-c", script]
        return subprocess.run(command, capture_output=True, check=False, timeout=300).stdout

    files = " ".join(f"! -path {path}" for path in MEANT[host])
    return {
        "journal": ask("journalctl --no-pager -o json"),
        "units": ask("systemctl cat 'comfyui@*' 2>/dev/null; systemctl show 'comfyui@*' 2>/dev/null"),
        "arguments": ask("cat /proc/[0-9]*/cmdline 2>/dev/null"),
        "environments": ask("cat /proc/[0-9]*/environ 2>/dev/null"),
        "files": ask(
            "find /tmp /var/tmp /root /run /etc /var/log /home /srv /opt/comfyui -xdev -type f -size -20M"
            f" ! -path '/opt/comfyui/venv/*' {files} -exec cat {{}} + 2>/dev/null"
        ),
    }


def test_nothing_leaks(converged: Field, first_run: str) -> None:
    field = converged
    said = {"output of the first run": first_run.encode(), **outputs(field)}
    secrets = field.secrets()
    assert len(secrets) >= 2
    for host in MEANT:
        said.update({f"{host}: {name}": text for name, text in on_host(host).items()})
    found = {name: leaks(text, secrets) for name, text in said.items()}
    assert {name: forms for name, forms in found.items() if forms} == {}
    assert len(said["srv-1: journal"]) > 1000
    assert len(said["srv-1: files"]) > 1000
    # The search itself: the files that are meant to hold it do.
    for host, paths in MEANT.items():
        for path in paths:
            assert leaks(field.on(host, f"cat {path}").encode(), secrets), path


def test_a_setting_that_shows_every_argument_is_refused_before_the_truth_is_read(converged: Field) -> None:
    done = converged.site(ANSIBLE_DISPLAY_ARGS_TO_STDOUT="1")
    assert done.returncode != 0
    assert "display_args_to_stdout" in done.stdout
    assert leaks((done.stdout + done.stderr).encode(), converged.secrets()) == []


def test_the_servers_own_log_names_no_token(converged: Field) -> None:
    """ComfyUI-Login logs the token at every start; who may read /internal/logs would have it."""
    field = converged
    token = next(iter(field.truth()["credentials"]["main"]["versions"].values()))["hash"]
    script = "curl -s -H @- http://127.0.0.1:8188/internal/logs"
    command = ["docker", "exec", "-i", f"{PROJECT}-srv-1", "sh", "-c", script]
    done = subprocess.run(command, input=f"Authorization: Bearer {token}\n".encode(), capture_output=True, check=True)
    assert len(done.stdout) > 100
    assert leaks(done.stdout, [token]) == []
    assert b"<token " in done.stdout, "the node's line is there, with the fingerprint in place of the token"
