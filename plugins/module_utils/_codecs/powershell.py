# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PowerShell scripts and profiles: ``$env:NAME = 'value'``."""

from __future__ import annotations

import re

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._script import NOT_PLAIN, Script, Setting
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import body_start, line_of, refuse_control

# PowerShell takes typographic quotes for plain ones.
_SINGLE = "'\u2018\u2019\u201a\u201b"
_DOUBLE = '"\u201c\u201d\u201e'
_TYPOGRAPHIC = re.compile(f"[{_SINGLE[1:]}{_DOUBLE[1:]}]")
_VARIABLE = re.compile(r"\$(?:env:([A-Za-z_]\w*)|\{env:([^}]*)\})", re.IGNORECASE)
_ASSIGNED = re.compile(r"[ \t]*([-+*/%?]{0,2}=)(?!=)[ \t]*")
_REST = re.compile(r"[ \t]*(?:#[^\n]*|;|\r?\n|\Z)")
_MAX_DEPTH = 100


class PowerShell(Script):
    """Written in single quotes. What stands in braces or parentheses is refused."""

    name = "powershell"

    def settings(self, text: str, key: str) -> list[Setting]:
        return _Lexer(text, key).settings()

    def read(self, text: str, span: Span) -> str:
        spelling = text[span.start : span.end]
        if spelling[:1] == "'":
            return spelling[1:-1].replace("''", "'")
        return re.sub(r"`([\s\S])|\"\"", lambda found: found.group(1) or '"', spelling[1:-1])

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None or text[span.start] == "'":
            return None
        inner = text[span.start : span.end]
        if re.search(r"`[a-z0]", inner):
            return "an escape in double quotes stands for another character"
        if "$" in re.sub(r"`[\s\S]", "", inner):
            return "in double quotes PowerShell takes what follows $ for a variable"
        return None

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if _TYPOGRAPHIC.search(value):
            raise CodecError("unencodable", "the value holds a typographic quote; choose another value")
        return "'" + value.replace("'", "''") + "'"

    def statement(self, key: str, value: str) -> str:
        return f"$env:{key} = {self.encode(value)}"


class _Lexer:
    """Finds assignments to one environment variable, knowing strings, comments and nesting."""

    def __init__(self, text: str, key: str) -> None:
        self.text = text
        self.key = key.lower()
        self.position = body_start(text)

    def settings(self) -> list[Setting]:
        found: list[Setting] = []
        open_at: list[int] = []
        while self.position < len(self.text):
            at = self.position
            character = self.text[at]
            if character == "`":
                self.position += 2
            elif self.text.startswith("<#", at):
                self._find("#>", at)
            elif character == "#" and (at == 0 or self.text[at - 1] in "\ufeff \t\r\n;{}()|&,="):
                end = self.text.find("\n", at)
                self.position = len(self.text) if end < 0 else end
            elif character in _SINGLE + _DOUBLE or self.text.startswith(("@'", '@"'), at):
                self._string(0)
            elif character in "{(":
                open_at.append(at)
                self.position += 1
            elif character in "})":
                if not open_at:
                    raise self._error("this closes nothing", at)
                open_at.pop()
                self.position += 1
            else:
                setting = self._setting(at, bool(open_at))
                if setting is not None:
                    found.append(setting)
                self.position = max(self.position, at + 1)
        if open_at:
            raise self._error("what opens here is not closed", open_at[-1])
        return found

    def _error(self, message: str, at: int) -> CodecError:
        return CodecError("unparsable", f"{message}; mend the script or edit it by hand", line_of(self.text, at))

    def _find(self, end: str, at: int) -> None:
        found = self.text.find(end, at + 2)
        if found < 0:
            raise self._error("what opens here is not closed", at)
        self.position = found + len(end)

    def _setting(self, at: int, inside: bool) -> Setting | None:
        variable = _VARIABLE.match(self.text, at)
        if variable is None:
            return None
        self.position = variable.end()
        assigned = _ASSIGNED.match(self.text, self.position)
        if (variable.group(1) or variable.group(2)).lower() != self.key or not assigned:
            return None
        line, start = line_of(self.text, at), assigned.end()
        begin = re.split(r"[\n;]", self.text[body_start(self.text) : at])[-1].strip()
        odd = "" if assigned.group(1) == "=" and not begin else NOT_PLAIN
        if inside:
            odd = odd or "whether this is run depends on what stands around it; set it once, outside"
        self.position = start
        if self.text[start : start + 1] not in ("'", '"'):
            return Setting(self.key, line, start, start, odd or NOT_PLAIN)
        self._string(0)
        if not _REST.match(self.text, self.position):
            odd = odd or NOT_PLAIN
        return Setting(self.key, line, start, self.position, odd)

    def _string(self, depth: int) -> None:
        """Go past the string that begins here."""
        at = self.position
        if depth > _MAX_DEPTH:
            raise self._error("nested too deeply", at)
        if self.text[at] == "@":
            found = re.compile(r"\n" + self.text[at + 1] + "@").search(self.text, at)
            if not re.compile(r"[ \t]*\r?\n").match(self.text, at + 2) or not found:
                raise self._error("a here-string is not understood", at)
            self.position = found.end()
            return
        quotes = _SINGLE if self.text[at] in _SINGLE else _DOUBLE
        self.position = at + 1
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in quotes:
                if _TYPOGRAPHIC.search(self.text[at : self.position + 1]):
                    raise self._error("typographic quotes are not understood; write plain ones", at)
                self.position += 1
                if self.text[self.position : self.position + 1] not in tuple(quotes):
                    return
                self.position += 1
            elif character == "`" and quotes is _DOUBLE:
                self.position += 2
            elif quotes is _DOUBLE and self.text.startswith("$(", self.position):
                self.position += 2
                self._substitution(at, depth + 1)
            else:
                self.position += 1
        raise self._error("the quote that opens here is not closed", at)

    def _substitution(self, at: int, depth: int) -> None:
        level = 1
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in _SINGLE + _DOUBLE:
                self._string(depth)
                continue
            self.position += 2 if character == "`" else 1
            level += (character == "(") - (character == ")")
            if not level:
                return
        raise self._error("what opens here is not closed", at)
