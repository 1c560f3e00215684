# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What can be done with the truth document: each change is pure, and versions never change."""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._ansible import unexpected
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth import TruthError


@pytest.fixture(name="doc")
def _doc(h: SimpleNamespace) -> Any:
    return h.document(main=h.LETTER)


def rotating(h: SimpleNamespace, doc: Any, phase: str = "pending") -> Any:
    """Return the document with a rotation of main from v1 to v2 (token DIGIT)."""
    new = copy.deepcopy(doc)
    item = new["credentials"]["main"]
    item["versions"]["v2"] = {"hash": h.DIGIT, "made": h.LATER, "origin": "rehash"}
    switched = phase == "switched"
    item["labels"] = (
        {"current": "v2", "pending": None, "previous": "v1"}
        if switched
        else {"current": "v1", "pending": "v2", "previous": None}
    )
    item["rotation"] = {
        "id": "r-1",
        "to": "v2",
        "reason": "manual",
        "phase": phase,
        "since": h.LATER,
        "required": ["notebooks"],
    }
    return _truth.parse(_truth.render(new))


def test_a_document_survives_the_way_through_text(h: SimpleNamespace, doc: Any) -> None:
    for document in (doc, rotating(h, doc), rotating(h, doc, "switched")):
        text = _truth.render(document)
        assert _truth.parse(text) == document
        assert _truth.render(_truth.parse(text)) == text


def test_unquoted_times_stay_text(h: SimpleNamespace, doc: Any) -> None:
    text = _truth.render(doc).replace(f"'{h.NOW}'", h.NOW)
    assert f"at: {h.NOW}\n" in text
    assert _truth.parse(text) == doc
    # The loader's tables are its own.
    assert not isinstance(yaml.safe_load(f"x: {h.NOW}")["x"], str)


@pytest.mark.parametrize("odd", ["123456", "true", "0x10", "a: b # c", "null", "ünï ☃", "'\"", " x ", "=", "1e5"])
def test_odd_passwords_come_back_as_they_were(odd: str, h: SimpleNamespace) -> None:
    new = _truth.add_generated(_truth.new_document(), "main", token=h.LETTER, password=odd, now=h.NOW)
    assert _truth.view(_truth.parse(_truth.render(new)), "main")["password"] == odd


class Clinging(str):
    """Text that str() does not free of its class, as ansible-core 2.18's unsafe text."""

    __slots__ = ()

    def __str__(self) -> str:  # pylint: disable=invalid-str-returned
        return self


def test_subclasses_of_text_and_numbers_are_written_plain(h: SimpleNamespace) -> None:
    number: Any = type("Number", (int,), {})(5)
    policy = {Clinging("cost"): number, "window": Clinging("01:00-03:00Z")}
    new = _truth.adopt(
        _truth.new_document(),
        Clinging("main"),
        token=Clinging(h.LETTER),
        password=Clinging("pw"),
        now=h.NOW,
        username=Clinging("ops"),
        policy=policy,
    )
    expected = _truth.adopt(
        _truth.new_document(),
        "main",
        token=h.LETTER,
        password="pw",
        now=h.NOW,
        username="ops",
        policy={"cost": 5, "window": "01:00-03:00Z"},
    )
    assert _truth.render(new) == _truth.render(expected)
    assert next(iter(new["credentials"])).__class__ is str
    view = _truth.view(new, "main")
    assert {type(view[key]) for key in ("username", "password", "token")} == {str}


def test_an_unforeseen_error_does_not_show_its_text(h: SimpleNamespace) -> None:
    message = ""
    try:
        raise KeyError(h.LETTER)
    except KeyError as error:
        message = unexpected(error)
    assert "unexpected KeyError at test_truth_document.py:" in message
    assert h.LETTER not in message


def test_a_generated_credential_is_version_1_and_in_force(h: SimpleNamespace) -> None:
    empty = _truth.new_document()
    new = _truth.add_generated(empty, "team-a", token=h.DOT, password="pw", now=h.NOW, policy={"cost": 13})
    assert empty == _truth.new_document()
    item = new["credentials"]["team-a"]
    assert item["versions"] == {"v1": {"hash": h.DOT, "made": h.NOW, "origin": "generated", "promoted": h.NOW}}
    assert item["labels"] == {"current": "v1", "pending": None, "previous": None}
    assert item["username"] == "admin"
    assert _truth.policy_of(item)["cost"] == 13
    assert _truth.policy_of(item)["ident"] == "2b"
    with pytest.raises(TruthError, match="'team-a' exists already"):
        _truth.add_generated(new, "team-a", token=h.LETTER, password="pw", now=h.NOW)


def test_each_write_adds_one_to_the_serial_and_says_who(h: SimpleNamespace, doc: Any) -> None:
    assert doc["serial"] == 1
    again = _truth.stamp(doc, _truth.update(doc, "main", username="boss"), now=h.LATER, by="you@there")
    assert again["serial"] == 2
    assert again["written"] == {"at": h.LATER, "by": "you@there", "collection": _truth.COLLECTION_VERSION}
    assert _truth.stamp(again, copy.deepcopy(again), now=h.NOW, by="x") is again


def test_the_collection_version_is_the_galaxy_one() -> None:
    galaxy = yaml.safe_load((Path(__file__).parents[3] / "galaxy.yml").read_text())
    assert galaxy["version"] == _truth.COLLECTION_VERSION


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hash", "@DIGIT@"),
        ("made", "2027-01-01T00:00:00Z"),
        ("origin", "adopted"),
        ("promoted", "2027-01-01T00:00:00Z"),
    ],
)
def test_a_written_version_cannot_change(field: str, value: str, h: SimpleNamespace, doc: Any) -> None:
    bad = copy.deepcopy(doc)
    bad["credentials"]["main"]["versions"]["v1"][field] = h.DIGIT if value == "@DIGIT@" else value
    with pytest.raises(TruthError, match=r"credentials\.main\.versions\.v1: would change"):
        _truth.stamp(doc, bad, now=h.LATER, by="x")


def test_a_written_version_cannot_vanish_unretired(h: SimpleNamespace, doc: Any) -> None:
    bad = copy.deepcopy(doc)
    item = bad["credentials"]["main"]
    item["versions"] = {"v2": {"hash": h.DIGIT, "made": h.NOW, "origin": "adopted"}}
    item["labels"]["current"] = "v2"
    with pytest.raises(TruthError, match=r"v1: would vanish without being retired"):
        _truth.stamp(doc, bad, now=h.LATER, by="x")
    item["retired"] = [{"version": "v1", "fp": fingerprint(h.DOT), "retired": h.LATER}]
    with pytest.raises(TruthError, match=r"v1: would vanish"):
        _truth.stamp(doc, bad, now=h.LATER, by="x")
    item["retired"][0]["fp"] = fingerprint(h.LETTER)
    assert _truth.stamp(doc, bad, now=h.LATER, by="x")["serial"] == 2


def test_promotion_may_be_noted_once(h: SimpleNamespace, doc: Any) -> None:
    before = rotating(h, doc)
    after = rotating(h, doc, "switched")
    after["credentials"]["main"]["versions"]["v2"]["promoted"] = h.LATER
    assert _truth.stamp(before, after, now=h.LATER, by="x")["serial"] == 2


def test_adopting_takes_the_hash_as_it_is(h: SimpleNamespace) -> None:
    new = _truth.adopt(_truth.new_document(), "main", token=h.SLASH, password=None, now=h.NOW, username="ops")
    item = new["credentials"]["main"]
    assert item["versions"]["v1"]["hash"] == h.SLASH
    assert item["versions"]["v1"]["origin"] == "adopted"
    assert item["password"] == {"managed": False}
    assert _truth.adopt(new, "main", token=h.SLASH, password=None, now=h.LATER) == new
    known = _truth.adopt(new, "main", token=h.SLASH, password="pw", now=h.LATER)
    assert known["credentials"]["main"]["password"] == {"managed": True, "value": "pw"}
    assert known["credentials"]["main"]["versions"] == item["versions"]
    # A password that is known is not forgotten because it is not given again.
    assert _truth.adopt(known, "main", token=h.SLASH, password=None, now=h.LATER) == known


def test_adopting_another_hash_needs_force(h: SimpleNamespace, doc: Any) -> None:
    with pytest.raises(TruthError, match=f"differs from the one in force .v1, {fingerprint(h.LETTER)}.*force: true"):
        _truth.adopt(doc, "main", token=h.DIGIT, password=None, now=h.LATER)
    new = _truth.adopt(doc, "main", token=h.DIGIT, password=None, now=h.LATER, force=True)
    shown = _truth.view(new, "main")
    assert (shown["token"], shown["version"], shown["password"]) == (h.DIGIT, "v2", None)
    assert shown["retired"] == [{"version": "v1", "fingerprint": fingerprint(h.LETTER), "retired": h.LATER}]
    assert h.LETTER not in _truth.render(new)
    assert _truth.stamp(doc, new, now=h.LATER, by="x")["serial"] == 2


def test_a_retired_hash_comes_back_only_with_force(h: SimpleNamespace, doc: Any) -> None:
    new = _truth.adopt(doc, "main", token=h.DIGIT, password=None, now=h.LATER, force=True)
    with pytest.raises(TruthError, match=f"was retired as v1 on {h.LATER}"):
        _truth.adopt(new, "main", token=h.LETTER, password=None, now=h.LATER)
    back = _truth.adopt(new, "main", token=h.LETTER, password=None, now=h.LATER, force=True)
    assert _truth.view(back, "main")["token"] == h.LETTER
    assert [e["version"] for e in back["credentials"]["main"]["retired"]] == ["v2"]
    assert _truth.stamp(new, back, now=h.LATER, by="x")["serial"] == 2


def test_a_previous_hash_comes_back_under_its_own_version(h: SimpleNamespace, doc: Any) -> None:
    switched = rotating(h, doc, "switched")
    switched["credentials"]["main"]["rotation"] = None
    back = _truth.adopt(switched, "main", token=h.LETTER, password=None, now=h.LATER, force=True)
    assert _truth.view(back, "main")["version"] == "v1"
    assert _truth.stamp(switched, back, now=h.LATER, by="x")["serial"] == 2


@pytest.mark.parametrize("bad", ["", "x", "{}\n", "Bearer {}"])
def test_only_strict_tokens_are_adopted(bad: str, h: SimpleNamespace) -> None:
    with pytest.raises(TruthError, match="exactly 60 characters"):
        _truth.adopt(_truth.new_document(), "main", token=bad.format(h.LETTER), password=None, now=h.NOW)


def test_nothing_disturbs_a_running_rotation(h: SimpleNamespace, doc: Any) -> None:
    running = rotating(h, doc)
    calls: list[Callable[[], Any]] = [
        lambda: _truth.adopt(running, "main", token=h.DOT, password=None, now=h.LATER),
        lambda: _truth.update(running, "main", username="boss"),
        lambda: _truth.remove(running, "main"),
    ]
    for call in calls:
        with pytest.raises(TruthError, match=r"rotation r-1 is running \(phase pending\)"):
            call()
    assert _truth.update(running, "main", username="admin", policy={"hold": True})["credentials"]["main"]["rotation"]
    assert _truth.remove(running, "main", force=True)["credentials"] == {}


def test_an_old_truth_takes_over_a_newer_field_with_force(h: SimpleNamespace, doc: Any) -> None:
    adopted = _truth.adopt(rotating(h, doc), "main", token=h.DOT, password=None, now=h.LATER, force=True)
    item = _truth.parse(_truth.render(adopted))["credentials"]["main"]
    assert item["rotation"] is None
    assert item["labels"] == {"current": "v3", "pending": None, "previous": None}
    assert [one["version"] for one in item["retired"]] == ["v1", "v2"]


def test_removing_what_is_not_there_is_no_change(doc: Any) -> None:
    assert _truth.remove(doc, "other") == doc
    assert _truth.remove(doc, "main")["credentials"] == {}
    assert "main" in doc["credentials"]


def test_the_view_has_what_sync_wants(h: SimpleNamespace, doc: Any) -> None:
    assert _truth.view(doc, "main") == {
        "username": "admin",
        "password": h.PASSWORD,
        "token": h.LETTER,
        "version": "v1",
        "made": h.NOW,
        "retired": [],
        "distribute": "current",
        "serve": "current",
        "accept": [{"version": "v1", "token": h.LETTER, "expires": None}],
        "epoch": 0,
    }
    assert _truth.view(rotating(h, doc), "main")["pending"] == {"token": h.DIGIT, "version": "v2"}
    after = _truth.view(rotating(h, doc, "switched"), "main")
    assert after["previous"] == {"token": h.LETTER, "version": "v1"}
    assert after["token"] == h.DIGIT
    assert "pending" not in after
    assert set(_truth.view_planned()) - {"planned"} == set(_truth.view(doc, "main"))
    with pytest.raises(TruthError, match="there is no credential 'mian'; there is: main"):
        _truth.view(doc, "mian")


def test_the_summary_shows_no_value(h: SimpleNamespace, doc: Any) -> None:
    for document in (doc, rotating(h, doc)):
        shown = repr(_truth.summary(document, "main"))
        assert fingerprint(h.LETTER) in shown
        for secret in (h.PASSWORD, h.LETTER, h.DIGIT):
            assert secret not in shown
    assert _truth.summary(doc, "other") == {}


@pytest.mark.parametrize(
    ("username", "text"),
    [
        ("a:b", "colon"),
        ("a\nb", "line break"),
        ("a\x7f", "control"),
        ("a\u2028b", "line break"),
        ("", "1 to 128"),
        ("x" * 129, "1 to 128"),
        (" a", "blank"),
        (7, "must be text"),
        ("\ud800", "control"),
    ],
)
def test_user_names_that_break_a_file_are_refused(username: Any, text: str, h: SimpleNamespace) -> None:
    with pytest.raises(TruthError, match=text):
        _truth.add_generated(_truth.new_document(), "main", token=h.DOT, password="p", now=h.NOW, username=username)


@pytest.mark.parametrize("name", ["", "-x", ".x", "a b", "a/b", "a\n", "x" * 64, 5, None])
def test_odd_credential_names_are_refused(name: Any, h: SimpleNamespace) -> None:
    with pytest.raises(TruthError, match="is not a credential name"):
        _truth.add_generated(_truth.new_document(), name, token=h.DOT, password="p", now=h.NOW)


@pytest.mark.parametrize(
    ("policy", "text"),
    [
        ({"cost": 3}, r"policy\.cost"),
        ({"cost": True}, r"policy\.cost"),
        ({"ident": "2x"}, r"policy\.ident: must be one of 2a, 2b, 2y"),
        ({"acceptor": "nobody"}, r"policy\.acceptor"),
        ({"hold": "no"}, r"policy\.hold: must be true or false"),
        ({"overlap_hours": -1}, r"policy\.overlap_hours"),
        ({"rotate_after_days": 0}, r"policy\.rotate_after_days"),
        ({"window": ""}, r"policy\.window"),
        ({"costs": 12}, "'costs' is unknown"),
        ([], "must be a mapping"),
    ],
)
def test_wrong_policies_are_refused(policy: Any, text: str, doc: Any) -> None:
    with pytest.raises(TruthError, match=text):
        _truth.update(doc, "main", policy=policy)


def test_versions_count_on_past_retired_ones(h: SimpleNamespace, doc: Any) -> None:
    second = _truth.adopt(doc, "main", token=h.DIGIT, password=None, now=h.LATER, force=True)
    third = _truth.adopt(second, "main", token=h.DOT, password=None, now=h.LATER, force=True)
    assert _truth.view(third, "main")["version"] == "v3"
    assert [re.sub(r"\D", "", e["version"]) for e in third["credentials"]["main"]["retired"]] == ["1", "2"]
