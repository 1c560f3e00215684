# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real faults on loopback, all at once: one run of the playbook names the cause of each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import typing as t
from pathlib import Path

import pytest
from broken_places import FOREIGN, KEY, OLD, PASSWORD, TEAM_B, TOKEN, USERNAME, Broken, certificate
from field_hosts import BIN, ROOT

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

pytestmark = [pytest.mark.slow]

TRUTH = [
    {"name": "main", "hash": OLD, "create": True},
    {"name": "main", "hash": TOKEN, "password": PASSWORD, "force": True},
    {"name": "team-b", "hash": TEAM_B},
]


def play(broken: Broken, playbook: Path, inventory: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a playbook with the fake systemd first in its path."""
    password = broken.place / "vault-password"
    password.write_text("diagnose tests only\n")
    tools = os.pathsep.join([str(broken.tools), str(BIN), os.environ["PATH"]])
    environment = {**os.environ, "PATH": tools, "ANSIBLE_NOCOLOR": "1", "PYTHONIOENCODING": "utf-8"}
    environment.update({"FAKE_SYSTEMD": str(broken.units), "ANSIBLE_SSH_RETRIES": "0"})
    command = [str(BIN / "ansible-playbook"), "-i", inventory, str(playbook), "--vault-password-file", str(password)]
    return subprocess.run(
        [*command, *arguments], cwd=ROOT, env=environment, capture_output=True, text=True, check=False, timeout=120
    )


def make_truth(broken: Broken) -> None:
    """Make the truth with versions that these tests know."""
    store = {"type": "vault_file", "path": str(broken.place / "truth.yml")}
    tasks = [
        {"genai.comfyui.credential": {**one, "state": "adopted", "username": USERNAME, "store": store}, "no_log": True}
        for one in TRUTH
    ]
    playbook = broken.place / "truth-play.json"
    playbook.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks}]))
    done = play(broken, playbook, "localhost,")
    assert done.returncode == 0, done.stdout + done.stderr


def break_files(broken: Broken) -> None:
    """Spoil clients' files, each in another way. Their server is well."""
    line = f"{KEY}='{TOKEN}'\n"
    eaten = subprocess.run(
        ["sh", "-c", f'printf %s "{TOKEN}"'], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    ).stdout
    broken.file("token_eaten", "eaten-by-sh", f"{KEY}='{eaten}'\n")
    broken.file("token_eaten", "eaten-by-compose", f"{KEY}='$2b$04{TOKEN[TOKEN.index('.') :]}'\n")
    broken.file("token_expands", "double-quotes", f'{KEY}="{TOKEN}"\n')
    broken.file("token_cr", "cr", json.dumps({"t": TOKEN + "\r"}), codec="json", key="/t")
    broken.file("token_quotes", "quotes", line, codec="dotenv_raw")
    broken.file("token_doubled", "doubled", line.replace("$", "$$"))
    broken.file("token_encoded", "percent", line.replace("$", "%24"))
    broken.file("password_as_token", "password", f"{KEY}={PASSWORD}\n")
    broken.file("fingerprint_as_token", "fingerprint", f"{KEY}={fingerprint(TOKEN)}\n")
    broken.file("old_version", "old", line.replace(TOKEN, OLD))
    broken.file("token_unknown", "foreign", line.replace(TOKEN, FOREIGN))
    broken.file("value_empty", "empty", f"{KEY}=\n")
    broken.file("key_missing", "no-key", "OTHER=1\n")
    broken.file("key_twice", "twice", line * 2)
    broken.file("file_missing", "no-file", None)
    broken.file("file_not_understood", "not-json", '{"t": "x"', codec="json", key="/t")
    broken.file("file_unreadable", "unreadable", line, owner="nobody")
    broken.file("bearer_missing", "no-bearer", json.dumps({"h": TOKEN}), codec="json", key="/h", field="bearer")
    broken.file("bearer_twice", "bearer", json.dumps({"h": f"Bearer {TOKEN}"}), codec="json", key="/h")
    broken.file("credential_missing", "nobody", line, credential="nobody")
    broken.file("process_holds_old", "restart-me", line.replace(KEY, "DIAGNOSED_OTHER"), key="DIAGNOSED_OTHER")
    broken.process_with("DIAGNOSED_OTHER", OLD)
    broken.file(None, "right", line.replace(KEY, "DIAGNOSED_RIGHT"), key="DIAGNOSED_RIGHT")
    broken.process_with("DIAGNOSED_RIGHT", TOKEN)


def break_ways(broken: Broken, port: int, other: int) -> None:
    """Spoil the ways to servers. The files are right."""
    tls = broken.listens(certificate(broken.place / "tls.pem"), status=401)
    broken.at("wrong_port", "wrong-port", "http://127.0.0.1:1")
    broken.at("other_service", "jupyter", f"http://127.0.0.1:{broken.listens()}")
    broken.at("other_service", "not-found", f"http://127.0.0.1:{broken.listens(status=404)}")
    broken.at("gateway_error", "bad-gateway", f"http://127.0.0.1:{broken.listens(status=502)}")
    broken.at("proxy_wants_password", "basic", f"http://127.0.0.1:{broken.listens(status=401, challenge='Basic x=1')}")
    broken.at("authorization_stripped", "stripped", f"http://127.0.0.1:{broken.listens(behind=port)}")
    broken.at("name_unresolved", "no-name", "http://no-such-host.invalid:8188")
    broken.at("url_unusable", "ftp", "ftp://127.0.0.1")
    broken.at("https_to_plain", "https", f"https://127.0.0.1:{port}")
    broken.at("http_to_tls", "http", f"http://127.0.0.1:{tls}")
    broken.at("certificate_untrusted", "own-ca", f"https://127.0.0.1:{tls}")
    broken.at("timeout", "firewall", f"http://127.0.0.1:{broken.drops()}")
    broken.at("wrong_server", "other-team", f"http://127.0.0.1:{other}")


def break_servers(broken: Broken) -> None:
    """Spoil instances that run, each in another way."""
    for name, code, content in (
        ("pw-missing", "password_missing", None),
        ("pw-empty", "password_empty", b""),
        ("pw-old", "password_old", f"{OLD}\n{USERNAME}\n".encode()),
        ("pw-unknown", "password_unknown", f"{FOREIGN}\n{USERNAME}\n".encode()),
    ):
        pair = broken.pair(name)
        pair.password_file.unlink()
        if content is not None:
            pair.write_password(content)
        broken.runs(code, name, broken.start(pair))
    pair = broken.pair("disabled")
    pair.node.rename(pair.node.with_name("ComfyUI-Login.disabled"))
    broken.runs("node_disabled", "disabled", broken.start(pair))
    pair = broken.pair("removed")
    shutil.rmtree(pair.node)
    broken.runs("node_missing", "removed", broken.start(pair))
    pair = broken.pair("import")
    broken.runs("node_import_failed", "import", broken.start(pair, env=pair.without_module("bcrypt")))
    pair = broken.pair("off")
    broken.runs("nodes_switched_off", "off", broken.start(pair, "--disable-all-custom-nodes"))
    pair = broken.pair("cors")
    broken.runs("cors_origin", "cors", broken.start(pair, "--enable-cors-header", "https://ui.example"))
    pair = broken.pair("not-restarted")
    pair.set_password(OLD)
    broken.runs("process_older_than_password", "not-restarted", broken.start(pair))
    broken.instance("server_stuck", "stuck", broken.silent(), active="active", pid=os.getpid())
    broken.pair("stuck")


def stop_servers(broken: Broken) -> None:
    """Declare instances that do not run, each for another reason."""
    failed: dict[str, t.Any] = {"active": "failed", "sub": "failed", "result": "exit-code", "status": 78}
    for name, code, content in (
        ("crlf", "password_crlf", f"{TOKEN}\r\n{USERNAME}\r\n"),
        ("bom", "password_bom", f"\ufeff{TOKEN}\n{USERNAME}\n"),
        ("plain", "password_no_hash", f"{PASSWORD}\n{USERNAME}\n"),
        ("one-line", "password_no_username", f"{TOKEN}\n"),
    ):
        broken.pair(name).write_password(content)
        broken.instance(code, name, **failed)
    pair = broken.pair("directory")
    pair.password_file.unlink()
    pair.password_file.mkdir()
    broken.instance("password_directory", "directory", **failed)
    (broken.pair("guests").code / "login" / "GUEST_MODE").touch()
    broken.instance("guests_allowed", "guests", **failed)
    broken.pair("key").key_file.write_text("")
    broken.instance("session_key_broken", "key", **failed)
    accept = broken.pair("accept").code / "login" / "ACCEPT.json"
    accept.write_text('{"schema": 1')
    accept.chmod(0o600)
    broken.says("accept", f"comfyui-guard: ended ComfyUI before it listened: {accept}: is not JSON\n")
    broken.instance("accept_broken", "accept", **failed)
    broken.pair("unlucky")
    broken.says("unlucky", "comfyui-start: refused: the disk is full\n")
    broken.instance("unit_failed", "unlucky", **failed)
    broken.pair("stopped")
    broken.instance("unit_stopped", "stopped", active="inactive")
    broken.pair("gone")
    broken.instance("unit_missing", "gone")
    broken.pair("taken")
    broken.instance("port_taken", "taken", broken.listens(), **failed)


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[Broken]:
    """Break everything, and wait until what shall run runs."""
    place = tmp_path_factory.mktemp("broken")
    for parent in (place, *place.parents[:2]):
        # Whose permissions are of no interest here.
        parent.chmod(parent.stat().st_mode | 0o055)
    broken = Broken(place)
    try:
        good = broken.start(broken.pair("good"))
        port = broken.runs(None, "good", good)
        pair = broken.pair("team-b")
        pair.set_password(TEAM_B)
        other = broken.runs(None, "team-b", broken.start(pair), "team-b")
        break_files(broken)
        break_ways(broken, port, other)
        break_servers(broken)
        stop_servers(broken)
        make_truth(broken)
        broken.up()
        Path(broken.home / "instances/not-restarted/ComfyUI/login/PASSWORD").write_text(f"{TOKEN}\n{USERNAME}\n")
        broken.says("import", broken.running["import"].log())
        yield broken
    finally:
        broken.remains()


def named(broken: Broken) -> dict[str, str | None]:
    """Return what the newest diagnosis names, in the form of ``expected``."""
    report = json.loads((broken.place / "reports" / "diagnose-latest.json").read_text())
    return {
        f"{one['kind']} {one['name']}": one["cause"] and one["cause"]["code"]
        for one in report["walks"]
        if one["host"] == "field"
    }


def test_every_fault_is_named(broken: Broken) -> None:
    """Each walk ends with its own cause, an open server is to be mended first, and no value shows."""
    away = {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}
    inventory = broken.inventory(broken.running["good"].url, away=away)
    done = play(broken, ROOT / "playbooks/diagnose.yml", str(inventory), "-vvv")
    assert done.returncode == 2, done.stdout[-4000:] + done.stderr
    found = named(broken)
    wrong = {name: (code, found.get(name)) for name, code in broken.expected.items() if found.get(name) != code}
    assert not wrong, "\n".join(line for line in done.stdout.splitlines() if line.startswith((" ", "✗", "✓"))) + str(
        wrong
    )
    assert len(set(filter(None, broken.expected.values()))) > 40
    report = json.loads((broken.place / "reports" / "diagnose-latest.json").read_text())
    assert report["cause"]["code"] in {"password_missing", "password_empty", "node_missing", "node_disabled"}
    assert {one["cause"]["code"] for one in report["walks"] if one["host"] == "away"} == {"host_unreachable"}
    shown = done.stdout + done.stderr + json.dumps(report)
    for secret in (TOKEN, OLD, FOREIGN, TEAM_B, PASSWORD):
        assert secret not in shown
    assert "Mend:   ansible-playbook -i " in done.stdout


def test_check_mode_says_the_same_of_one_consumer(broken: Broken) -> None:
    inventory = broken.inventory(broken.running["good"].url)
    chosen = ("-e", "comfyui_diagnose_consumer=quotes", "--check")
    done = play(broken, ROOT / "playbooks/diagnose.yml", str(inventory), *chosen)
    assert done.returncode == 2, done.stdout[-3000:]
    found = named(broken)
    assert [name for name in found if name.startswith("consumer")] == ["consumer quotes"]
    assert found["consumer quotes"] == "token_quotes"


def test_nothing_is_wrong_with_what_works(broken: Broken) -> None:
    right = [one for one in broken.consumers if one["id"] == "right"]
    whole, broken.instances = broken.instances, [broken.instances[0]]
    consumers, broken.consumers = broken.consumers, right
    try:
        inventory = str(broken.inventory(broken.running["good"].url))
    finally:
        broken.instances, broken.consumers = whole, consumers
    done = play(broken, ROOT / "playbooks/diagnose.yml", inventory)
    assert done.returncode == 0, done.stdout[-3000:]
    assert "No cause was found" in done.stdout
    # Silence about a consumer that does not exist would pass for "in order".
    done = play(broken, ROOT / "playbooks/diagnose.yml", inventory, "-e", "comfyui_diagnose_consumer=nonsense")
    assert done.returncode == 2
    assert "no consumer nonsense is declared on any host that answered" in " ".join(done.stdout.split())
