# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that fish sources: ``set -gx NAME 'value'``."""

from __future__ import annotations

import re

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._script import NOT_PLAIN, Script, Setting
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import REFERENCE, line_of, refuse_control

_BLOCKS = frozenset({"if", "for", "while", "switch", "function", "begin"})
_LEADING = frozenset({"and", "or", "not", "!", "time", "command", "builtin", "else"})
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=^-]*")
_PIECE = re.compile(r"'(?:[^'\\]|\\[\s\S])*'|\"(?:[^\"\\]|\\[\s\S])*\"|\\[\s\S]|[^'\"\\]+")
_MAX_DEPTH = 50

Word = tuple[int, int]


class Fish(Script):
    """Written in single quotes. What stands in a block or after ``and``, ``or``, ``&&``, ``||`` is refused."""

    name = "fish"

    def settings(self, text: str, key: str) -> list[Setting]:
        found: list[Setting] = []
        left = False
        for line, words, inside in _Lexer(text).statements():
            given = [text[start:end] for start, end in words]
            setting = _setting(text, line, words, given, key)
            if setting is not None:
                odd = setting.odd
                if inside:
                    odd = odd or "whether this is run depends on what stands around it; set it once, outside"
                elif left:
                    odd = odd or "the script ends before this line"
                found.append(Setting(key, setting.line, setting.start, setting.end, odd))
            left = left or (given[0] in ("exit", "return", "exec") and not inside)
        return found

    def read(self, text: str, span: Span) -> str:
        value = []
        for piece in _PIECE.findall(text[span.start : span.end]):
            if piece[0] == "'":
                value.append(re.sub(r"\\([\\'])", r"\1", piece[1:-1]))
            elif piece[0] == '"':
                value.append(re.sub(r"\\([\\\"$])|\\\n", lambda found: found.group(1) or "", piece[1:-1]))
            else:
                value.append(piece if piece[0] != "\\" else piece[1:].replace("\n", ""))
        return "".join(value)

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None:
            return None
        for piece in _PIECE.findall(text[span.start : span.end]):
            if piece[0] == '"' and re.search(r"(?<!\\)(?:\\\\)*[$(]", piece):
                return "in double quotes fish takes what follows $ for a variable"
            if piece[0] not in "'\"\\" and not _PLAIN.fullmatch(piece):
                return "outside quotes fish changes this value"
            if piece[0] == "\\" and piece[1] in "abcefnrtvxXuU0123456789\n":
                return "outside quotes this escape stands for another character"
        return None

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"

    def statement(self, key: str, value: str) -> str:
        return f"set -gx {key} {self.encode(value)}"

    def add(self, text: str, key: str | None, value: str) -> str:
        for _line, words, inside in _Lexer(text).statements():
            if not inside and text[words[0][0] : words[0][1]] in ("exit", "return", "exec"):
                raise CodecError("missing_key", "the script ends before its last line; add the key by hand")
        return super().add(text, key, value)


def _setting(text: str, line: int, words: list[Word], given: list[str], key: str) -> Setting | None:
    while given and given[0] in _LEADING:
        words, given = words[1:], given[1:]
    if not given:
        return None
    start, end = words[-1]
    if given[0] == "export":
        for word, (begin, stop) in zip(given[1:], words[1:]):
            if word.startswith(f"{key}="):
                odd = "" if len(given) == 2 else NOT_PLAIN
                return Setting(key, line_of(text, begin), begin + len(key) + 1, stop, odd)
        return None
    if given[0] in ("read", "for") and key in given[1:]:
        return Setting(key, line, start, end, NOT_PLAIN)
    if given[0] != "set":
        return None
    index = 1
    while index < len(given) and given[index].startswith("-") and given[index] != "--":
        index += 1
    options, rest = given[1:index], given[index:]
    if not rest or not (rest[0] == key or rest[0].startswith(f"{key}[")):
        return None
    letters = "".join(one[1:] for one in options if not one.startswith("--"))
    longer = {one for one in options if one.startswith("--")}
    if "q" in letters or "--query" in longer:
        return None
    plain = set(letters) <= set("gxU") and longer <= {"--global", "--export", "--universal"} and rest[0] == key
    odd = "" if plain and len(rest) == 2 else NOT_PLAIN
    if not odd and given[-1][0] == "(" and given[-1][-1] == ")":
        odd = REFERENCE
    return Setting(key, line_of(text, start), start, end, odd)


class _Lexer:
    """Splits a script into statements: (line, words, whether it is in a block or depends on another)."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.blocks = 0
        self.depth = 0

    def statements(self) -> list[tuple[int, list[Word], bool]]:
        found: list[tuple[int, list[Word], bool]] = []
        words: list[Word] = []
        depends = False
        while self.position <= len(self.text):
            character = self.text[self.position : self.position + 1]
            if character in ("", "\n", ";", "|", "&"):
                both = self.text[self.position : self.position + 2] in ("&&", "||")
                if words:
                    alone = character not in ("|", "&") or both
                    found.append(self._statement(words, depends or not alone))
                    words, depends = [], False
                depends = both or character == "|" or (depends and character == "\n")
                self.position += 2 if both else 1
            elif character in (" ", "\t"):
                self.position += 1
            elif self.text.startswith("\\\n", self.position):
                self.position += 2
            elif character == "#":
                end = self.text.find("\n", self.position)
                self.position = len(self.text) if end < 0 else end
            elif character in ("<", ">"):
                self.position += 1
                # The name of a file follows, which is no argument.
                while self.text[self.position : self.position + 1] in (">", "&", "|", "?", " ", "\t"):
                    self.position += 1
                self._word()
            else:
                words.append(self._word())
        if self.blocks:
            raise self._error("a block is not closed", len(self.text))
        return found

    def _statement(self, words: list[Word], depends: bool) -> tuple[int, list[Word], bool]:
        given = [self.text[start:end] for start, end in words]
        first = 0
        while first < len(given) - 1 and given[first] in _LEADING:
            depends = depends or given[first] in ("and", "or", "else")
            first += 1
        if given[first] in _BLOCKS:
            self.blocks += 1
        inside = bool(self.blocks) or depends
        if given[first] == "end":
            self.blocks -= 1
            if self.blocks < 0:
                raise self._error("'end' closes nothing", words[0][0])
        return line_of(self.text, words[0][0]), words, inside

    def _error(self, message: str, at: int) -> CodecError:
        return CodecError("unparsable", f"{message}; mend the script or edit it by hand", line_of(self.text, at))

    def _word(self) -> Word:
        start = self.position
        while self.position < len(self.text) and self.text[self.position] not in " \t\n;|&<>":
            self.position = self._after(self.position)
        return start, self.position

    def _after(self, at: int) -> int:
        """Return the offset after the character, escape, quote or substitution that begins at *at*."""
        character = self.text[at]
        if character == "\\":
            if at + 1 >= len(self.text):
                raise self._error("a backslash ends the file", at)
            return at + 2
        if character not in "'\"(":
            return at + 1
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self._error("nested too deeply", at)
        closing = ")" if character == "(" else character
        position = at + 1
        while position < len(self.text):
            here = self.text[position]
            if here == closing:
                self.depth -= 1
                return position + 1
            if here == "\\":
                position += 2
            elif closing == ")" and here == "#" and self.text[position - 1] in " \t\n(":
                end = self.text.find("\n", position)
                position = len(self.text) if end < 0 else end
            elif closing == ")" or (closing == '"' and self.text.startswith("$(", position)):
                position = self._after(position + (closing == '"'))
            else:
                position += 1
        raise self._error("what opens here is not closed", at)
