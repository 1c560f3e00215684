# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a scan looks for, and where in a text it is: known tokens and passwords in the spellings that files use.

A token is found by its form in any spelling, and known by its fingerprint, so that retired versions, of which nothing
else is kept, are found like the others. Pure; standard library only.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import TOKEN_PATTERN, is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint

SHORTEST_PASSWORD = 8
"""A shorter password stands in too many files by chance; finding it would prove nothing."""
_DISTINCTIVE = 12
"""From this length on letters of one kind are enough, and other letters around it do not matter."""
_PIECE = 8

_SLASH = rb"(?:\\/|%2[fF]|\\u002[fF]|&#47;|&#x2[fF];|/)"
_LETTER = rb"(?:" + _SLASH + rb"|%2[eE]|[.A-Za-z0-9])"
# The dollar sign as files spell it; the name of the group tells the spelling.
_DOLLAR = (
    rb"(?:(?P<{0}doubled>\$\$)|(?P<{0}backslash>\\+\$)|\$|(?P<{0}percent>%(?:25)*24)"
    rb"|(?P<{0}json>\\+(?:u00|x)24)|(?P<{0}html>&(?:#36|#x24|dollar);))"
)
_TOKEN = re.compile(
    b"".join(
        [
            _DOLLAR.replace(b"{0}", b"a_"),
            rb"2[aby]",
            _DOLLAR.replace(b"{0}", b"b_"),
            rb"[0-3][0-9]",
            _DOLLAR.replace(b"{0}", b"c_"),
            _LETTER,
            rb"{53}",
        ]
    )
)
_STRICT = re.compile(TOKEN_PATTERN.encode())
_UNSLASH = re.compile(_SLASH)
_UNDOT = re.compile(rb"%2[eE]")
_UNDOLLAR = re.compile(_DOLLAR.replace(b"?P<{0}", b"?P<x_"))
# Base64 of "$2a$", "$2b$" and "$2y$", by what stands before it in the same group of three bytes.
_BASED = re.compile(rb"(?P<whole>JD(?=J[hi5]JD))|(?P<one>Qy(?:YSQ|YiQ|eSQ))|(?P<two>kM(?:mEk|mIk|nkk))")
_BASED_START = {"whole": 0, "one": 2, "two": 3}
# Without groups, and the same for grep -E as for Python: what a text must hold to be looked at closer.
_ANCHORS = [
    rb"([$]|(%(25)*|u00|x)24|#(36|x24);|dollar;)2[aby]",
    rb"[$][^0-9]2[^0-9][aby]",
    rb"JDJ[hi5]JD",
    rb"Qy(YSQ|YiQ|eSQ)",
    rb"kM(mEk|mIk|nkk)",
]


@dataclass(frozen=True)
class Known:
    """A version of a credential. *label* is current, pending, previous or retired; *field* token or password."""

    credential: str
    version: str | None
    label: str
    field: str
    fingerprint: str | None


@dataclass(frozen=True)
class Hit:
    """A secret in a text: which, where (``data[start:end]``), and how it is spelled."""

    known: Known
    start: int
    end: int
    spelling: str


class Secrets:
    """Everything that is looked for. Holds values: show nothing of it but what :meth:`hide` returns."""

    def __init__(self, credentials: Mapping[str, Any]) -> None:
        """Take *credentials* as the lookup of that name returns them; what has another form is left out."""
        self._marks: dict[str, Known] = {}
        self._pieces: dict[bytes, Known] = {}
        self._passwords: dict[bytes, tuple[Known, str, bool]] = {}
        self._values: dict[str, str] = {}
        self.left_out: list[str] = []
        """What cannot be looked for, and why."""
        for name, credential in credentials.items():
            if isinstance(credential, Mapping):
                self._add(str(name), credential)
        parts = [*_ANCHORS, *(_escape(needle) for needle in (*self._pieces, *self._passwords))]
        self.pattern: bytes = b"|".join(parts)
        """A regular expression for grep -E and for Python alike; a text without a match holds nothing known."""
        self._prefilter = re.compile(self.pattern)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to look for."""
        return not (self._marks or self._passwords)

    def _add(self, name: str, credential: Mapping[str, Any]) -> None:
        for label in ("current", "pending", "previous"):
            version = credential if label == "current" else credential.get(label)
            if not isinstance(version, Mapping):
                continue
            called = None if version.get("version") is None else str(version["version"])
            token = version.get("token")
            if is_token(token):
                self._token(str(token), Known(name, called, label, "token", fingerprint(str(token))))
            elif version.get("fingerprint"):
                # Of what this host does not use it is told no value.
                mark = str(version["fingerprint"])
                self._marks.setdefault(mark, Known(name, called, label, "token", mark))
                if label == "current":
                    self.left_out.append(f"the password of credential {name}: this host does not have it")
            elif token is not None:
                self.left_out.append(f"the {label} token of credential {name}: it is no bcrypt hash; mend the truth")
            if version.get("password"):
                self._password(str(version["password"]), Known(name, called, label, "password", None))
        for retired in credential.get("retired") or []:
            if isinstance(retired, Mapping) and retired.get("fingerprint"):
                mark = str(retired["fingerprint"])
                called = None if retired.get("version") is None else str(retired["version"])
                self._marks.setdefault(mark, Known(name, called, "retired", "token", mark))

    def _token(self, token: str, known: Known) -> None:
        self._marks.setdefault(known.fingerprint or "", known)
        self._values.setdefault(token, f"<token of {known.credential} {known.version}>")
        # What is left where a reader took "$2b", "$12" and the salt's beginning for variables.
        runs = re.findall(r"[A-Za-z0-9]+", token[29:])
        longest = max(runs, key=len)
        piece = longest if len(longest) >= _PIECE else token[29:]
        self._pieces.setdefault(piece.encode(), known)

    def _password(self, password: str, known: Known) -> None:
        self._values.setdefault(password, f"<password of {known.credential}>")
        plain = len(password) < _DISTINCTIVE and (password.isdigit() or (password.isalpha() and password.islower()))
        if len(password) < SHORTEST_PASSWORD or plain or "\n" in password:
            self.left_out.append(
                f"the {known.label} password of credential {known.credential}: too short or too plain to be told from "
                "other text; a longer one can be found"
            )
            return
        raw = password.encode("utf-8", "surrogateescape")
        escaped = re.sub(r'([$`"\\])', r"\\\1", password)
        for how, spelled in (
            ("plain", password),
            ("json", json.dumps(password)[1:-1]),
            ("percent-encoded", quote(password, safe="", errors="surrogateescape")),
            ("each $ doubled", password.replace("$", "$$")),
            ("with backslashes", escaped),
            ("in shell quotes", password.replace("'", "'\\''")),
        ):
            spelling = spelled.encode("utf-8", "surrogateescape")
            self._passwords.setdefault(spelling, (known, how, len(password) < _DISTINCTIVE))
        for before in range(3):
            # Whole groups of three bytes only: what stands around it changes the others.
            start = (3 - before) % 3
            whole = raw[start : start + (len(raw) - start) // 3 * 3]
            if len(whole) >= _PIECE - 2:
                self._passwords.setdefault(base64.b64encode(whole), (known, "base64", False))

    def may_hold(self, data: bytes) -> bool:
        """Whether a closer look at *data* is worth its time."""
        return self._prefilter.search(data) is not None

    def find(self, data: bytes) -> list[Hit]:
        """Return everything known in *data*, in its order; a place is named once."""
        if not self.may_hold(data):
            return []
        wide = _from_utf16(data)
        hits = [Hit(hit.known, 0, 0, f"UTF-16, {hit.spelling}") for hit in self.find(wide)] if wide else []
        hits += self._tokens(data)
        hits += self._based(data)
        taken = [(hit.start, hit.end) for hit in hits]
        for piece, known in self._pieces.items():
            for start in _places(data, piece):
                if not any(first <= start < last for first, last in taken):
                    hits.append(Hit(known, start, start + len(piece), "damaged, a part is missing"))
        for spelling, (known, how, bounded) in self._passwords.items():
            for start in _places(data, spelling):
                end = start + len(spelling)
                if not (bounded and (data[start - 1 : start].isalnum() or data[end : end + 1].isalnum())):
                    hits.append(Hit(known, start, end, how))
        return sorted(hits, key=lambda hit: hit.start)

    def _tokens(self, data: bytes) -> Iterator[Hit]:
        for found in _TOKEN.finditer(data):
            plain = _UNDOT.sub(b".", _UNSLASH.sub(b"/", _UNDOLLAR.sub(b"$", found.group())))
            known = self._known(plain)
            if known:
                yield Hit(known, found.start(), found.end(), _spelling(found, plain))

    def _based(self, data: bytes) -> Iterator[Hit]:
        for found in _BASED.finditer(data):
            start = found.start() - _BASED_START[str(found.lastgroup)]
            if start < 0:
                continue
            # Wrapped lines, "\n" in JSON included, are part of it.
            run = re.match(rb"(?:[A-Za-z0-9+/_-]|\\r|\\n|\s){0,140}", data[start:])
            text = re.sub(rb"\\[rn]|\s", b"", run.group() if run else b"").translate(bytes.maketrans(b"-_", b"+/"))
            # What follows the token may be no base64; what is cut off here is not the token's.
            usable = text[:-1] if len(text) % 4 == 1 else text
            decoded = base64.b64decode(usable + b"=" * (-len(usable) % 4))
            inner = _STRICT.search(decoded)
            known = self._known(inner.group()) if inner else None
            if known:
                yield Hit(known, start, start + 80, "base64")

    def _known(self, token: bytes) -> Known | None:
        return self._marks.get(fingerprint(token.decode("ascii"))) if _STRICT.fullmatch(token) else None

    def hide(self, text: str) -> str:
        """Return *text* fit to be shown: known values and every token are replaced by what they are."""
        data = text.encode("utf-8", "surrogateescape")
        for hit in reversed(self.find(data)):
            name = f"<{hit.known.field} of {hit.known.credential} {hit.known.version}>"
            data = data[: hit.start] + name.encode() + data[hit.end :]
        shown = data.decode("utf-8", "backslashreplace")
        for value, name in self._values.items():
            # Also those too short to be looked for.
            shown = shown.replace(value, name)
        return re.sub(TOKEN_PATTERN, "<a bcrypt hash>", shown)


def _escape(needle: bytes) -> bytes:
    return b"".join(
        b"\\" + bytes([one])
        if one in b"\\^"
        else b"[" + bytes([one]) + b"]"
        if one in b".$*+?()[]{}|"
        else bytes([one])
        for one in needle
    )


def _places(data: bytes, needle: bytes) -> Iterator[int]:
    start = data.find(needle)
    while start >= 0:
        yield start
        start = data.find(needle, start + len(needle))


def _spelling(found: re.Match[bytes], plain: bytes) -> str:
    names = {
        "doubled": "each $ doubled", "backslash": "with backslashes", "percent": "percent-encoded", "json": "json",
        "html": "html",
    }  # fmt: skip
    for group, value in found.groupdict().items():
        if value is not None:
            return names[group.partition("_")[2]]
    if found.group() == plain:
        return "plain"
    return "percent-encoded" if b"%" in found.group() else "json"


def _from_utf16(data: bytes) -> bytes | None:
    """Return UTF-8 for what looks like UTF-16, as PowerShell writes it, or None."""
    for mark, codec in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if data.startswith(mark):
            return data[2:].decode(codec, "replace").encode("utf-8", "replace")
    return None
