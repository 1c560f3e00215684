# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ansible-playbook runs of the credential action and lookup. Each costs a second, so each proves many things."""

from __future__ import annotations

import base64
import stat
import subprocess
import sys
import urllib.parse
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import _vault_adapter

CREATE = """
- genai.comfyui.credential: {names: [main, team-a], create: true, policy: {cost: 4}}
  register: made
"""
USE = """
- set_fact:
    all: "{{ lookup('genai.comfyui.credential', as_dict=true, planned=ansible_check_mode) }}"
    some: "{{ lookup('genai.comfyui.credential', 'team-a', 'main', planned=ansible_check_mode, wantlist=true) }}"
    one: "{{ lookup('genai.comfyui.credential', 'main', planned=ansible_check_mode) }}"
  no_log: true
"""
SHOW = """
- debug:
    msg: "CHECK {{ all | length }} {{ some | length }} {{ one.version }} {{ one.planned | default(false) }}"
"""


def secrets_in(document: Any) -> list[str]:
    found = []
    for item in document["credentials"].values():
        found += [content["hash"] for content in item["versions"].values()]
        found += [item["password"]["value"]] if item["password"]["managed"] else []
    return found


def forms(secret: str) -> set[str]:
    """Return how a secret could show: raw, percent-encoded, base64 at each alignment, and cut."""
    encoded = {base64.b64encode(b"\0" * n + secret.encode()).decode()[4:-4] for n in range(3)}
    percent = {urllib.parse.quote(secret, safe=""), urllib.parse.quote(secret)}
    return {secret, secret[-31:], secret.replace("$", "$$"), *encoded, *percent}


def assert_hidden(text: str, secrets: list[str]) -> None:
    assert secrets
    for secret in secrets:
        for form in forms(secret):
            assert form not in text


def action(options: str, check: bool = False) -> str:
    """Return a task that may fail."""
    return f"- genai.comfyui.credential: {options}\n  ignore_errors: true\n  check_mode: {str(check).lower()}"


def look(arguments: str) -> str:
    """Return a task that may fail and looks up something harmless."""
    expression = f"lookup('genai.comfyui.credential', {arguments})"
    return f"- debug:\n    msg: >-\n      GOT {{{{ {expression} }}}}\n  ignore_errors: true"


def failures(done: Any) -> list[str]:
    """Return the final lines of all failed tasks, in order."""
    return [line for line in done.out.splitlines() if line.startswith("fatal: ")]


def test_first_run_check_mode_second_run_and_nothing_shows(plays: Any, make_store: Any) -> None:
    check = plays.run(CREATE, USE, SHOW, args=("--check", "--diff", "-vvv"))
    assert check.returncode == 0, check.out
    assert "changed=1" in check.out
    assert "CHECK 0 2 None True" in check.out.replace("CHECK 0 2  True", "CHECK 0 2 None True")
    assert "made in the real run" in check.out
    assert not plays.store.exists()

    first = plays.run(CREATE, USE, SHOW, args=("--diff", "-vvv"))
    assert first.returncode == 0, first.out
    assert "changed=1" in first.out
    assert "CHECK 2 2 v1 False" in first.out
    assert stat.S_IMODE(plays.store.stat().st_mode) == 0o600
    document, _etag = make_store(plays.store).read()
    token = _truth.view(document, "main")["token"]
    assert f"+main.versions: {{'current': 'v1 ({fingerprint(token)})'}}" in first.out
    before = plays.store.read_bytes()

    again = plays.run(CREATE, CREATE + "  check_mode: true", USE, SHOW, args=("--diff", "-vvv"))
    assert again.returncode == 0, again.out
    assert "changed=0" in again.out
    assert plays.store.read_bytes() == before
    leftovers = {p.name for p in plays.directory.iterdir()} - {"tmp", "facts", "home"}
    ours = {"truth.vault.yml", ".truth.vault.yml.lock"}
    assert leftovers == {"ansible.cfg", "inventory.yml", "play.yml", "vault-password", *ours}
    files = [p for p in plays.directory.rglob("*") if p.is_file() and p != plays.store]
    everything = first.out + again.out + "".join(p.read_text(errors="replace") for p in files)
    assert_hidden(everything, secrets_in(document))


def test_what_does_not_fit_is_refused_and_changes_nothing(plays: Any, h: SimpleNamespace, make_store: Any) -> None:
    cases = {
        "{}": "one of the following is required: name, names",
        "{name: main, names: [a]}": "mutually exclusive: name|names",
        "{name: main, state: adopted}": "state is adopted but all of the following are missing: token",
        "{name: main, token: x}": "a token can only be given with 'state: adopted'",
        "{names: [a, b], username: x}": "belong to one credential: use 'name'",
        "{name: 'a b', create: true}": "'a b' is not a credential name",
        "{name: mian}": "there is no credential 'mian' (there is: main). Correct the name, or have it made with",
        "{name: new, create: true, password_managed: false}": "must be given, or nobody would know it",
        "{name: new, create: true, username: 'a:b'}": "username: must not hold a colon",
        "{name: new, create: true, policy: {cost: 40}}": "policy.cost: must be a number",
        "{name: new, create: true, password: \"{{ 'x' * 73 }}\"}": "the password has 73 bytes in UTF-8",
        "{name: main, password: \"{{ 'Other' ~ '-Horse' }}\"}": "exists with another password",
        "{name: main, store: {type: paper}}": "unknown type 'paper'; known: vault_file",
        "{name: main, create: true, store: {type: vault_file, path: no/where.yml}}": "the directory does not exist",
        "{name: main, store: {type: vault_file, path: nowhere.yml}}": "nowhere.yml: there is no such file",
    }
    looks = {
        "'mian'": "there is no credential 'mian'; there is: main",
        "wantlist=true": "name at least one credential",
        "'a b', planned=true": "'a b' is not a credential name",
        "'main', store={'type': 'paper'}": "unknown type 'paper'; known: vault_file",
        "'main', store={'type': 'vault_file', 'path': 'nowhere.yml'}": "nowhere.yml: there is no such file",
    }
    make_store(plays.store).write(h.document(main=h.LETTER), None)
    before = plays.store.read_bytes()
    done = plays.run(*map(action, cases), *(action(c, True) for c in cases), *map(look, looks), args=("-vvv",))
    found = [block for block in done.out.split("TASK [")[1:] if "fatal: " in block]
    assert len(found) == 2 * len(cases) + len(looks), done.out
    for text, block in zip([*cases.values(), *cases.values(), *looks.values()], found):
        assert text in block
    assert "x" * 73 not in done.out
    assert "Other-Horse" not in done.out
    assert plays.store.read_bytes() == before
    assert not (plays.directory / "nowhere.yml").exists()


def test_a_store_that_cannot_be_read_stops_action_and_lookup(plays: Any, h: SimpleNamespace) -> None:
    def encrypted(text: bytes, password: str) -> bytes:
        vault_id, secret = h.secrets(("default", password))[0]
        return bytes(_vault_adapter.encrypt(text, vault_id, secret))

    cases = {
        "wrong.yml": (
            encrypted(b"schema: 1", "another"),
            "decrypts it; the vault password is wrong or the file is damage",
        ),
        "empty.yml": (b"", "the file is empty. It is not made anew"),
        "foreign.yml": (b"hello: world\n", "the file is not encrypted with ansible-vault"),
        "list.yml": (encrypted(b"[1]", h.VAULT_PASSWORD), "the document is not a mapping"),
        "newer.yml": (encrypted(b"{schema: 9}", h.VAULT_PASSWORD), "schema: is 9, newer than the 1 that this version"),
    }
    tasks = []
    for name, (data, _text) in cases.items():
        (plays.directory / name).write_bytes(data)
        store = f"{{type: vault_file, path: {name}}}"
        for check in (False, True):
            tasks.append(action(f"{{names: [main, new], create: true, store: {store}}}", check))
            tasks.append(look(f"'main', planned={check}, store={{'type': 'vault_file', 'path': '{name}'}}"))
    done = plays.run(*tasks)
    found = [block for block in done.out.split("TASK [")[1:] if "fatal: " in block]
    assert len(found) == len(tasks), done.out
    for number, block in enumerate(found):
        name, (_data, text) = list(cases.items())[number // 4]
        assert text in block
        assert str(plays.directory / name) in block
    for name, (data, _text) in cases.items():
        assert (plays.directory / name).read_bytes() == data


def test_without_a_vault_password_nothing_is_read_or_made(plays: Any, h: SimpleNamespace, make_store: Any) -> None:
    make_store(plays.directory / "there.yml").write(h.document(main=h.LETTER), None)
    there = "{type: vault_file, path: there.yml}"
    done = plays.run(
        action("{name: main, create: true}"),
        action("{name: main, create: true}", check=True),
        action(f"{{name: main, store: {there}}}"),
        look("'main', planned=true, store={'type': 'vault_file', 'path': 'there.yml'}"),
        vault=None,
    )
    found = [block for block in done.out.split("TASK [")[1:] if "fatal: " in block]
    assert len(found) == 4, done.out
    for block in found:
        assert "no vault secret was given; use --vault-id" in block
    assert not plays.store.exists()


def test_adopting_keeps_the_hash_and_is_repeatable(plays: Any, h: SimpleNamespace, make_store: Any) -> None:
    values = {
        "letter": h.LETTER,
        "digit": h.DIGIT,
        "cut": h.LETTER[:-1],
        "password": h.PASSWORD,
        "wrong": "Wrong-Horse-2",
    }
    for name, value in values.items():
        (plays.directory / name).write_text(value)

    def adopt(token: str, more: str = "", check: bool = False) -> str:
        options = f"{{name: main, state: adopted, token: \"{{{{ lookup('file', '{token}') }}}}\"{more}}}"
        show = "GOT {{ r.version }} {{ r.fingerprint }} {{ r.username }} {{ r.serial }} {{ r.created }} {{ r.changed }}"
        return f'{action(options, check)}\n  register: r\n- debug:\n    msg: "{show}"\n  when: r is success'

    known = ", password: \"{{ lookup('file', 'password') }}\""
    first, other = fingerprint(h.LETTER), fingerprint(h.DIGIT)
    steps = {
        adopt("letter"): "there is no such file",
        adopt("letter", ", create: true, username: ops", True): f"GOT v1 {first} ops 1 True True",
        adopt("letter", ", create: true, username: ops"): f"GOT v1 {first} ops 1 True True",
        adopt("letter") + " ": f"GOT v1 {first} ops 1 False False",
        adopt("letter", ", password: \"{{ lookup('file', 'wrong') }}\""): f"does not belong to the token ({first})",
        adopt("letter", known): f"GOT v1 {first} ops 2 False True",
        adopt("letter", known) + " ": f"GOT v1 {first} ops 2 False False",
        adopt("cut"): "not a bcrypt hash of exactly 60 characters",
        adopt("digit"): f"({other}) differs from the one in force (v1, {first})",
        adopt("digit", check=True): f"({other}) differs from the one in force (v1, {first})",
        adopt("digit", ", force: true", True): f"GOT v2 {other} ops 3 False True",
        adopt("letter", known) + "  ": f"GOT v1 {first} ops 2 False False",
        adopt("digit", ", force: true"): f"GOT v2 {other} ops 3 False True",
    }
    done = plays.run(*steps, args=("-vvv", "--diff"))
    blocks = done.out.split("TASK [genai.comfyui.credential]")[1:]
    assert len(blocks) == len(steps), done.out
    for text, block in zip(steps.values(), blocks):
        assert text in block
    assert_hidden(done.out, list(values.values()))
    view = _truth.view(make_store(plays.store).read()[0], "main")
    assert (view["token"], view["password"]) == (h.DIGIT, None)


def test_absent_is_refused_while_declared(plays: Any, h: SimpleNamespace, make_store: Any) -> None:
    make_store(plays.store).write(h.document(main=h.LETTER, free=h.DOT, **{"team-a": h.DIGIT}), None)
    before = plays.store.read_bytes()
    with (plays.directory / "inventory.yml").open("a") as file:
        file.write(
            "  children:\n"
            "    comfyui_servers: {hosts: {srv1: {}, srv2: {comfyui_instances: [{name: gpu0, credential: team-a}]}}}\n"
            "    others: {hosts: {cli: {comfyui_consumers: [{id: notebooks, credential: team-a}, {id: env}]}}}\n"
            '    odd: {hosts: {zzz: {comfyui_consumers: "{{ nowhere.defined }}"}}}\n'
        )
    done = plays.run(
        action("{name: team-a, state: absent}"),
        action("{names: [main, free], state: absent}", check=True),
        action("{name: free, state: absent, store: {type: vault_file, path: never.yml}}"),
        action("{name: never, state: absent}"),
        action("{name: free, state: absent, force: true}", check=True),
    )
    messages = failures(done)
    assert len(messages) == 2, done.out
    odd = "zzz: comfyui_consumers cannot be read"
    assert f"declared: cli: comfyui_consumers[notebooks]; srv2: comfyui_instances[gpu0]; {odd}" in done.out
    assert f"declared: cli: comfyui_consumers[env]; srv1: its default instance; {odd}" in done.out
    assert "changed=1 " in done.out
    assert plays.store.read_bytes() == before
    (plays.directory / "inventory.yml").write_text(
        (plays.directory / "inventory.yml").read_text().replace("{{ nowhere.defined }}", "{{ [] }}")
    )
    done = plays.run(
        action("{name: free, state: absent}"),
        action("{name: team-a, state: absent, force: true}"),
        action("{name: main, username: ops, policy: {hold: true, cost: 5}}"),
        action("{name: main, username: ops, policy: {hold: true, cost: 5}}"),
    )
    assert "changed=3 " in done.out
    document, _etag = make_store(plays.store).read()
    assert set(document["credentials"]) == {"main"}
    assert _truth.view(document, "main")["token"] == h.LETTER
    assert document["credentials"]["main"]["policy"] == {"hold": True, "cost": 5}
    assert document["credentials"]["main"]["username"] == "ops"


COUNTER = """
import os, sys
from ansible.plugins.callback import CallbackBase
def _hook(event, args):
    if event == "open" and os.path.basename(os.fsdecode(args[0]) if isinstance(args[0], (str, bytes)) else "") == NAME:
        with open(os.path.join(os.path.dirname(__file__), "..", "opens"), "a") as file:
            file.write("x")
NAME = "truth.vault.yml"
sys.addaudithook(_hook)
class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "aggregate"
    CALLBACK_NAME = "counter"
"""


def test_many_names_in_one_lookup_are_one_reading(plays: Any, h: SimpleNamespace, make_store: Any) -> None:
    make_store(plays.store).write(h.document(main=h.LETTER, other=h.DIGIT, third=h.DOT), None)
    folder: Path = plays.directory / "callback_plugins"
    folder.mkdir()
    (folder / "counter.py").write_text(COUNTER)
    done = plays.run(
        look("'main', 'other', 'third', as_dict=true) | dictsort | map(attribute=0) | list | string | trim(")
    )
    assert "GOT ['main', 'other', 'third']" in done.out
    assert (plays.directory / "opens").read_text() == "x"


def test_the_module_itself_says_where_it_runs() -> None:
    module = Path(_truth.__file__).parents[1] / "modules" / "credential.py"
    arguments = (
        '{"ANSIBLE_MODULE_ARGS": {"name": "main", "_ansible_remote_tmp": "/tmp", "_ansible_keep_remote_files": false}}'
    )
    done = subprocess.run(
        [sys.executable, str(module)], input=arguments, capture_output=True, text=True, timeout=30, check=False
    )
    assert "runs on the controller" in done.stdout, done.stdout + done.stderr
