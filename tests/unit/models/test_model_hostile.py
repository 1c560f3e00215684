# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Servers that change, lie or send one elsewhere, and addresses that hold secrets."""

from __future__ import annotations

import functools
import hashlib
import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from local_hub import REVISION, TOKEN, Hub, serve

from ansible_collections.genai.comfyui.plugins.module_utils import _model_fetch, _model_run, _models
from ansible_collections.genai.comfyui.plugins.module_utils._model_http import FetchError, Source
from ansible_collections.genai.comfyui.plugins.module_utils._model_hub import HubSource, find_library
from ansible_collections.genai.comfyui.plugins.modules import model

DATA = random.Random(9).randbytes(3_000_000)
DIGEST = hashlib.sha256(DATA).hexdigest()
KEY = "org/repo/x.safetensors"
PATH = f"/org/repo/resolve/{REVISION}/x.safetensors"
BROKEN: list[tuple[Any, ...]] = [("status", 500, {})] * 20

Make = Callable[..., Any]


def plain(hub: Hub, token: str | None = None) -> Source:
    return Source(hub.url + PATH, token, timeout=5)


asked = functools.cache(find_library)


def library(hub: Hub, token: str | None = None) -> HubSource:
    found, why = asked(sys.executable)
    if found is None:
        pytest.skip(why)
    return HubSource(hub.url + PATH, found, token, timeout=5)


BOTH = pytest.mark.parametrize("make", [plain, library])


@pytest.fixture(autouse=True)
def filled(hub: Hub) -> None:
    """Put the file into the hub."""
    hub.files[KEY] = DATA


def fetch(source: Any, path: Path, **options: Any) -> dict[str, Any]:
    given = {"sha256": DIGEST, "size": len(DATA), "pause": lambda _seconds: None, **options}
    done: dict[str, Any] = _model_fetch.fetch(source, str(path), **given)
    return done


def stop(_seconds: float) -> None:
    raise InterruptedError


def cut(hub: Hub, make: Make, path: Path, place: int = 2_000_000) -> int:
    """Leave a part behind; return its size."""
    hub.troubles["storage"] = [*[("none",)] * (make is plain), ("cut", place), *BROKEN]
    with pytest.raises(InterruptedError):
        fetch(make(hub), path, pause=stop)
    hub.troubles["storage"] = []
    return path.with_name(f".{path.name}.part").stat().st_size


@BOTH
def test_a_server_that_ignores_the_range(hub: Hub, make: Make, tmp_path: Path) -> None:
    assert cut(hub, make, tmp_path / "x") > 0
    hub.troubles["storage"] = [*[("none",)] * (make is plain), ("whole",)]
    assert fetch(make(hub), tmp_path / "x")["fetched"] == len(DATA)
    assert (tmp_path / "x").read_bytes() == DATA


@BOTH
def test_a_server_that_sends_another_range(hub: Hub, make: Make, tmp_path: Path) -> None:
    cut(hub, make, tmp_path / "x")
    hub.troubles["storage"] = [*[("none",)] * (make is plain), ("elsewhere",)]
    with pytest.raises(FetchError):
        fetch(make(hub), tmp_path / "x")
    assert not (tmp_path / "x").exists()


@BOTH
def test_a_server_that_sends_more_than_it_said(hub: Hub, make: Make, tmp_path: Path) -> None:
    hub.troubles["storage"] = [*[("none",)] * (make is plain), ("more", 100_000)]
    # The library tells its sink everything; our own HTTP asks for no more than it wants.
    if make is library:
        with pytest.raises(FetchError, match="the server sends more bytes than it said"):
            fetch(make(hub), tmp_path / "x")
    else:
        fetch(make(hub), tmp_path / "x")
    assert (tmp_path / "x").exists() == (make is plain)
    assert make is library or (tmp_path / "x").read_bytes() == DATA


@pytest.mark.parametrize("direct", [False, True])
def test_the_content_changes_between_two_attempts(hub: Hub, tmp_path: Path, direct: bool) -> None:
    other = bytes(reversed(DATA))
    hub.troubles["storage"] = [("none",), ("cut", 2_000_000)]

    def change(_seconds: float) -> None:
        hub.files[KEY] = other

    digest = hashlib.sha256(other).hexdigest()
    source = Source(f"{hub.storage_url}/blob/{KEY}", timeout=5) if direct else plain(hub)
    fetch(source, tmp_path / "x", sha256=digest if direct else None, pause=change)
    assert hashlib.sha256((tmp_path / "x").read_bytes()).hexdigest() == digest


def test_a_mark_of_the_hub_is_not_shown_to_the_storage_host(hub: Hub, tmp_path: Path) -> None:
    hub.plain_marks = True
    have = cut(hub, plain, tmp_path / "x")
    assert fetch(plain(hub), tmp_path / "x")["fetched"] == len(DATA) - have, "it would send all of it again"


@BOTH
def test_a_mirror_goes_on_where_the_hub_stopped(hub: Hub, make: Make, tmp_path: Path) -> None:
    have = cut(hub, make, tmp_path / "x")
    with serve() as mirror:
        mirror.files[KEY] = DATA
        assert fetch(make(mirror), tmp_path / "x")["fetched"] == len(DATA) - have
    assert (tmp_path / "x").read_bytes() == DATA


@BOTH
def test_what_the_hub_says_of_the_content_is_compared_before_it_comes(hub: Hub, make: Make, tmp_path: Path) -> None:
    with pytest.raises(FetchError, match=f"the hub says its sha256 is {DIGEST}, wanted is {'0' * 64}; is it the right"):
        fetch(make(hub), tmp_path / "x", sha256="0" * 64)
    assert hub.sent == 0
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("status", [403, 405, 501])
@pytest.mark.parametrize("ranges", [True, False])
def test_an_address_that_is_good_for_a_get_only(hub: Hub, tmp_path: Path, status: int, ranges: bool) -> None:
    signed = Source(f"{hub.storage_url}/blob/{KEY}?signature=secret-signature", timeout=5)
    hub.troubles["storage"] = [("status", status, {}), ("none",) if ranges else ("whole",)]
    assert fetch(signed, tmp_path / "x", size=None)["bytes"] == len(DATA)
    assert [one.range for one in hub.seen] == [None, "bytes=0-0", None]
    hub.troubles["storage"] = [("status", status, {})] * 20
    with pytest.raises(FetchError, match=rf"status {status}\)?$|wants a token; give one \(status {status}\)") as caught:
        fetch(signed, tmp_path / "y")
    assert "secret-signature" not in str(caught.value)


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("ftp://127.0.0.1:1/x", "the server redirects to ftp, which is not followed"),
        ("file:///etc/hostname", "the server redirects to file, which is not followed"),
    ],
)
def test_redirects_lead_to_no_other_kind_of_address(hub: Hub, tmp_path: Path, place: str, said: str) -> None:
    hub.troubles["hub"] = [("status", 302, {"Location": place})]
    with pytest.raises(FetchError, match=said):
        fetch(plain(hub, TOKEN), tmp_path / "x")


def test_a_redirect_in_a_circle_is_no_lasting_one(hub: Hub, tmp_path: Path) -> None:
    hub.troubles["hub"] = [("status", 302, {"Location": PATH})] * 20
    with pytest.raises(FetchError, match="answers with status 302"):
        fetch(plain(hub, TOKEN), tmp_path / "x")
    assert {one.role for one in hub.seen} == {"hub"}


def test_a_proxy_of_the_environment_is_used(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", hub.url)
    monkeypatch.setenv("no_proxy", "127.0.0.2")
    source = Source("http://hub.example" + PATH, TOKEN, timeout=5)
    assert fetch(source, tmp_path / "x")["fetched"] == len(DATA)
    assert {one.path for one in hub.seen if one.role == "hub"} == {"http://hub.example" + PATH}
    assert {one.authorization for one in hub.seen if one.role == "storage"} == {None}


@pytest.mark.parametrize("url", ["http://me:pass-word@127.0.0.1:1/x", "http://127.0.0.1:1/a b?sig=pass-word"])
def test_an_address_that_is_refused_shows_no_secret(tmp_path: Path, url: str) -> None:
    with pytest.raises(FetchError) as caught:
        fetch(Source(url), tmp_path / "x")
    assert caught.value.kind == "address"
    assert "pass-word" not in str(caught.value)
    assert "127.0.0.1:1/" in str(caught.value)


SIGNED = {"url": "https://me:pass-word@h/x.safetensors?sig=pass-word"}


def test_no_plan_and_no_refusal_shows_what_an_address_hides(tmp_path: Path) -> None:
    with pytest.raises(_models.ModelError) as caught:
        _models.parse(SIGNED)
    assert str(caught.value) == "https://h/x.safetensors: sha256 is missing; only a hub's repository can tell it"
    record = _models.Record(str(tmp_path))
    (step,) = [_models.look(_models.parse({**SIGNED, "sha256": DIGEST}), record, [], False)]
    assert model.planned(step)["source"] == "https://h/x.safetensors"
    with pytest.raises(_models.ModelError) as caught:
        _model_run.carry_out([step], record, _model_run.Settings([], offline=True), _model_run.Meter(str(tmp_path)))
    assert str(caught.value).endswith("offline is set; its source is https://h/x.safetensors")


def test_the_plan_names_a_file_that_is_there_already(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(DATA)
    asked = _models.parse({"src": str(tmp_path / "x"), "sha256": DIGEST})
    step = _models.look(asked, _models.Record(str(tmp_path)), [], False)
    assert model.planned(step)["source"] == str(tmp_path / "x")
