# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import io
import logging
from collections.abc import Callable, Iterator
from urllib.parse import quote

import pytest
from guarded_package import load
from hypothesis import given
from hypothesis import strategies as st

redact = load("redact")
TOKENS = (
    "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK",
    "$2b$04$6.5a2pd8zD4W0wjTdR8ddONgj2e7Y2fnDOjP6Kuc.L1RMvsjHsL5O",
    "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe",
    "$2b$04$/hRM0B3tgjpFRE39yawQi.SK6lcV1hbnSOqmkAioWQU3YsCsCoAxi",
)
SPELLINGS: dict[str, Callable[[str], str]] = {
    "plain": lambda token: token,
    "percent": lambda token: quote(token, safe=""),
    "twice": lambda token: quote(quote(token, safe=""), safe=""),
    "every letter": lambda token: "".join(f"%{ord(letter):02x}" for letter in token),
    "dollars": lambda token: token.replace("$", "$$"),
    "shell": lambda token: token.replace("$", "\\$"),
    "JSON": lambda token: token.replace("/", "\\/"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize("token", TOKENS)
def test_every_spelling_becomes_the_fingerprint(token: str, spelling: str) -> None:
    said = redact.text(f"use token={SPELLINGS[spelling](token)}&x=1 twice: '{SPELLINGS[spelling](token)}'")
    name = f"<token {redact.fingerprint(token)}>"
    assert said == f"use token={name}&x=1 twice: '{name}'"


@given(st.text(), st.sampled_from(TOKENS), st.sampled_from(sorted(SPELLINGS)), st.text())
def test_no_surroundings_save_a_token(before: str, token: str, spelling: str, after: str) -> None:
    said = redact.text(before + SPELLINGS[spelling](token) + after)
    assert token not in said
    assert token[7:40] not in said
    assert quote(token[7:40], safe="") not in said


@given(st.text(alphabet=st.characters(exclude_characters="$%")) | st.from_regex(r"\$[0-9]{1,9}\.[0-9]{2} 50%"))
def test_other_text_stays(said: str) -> None:
    assert redact.text(said) == said


@given(st.text(alphabet="$%2b04.\\/Aa51 ", max_size=300))
def test_nothing_raises_and_a_second_look_finds_nothing(said: str) -> None:
    assert redact.text(redact.text(said)) == redact.text(said)


def test_a_piece_of_a_token_goes_too() -> None:
    assert redact.text(TOKENS[0][:30] + " cut") == "<token> cut"


@pytest.fixture
def handled(monkeypatch: pytest.MonkeyPatch) -> Iterator[io.StringIO]:
    """What the first handler of a logger wrote, with the filter in place."""
    before = logging.getLogRecordFactory()
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    logger = logging.getLogger("redacted")
    logger.addHandler(handler)
    try:
        redact._records()
        yield stream
    finally:
        logger.removeHandler(handler)
        logging.setLogRecordFactory(before)


def _fail(token: str) -> None:
    raise ValueError(f"no such token: {token}")


def test_arguments_tracebacks_and_stacks_are_clean_before_any_handler(handled: io.StringIO) -> None:
    logger = logging.getLogger("redacted")
    logger.warning("use token=%s", TOKENS[0])
    logger.warning(TOKENS[1])
    logger.warning({"token": TOKENS[2]})
    try:
        _fail(TOKENS[3])
    except ValueError:
        logger.exception("failed")
    said = handled.getvalue()
    assert said.count("<token ") == 4
    assert "Traceback (most recent call last)" in said
    assert not any(token in said for token in TOKENS)


def test_a_factory_put_before_ours_is_caught_up_with(handled: io.StringIO) -> None:
    logging.setLogRecordFactory(logging.LogRecord)
    logging.getLogger("redacted").warning(TOKENS[0])
    assert TOKENS[0] in handled.getvalue()
    redact._records()
    redact._records()
    logging.getLogger("redacted").warning(TOKENS[1])
    assert TOKENS[1] not in handled.getvalue()


def test_a_stream_is_cleaned_once() -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    redact._stream(stream)
    first = stream.write
    redact._stream(stream)
    assert stream.write is first
    print("x", TOKENS[0], file=stream)
    stream.writelines([TOKENS[1], "\n"])
    assert b"$2b$" not in stream.buffer.getvalue()  # type: ignore[attr-defined]
