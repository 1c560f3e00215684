# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One refusal and nothing is written; every refusal is told, with id, path, line and mend."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sync_cases import LETTER, ROTATING, consumer, credential, file, sync

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._agree import agree
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.dotenv import Dotenv
from ansible_collections.genai.comfyui.plugins.module_utils._consumers import read_field
from ansible_collections.genai.comfyui.plugins.module_utils._durable import DurableError


def test_nothing_is_written_and_all_is_told(tmp_path: Path) -> None:
    """One message holds every refusal, the records are complete, and good consumers are untouched."""
    good = file(tmp_path / "good", "A=1\n")
    twice = file(tmp_path / "twice", "T=1\n\nT=2\n")
    broken = file(tmp_path / "broken.json", '{"t": \n')
    link = tmp_path / "link"
    link.symlink_to(good)
    (tmp_path / "hard").hardlink_to(file(tmp_path / "other", ""))
    latin = tmp_path / "latin"
    latin.write_bytes(b"A=1\nB=\xe9\n")
    result = sync(
        consumer(good),
        consumer(twice),
        consumer(broken, "json"),
        consumer(link),
        consumer(tmp_path / "hard"),
        consumer(latin),
        consumer(tmp_path / "x", "yml", key="t"),
        consumer(tmp_path / "y", credential="team"),
    )
    error = str(result.error)
    assert error.startswith("nothing was written, for 7 of 8 consumers cannot be served: ")
    for part in (
        f"twice ({twice}): line 3: the key is set more than once (lines 1 and 3); keep one",
        f"broken.json ({broken}): line 2: a value was expected here; mend the JSON",
        f"link ({link}): the file is a symbolic link; name the file it points to",
        f"hard ({tmp_path / 'hard'}): the file has 2 names (hard links)",
        f"latin ({latin}): line 2: bytes that are not UTF-8; save the file as UTF-8",
        f"x ({tmp_path / 'x'}): there is no codec 'yml'; known are: compose_env",
        f"y ({tmp_path / 'y'}): there is no credential 'team' among those given (main); mend the name",
    ):
        assert part in error
    assert [record["status"] for record in result.records] == [
        "missing_key", "duplicate_key", "unparsable", "linked", "linked", "unparsable", "unparsable", "unparsable",
    ]  # fmt: skip
    assert [record["line"] for record in result.records] == [None, 3, 2, None, None, 2, None, None]
    assert result.records[7]["detail"].startswith("not looked at: ")
    assert (result.changed_paths, result.changed_consumers, result.diff) == ([], [], [])
    assert good.read_text(encoding="utf-8") == "A=1\n"
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".lock")]


@pytest.mark.parametrize(
    ("first", "second", "message"),
    [
        ({}, {"id": "b"}, "consumer a claims the same place; remove one of them"),
        ({"codec": "raw", "key": None}, {"id": "b", "codec": "raw", "key": None}, "claims the same place"),
        ({}, {"id": "b", "codec": "systemd_env", "key": "U"}, "with codec dotenv; a file has one codec"),
        ({}, {"id": "b", "key": "U", "mode": "0640"}, "another owner, group or mode for the same file"),
        ({}, {"path": "other"}, "another consumer has the same id"),
        ({"mode": "0644"}, {}, "mode 0644 lets everybody read the secret"),
        ({"mode": 600}, {}, 'write it in quotes, such as "0600"'),
        ({"mode": "rw"}, {}, 'write it in quotes, such as "0600"'),
        ({"mode": "0700"}, {}, 'write it in quotes, such as "0600"'),
        ({"owner": "nobody-at-all"}, {}, "there is no user 'nobody-at-all' on this host"),
        ({"field": "url"}, {}, "field url needs 'url'"),
        ({"field": "url", "url": "http://h/?token=x"}, {}, "field url needs 'url'"),
        ({"key": "A-B"}, {}, "a dotenv key is made of letters"),
        ({"codec": "login_password", "key": None, "field": "bearer"}, {}, "writes the whole file; remove 'field'"),
        ({"path": "relative/env", "absolute": True}, {}, "no absolute path of a file"),
    ],
)
def test_declarations(tmp_path: Path, first: dict[str, Any], second: dict[str, Any], message: str) -> None:
    """Declarations that contradict each other, or themselves, are refused before anything is written."""
    given_ones: list[dict[str, Any]] = []
    for one in (first, second):
        if one or not given_ones:
            made = {**consumer(tmp_path / "env"), "id": "a", **one}
            if "path" in one and not made.pop("absolute", False):
                made["path"] = str(tmp_path / one["path"])
            given_ones.append(made)
    result = agree(given_ones, {"main": credential()}, False)
    assert message in str(result.error)
    assert os.listdir(tmp_path) == []


def test_same_file_by_two_paths(tmp_path: Path) -> None:
    """Two spellings of a path are one file."""
    file(tmp_path / "env", "")
    result = sync(consumer(tmp_path / "env"), {**consumer(f"{tmp_path}/./env"), "id": "again"})
    assert "consumer env claims the same place" in str(result.error)


def test_bad_credentials(tmp_path: Path) -> None:
    """A token that is none is never written, wherever in the credential it is; no value is quoted."""
    for main, message in [
        (credential(token="*0"), "the token of credential main is no bcrypt hash"),
        (credential(token=LETTER + "\n"), "the token of credential main is no bcrypt hash"),
        (credential(pending={"token": LETTER[:-1], "version": "v8"}), "the pending token of credential main is no"),
    ]:
        result = sync(consumer(tmp_path / "env"), main=main)
        assert message in str(result.error)
    for field, message in [("password", "the credential has no password"), ("username", "has no username")]:
        result = sync(consumer(tmp_path / "env", field=field), main={**credential(), field: None})
        assert message in str(result.error)
    result = sync(consumer(tmp_path / "PASSWORD", "login_password"), main={**credential(), "username": ""})
    assert "the credential has no username" in str(result.error)
    result = sync(consumer(tmp_path / "env", field="password"), main=credential(password="it's"))
    assert "no spelling of this value is read alike" in str(result.error)
    assert "it's" not in str(result.error)
    assert os.listdir(tmp_path) == []


def test_read_field_errors(tmp_path: Path) -> None:
    """The probe's reader says which file, and why not."""
    with pytest.raises(DurableError, match="env: the file does not exist"):
        read_field(str(tmp_path / "env"), "dotenv", "T")
    path = file(tmp_path / "env", "A=1\n")
    with pytest.raises(CodecError, match=f"^{path}: the key is not in the file"):
        read_field(str(path), "dotenv", "T")
    with pytest.raises(CodecError, match="there is no codec 'x'"):
        read_field(str(path), "x", "T")
    file(path, "T='Bearer nothing'\n")
    with pytest.raises(CodecError, match="holds no whole token where field bearer has it"):
        read_field(str(path), "dotenv", "T", "bearer")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    data=st.one_of(st.binary(max_size=80), st.text(alphabet="TA='\"{}:/\\#\r\n\ufeff$2b", max_size=60).map(str.encode)),
    codec=st.sampled_from(["dotenv", "systemd_env", "json", "raw", "login_password"]),
)
def test_any_file(tmp_path: Path, data: bytes, codec: str) -> None:
    """Whatever a file holds: an answer, never a traceback; refused files keep each byte, written ones agree."""
    path = tmp_path / "file"
    path.write_bytes(data)
    path.chmod(0o600)
    one = consumer(path, codec)
    look = agree([one], {"main": ROTATING}, True)
    assert path.read_bytes() == data
    done = agree([one], {"main": ROTATING}, False)
    assert (look.error, look.changed_paths) == (done.error, done.changed_paths)
    assert look.records[0]["status"] == done.records[0]["was"]
    if done.error:
        assert path.read_bytes() == data
    else:
        assert read_field(str(path), codec, one["key"]) == LETTER
        assert agree([one], {"main": ROTATING}, False).changed_paths == []


def test_unwritable_place_is_known_beforehand(tmp_path: Path) -> None:
    """What would stop the second write is found before the first one."""
    first, second = file(tmp_path / "first", ""), file(tmp_path / "second", "")
    (tmp_path / ".second.lock").symlink_to(tmp_path / "elsewhere")
    result = sync(consumer(first), consumer(second))
    assert "nothing was written" in str(result.error)
    assert "its lock file" in str(result.error)
    assert first.read_text(encoding="utf-8") == ""


class CaseBlind(Dotenv):
    """A format in which two keys may name one place."""

    name = "case_blind"

    def locate(self, text: str, key: str | None) -> Span | None:
        return super().locate(text, (key or "").upper())


def test_two_keys_for_one_place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Consumers whose keys differ but whose spans do not are refused."""
    monkeypatch.setattr(_codecs, "CODECS", {**_codecs.CODECS, "case_blind": CaseBlind()})
    path = file(tmp_path / "env", "T=x\n")
    result = sync(consumer(path, "case_blind", key="T"), consumer(path, "case_blind", id="low", key="t"))
    assert f"low ({path}): line 1: it claims the same place as consumer env" in str(result.error)
    assert path.read_text(encoding="utf-8") == "T=x\n"
