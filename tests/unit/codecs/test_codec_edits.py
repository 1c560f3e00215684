# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edits of codecs: the span and nothing else; and refusals that name the line."""

from __future__ import annotations

import pytest
from env_readers import EXAMPLES, TOKENS
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import lines, to_bytes, to_text

KEYS = {"dotenv": "T", "systemd_env": "T", "json": "/s/t", "raw": None, "login_password": None}

# (codec, before, after), where @ stands for the token.
EDITS = [
    ("dotenv", "A=1\r\n# T=no\r\n\r\nT=x # why\r\nB=2\r\n", "A=1\r\n# T=no\r\n\r\nT='@' # why\r\nB=2\r\n"),
    ("dotenv", "\ufeff# c\nT='x'\n", "\ufeff# c\nT='@'\n"),
    ("dotenv", '  export  T = "x y"\t# c', "  export  T = '@'\t# c"),
    ("dotenv", "T=\nB=1", "T='@'\nB=1"),
    ("dotenv", "T= # none\n", "T='@' # none\n"),
    ("dotenv", "B='one\nT=not this\n'\nT=x\n", "B='one\nT=not this\n'\nT='@'\n"),
    ("dotenv", 'B="a\\"\nT=not this"\nT=x\n', 'B="a\\"\nT=not this"\nT=\'@\'\n'),
    ("dotenv", "TT=1\nT_=2\nXT=3\n", "TT=1\nT_=2\nXT=3\nT='@'\n"),
    ("dotenv", "A=1\r\nB=2", "A=1\r\nB=2\r\nT='@'"),
    ("dotenv", "\ufeff", "\ufeff\nT='@'\n"),
    ("dotenv", "", "T='@'\n"),
    ("systemd_env", "; c\r\nT=x y \r\nB=1\r\n", "; c\r\nT='@' \r\nB=1\r\n"),
    ("systemd_env", "T='a' \"b\"c # d\nB=1", "T='@'\nB=1"),
    ("systemd_env", "A=a\\\nT=not this\nT=x\\\ny\n", "A=a\\\nT=not this\nT='@'\n"),
    ("systemd_env", "no assignment\nA=1", "no assignment\nA=1\nT='@'"),
    (
        "json",
        '{\r\n\t"s" : {"t":\t"x"} , // c\r\n\t"u": [1e5, "é"],\r\n}',
        '{\r\n\t"s" : {"t":\t"@"} , // c\r\n\t"u": [1e5, "é"],\r\n}',
    ),
    ("json", '\ufeff{"s": {"t": "\\u0041\\/"}}', '\ufeff{"s": {"t": "@"}}'),
    ("json", '{"s": {}}', '{"s": {"t": "@"}}'),
    ("json", '{"s": {"a": 1}}\n', '{"s": {"a": 1, "t": "@"}}\n'),
    (
        "json",
        '{\r\n  "s": {\r\n    "a": [\r\n    ]\r\n  }\r\n}',
        '{\r\n  "s": {\r\n    "a": [\r\n    ],\r\n    "t": "@"\r\n  }\r\n}',
    ),
    ("json", '{\n\t"s": {\n\t}\n}\n', '{\n\t"s": {\n\t  "t": "@"\n\t}\n}\n'),
    (
        "json",
        '/* "s": {"t": "no"} */ {"s": {"t": "x", "T": "y"}}',
        '/* "s": {"t": "no"} */ {"s": {"t": "@", "T": "y"}}',
    ),
    ("raw", "x\n", "@\n"),
    ("raw", "x", "@"),
    ("raw", "", "@"),
    ("raw", "\ufeffx\r\n", "@\n"),
    ("login_password", "x\nann\n", "@\nann\n"),
    ("login_password", "\ufeffx\r\nann\r\n\r\n", "@\nann\n"),
    ("login_password", "x\nann", "@\nann\n"),
    ("login_password", "", "@\n"),
]


@pytest.mark.parametrize(("codec", "before", "after"), EDITS)
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_edit(codec: str, before: str, after: str, token: str) -> None:
    """Each hash goes where it belongs, all other bytes stay, and the second edit changes nothing."""
    one, key = _codecs.get(codec), KEYS[codec]
    new = one.replace(to_text(to_bytes(before)), key, token)
    assert new == after.replace("@", token)
    assert one.decode(new, key) == token
    assert one.doubt(new, key) is None
    assert one.replace(new, key, token) == new


# (codec, text, reason, what the message says)
REFUSED = [
    ("dotenv", "A=1\nT=1\nB=2\nexport T=2\n", "duplicate_key", r"^line 4: .*lines 2 and 4"),
    ("dotenv", "A=1\nB='x\nT=1\n", "unparsable", r"^line 2: the quote that opens here is not closed"),
    ("dotenv", "A=1\nT='x' y\n", "unparsable", r"^line 2: text follows the closing quote"),
    ("dotenv", "A='x'\"y\n\"\nT=1\n", "unparsable", r"^line 1: quotes after the closing quote"),
    ("dotenv", "A=1\n[section]\nT=1\n", "unparsable", r"^line 2: this is no KEY=value"),
    ("dotenv", "A=1\nexport T\n", "unparsable", r"^line 2: the key stands without '='"),
    ("dotenv", "\ufeffT=1\n", "unparsable", r"^line 1: a byte order mark"),
    ("dotenv", "A=1\\\nT=1\n", "unparsable", r"^line 1: a backslash at the line's end"),
    ("dotenv", "A=1\\\n", "unparsable", r"^line 1: a backslash at the line's end"),
    ("dotenv", "A='x\\'\nT=1\n'\n", "unparsable", r"^line 1: a backslash before a single quote"),
    ("systemd_env", "T=1\n#c\nT=2\n", "duplicate_key", r"^line 3: .*lines 1 and 3"),
    ("systemd_env", "A=1\nT='x\n", "unparsable", r"^line 2: the quote that opens here is not closed"),
    ("systemd_env", "export T=1\n", "unparsable", r"^line 1: systemd takes 'export' as part of the name"),
    ("systemd_env", "\ufeffT=1\n", "unparsable", r"^line 1: systemd takes the byte order mark"),
    ("systemd_env", "# c \\\nT=1\n", "unparsable", r"^line 1: systemd's versions disagree"),
    ("systemd_env", "A=1\nT=x\\", "unparsable", r"^line 2: a backslash ends the line"),
    ("json", '{"s": {"t": "x",\n"t": "y"}}', "duplicate_key", r"^line 2: .*lines 1 and 2"),
    ("json", '{"s": {"t": 5}}', "unparsable", r"^line 1: what the key points to is not a string"),
    ("json", '{"s": "x"}', "unparsable", r"^line 1: the key goes through a value that is no object"),
    ("json", '{"s": {"t": "x"}', "unparsable", r"^line 1: a comma or '}' was expected"),
    ("json", '{"s": {"t": "x\ny"}}', "unparsable", r"^line 1: a value was expected"),
    ("json", '{\n"s": {\'t\': "x"}}', "unparsable", r"^line 2: a name in double quotes"),
    ("json", '{"s": {}}\n{}', "unparsable", r"^line 2: text follows the document"),
    ("json", "{}", "missing_key", "no object around it"),
    ("json", '{"s": {"a": 1 // c\n}}', "missing_key", r"^line 1: a comment or comma stands where"),
    ("json", '{"s": {"a": 1,}}', "missing_key", r"^line 1: a comment or comma stands where"),
    ("json", "[" * 5000, "unparsable", "nested too deeply"),
    ("json", "", "unparsable", r"^line 1: a value was expected"),
    ("raw", "one\ntwo\n", "unparsable", r"^line 2: the file has more lines"),
    ("login_password", "one\ntwo\n\nthree\n", "unparsable", r"^line 4: login/PASSWORD holds two lines"),
]


@pytest.mark.parametrize(("codec", "text", "reason", "message"), REFUSED)
def test_refusal(codec: str, text: str, reason: str, message: str) -> None:
    """What is not understood is refused, and the message names the line."""
    with pytest.raises(CodecError, match=message) as caught:
        _codecs.get(codec).replace(text, KEYS[codec], TOKENS["letter"])
    assert caught.value.reason == reason


@pytest.mark.parametrize(
    ("codec", "value"),
    [
        *(("dotenv", value) for value in ("it's", "a\nb", "${A}", "a\\", "a\\\\b")),
        *(("systemd_env", value) for value in ("it's", "a\nb")),
        *(("login_password", value) for value in (" x", "", "a\nb")),
        ("raw", "a\nb"),
    ],
)
def test_value_that_has_no_spelling(codec: str, value: str) -> None:
    """A value that some reader would change is refused, not written."""
    with pytest.raises(CodecError) as caught:
        _codecs.get(codec).replace("", KEYS[codec], value)
    assert caught.value.reason == "unencodable"


def test_keys() -> None:
    """A key that the format cannot have, and an unknown format, are told with what would do."""
    for codec, key, message in [
        ("dotenv", "A-B", "letters, digits and underscores"),
        ("dotenv", None, "needs a key"),
        ("json", "s/t", "JSON pointer"),
        ("json", "/a~2", "JSON pointer"),
        ("raw", "x", "takes no key"),
        ("login_password", "x", "takes no key"),
    ]:
        with pytest.raises(CodecError, match=message):
            _codecs.get(codec).check_key(key)
    with pytest.raises(CodecError, match="no codec 'yml'; known are: compose_env, compose_yaml, curl_config, dotenv, "):
        _codecs.get("yml")


def test_bytes_that_are_no_text() -> None:
    """The line of the first undecodable byte is named; UTF-16 is refused for its NULs."""
    with pytest.raises(CodecError, match=r"^line 3: bytes that are not UTF-8"):
        to_text(b"a\nb\n\xff\n")
    with pytest.raises(CodecError, match=r"^line 1: a NUL byte"):
        to_text("T=1\n".encode("utf-16"))


TEXTS = st.text(alphabet="TA=b1 '\"\\#{}[]:,/st\t\r\n\ufeffé$", max_size=40)
VALUES = st.one_of(st.sampled_from(list(TOKENS.values())), st.text(max_size=12))
DOCUMENTS = {
    "dotenv": st.lists(
        st.sampled_from(["T=x", "A=1", "# T=c", "export B='q'", 'C="d e" # f', "", "T='y'", "D"]), max_size=9
    ),
    "systemd_env": st.lists(st.sampled_from(["T=x", "A=1", "# c", ";", "B='q' r", "", "T='y'z", "D"])),
    "json": st.lists(
        st.sampled_from(['{"s":', '{"t":', '"x"', "}", "}", ",", '"u":', "[1]", "// c", "{}"]), max_size=9
    ),
    "raw": st.lists(st.sampled_from(["x", ""]), max_size=2),
    "login_password": st.lists(st.sampled_from(["x", "", "ann"]), max_size=3),
}


@pytest.mark.parametrize("codec", DOCUMENTS)
def test_only_the_span_changes(codec: str) -> None:
    """For any file and value: a refusal, or an edit that is exact, reads back, and is not repeated."""
    one, key = _codecs.get(codec), KEYS[codec]
    made = st.builds(
        lambda parts, eol, end, mark: mark + eol.join(parts) + end,
        DOCUMENTS[codec],
        st.sampled_from(["\n", "\r\n"]),
        st.sampled_from(["", "\n", "\r\n"]),
        st.sampled_from(["", "\ufeff"]),
    )

    @settings(max_examples=120 * EXAMPLES, deadline=None)
    @given(text=st.one_of(made, TEXTS), value=VALUES)
    def check(text: str, value: str) -> None:
        try:
            span = one.locate(text, key)
            new = one.replace(text, key, value)
        except CodecError:
            return
        assert one.decode(new, key) == value
        assert one.doubt(new, key) is None
        assert one.replace(new, key, value) == new
        if codec == "login_password":
            return
        if span is None:
            # An addition: what was there is there, in one piece before and one after.
            cut = next((i for i, (a, b) in enumerate(zip(text, new)) if a != b), len(text))
            assert new.endswith(text[cut:])
            return
        assert new.startswith(text[: span.start])
        assert new.endswith(text[span.end :])
        assert new[span.start : len(new) - len(text) + span.end] == one.encode(value)
        assert text.count("\n", 0, span.start) + 1 == span.line

    check()


@given(data=st.binary(max_size=60))
def test_bytes_round_trip(data: bytes) -> None:
    """What is decoded is encoded to the same bytes, and the lines are the whole text."""
    try:
        text = to_text(data)
    except CodecError:
        return
    assert to_bytes(text) == data
    assert "".join(text[one.start : one.end] + one.eol for one in lines(text)) == text
