# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that sh, bash, dash, zsh or ksh source: ``export NAME='value'``."""

from __future__ import annotations

import re
from functools import lru_cache

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._script import NOT_PLAIN, Script, Setting
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import line_of, refuse_control

_ASSIGNMENT = re.compile(r"([A-Za-z_][A-Za-z0-9_]*)(\+?=|\[)")
_DECLARING = frozenset({"export", "declare", "typeset", "readonly"})
_TAKING = frozenset({"unset", "read", "for", "select", "getopts", "mapfile", "readarray", "local", "let"})
_SPECIAL = frozenset(
    {".", ":", "break", "continue", "eval", "exec", "exit", "export", "readonly", "return", "set", "shift", "times"}
    | {"source", "trap", "unset"}
)
_OPENING = {"if": "fi", "for": "done", "select": "done", "while": "done", "until": "done", "case": "esac", "{": "}"}
_CLOSING = frozenset({"fi", "done", "esac", "}"})
_LEADING = frozenset({"if", "while", "until", "then", "else", "elif", "do", "{", "!", "time"}) | _CLOSING
_PLAIN = re.compile(r"[A-Za-z0-9_./:@%+,=^-]*")
_MAX_DEPTH = 50
_OPERATOR = re.compile(r";;&|;&|;;|&&|\|\||<<<|<<-?|&>>?|>&|<&|>>|[;&|()<>]")
_PIECE = re.compile(r"'[^']*'|\"(?:[^\"\\]|\\[\s\S])*\"|\\[\s\S]|[^'\"\\]+")


class _Statement:
    def __init__(self, line: int, inside: bool) -> None:
        self.line = line
        self.inside = inside
        self.words: list[tuple[int, int]] = []


class Shell(Script):
    """Written in single quotes. What stands in a block, after ``&&`` or after ``exit`` is refused, not guessed."""

    name = "shell"

    def settings(self, text: str, key: str) -> list[Setting]:
        found: list[Setting] = []
        left = False
        for statement in _statements(text):
            words = [text[start:end] for start, end in statement.words]
            left = left or (_leaves(words) and not statement.inside)
            for setting in _settings(text, statement, words, key):
                odd = setting.odd
                if statement.inside:
                    odd = odd or "whether this is run depends on what stands around it; set it once, outside"
                elif left:
                    odd = odd or "the script ends before this line"
                found.append(Setting(key, setting.line, setting.start, setting.end, odd))
        return found

    def read(self, text: str, span: Span) -> str:
        value = []
        for piece in _PIECE.findall(text[span.start : span.end]):
            if piece[0] == "'":
                value.append(piece[1:-1])
            elif piece[0] == '"':
                value.append(re.sub(r"\\([\"\\$`])|\\\n", lambda found: found.group(1) or "", piece[1:-1]))
            else:
                value.append(piece.replace("\\\n", "") if piece[0] != "\\" else piece[1:].replace("\n", ""))
        return "".join(value)

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None:
            return None
        for piece in _PIECE.findall(text[span.start : span.end]):
            if piece[0] == '"' and re.search(r"(?<!\\)(?:\\\\)*[$`]", piece):
                return "in double quotes a shell takes what follows $ for a variable"
            if piece[0] not in "'\"\\" and not _PLAIN.fullmatch(piece):
                return "outside quotes a shell changes this value"
        return None

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        return "'" + value.replace("'", "'\\''") + "'"

    def statement(self, key: str, value: str) -> str:
        return f"export {key}={self.encode(value)}"

    def add(self, text: str, key: str | None, value: str) -> str:
        if "\r\n" in text:
            raise CodecError("unparsable", "shells take a carriage return as part of the line; save with LF ends")
        ends = (one for one in _statements(text) if not one.inside)
        if any(_leaves([text[start:end] for start, end in one.words]) for one in ends):
            raise CodecError("missing_key", "the script ends before its last line; add the key by hand")
        return super().add(text, key, value)


def _leaves(words: list[str]) -> bool:
    return words[0] in ("exit", "return") or (words[0] == "exec" and len(words) > 1)


def _settings(text: str, statement: _Statement, words: list[str], key: str) -> list[Setting]:
    first = 0
    while first < len(words) and words[first] in _LEADING:
        first += 1
    given = list(zip(words[first:], statement.words[first:]))
    if not given:
        return []
    head = given[0][0]
    assigned = [(_ASSIGNMENT.match(word), word, place) for word, place in given]
    if head not in _DECLARING and not all(match for match, _word, _place in assigned):
        # Assignments before a command are for that command only; before these, sh and bash differ about that.
        before = next(number for number, (match, _word, _place) in enumerate(assigned) if not match)
        command = given[before][0]
        # What expands to nothing is no command, and the assignment then stays as well.
        if command in _SPECIAL or not _PLAIN.fullmatch(command):
            odd = "shells differ about whether this assignment stays; give it a line of its own"
            mine = [place for match, _word, place in assigned[:before] if match and match.group(1) == key]
            if mine:
                return [Setting(key, statement.line, start, end, odd) for start, end in mine]
        taken = [place for word, place in given[1:] if head in _TAKING and word.partition("=")[0] == key]
        return [Setting(key, statement.line, start, end, NOT_PLAIN) for start, end in taken]
    found = []
    for match, word, (start, end) in assigned:
        if match and match.group(1) == key:
            plain = match.group(2) == "=" and text[end : end + 1] != "("
            odd = "" if plain else NOT_PLAIN
            found.append(Setting(key, line_of(text, start), start + match.end(), end, odd))
        elif word == key and any(other.startswith(("-", "+")) and "n" in other for other, _place in given):
            found.append(Setting(key, statement.line, start, end, NOT_PLAIN))
    return found


# One look at a file asks several times in a row.
@lru_cache(maxsize=1)
def _statements(text: str) -> list[_Statement]:
    return _Lexer(text).statements()


class _Lexer:
    """Splits a script into statements, knowing quotes, comments, here documents and blocks."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0
        self.open: list[str] = []
        self.documents: list[tuple[str, bool]] = []
        self.found: list[_Statement] = []
        self.current: _Statement | None = None
        self.conditional = False
        self.depth = 0

    def statements(self) -> list[_Statement]:
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in " \t":
                self.position += 1
            elif self.text.startswith("\\\n", self.position):
                self.position += 2
            elif character == "\n":
                self.position += 1
                self._end(keep=self.current is None)
                self._here_documents()
            elif character == "#":
                end = self.text.find("\n", self.position)
                self.position = len(self.text) if end < 0 else end
            else:
                operator = _OPERATOR.match(self.text, self.position)
                if operator:
                    self._operator(operator.group())
                else:
                    self._word()
        self._end()
        if self.open or self.documents:
            raise self._error("a block or here document is not closed")
        return self.found

    def _error(self, message: str, at: int | None = None) -> CodecError:
        line = line_of(self.text, self.position if at is None else at)
        return CodecError("unparsable", f"{message}; mend the script or edit it by hand", line)

    def _end(self, conditional: bool = False, keep: bool = False) -> None:
        if self.current is not None and self.current.words:
            self.found.append(self.current)
        self.current = None
        self.conditional = conditional or (keep and self.conditional)

    def _operator(self, operator: str) -> None:
        start = self.position
        self.position += len(operator)
        if operator.startswith("<<") and operator != "<<<":
            self._blanks()
            begin = self.position
            self._pass_word()
            delimiter = re.sub(r"['\"\\]", "", self.text[begin : self.position])
            if not delimiter:
                raise self._error("a here document has no name", start)
            self.documents.append((delimiter, operator == "<<-"))
        elif operator in ("<", ">", "<<<", ">>", ">&", "<&", "&>", "&>>"):
            words = self.current.words if self.current else []
            if words and words[-1][1] == start and self.text[words[-1][0] : start].isdecimal():
                words.pop()
            self._blanks()
            if self.text[self.position : self.position + 1] != "(":
                self._pass_word()
        elif operator == "(":
            if self.text.startswith("(", self.position) and self.current is None:
                self.position = self._nested(start) + 1
                return
            self._end()
            self.open.append(")")
        elif operator == ")":
            self._end()
            if self.open[-1:] == [")"]:
                self.open.pop()
            elif self.open[-1:] != ["esac"]:
                raise self._error("this closes nothing", start)
        else:
            if operator in ("|", "&") and self.current is not None:
                # A process of its own: what it sets is lost.
                self.current.inside = True
            self._end(conditional=operator in ("&&", "||", "|"))

    def _word(self) -> None:
        start = self.position
        self._pass_word()
        if self.position == start:
            raise self._error("a character that is not understood")
        word = self.text[start : self.position]
        if self.current is None:
            if word in _CLOSING and (not self.open or self.open.pop() != word):
                raise self._error(f"'{word}' closes nothing", start)
            inside = bool(self.open) or self.conditional or word in _OPENING
            self.current = _Statement(line_of(self.text, start), inside)
            if word in _OPENING:
                self.open.append(_OPENING[word])
        elif all(self.text[a:b] in _LEADING for a, b in self.current.words) and word in _OPENING:
            self.open.append(_OPENING[word])
        elif word == "{" and [self.text[a:b] for a, b in self.current.words][:1] == ["function"]:
            self.open.append("}")
            self._end()
            return
        self.current.words.append((start, self.position))
        if word in ("then", "else", "do", "{") and len(self.current.words) == 1:
            self._end()

    def _blanks(self) -> None:
        while self.text[self.position : self.position + 1] in (" ", "\t"):
            self.position += 1

    def _pass_word(self) -> None:
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in " \t\n;&|()<>":
                return
            if character in "'\"`\\$":
                self.position = self._quoted(self.position)
            else:
                self.position += 1

    def _quoted(self, at: int) -> int:
        """Return the offset after the quote, escape or expansion that begins at *at*."""
        self.depth += 1
        if self.depth > _MAX_DEPTH:
            raise self._error("nested too deeply", at)
        end = self._after_quote(at)
        self.depth -= 1
        return end

    def _after_quote(self, at: int) -> int:
        character = self.text[at]
        if character == "'":
            end = self.text.find("'", at + 1)
            if end < 0:
                raise self._error("the quote that opens here is not closed", at)
            return end + 1
        if character == "\\":
            if at + 1 >= len(self.text):
                raise self._error("a backslash ends the file", at)
            return at + 2
        if character == "$":
            following = self.text[at + 1 : at + 2]
            if following == "'":
                return self._until("'", at + 1)
            if following == "(":
                return self._nested(at + 1)
            return self._until("}", at + 1) if following == "{" else at + 1
        return self._until(character, at)

    def _until(self, closing: str, at: int) -> int:
        position = at + 1
        while position < len(self.text):
            character = self.text[position]
            if character == closing:
                return position + 1
            if character == "\\":
                position += 2
            elif (closing == "}" and character in ("'", '"')) or (
                closing in '"}' and (character == "`" or self.text.startswith(("$(", "${"), position))
            ):
                position = self._quoted(position)
            else:
                position += 1
        raise self._error("what opens here is not closed", at)

    def _nested(self, at: int) -> int:
        """Return the offset after the parenthesis that closes the one at *at*."""
        position, depth = at + 1, 1
        while position < len(self.text):
            character = self.text[position]
            if character in "'\"`\\" or self.text.startswith(("$(", "${"), position):
                position = self._quoted(position)
                continue
            if character == "#" and self.text[position - 1] in " \t\n":
                end = self.text.find("\n", position)
                position = len(self.text) if end < 0 else end
                continue
            depth += (character == "(") - (character == ")")
            position += 1
            if not depth:
                return position
        raise self._error("what opens here is not closed", at)

    def _here_documents(self) -> None:
        for delimiter, tabs in self.documents:
            while True:
                if self.position >= len(self.text):
                    raise self._error("a here document is not closed")
                end = self.text.find("\n", self.position)
                end = len(self.text) if end < 0 else end
                content = self.text[self.position : end]
                self.position = min(end + 1, len(self.text))
                if (content.lstrip("\t") if tabs else content) == delimiter:
                    break
        self.documents = []
