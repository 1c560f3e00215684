# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every other format: exact edits, refusals with their line, what people's own spellings say, and random files."""

# ruff: noqa: E501

from __future__ import annotations

import pytest
from codec_cases import EDITS, KEYS, READ, REFUSED, SPELL
from env_readers import EXAMPLES, TOKENS
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import to_bytes, to_text

TOKEN_LONG = TOKENS["letter"].replace("$04$", "$12$")


@pytest.mark.parametrize(("codec", "before", "after"), EDITS)
def test_edit(codec: str, before: str, after: str) -> None:
    """Each hash goes where it belongs, all other bytes stay, and the second edit changes nothing."""
    one, key = _codecs.get(codec), KEYS[codec]
    for token in (*TOKENS.values(), TOKEN_LONG):
        new = one.replace(to_text(to_bytes(before)), key, token)
        assert new == after.replace("@", SPELL.get(codec, str)(token))
        assert one.decode(new, key) == token
        assert one.doubt(new, key) is None
        assert one.replace(new, key, token) == new


@pytest.mark.parametrize(("codec", "text", "reason", "message"), REFUSED)
def test_refusal(codec: str, text: str, reason: str, message: str) -> None:
    """What is not understood is refused, and the message names the line."""
    with pytest.raises(CodecError, match=message) as caught:
        _codecs.get(codec).replace(text, KEYS[codec], TOKENS["letter"])
    assert caught.value.reason == reason


@pytest.mark.parametrize(("codec", "text", "value", "doubt"), READ)
def test_read(codec: str, text: str, value: str, doubt: str | None) -> None:
    """People's own spellings are read as the consumer reads them, or literally and with a doubt."""
    one, key = _codecs.get(codec), KEYS[codec]
    assert one.decode(text, key) == value
    found = one.doubt(text, key)
    assert (doubt in str(found)) if doubt else found is None


@pytest.mark.parametrize("codec", sorted(_codecs.CODECS))
def test_new_file(codec: str) -> None:
    """A new file holds the value, or the refusal says that the file has to be made first."""
    one = _codecs.get(codec)
    key = {"dotenv": "T", "systemd_env": "T", "json": "/s/t"}.get(codec, KEYS.get(codec))
    if codec in ("netrc", "line"):
        with pytest.raises(CodecError, match="create the file first"):
            one.new_text(key, TOKENS["slash"])
        return
    text = one.new_text(key, TOKENS["slash"])
    assert one.decode(text, key) == TOKENS["slash"]
    assert text.endswith("\n") or codec == "raw"


@pytest.mark.parametrize("codec", sorted(KEYS))
def test_bad_keys(codec: str) -> None:
    """A key that the format cannot have is refused."""
    for key in (None, "", "\n", "a\nb"):
        if key and KEYS[codec].startswith("/"):
            continue
        with pytest.raises(CodecError) as caught:
            _codecs.get(codec).check_key(key)
        assert caught.value.reason == "bad_key"


PIECES = {
    "dotenv_raw": ["T=", "A=1", "#", " ", "T", "x"],
    "dotenv_expand": ["T=", "A=1", "#", " ", "T", "x", "'", '"', "\\$", "$A"],
    "compose_env": ["T=", "A=1", "#", " ", "T", "x", "'", '"', "\\$", "$A", "$$"],
    "shell": ["T=", "export ", "A=1", "#", " ", ";", "&&", "'", '"', "\\", "$A", "$(", ")", "if ", "fi", "{ ", "}", "<<X", "X"],
    "fish": ["set -gx T ", "set ", "T", "#", " ", ";", "and ", "'", '"', "\\", "$A", "(", ")", "if ", "end", "x"],
    "powershell": ["$env:T", "=", "#", " ", ";", "'x'", "'", '"', "`", "$A", "$(", ")", "{", "}", "x", "@'", "'@", "<#"],
    "yaml": ["s:", "  t:", "  ", " ", "t:", "- ", "x", "'", '"', "#", "|", "[", "]", "{", "}", "&a ", "*a", "---", "a: 1", "\t"],
    "compose_yaml": ["s:", "  e:", "    ", "  ", "T: ", "- ", "T=", "x", "'", '"', "#", "$$", "$", "A=1", "a: 1"],
    "toml": ["[s]", "t", "s.t", " = ", '"', "'", "x", "[", "]", "{", "}", ",", "#", "1", '"""', "[[s]]", "."],
    "ini": ["[s]", "t", "=", ":", " ", "x", ";", "#", "[z]", "a=1", "%"],
    "ini_extended": ["[s]", "t", "=", ":", " ", "x", ";", "#", "[z]", "a=1", "$$", "${a}"],
    "curl_config": ["header", "-H", " = ", " ", '"', "Authorization: ", "x", "#", "'", "\\", "url = x"],
    "netrc": ["machine ", "host ", "login ", "password ", "default ", "x ", '"', "#", "macdef ", "\\"],
    "line": ["# BEGIN comfyui token", "# END comfyui token", "x", " "],
    "htpasswd": ["ann", ":", "x", "#", "bob:y", " "],
    "haproxy_map": ["main", " ", "x", "#", "y other"],
    "nginx_map": ["main", " ", ";", '"', "~^", "$", "x", "#", "\\", "default 0;"],
}  # fmt: skip


@pytest.mark.parametrize("codec", sorted(PIECES))
def test_only_the_span_changes(codec: str) -> None:
    """For any file and value: a refusal, or an edit that is exact, reads back, and is not repeated."""
    one, key = _codecs.get(codec), KEYS[codec]
    pieces = st.sampled_from([*PIECES[codec], "\n", "\n", "\r\n", "é"])
    made = st.tuples(st.sampled_from(["", "", "\ufeff"]), st.lists(pieces, max_size=14).map("".join)).map("".join)
    wellformed = st.tuples(st.sampled_from([case[1] for case in EDITS if case[0] == codec]), made).map("".join)
    values = st.one_of(
        st.sampled_from(list(TOKENS.values())), st.text(max_size=8), st.text("a$ '\"\\%#:;`{", max_size=6)
    )

    @settings(max_examples=80 * EXAMPLES, deadline=None)
    @given(text=st.one_of(made, wellformed), value=values)
    def check(text: str, value: str) -> None:
        try:
            span = one.locate(text, key)
            new = one.replace(text, key, value)
        except CodecError:
            return
        assert one.decode(new, key) == value
        assert one.doubt(new, key) is None
        assert one.replace(new, key, value) == new
        if span is None:
            cut = next((i for i, (a, b) in enumerate(zip(text, new)) if a != b), len(text))
            assert new.endswith(text[cut:])
            return
        assert new == text[: span.start] + one.spell(value, span) + text[span.end :]
        assert text.count("\n", 0, span.start) + 1 == span.line

    check()
