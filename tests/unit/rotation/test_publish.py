# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Publishing the truth: a real git remote, two controllers, failures, and crashes between write and publish."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
from ansible.parsing.vault import VaultSecret
from rotation_truths import NEW, NOW, ODD, OLD, PASSWORD

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_declared import Declared
from ansible_collections.genai.comfyui.plugins.plugin_utils._rotation_run import Wanted, apply
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores import StoreContext, StoreError, change, open_store
from ansible_collections.genai.comfyui.plugins.plugin_utils._stores._publish import Publisher

NAME = "truth.vault.yml"
# As in docs/rotation.md.
RECIPE = (
    f"git add {NAME} && (git diff --cached --quiet || git commit -qm 'Change credentials') && "
    "(git push -q || { git fetch -q && git reset -q --hard @{u}; exit 1; })"
)


def open_at(folder: Path, *command: str, **more: Any) -> Any:
    """Return the store in the folder; with a command it publishes."""
    context = StoreContext([("default", VaultSecret(b"vault-password"))], str, None)
    spec = {"type": "vault_file", "path": str(folder / NAME), **({"publish": list(command)} if command else {}), **more}
    return open_store(spec, context)


def add(store: Any, name: str, token: str, dry_run: bool = False) -> Any:
    """Add a credential and return the document."""

    def edit(document: Any) -> Any:
        if name in document["credentials"]:
            return document
        return _truth.add_generated(document, name, token=token, password=PASSWORD, now=NOW)

    return change(store, edit, create=True, dry_run=dry_run)[1]


def names(store: Any) -> list[str]:
    return sorted(store.read()[0]["credentials"])


@pytest.fixture(name="clones")
def _clones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Return two clones of one remote, as two controllers have them."""
    for key, value in (
        ("GIT_AUTHOR_NAME", "a"), ("GIT_AUTHOR_EMAIL", "a@b"), ("GIT_COMMITTER_NAME", "a"),
        ("GIT_COMMITTER_EMAIL", "a@b"), ("GIT_CONFIG_GLOBAL", "/dev/null"), ("GIT_CONFIG_SYSTEM", "/dev/null"),
    ):  # fmt: skip
        monkeypatch.setenv(key, value)
    run = ["git", "-C", str(tmp_path)]
    subprocess.run([*run, "init", "-q", "--bare", "-b", "main", "remote"], check=True)
    for name in ("one", "two"):
        subprocess.run([*run, "clone", "-q", "remote", name], check=True, capture_output=True)
        if name == "one":
            (tmp_path / name / "README").write_text("credentials\n")
            inside = ["git", "-C", str(tmp_path / name)]
            for arguments in (["add", "README"], ["commit", "-qm", "First"], ["push", "-q", "-u", "origin", "HEAD"]):
                subprocess.run([*inside, *arguments], check=True)
    return [tmp_path / "one", tmp_path / "two"]


def test_each_write_is_pushed(clones: list[Path]) -> None:
    one, two = clones
    add(open_at(one, "sh", "-c", RECIPE), "main", OLD)
    subprocess.run(["git", "-C", str(two), "pull", "-q"], check=True)
    assert names(open_at(two)) == ["main"]
    assert not (one / f".{NAME}.unpublished").exists()


def test_of_two_controllers_the_first_wins_and_the_other_decides_again(clones: list[Path]) -> None:
    one, two = clones
    add(open_at(one, "sh", "-c", RECIPE), "main", OLD)
    subprocess.run(["git", "-C", str(two), "pull", "-q"], check=True)
    add(open_at(one, "sh", "-c", RECIPE), "first", NEW)
    # The second one does not know that yet. Its push is rejected, it takes the first one's state and adds to that.
    done = add(open_at(two, "sh", "-c", RECIPE), "second", ODD)
    assert sorted(done["credentials"]) == ["first", "main", "second"]
    assert done["serial"] == 3
    subprocess.run(["git", "-C", str(one), "pull", "-q"], check=True)
    assert names(open_at(one)) == ["first", "main", "second"]


def test_of_two_rotations_started_at_once_one_is_left(clones: list[Path], monkeypatch: pytest.MonkeyPatch) -> None:
    """The second controller has read and decided, and is just about to push, when the first one's push goes through."""
    one, two = clones
    add(open_at(one, "sh", "-c", RECIPE), "main", OLD)
    subprocess.run(["git", "-C", str(two), "pull", "-q"], check=True)
    real = Publisher.run
    rival: list[Any] = []

    def start(folder: Path) -> Any:
        wanted = Wanted(["main"], "started", now=NOW)
        places = Declared(["s1:default"], [], [], [])
        store = open_at(folder, "sh", "-c", RECIPE)
        return apply(store, wanted, declared=lambda name: places, check_mode=False)["credentials"][0]

    def run(self: Publisher) -> None:
        if str(two) in self._path and self.marked() and not rival:
            rival.append("starts")
            rival.append(start(one))
        real(self)

    monkeypatch.setattr(Publisher, "run", run)
    late = start(two)
    assert rival[1]["moves"] == ["pending"]
    assert late["moves"] == []
    assert "is running already" in late["why"][0]
    assert late["versions"] == rival[1]["versions"]
    for folder in clones:
        item = open_at(folder).read()[0]["credentials"]["main"]
        assert set(item["versions"]) == {"v1", "v2"}
        assert fingerprint(item["versions"]["v2"]["hash"]) == rival[1]["versions"]["pending"]["fingerprint"]


def test_a_rotation_never_goes_by_an_old_copy(clones: list[Path]) -> None:
    one, two = clones
    add(open_at(one, "sh", "-c", RECIPE), "main", OLD)
    subprocess.run(["git", "-C", str(two), "pull", "-q"], check=True)
    add(open_at(one, "sh", "-c", RECIPE), "first", NEW)
    store = open_at(two, "sh", "-c", RECIPE)
    assert change(store, lambda document: document)[0]["serial"] == 1
    assert change(store, lambda document: document, fresh=True)[0]["serial"] == 2


def test_a_failing_command_stops_everything_until_it_succeeds(tmp_path: Path) -> None:
    gate = tmp_path / "open"
    command = ("sh", "-c", "test -e open || { echo 'no route to https://me:secret@git.example/x' >&2; exit 7; }")
    with pytest.raises(StoreError, match=r"exit code 7: no route to https://\*\*\*@git\.example/x\. Nothing goes on"):
        add(open_at(tmp_path, *command), "main", OLD)
    with pytest.raises(StoreError, match=r"the last write has not been published\. Run site.yml"):
        open_at(tmp_path, *command).read()
    with pytest.raises(StoreError, match="has not been published"):
        add(open_at(tmp_path, *command), "main", OLD, dry_run=True)
    with pytest.raises(StoreError, match="exit code 7"):
        add(open_at(tmp_path, *command), "main", OLD)
    gate.touch()
    with pytest.raises(StoreError, match="has not been published"):
        open_at(tmp_path, *command).read()
    # The same change again changes nothing, but publishes what the earlier run wrote, with that run's token.
    assert add(open_at(tmp_path, *command), "main", NEW)["serial"] == 1
    assert _truth.current_token(open_at(tmp_path, *command).read()[0]["credentials"]["main"]) == OLD


def test_the_first_look_of_a_rotation_publishes_what_is_left(tmp_path: Path) -> None:
    """Otherwise the run's first pass over the hosts could bring out what no other controller knows."""
    command = ("sh", "-c", "test -e open")
    with pytest.raises(StoreError):
        add(open_at(tmp_path, *command), "main", OLD)
    look = Wanted(["main"], "status")
    (tmp_path / "open").touch()
    with pytest.raises(StoreError, match="has not been published"):
        apply(open_at(tmp_path, *command), look, declared=no_places, check_mode=True)
    assert apply(open_at(tmp_path, *command), look, declared=no_places, check_mode=False)["changed"] is False
    assert names(open_at(tmp_path, *command)) == ["main"]


def no_places(name: str) -> Declared:
    return Declared([], [], [], [])


@pytest.mark.parametrize("method", ["mark", "run", "clear"])
def test_a_crash_anywhere_is_made_good_by_the_next_run(
    method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("sh", "-c", f"cp {NAME} published")
    add(open_at(tmp_path, *command), "main", OLD)

    class Killed(BaseException):
        pass

    def die(self: Publisher, *args: Any) -> None:
        raise Killed

    for when in ("before", "after"):
        with monkeypatch.context() as patch:
            real = getattr(Publisher, method)

            def die_after(self: Publisher, *args: Any, real: Any = real) -> None:
                real(self, *args)
                raise Killed

            patch.setattr(Publisher, method, die if when == "before" else die_after)
            with pytest.raises(Killed):
                add(open_at(tmp_path, *command), f"x-{when}", NEW if when == "before" else ODD)
        add(open_at(tmp_path, *command), f"x-{when}", NEW if when == "before" else ODD)
        assert (tmp_path / "published").read_bytes() == (tmp_path / NAME).read_bytes()
        assert f"x-{when}" in names(open_at(tmp_path, *command))


def test_the_command_knows_the_path_and_is_killed_in_time(tmp_path: Path) -> None:
    add(open_at(tmp_path, "sh", "-c", 'test "$COMFYUI_STORE_PATH" = "$PWD/' + NAME + '"'), "main", OLD)
    with pytest.raises(StoreError, match="did not finish within 1 seconds"):
        add(open_at(tmp_path, "tail", "-f", "/dev/null", publish_timeout=1), "other", NEW)
    with pytest.raises(StoreError, match="it cannot be started: No such file"):
        add(open_at(tmp_path, "no-such-program"), "other", NEW)


@pytest.mark.parametrize(
    ("spec", "text"),
    [
        ({"publish": "git push"}, "must be a list of texts, the program and its arguments"),
        ({"publish": []}, "must be a list of texts"),
        ({"publish": ["true"], "publish_timeout": 0}, "publish_timeout .* from 1 to 3600"),
    ],
)
def test_odd_settings_are_refused(spec: dict[str, Any], text: str, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=text):
        open_at(tmp_path, **spec)


def test_the_mark_is_private(tmp_path: Path) -> None:
    with pytest.raises(StoreError):
        add(open_at(tmp_path, "false"), "main", OLD)
    for entry in os.scandir(tmp_path):
        assert entry.stat().st_mode & 0o077 == 0, entry.name
