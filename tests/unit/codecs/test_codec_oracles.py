# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random files: what our codecs say they read is what the formats' own parsers read."""

from __future__ import annotations

import configparser
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from codec_cases import KEYS
from env_readers import EXAMPLES, TOKENS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_codec_formats import PIECES

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError

tomllib = pytest.importorskip("tomllib", reason="no tomllib: TOML was not compared")

QUIET = settings(max_examples=250 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))


def texts(codec: str) -> st.SearchStrategy[str]:
    """Files made of what the format is made of."""
    return st.lists(st.sampled_from([*PIECES[codec], "\n", "\n", "\n  "]), max_size=16).map("".join)


def edited(codec: str, text: str) -> tuple[str, str] | None:
    """Return what our codec reads and the text after an edit; None where it refuses or has nothing to read."""
    one, key = _codecs.get(codec), KEYS[codec]
    try:
        span = one.locate(text, key)
        if span is None or one.doubt(text, key):
            return None
        return one.read(text, span), one.replace(text, key, TOKENS["letter"])
    except CodecError:
        return None


@QUIET
@given(text=st.one_of(texts("yaml"), texts("yaml").map(lambda tail: "s:\n  t: x\n" + tail)))
def test_yaml(text: str) -> None:
    """PyYAML finds the same value; after an edit it finds the token, and everything else as it was."""
    ours = edited("yaml", text)
    if ours is None:
        return
    try:
        before = yaml.safe_load(text)
    except yaml.YAMLError:
        return
    found = before["s"]["t"]
    assert found == ours[0] or not isinstance(found, str)
    before["s"]["t"] = TOKENS["letter"]
    assert yaml.safe_load(ours[1]) == before


@QUIET
@given(text=st.one_of(texts("yaml"), texts("yaml").map(lambda tail: "s:\n  a: 1\n" + tail)))
def test_yaml_addition(text: str) -> None:
    """A key that is added changes nothing else."""
    codec = _codecs.get("yaml")
    try:
        if codec.locate(text, "/s/t") is not None:
            return
        new = codec.replace(text, "/s/t", TOKENS["letter"])
        before = yaml.safe_load(text)
    except (CodecError, yaml.YAMLError):
        return
    before["s"]["t"] = TOKENS["letter"]
    assert yaml.safe_load(new) == before


@QUIET
@given(text=st.one_of(texts("toml"), texts("toml").map(lambda tail: "[s]\nt = 'x'\n" + tail)))
def test_toml(text: str) -> None:
    """The standard library finds the same value; after an edit the token, and everything else as it was."""
    ours = edited("toml", text)
    if ours is None:
        return
    try:
        before: dict[str, Any] = tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        return
    assert before["s"]["t"] == ours[0]
    before["s"]["t"] = TOKENS["letter"]
    assert tomllib.loads(ours[1]) == before


def sections(parser: configparser.ConfigParser, text: str) -> dict[str, dict[str, str]]:
    """Everything that the standard library finds."""
    parser.read_string(text)
    return {name: dict(parser[name]) for name in parser}


@pytest.mark.parametrize("codec", ["ini", "ini_extended"])
def test_ini(codec: str) -> None:
    """The standard library finds the same value; after an edit the token, and everything else as it was."""

    def parser() -> configparser.ConfigParser:
        interpolation = configparser.ExtendedInterpolation() if codec == "ini_extended" else None
        return configparser.ConfigParser(interpolation=interpolation)

    @QUIET
    @given(text=st.one_of(texts(codec), texts(codec).map(lambda tail: "[s]\nt = x\n" + tail)))
    def check(text: str) -> None:
        ours = edited(codec, text)
        if ours is None:
            return
        try:
            before = sections(parser(), text)
        except configparser.Error:
            return
        assert before["s"]["t"] == ours[0]
        before["s"]["t"] = TOKENS["letter"]
        assert sections(parser(), ours[1]) == before

    check()


@settings(max_examples=60 * EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
@given(tail=texts("shell"), head=texts("shell"))
def test_shell(tmp_path: Path, head: str, tail: str) -> None:
    """bash and dash read what we read, and after an edit the token."""
    text = f"{head}\nT='x'\n{tail}\n"
    ours = edited("shell", text)
    if ours is None:
        return
    for value, script in zip((ours[0], TOKENS["letter"]), (text, ours[1])):
        path = tmp_path / "env.sh"
        path.write_text(script, encoding="utf-8")
        for shell in ("bash", "dash"):
            command = f'. {shlex.quote(str(path))}; printf "\\036%s" "$T"'
            done = subprocess.run(
                [shell, "-c", command],
                capture_output=True,
                text=True,
                check=False,
                stdin=subprocess.DEVNULL,
                cwd=tmp_path,
            )
            # The shell refuses the script itself; then it reads nothing.
            if re.search("yntax error|bad variable name", done.stderr):
                continue
            assert done.stdout.rpartition("\036")[2] == value, (shell, script, done.stderr)


@pytest.mark.parametrize("line", ["T=y export ", "T=y $A", "T=y `true`", "T=y unset B"])
def test_an_assignment_that_may_stay_is_refused(line: str) -> None:
    """dash keeps ``T=y export``, bash does not; both keep ``T=y $A`` with an empty A. Found by the test above."""
    assert edited("shell", f"T='x'\n{line}\n") is None


def test_an_assignment_for_one_command_is_none_of_ours() -> None:
    assert edited("shell", "T='x'\nT=y env\n") is not None
