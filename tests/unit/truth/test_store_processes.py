# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The vault-file store under several processes, crashes and a full disk. Real processes, real files."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import Conflict, change

# The children touch nothing that the test runner's threads could hold.
pytestmark = pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")

ROUNDS = 12
# Every call that a write makes on its way to the disk.
STEPS = ("open", "write", "fchmod", "fsync", "rename", "unlink", "close", "setxattr")


def in_child(work: Callable[[], bytes]) -> tuple[int, int]:
    """Start a process that runs ``work``; return its id and a descriptor from which its answer can be read."""
    answer, out = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            os.close(answer)
            os.write(out, work())
            code = 0
        finally:
            os._exit(code)
    os.close(out)
    return pid, answer


def answer_of(pid: int, answer: int) -> tuple[bytes, int]:
    """Wait for a child; return what it said and its wait status."""
    with os.fdopen(answer, "rb") as file:
        said = file.read()
    return said, os.waitpid(pid, 0)[1]


def test_of_two_writers_with_one_etag_exactly_one_wins(tmp_path: Path, h: SimpleNamespace, make_store: Any) -> None:
    path = tmp_path / "truth.yml"
    make_store(path).write(h.document(main=h.LETTER), None)
    for number in range(ROUNDS):
        doc, etag = make_store(path).read()
        gate, release = os.pipe()

        def compete(name: str, gate: int = gate, release: int = release, doc: Any = doc, etag: str = etag) -> bytes:
            os.close(release)
            new = _truth.stamp(doc, _truth.update(doc, "main", username=name), now=h.NOW, by=name)
            os.read(gate, 1)
            try:
                make_store(path).write(new, etag)
            except Conflict:
                return b"conflict"
            return name.encode()

        children = [in_child(lambda n=f"{w}{number}": compete(n)) for w in "ab"]  # type: ignore[misc]
        os.close(gate)
        os.close(release)
        said = sorted(answer_of(*child)[0] for child in children)
        assert said.count(b"conflict") == 1, said
        after = make_store(path).read()[0]
        assert after["credentials"]["main"]["username"].encode() in said
        assert after["serial"] == doc["serial"] + 1


def test_of_two_creators_exactly_one_wins(tmp_path: Path, h: SimpleNamespace, make_store: Any) -> None:
    for number in range(ROUNDS):
        path = tmp_path / f"truth{number}.yml"
        gate, release = os.pipe()

        def create(token: str, gate: int = gate, release: int = release, path: Path = path) -> bytes:
            os.close(release)
            new = h.document(main=token)
            os.read(gate, 1)
            try:
                make_store(path).write(new, None)
            except Conflict:
                return b"conflict"
            return token.encode()

        children = [in_child(lambda t=token: create(t)) for token in (h.LETTER, h.DIGIT)]  # type: ignore[misc]
        os.close(gate)
        os.close(release)
        said = sorted(answer_of(*child)[0] for child in children)
        assert said.count(b"conflict") == 1, said
        assert _truth.view(make_store(path).read()[0], "main")["token"].encode() in said


def test_no_update_is_lost_among_many(tmp_path: Path, h: SimpleNamespace, make_store: Any) -> None:
    path = tmp_path / "truth.yml"
    make_store(path).write(h.document(main=h.LETTER), None)
    tokens = {"a": h.DIGIT, "b": h.DOT, "c": h.SLASH}

    def add(name: str) -> bytes:
        change(
            make_store(path),
            lambda d: _truth.add_generated(d, name, token=tokens[name], password="pw", now=h.NOW),
        )
        return b"done"

    children = [in_child(lambda n=name: add(n)) for name in tokens]  # type: ignore[misc]
    assert [answer_of(*child)[0] for child in children] == [b"done"] * 3
    after = make_store(path).read()[0]
    assert set(after["credentials"]) == {"main", *tokens}
    assert after["serial"] == 4


@pytest.mark.parametrize("creating", [False, True], ids=["replace", "create"])
def test_killed_at_any_step_the_document_is_whole(
    creating: bool, tmp_path: Path, h: SimpleNamespace, make_store: Any
) -> None:
    path = tmp_path / "truth.yml"
    survived = False
    outcomes = set()
    for step in range(200):
        for leftover in tmp_path.glob(".truth.yml.*"):
            leftover.unlink()
        path.unlink(missing_ok=True)
        old = None
        if not creating:
            make_store(path).write(h.document(main=h.LETTER), None)
            old = path.read_bytes()
        store = make_store(path)
        doc, etag = (None, None) if creating else store.read()
        new = h.document(main=h.DIGIT)

        def die_at(step: int = step, store: Any = store, new: Any = new, etag: Any = etag) -> bytes:
            left = [step]
            for name in STEPS:
                real = getattr(os, name)

                def counted(*args: Any, real: Any = real, **kwargs: Any) -> Any:
                    if left[0] == 0:
                        os.kill(os.getpid(), signal.SIGKILL)
                    left[0] -= 1
                    return real(*args, **kwargs)

                setattr(os, name, counted)
            store.write(new, etag)
            os._exit(0)

        _said, status = answer_of(*in_child(die_at))
        assert status in (0, signal.SIGKILL)
        if creating and not path.exists():
            outcomes.add("old")
        else:
            found = make_store(path).read()[0]
            outcomes.add("new" if found == new else "old")
            assert found in (doc, new)
            assert found == new or path.read_bytes() == old
        # The next run is not held up by a lock or a temporary file, and leaves none.
        change(
            make_store(path),
            lambda d: _truth.adopt(d, "main", token=h.DOT, password=None, now=h.NOW, force=True),
            create=creating,
        )
        assert {p.name for p in tmp_path.iterdir()} == {"truth.yml", ".truth.yml.lock"}
        if status == 0:
            survived = True
            break
    assert survived
    assert step > 10
    assert outcomes == {"old", "new"}


_FULL_DISK = """
import os, sys
sys.path.insert(0, {here!r})
import conftest as c
from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import StoreContext, StoreError, open_store
path = {path!r}
make = lambda: open_store({{"type": "vault_file", "path": path}}, StoreContext(c.vault_secrets(), str))
make().write(c.document(main=c.LETTER), None)
before = open(path, "rb").read()
with open(path + ".filler", "wb", buffering=0) as filler:
    try:
        while True:
            filler.write(b"x" * 512)
    except OSError:
        pass
store = make()
doc, etag = store.read()
try:
    store.write(_truth.update(doc, "main", username="boss"), etag)
except StoreError as error:
    print(error)
assert open(path, "rb").read() == before
assert sorted(os.listdir(os.path.dirname(path))) == [".truth.yml.lock", "truth.yml", "truth.yml.filler"]
os.unlink(path + ".filler")
store.write(_truth.update(doc, "main", username="boss"), etag)
assert make().read()[0]["credentials"]["main"]["username"] == "boss"
print("mended")
"""


def test_on_a_full_disk_the_old_file_stays(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    code = _FULL_DISK.format(here=str(Path(__file__).parent), path=str(disk / "truth.yml"))
    mount = f'mount -t tmpfs -o size=32k none {disk} || exit 77; exec {sys.executable} -c "$CODE"'
    with contextlib.suppress(FileNotFoundError):
        done = subprocess.run(
            ["unshare", "-m", "sh", "-c", mount],
            env={**os.environ, "CODE": code},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        if done.returncode not in (1, 77) or "Error" in done.stderr:
            assert done.returncode == 0, done.stderr
            refusal, mended = done.stdout.splitlines()
            assert "truth.yml: no space is left on the file system" in refusal
            assert mended == "mended"
            return
    pytest.skip("needs the right to mount a tmpfs in a namespace of its own")
