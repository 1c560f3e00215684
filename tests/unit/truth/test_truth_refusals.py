# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documents that must stop a run: each refusal names the place, and never shows a value."""

from __future__ import annotations

import copy
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _truth
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth import TruthError

Break = Callable[[Any, Any, SimpleNamespace], object]


def labels(**changed: Any) -> Break:
    return lambda d, m, h: m["labels"].update(changed)


def version(**changed: Any) -> Break:
    return lambda d, m, h: m["versions"]["v1"].update(changed)


def two(d: Any, m: Any, h: SimpleNamespace) -> None:
    m["versions"]["v2"] = {"hash": h.DIGIT, "made": h.NOW, "origin": "rehash"}


def rotation(d: Any, m: Any, h: SimpleNamespace, **changed: Any) -> Any:
    two(d, m, h)
    m["labels"]["pending"] = "v2"
    m["rotation"] = {"id": "r", "to": "v2", "reason": "manual", "phase": "pending", "since": h.NOW, "required": []}
    m["rotation"].update(changed)


def retired(**changed: Any) -> Break:
    def apply(d: Any, m: Any, h: SimpleNamespace) -> None:
        m["retired"] = [{"version": "v9", "fp": "0123456789ab", "retired": h.NOW, **changed}]

    return apply


CASES: dict[str, tuple[Break, str]] = {
    "newer schema": (lambda d, m, h: d.update(schema=2), "schema: is 2, newer than the 1 .*upgrade the collection"),
    "no schema": (lambda d, m, h: d.pop("schema"), "schema: must be a number"),
    "schema as text": (lambda d, m, h: d.update(schema="1"), "schema: must be a number"),
    "negative serial": (lambda d, m, h: d.update(serial=-1), "serial: must be a number"),
    "no serial": (lambda d, m, h: d.pop("serial"), "serial: is missing"),
    "unknown item": (lambda d, m, h: d.update(extra=1), "document: 'extra' is unknown"),
    "secret as key": (lambda d, m, h: d.update({h.LETTER: 1}), "document: an item is unknown"),
    "written": (lambda d, m, h: d["written"].pop("by"), r"written\.by: is missing"),
    "written time": (lambda d, m, h: d["written"].update(at="yesterday"), r"written\.at: must be a time"),
    "credentials list": (lambda d, m, h: d.update(credentials=[]), "credentials: must be a mapping"),
    "bad name": (lambda d, m, h: d["credentials"].update({"a b": m}), "'a b' is not a credential name"),
    "no user name": (lambda d, m, h: m.pop("username"), r"credentials\.main\.username: is missing"),
    "user name number": (lambda d, m, h: m.update(username=1), r"main\.username: must be text"),
    "user name lines": (lambda d, m, h: m.update(username="a\nb"), r"main\.username: must not hold"),
    "policy": (lambda d, m, h: m["policy"].update(cost=99), r"main\.policy\.cost"),
    "no password": (lambda d, m, h: m["password"].pop("value"), r"password\.value: must be text"),
    "password number": (lambda d, m, h: m["password"].update(value=1), r"password\.value: must be text"),
    "stray password": (lambda d, m, h: m["password"].update(managed=False), r"password\.value: is there although"),
    "no managed": (lambda d, m, h: m["password"].pop("managed"), r"password\.managed: must be true or false"),
    "no current": (labels(current=None), r"labels\.current: None is not among"),
    "current unknown": (labels(current="v7"), r"labels\.current: 'v7' is not among"),
    "pending alone": (lambda d, m, h: rotation(d, m, h) or m.update(rotation=None), "no rotation is running"),
    "twice labelled": (labels(previous="v1"), r"labels\.previous: v1 is already labelled current"),
    "no label": (two, r"versions\.v2: has no label"),
    "label missing": (lambda d, m, h: m["labels"].pop("previous"), r"labels\.previous: is missing"),
    "version name": (lambda d, m, h: m["versions"].update({"7": m["versions"]["v1"]}), "'7' is not a version"),
    "empty hash": (version(hash=""), r"versions\.v1\.hash: is not a bcrypt hash"),
    "libcrypt failure": (version(hash="*0"), r"versions\.v1\.hash: is not a bcrypt hash"),
    "hash with newline": (lambda d, m, h: m["versions"]["v1"].update(hash=h.LETTER + "\n"), r"v1\.hash: is not"),
    "origin": (version(origin="magic"), r"v1\.origin: must be one of generated, adopted, rehash"),
    "made": (version(made="2026-01-02"), r"v1\.made: must be a time in UTC"),
    "version item": (version(note="x"), "'note' is unknown"),
    "same hash twice": (
        lambda d, m, h: d["credentials"].update(other=copy.deepcopy(m)),
        r"other\.versions\.v1\.hash: is the same as credentials\.main\.versions\.v1\.hash",
    ),
    "retired not list": (lambda d, m, h: m.update(retired={}), r"main\.retired: must be a list"),
    "retired version": (retired(version="v1"), r"retired\[0\]\.version: v1 occurs twice"),
    "retired fp": (retired(fp="XYZ"), r"retired\[0\]\.fp: is not a fingerprint"),
    "retired in use": (
        lambda d, m, h: retired(fp=fingerprint(h.LETTER))(d, m, h),
        r"retired\[0\]\.fp: is the fingerprint of v1",
    ),
    "retired time": (retired(retired="x"), r"retired\[0\]\.retired: must be a time"),
    "rotation to": (lambda d, m, h: rotation(d, m, h, to="v1"), r"rotation\.to: is not the version labelled pending"),
    "rotation switched": (lambda d, m, h: rotation(d, m, h, phase="switched"), "labelled current, as phase switched"),
    "rotation phase": (lambda d, m, h: rotation(d, m, h, phase="done"), r"rotation\.phase: must be one of"),
    "rotation required": (lambda d, m, h: rotation(d, m, h, required=[1]), r"rotation\.required: must be a list"),
}


@pytest.mark.parametrize("case", CASES)
def test_unsound_documents_are_refused(case: str, h: SimpleNamespace) -> None:
    change, text = CASES[case]
    document = copy.deepcopy(h.document(main=h.LETTER))
    change(document, document["credentials"]["main"], h)
    with pytest.raises(TruthError, match=text) as caught:
        _truth.parse(yaml.safe_dump(document))
    for secret in (h.LETTER, h.DIGIT, h.PASSWORD):
        assert secret not in str(caught.value)
    with pytest.raises(TruthError):
        _truth.render(document)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("null\n", "not a mapping"),
        ("- a\n", "not a mapping"),
        ("Correct-Horse-1\n", "not a mapping"),
        ("a: [Correct-Horse-1\n", r"not valid YAML \(line \d+\)"),
        ("a: !!python/object/apply:os.system [Correct-Horse-1]\n", "not valid YAML"),
        ("a: 1\nb: {c: 2, c: 3}\n", "line 2: a key occurs twice"),
        ("a: 1\n---\nb: 2\n", "not valid YAML"),
        ("\x01", "not valid YAML"),
        ("? [a]\n: 1\n", "not valid YAML"),
        ("a: !!int Correct-Horse-1\n", "not valid YAML"),
        ("[" * 5000, "not valid YAML"),
    ],
)
def test_what_is_no_document_is_refused(text: str, message: str) -> None:
    with pytest.raises(TruthError, match=message) as caught:
        _truth.parse(text)
    assert "Correct-Horse" not in str(caught.value)


@settings(max_examples=150, deadline=None)
@given(st.text(max_size=80))
def test_no_text_raises_anything_else(text: str) -> None:
    with pytest.raises(TruthError):
        _truth.parse(text)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_replaced_node_is_accepted_silently_or_crashes(data: Any) -> None:
    token = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
    document: Any = _truth.add_generated(
        _truth.new_document(), "main", token=token, password="Correct-Horse-1", now="2026-01-02T03:04:05Z"
    )
    node = document
    while True:
        key = data.draw(st.sampled_from(sorted(node)))
        if not isinstance(node[key], dict) or not node[key] or data.draw(st.booleans()):
            break
        node = node[key]
    node[key] = data.draw(
        st.one_of(st.none(), st.integers(), st.text(max_size=5), st.lists(st.integers()), st.floats())
    )
    try:
        checked = _truth.check(document)
    except TruthError:
        return
    assert _truth.parse(_truth.render(checked)) == checked
