# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The store in Vault, through the real library, against a small server that speaks Vault's protocol over TLS."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from kv2_server import ISSUED, JWT, ROOT, SECRET_ID, Vault, certificate, serve

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import (
    Conflict,
    StoreContext,
    StoreError,
    StoreMissing,
    _vault_kv2,
    change,
    open_store,
)


@pytest.fixture(name="pem", scope="module")
def _pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made: Path = certificate(tmp_path_factory.mktemp("tls"))
    return made


@pytest.fixture(name="vault")
def _vault(pem: Path) -> Iterator[Vault]:
    with serve(pem) as running:
        yield running


@pytest.fixture(name="opened")
def _opened(vault: Vault, pem: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("VAULT_TOKEN", ROOT)

    def opened(**more: Any) -> Any:
        spec = {"type": "vault_kv2", "url": vault.url, "path": "comfyui/credentials", "ca_path": str(pem), **more}
        return open_store({key: value for key, value in spec.items() if value is not None}, StoreContext([], str))

    return opened


def adding(h: SimpleNamespace, name: str, token: str) -> Any:
    return lambda document: _truth.add_generated(document, name, token=token, password=h.PASSWORD, now=h.NOW)


def test_a_document_goes_there_and_back(opened: Any, vault: Vault, h: SimpleNamespace) -> None:
    with pytest.raises(StoreMissing, match=r"there is no such secret\. Set the right path"):
        opened().read()
    change(opened(), adding(h, "main", h.LETTER), create=True)
    document, etag = opened().read()
    assert (etag, document["serial"]) == ("1", 1)
    change(opened(), adding(h, "team", h.DIGIT))
    document, etag = opened().read()
    assert (etag, sorted(document["credentials"])) == ("2", ["main", "team"])
    store = opened()
    same, etag = store.read()
    assert store.write(same, etag) == "2", "a write that changes nothing is none"
    assert len(vault.versions) == 2


def test_two_writers_one_conflict(opened: Any, vault: Vault, h: SimpleNamespace) -> None:
    change(opened(), adding(h, "main", h.LETTER), create=True)
    stores, results, gate = [opened(), opened()], [], threading.Barrier(2)

    def write(number: int) -> None:
        document, etag = stores[number].read()
        new = adding(h, f"c{number}", (h.DIGIT, h.DOT)[number])(document)
        stamped = _truth.stamp(document, new, now=h.NOW, by="me@here")
        gate.wait()
        try:
            results.append(stores[number].write(stamped, etag))
        except Conflict as error:
            results.append(str(error))

    threads = [threading.Thread(target=write, args=(number,)) for number in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(vault.versions) == 2
    assert sorted(results)[0] == "2"
    assert "somebody else wrote it meanwhile; nothing was written" in sorted(results)[1]


def test_both_get_in_when_each_decides_again(opened: Any, vault: Vault, h: SimpleNamespace) -> None:
    change(opened(), adding(h, "main", h.LETTER), create=True)
    threads = [
        threading.Thread(target=change, args=(opened(), adding(h, name, token)))
        for name, token in (("a", h.DIGIT), ("b", h.DOT))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(opened().read()[0]["credentials"]) == ["a", "b", "main"]


def test_created_by_two_at_once_is_one_conflict(opened: Any, h: SimpleNamespace) -> None:
    opened().write(h.document(main=h.LETTER), None)
    with pytest.raises(Conflict):
        opened().write(h.document(main=h.DOT), None)


def test_a_lost_answer_is_found_out(opened: Any, vault: Vault, h: SimpleNamespace) -> None:
    vault.lose = 1
    change(opened(), adding(h, "main", h.LETTER), create=True)
    assert len(vault.versions) == 1, "written once, though no answer came"


def test_a_failed_write_is_no_conflict(opened: Any, vault: Vault, h: SimpleNamespace) -> None:
    store = opened()
    vault.fail = [500]
    with pytest.raises(
        StoreError, match=r"could not be written \(InternalServerError\); nothing was written"
    ) as caught:
        store.write(h.document(main=h.LETTER), None)
    assert not isinstance(caught.value, Conflict)
    assert vault.versions == []


def test_a_deleted_document_is_never_made_anew(opened: Any, vault: Vault, h: SimpleNamespace) -> None:
    change(opened(), adding(h, "main", h.LETTER), create=True)
    vault.versions.append(None)
    with pytest.raises(StoreError, match=r"version 2 was deleted\. It is not made anew"):
        change(opened(), adding(h, "other", h.DIGIT), create=True)
    assert len(vault.versions) == 2


@pytest.mark.parametrize(
    ("prepare", "said"),
    [
        (lambda vault: vault.fail.append(403), "permission denied; the login has expired, or its policy"),
        (lambda vault: vault.fail.append(429), "limits the rate of requests"),
        (lambda vault: vault.fail.append(503), "is sealed or in standby"),
        (lambda vault: vault.fail.append(500), "could not be read (InternalServerError)"),
        (lambda vault: vault.tokens.clear(), "permission denied"),
        (lambda vault: setattr(vault, "mount_version", "1"), "'secret' is no KV engine of version 2"),
        (lambda vault: setattr(vault, "mount_version", None), "'secret' is no KV engine of version 2"),
        (lambda vault: vault.versions.append({"other": "x"}), "a secret without the key 'document'"),
        (lambda vault: vault.versions.append({"document": ""}), "the document is empty"),
    ],
)
def test_each_trouble_is_named_without_a_secret(opened: Any, vault: Vault, prepare: Any, said: str) -> None:
    prepare(vault)
    with pytest.raises(StoreError) as caught:
        opened().read()
    assert said in str(caught.value)
    assert ROOT not in str(caught.value)
    assert not isinstance(caught.value, StoreMissing)


def test_a_stranger_behind_the_address(opened: Any, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="its certificate is not trusted; set ca_path"):
        opened(ca_path=str(certificate(tmp_path))).read()
    with pytest.raises(StoreError, match="no answer"):
        opened(url="https://127.0.0.1:1").read()


def test_logins(opened: Any, vault: Vault, h: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vault.versions.append({"document": _truth.render(h.document(main=h.LETTER))})
    vault.tokens = set()
    monkeypatch.delenv("VAULT_TOKEN")
    for name, content in (("secret-id", SECRET_ID), ("jwt", JWT), ("token", ISSUED)):
        (tmp_path / name).write_text(content + "\n")
    approle = {"auth": "approle", "role_id": "role-of-the-tests"}
    store = opened(**approle, secret_id_file=str(tmp_path / "secret-id"))
    assert store.read()[1] == "1"
    store.read()
    assert vault.logins == 1, "one login for all requests"
    assert opened(auth="jwt", role="ops", jwt_file=str(tmp_path / "jwt")).read()[1] == "1"
    assert opened(token_file=str(tmp_path / "token")).read()[1] == "1"
    monkeypatch.setenv("VAULT_SECRET_ID", "wrong")
    with pytest.raises(StoreError, match=r"refuses the request \(status 400\); check auth, role and mount"):
        opened(**approle).read()
    with pytest.raises(StoreError, match="there is no token; name a file that holds it as token_file, or set"):
        opened().read()
    assert ISSUED not in repr(store)


def test_namespaces(opened: Any, vault: Vault, h: SimpleNamespace) -> None:
    vault.namespace = "team/ops"
    opened(namespace="team/ops").write(h.document(main=h.LETTER), None)
    assert opened(namespace="team/ops").read()[1] == "1"
    with pytest.raises(StoreError):
        opened().read()


def test_what_would_stop_a_write_is_known_before(opened: Any, vault: Vault) -> None:
    opened().check_writable("1")
    vault.capabilities = ["read"]
    with pytest.raises(StoreError, match="does not allow to write it"):
        opened().check_writable("1")
    vault.capabilities = ["update"]
    with pytest.raises(StoreError, match="does not allow to write it"):
        opened().check_writable(None)


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"token": "x"}, "token must not stand in a variable; put it into a file and name that as token_file"),
        ({"secret_id": "x"}, "secret_id must not stand in a variable"),
        ({"colour": "x"}, "unknown key 'colour'"),
        ({"url": None}, "needs 'url'"),
        ({"path": None}, "needs 'path'"),
        ({"path": 3}, "path of the credential store must be text"),
        ({"url": "http://vault.example.com:8200"}, "is http, which would show the truth to the network"),
        ({"url": "vault.example.com"}, "must be such as https://vault.example.com:8200"),
        ({"auth": "ldap"}, "auth of the credential store is 'ldap'; known: token, approle, jwt"),
        ({"auth": "approle"}, "needs 'role_id' for auth approle"),
        ({"auth": "jwt"}, "needs 'role' for auth jwt"),
        ({"timeout": 0}, "timeout of the credential store must be a number of seconds"),
        ({"token_file": "/nowhere"}, "cannot read /nowhere: No such file"),
    ],
)
def test_descriptions_that_cannot_be(opened: Any, more: dict[str, Any], said: str) -> None:
    with pytest.raises(StoreError) as caught:
        opened(**more).read()
    assert said in str(caught.value)


def test_without_the_library(opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    # The edge: a controller on which hvac is not installed.
    monkeypatch.setattr(_vault_kv2, "hvac", None)
    with pytest.raises(StoreError, match="needs the Python packages hvac and requests on the controller"):
        opened()


def test_a_play(plays: Any, vault: Vault, pem: Path, h: SimpleNamespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VAULT_TOKEN", ROOT)
    inventory = plays.directory / "inventory.yml"
    spec = f"{{type: vault_kv2, url: '{vault.url}', path: comfyui/credentials, ca_path: '{pem}'}}"
    text = inventory.read_text()
    start = text.index("comfyui_credential_store: ")
    inventory.write_text(text[:start] + f"comfyui_credential_store: {spec}\n" + text[text.index("  hosts:") :])
    done = plays.run(
        "- genai.comfyui.credential: {name: main, create: true, policy: {cost: 4}}\n  register: made",
        "- genai.comfyui.credential: {name: main}\n  register: again",
        "- set_fact: {one: \"{{ lookup('genai.comfyui.credential', 'main') }}\"}\n  no_log: true",
        '- debug: {msg: "CHECK {{ made.changed }} {{ again.changed }} {{ one.version }}"}',
        args=("-vvv",),
        vault=None,
    )
    assert done.returncode == 0, done.out
    assert "CHECK True False v1" in done.out
    held = vault.versions[-1]
    assert held is not None
    token = _truth.current_token(_truth.parse(held["document"])["credentials"]["main"])
    for secret in (token, token[-31:], ROOT):
        assert secret not in done.out
