# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vault-file store: what it reads, what it refuses, what it leaves alone."""

from __future__ import annotations

import hashlib
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import (
    TYPES,
    Conflict,
    StoreContext,
    StoreError,
    StoreMissing,
    _vault_adapter,
    change,
    open_store,
)


@pytest.fixture(name="path")
def _path(tmp_path: Path) -> Path:
    return tmp_path / "truth.vault.yml"


def encrypted(h: SimpleNamespace, text: bytes, *pairs: tuple[str, str]) -> bytes:
    vault_id, secret = _vault_adapter.choose_secret(h.secrets(*pairs), None)
    return bytes(_vault_adapter.encrypt(text, vault_id, secret))


def test_a_document_comes_back(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    doc = h.document(main=h.LETTER)
    etag = make_store(path).write(doc, None)
    assert etag == hashlib.sha256(path.read_bytes()).hexdigest()
    assert make_store(path).read() == (doc, etag)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.1;AES256\n")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_ansible_vault_itself_can_read_it(path: Path, h: SimpleNamespace, make_store: Any, tmp_path: Path) -> None:
    doc = h.document(main=h.LETTER)
    make_store(path).write(doc, None)
    (tmp_path / "password").write_text(h.VAULT_PASSWORD)
    tool = Path(sys.executable).with_name("ansible-vault")
    command = [str(tool), "view", "--vault-password-file", str(tmp_path / "password"), str(path)]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "PAGER": "cat"})
    assert _truth.parse(shown.stdout) == doc


def test_the_same_document_is_not_encrypted_anew(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    make_store(path).write(h.document(main=h.LETTER), None)
    before = (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns)
    store = make_store(path)
    doc, etag = store.read()
    assert store.write(doc, etag) == etag
    assert (path.read_bytes(), path.stat().st_ino, path.stat().st_mtime_ns) == before


def test_an_old_etag_is_a_conflict(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    first, second = make_store(path), make_store(path)
    first.write(h.document(main=h.LETTER), None)
    doc, etag = first.read()
    second.read()
    second.write(_truth.update(doc, "main", username="boss"), etag)
    now = path.read_bytes()
    with pytest.raises(Conflict, match=f"{path}: somebody else changed .* run again"):
        first.write(_truth.update(doc, "main", username="chief"), etag)
    with pytest.raises(Conflict, match="somebody else made it"):
        first.write(doc, None)
    assert path.read_bytes() == now
    path.unlink()
    with pytest.raises(Conflict, match="changed or removed it"):
        first.write(_truth.update(doc, "main", username="chief"), etag)
    assert not path.exists()


def test_an_etag_of_another_process_is_as_good(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    etag = make_store(path).write(h.document(main=h.LETTER), None)
    make_store(path).write(h.document(main=h.DIGIT), etag)
    assert _truth.view(make_store(path).read()[0], "main")["token"] == h.DIGIT


def test_a_missing_file_is_its_own_error(path: Path, make_store: Any) -> None:
    with pytest.raises(StoreMissing, match=f"{path}: there is no such file.*create: true"):
        make_store(path).read()
    assert list(path.parent.iterdir()) == []


UNREADABLE: dict[str, tuple[Callable[[SimpleNamespace], bytes], str]] = {
    "empty": (lambda h: b"", "the file is empty. It is not made anew.*restore it from a backup"),
    "blank": (lambda h: b"\n \n", "the file is empty"),
    "plain": (lambda h: _truth.render(h.document(main=h.LETTER)).encode(), "not encrypted with ansible-vault"),
    "wrong password": (lambda h: encrypted(h, b"schema: 1", ("default", "other")), r"ids: default.*password is wrong"),
    "damaged": (lambda h: encrypted(h, b"schema: 1")[:-40], "password is wrong or the file is damaged"),
    "no body": (lambda h: b"$ANSIBLE_VAULT;1.1;AES256\n", "password is wrong or the file is damaged"),
    "odd header": (lambda h: b"$ANSIBLE_VAULT;9.9;ROT13\n00\n", "password is wrong or the file is damaged"),
    "not text": (lambda h: encrypted(h, b"\xff\xfe\x00"), "not UTF-8"),
    "nothing inside": (lambda h: encrypted(h, b"\n"), "the document is empty"),
    "not yaml": (lambda h: encrypted(h, b"a: ["), "not valid YAML .line 1."),
    "a list": (lambda h: encrypted(h, b"[1]"), "not a mapping"),
    "newer": (lambda h: encrypted(h, b"{schema: 7, soon: true}"), "schema: is 7, newer than .*upgrade"),
    "token": (
        lambda h: encrypted(h, _truth.render(h.document(main=h.LETTER)).replace(h.LETTER, "x0").encode()),
        r"credentials\.main\.versions\.v1\.hash: is not a bcrypt hash",
    ),
    "huge": (lambda h: b"$ANSIBLE_VAULT;1.1;AES256\n" + b"0" * (1 << 20), "(?i)byte|large|big"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_stops_everything(case: str, path: Path, h: SimpleNamespace, make_store: Any) -> None:
    make, text = UNREADABLE[case]
    path.write_bytes(make(h))
    before = path.read_bytes()

    def edit(doc: Any) -> Any:
        raise AssertionError("a document was made up")

    with pytest.raises(StoreError, match=text) as caught:
        change(make_store(path), edit, create=True)
    assert not isinstance(caught.value, (StoreMissing, Conflict))
    assert str(path) in str(caught.value)
    assert h.LETTER not in str(caught.value)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_without_a_vault_secret_nothing_is_read_or_made(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    with pytest.raises(StoreError, match=f"{path}: no vault secret was given; use --vault-id"):
        make_store(path, secrets=[]).write(h.document(main=h.LETTER), None)
    assert not path.exists()
    make_store(path).write(h.document(main=h.LETTER), None)
    with pytest.raises(StoreError, match=f"{path}: no vault secret was given; use --vault-id"):
        make_store(path, secrets=[]).read()


def test_the_vault_id_stays_what_it_was(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    both = (("dev", "d"), ("prod", "p"))
    make_store(path, *both, vault_id="prod").write(h.document(main=h.LETTER), None)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    store = make_store(path, *both)
    doc, etag = store.read()
    store.write(_truth.update(doc, "main", username="boss"), etag)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")
    assert make_store(path, ("prod", "p")).read()[0]["credentials"]["main"]["username"] == "boss"
    doc, etag = store.read()
    moved = make_store(path, *both, vault_id="dev")
    moved.read()
    moved.write(_truth.update(doc, "main", username="chief"), etag)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;dev\n")


def test_a_new_file_gets_the_wanted_or_first_vault_id(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    make_store(path, ("dev", "d"), ("prod", "p")).write(h.document(main=h.LETTER), None)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;dev\n")
    path.unlink()
    with pytest.raises(StoreError, match="no vault secret with the id 'test'; given were: dev, prod"):
        make_store(path, ("dev", "d"), ("prod", "p"), vault_id="test").write(h.document(main=h.LETTER), None)
    context = StoreContext(h.secrets(("dev", "d"), ("prod", "p")), str, "prod")
    open_store({"type": "vault_file", "path": str(path)}, context).write(h.document(main=h.LETTER), None)
    assert path.read_bytes().startswith(b"$ANSIBLE_VAULT;1.2;AES256;prod\n")


def test_a_missing_directory_is_named(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    inside = path.parent / "nowhere" / "truth.yml"
    calls: list[Callable[[Any], Any]] = [
        lambda s: s.write(h.document(main=h.LETTER), None),
        lambda s: s.read(),
        lambda s: s.check_writable(None),
    ]
    for call in calls:
        with pytest.raises(StoreError, match=f"{inside}: the directory does not exist") as caught:
            call(make_store(inside))
        assert not isinstance(caught.value, StoreMissing)


@pytest.mark.parametrize("kind", ["symlink", "hard link", "directory", "fifo"])
def test_links_and_non_files_are_refused(kind: str, path: Path, h: SimpleNamespace, make_store: Any) -> None:
    other = path.with_name("other")
    make_store(other).write(h.document(main=h.LETTER), None)
    before = other.read_bytes()
    make: dict[str, Callable[[], None]] = {
        "symlink": lambda: path.symlink_to(other),
        "hard link": lambda: os.link(other, path),
        "directory": path.mkdir,
        "fifo": lambda: os.mkfifo(path),
    }
    make[kind]()
    with pytest.raises(StoreError, match=str(path)):
        make_store(path).read()
    with pytest.raises(StoreError, match=str(path)):
        make_store(path).write(h.document(main=h.DIGIT), None)
    assert other.read_bytes() == before


def test_others_lose_their_rights_and_a_group_keeps_its(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    make_store(path).write(h.document(main=h.LETTER), None)
    path.chmod(0o664)
    store = make_store(path)
    doc, etag = store.read()
    store.write(_truth.update(doc, "main", username="boss"), etag)
    assert stat.S_IMODE(path.stat().st_mode) == 0o660


def test_check_writable_changes_nothing(path: Path, make_store: Any) -> None:
    make_store(path).check_writable(None)
    with pytest.raises(StoreError, match="no vault secret"):
        make_store(path, secrets=[]).check_writable(None)
    assert list(path.parent.iterdir()) == []


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        (None, "no credential store is set; set comfyui_credential_store to"),
        ("truth.yml", "must be a mapping"),
        ({}, "unknown type None; known: vault_file"),
        ({"type": "paper", "path": "/x"}, "unknown type 'paper'; known: vault_file"),
        ({"type": "vault_file"}, "needs 'path'"),
        ({"type": "vault_file", "path": ""}, "needs 'path'"),
        ({"type": "vault_file", "path": "/x", "pth": 1}, "unknown key 'pth'; known: type, path, vault_id"),
        ({"type": "vault_file", "path": "/x", "vault_id": 3}, "vault_id"),
    ],
)
def test_wrong_store_settings_are_refused(spec: Any, text: str) -> None:
    with pytest.raises(StoreError, match=text):
        open_store(spec, StoreContext([], str))


def test_another_back_end_can_join(monkeypatch: pytest.MonkeyPatch, h: SimpleNamespace) -> None:
    class Memory:
        where = "memory"

        def __init__(self) -> None:
            self.kept: tuple[Any, int] | None = None

        def read(self) -> tuple[Any, str]:
            if self.kept is None:
                raise StoreMissing("memory: nothing there")
            return self.kept[0], str(self.kept[1])

        def write(self, document: Any, etag: str | None) -> str:
            version = 0 if self.kept is None else self.kept[1]
            if (etag or "0") != str(version):
                raise Conflict("memory: changed")
            self.kept = (document, version + 1)
            return str(version + 1)

        def check_writable(self, etag: str | None) -> None:
            pass

    memory = Memory()
    module: Any = type(sys)("a_back_end")
    module.open_store = lambda spec, context: memory
    monkeypatch.setitem(sys.modules, "a_back_end", module)
    monkeypatch.setitem(TYPES, "memory", "a_back_end")
    store = open_store({"type": "memory"}, StoreContext([], str))

    def add(doc: Any) -> Any:
        return _truth.add_generated(doc, "main", token=h.LETTER, password="pw", now=h.NOW)

    with pytest.raises(StoreMissing):
        change(store, add)
    _before, after = change(store, add, create=True)
    assert store.read() == (after, "1")


def test_change_decides_again_after_a_conflict(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    make_store(path).write(h.document(main=h.LETTER), None)
    calls = []

    def edit(doc: Any) -> Any:
        calls.append(doc["serial"])
        if len(calls) == 1:
            change(make_store(path), lambda d: _truth.update(d, "main", policy={"hold": True}))
        return _truth.update(doc, "main", username="boss")

    _before, after = change(make_store(path), edit)
    assert calls == [1, 2]
    item = make_store(path).read()[0]["credentials"]["main"]
    assert (after["serial"], item["username"], item["policy"]) == (3, "boss", {"hold": True})


def test_change_gives_up_after_many_conflicts(path: Path, h: SimpleNamespace, make_store: Any) -> None:
    make_store(path).write(h.document(main=h.LETTER), None)
    others = iter(range(100))

    def edit(doc: Any) -> Any:
        change(make_store(path), lambda d: _truth.update(d, "main", username=f"other{next(others)}"))
        return _truth.update(doc, "main", username="boss")

    with pytest.raises(Conflict):
        change(make_store(path), edit)
    assert make_store(path).read()[0]["credentials"]["main"]["username"].startswith("other")
