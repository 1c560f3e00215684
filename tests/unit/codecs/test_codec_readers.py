# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our codecs write, and what they say they read, against the consumers' own parsers."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from env_readers import TOKENS, Reader, node, node_reads_env_files, shell, systemd, systemd_library
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError

needs_systemd = pytest.mark.skipif(systemd_library() is None, reason="no systemd library: its parser was not asked")
READERS: list[object] = [
    pytest.param(
        shell(name),
        id=name,
        marks=pytest.mark.skipif(shutil.which(name) is None, reason=f"no {name}: it was not asked"),
    )
    for name in ("sh", "bash")
]
READERS.append(
    pytest.param(node, id="node", marks=pytest.mark.skipif(not node_reads_env_files(), reason="no such Node"))
)
READERS.append(pytest.param(systemd, id="systemd", marks=needs_systemd))

FILES = {
    "new": None,
    "other": "A=1\n# T=old\nB='two'\n",
    "no-final-newline": "A=1",
    "bare": "A=1\nT=old\nB=2\n",
    "single": "T='old'\n",
    "double": 'T="old"\nB=2\n',
    "empty": "T=\n",
}


@pytest.mark.parametrize("read", READERS)
@pytest.mark.parametrize("codec", ["dotenv", "systemd_env"])
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_readers_see_the_token(tmp_path: Path, read: Reader, codec: str, token: str) -> None:
    """The single quoted spelling reaches every reader whole, wherever in a file it is put."""
    for name, text in FILES.items():
        path = tmp_path / name
        one = _codecs.get(codec)
        new = one.new_text("T", token) if text is None else one.replace(text, "T", token)
        path.write_text(new, encoding="utf-8", newline="")
        assert read(path, "T") == token, name
        assert one.decode(new, "T") == token


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize("spelling", ["{}", '"{}"'])
def test_doubt_is_justified(tmp_path: Path, token: str, spelling: str) -> None:
    """A spelling that dotenv doubts is one that a shell really changes; systemd does not mind it."""
    path = tmp_path / "env"
    path.write_text(f"T={spelling.format(token)}\n", encoding="utf-8")
    text = path.read_text(encoding="utf-8")
    assert shell("sh")(path, "T") != token
    assert "change this value" in str(_codecs.get("dotenv").doubt(text, "T"))
    assert _codecs.get("dotenv").decode(text, "T") == token
    assert _codecs.get("systemd_env").decode(text, "T") == token
    assert _codecs.get("systemd_env").doubt(text, "T") is None


SPELLINGS = st.text(alphabet="ab $'\"\\#;=`\t", max_size=14)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(spelling=SPELLINGS)
def test_dotenv_without_doubt_is_what_sh_reads(tmp_path: Path, spelling: str) -> None:
    """Whatever dotenv reads without a doubt, sh reads as well."""
    text = f"T={spelling}\nEND=1\n"
    codec = _codecs.get("dotenv")
    try:
        value, doubt = codec.decode(text, "T"), codec.doubt(text, "T")
    except CodecError:
        return
    # "T= x" is an assignment to .env readers; to sh it is a command with an empty T, and no edit of the span mends it.
    if doubt or spelling[:1] in " \t":
        return
    path = tmp_path / "env"
    path.write_text(text, encoding="utf-8")
    assert shell("sh")(path, "T") == value


PIECES = st.text(alphabet="b $'\"\\#;\t", max_size=8)
SYSTEMD_TEXTS = st.lists(
    st.tuples(
        st.sampled_from(["T=", "T =", "A=", "#", " ;", "", "export T="]), PIECES, st.sampled_from(["\n", "\r\n", "\r"])
    ),
    max_size=4,
).map(lambda lines: "".join("".join(line) for line in lines))


@needs_systemd
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=SYSTEMD_TEXTS)
def test_systemd_env_reads_what_systemd_reads(tmp_path: Path, text: str) -> None:
    """Our reading is that of systemd's parser, for any file that we do not refuse."""
    codec = _codecs.get("systemd_env")
    try:
        span = codec.locate(text, "T")
        value = None if span is None else codec.decode(text, "T")
    except CodecError:
        return
    path = tmp_path / "env"
    path.write_text(text, encoding="utf-8", newline="")
    assert systemd(path, "T") == value


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_json_reader_sees_the_token(token: str) -> None:
    """Python's own parser finds the token where the pointer says, and everything else as it was."""
    text = '{"a": [1, {"b~/": "old", "c": "\\u00e9"}], "d": null}'
    new = _codecs.get("json").replace(text, "/a/1/b~0~1", token)
    assert json.loads(new) == {"a": [1, {"b~/": token, "c": "é"}], "d": None}
    assert json.loads(_codecs.get("json").new_text("/x/y z", token)) == {"x": {"y z": token}}
