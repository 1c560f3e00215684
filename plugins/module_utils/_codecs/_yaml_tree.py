# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where the values of a YAML document stand: block mappings and lists, one document, everything else opaque."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import body_start, line_of

_MAX_DEPTH = 60
_ODD_ASCII = re.compile(r"[^\t\n\r\x20-\x7e]|\r(?!\n)")
# Not compiled here: that takes as long as this whole file, and few files need it.
_ODD = "[^\t\n\r\x20-\x7e\xa0-\u2027\u202a-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]|\r(?!\n)"
_MARK = re.compile("(?m)(?:^|(?<=\ufeff))" + r"(?:---|\.\.\.)(?=[ \t\r\n]|\Z)|^%")
_START = r"(?:[^\s\-?:,\[\]{}#&*!|>'\"%@`]|[-?:](?=[^\s,\[\]{}]))"
_PLAIN_KEY = re.compile(_START + r"(?:[^:#\r\n\t]|:(?=[^\s])|(?<=[^\s])#)*?(?=[ ]*:(?:[ \t\r\n]|\Z))")
_PLAIN = re.compile(_START + r"(?:[^:#\r\n]|:(?=[^\s])|(?<=[^\s])#)*")
_SINGLE = re.compile(r"'(?:[^']|'')*'")
_DOUBLE = re.compile(r'"(?:[^"\\]|\\[\s\S])*"')
_PROPERTY = re.compile(r"(?:&[^\s,\[\]{}]+|![^\s]*)(?=[ \r\n]|\Z)")
_ALIAS = re.compile(r"\*[^\s,\[\]{}]+")
_BLOCK = re.compile(r"[|>](?:[+-]?[1-9]?|[1-9][+-])(?=[ \r\n]|\Z)")
_REST = re.compile(r"[ \t]*(?:(?<=[ \t])#[^\r\n]*)?(?=\r?\n|\Z)")
_CODE = re.compile(r"\\(x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8}|[^xuU])")
_ESCAPES = dict(zip('0abtnvfre"/\\ N_LPt\t', '\0\a\b\t\n\v\f\r\x1b"/\\ \x85\xa0\u2028\u2029\t\t'))


class Node:
    """A value: ``text[start:end]``. ``kind`` is mapping, list, scalar, empty or, where we only skip, what it is."""

    def __init__(self, kind: str, start: int, end: int, indent: int = 0, special: bool = False) -> None:
        self.kind = kind
        self.start = start
        self.end = end
        self.indent = indent
        self.entries: list[Entry] = []
        self.items: list[Node] = []
        self.special = special
        """Whether an anchor or a tag stands before it."""


class Entry(NamedTuple):
    """One key of a mapping with its value."""

    name: str
    start: int
    value: Node


# One look at a file asks several times in a row.
@lru_cache(maxsize=1)
def parse(text: str) -> Node:
    """Return the root of the only document of *text*, or raise ``unparsable``."""
    return _Parser(text).document()


def unquoted(spelling: str) -> str:
    """Return the text of a scalar on one line. Raises ``unparsable`` for escapes that are no characters."""
    if spelling[:1] == "'":
        return spelling[1:-1].replace("''", "'")
    if spelling[:1] != '"':
        return spelling

    def plain(found: re.Match[str]) -> str:
        code = found.group(1)
        if code[0] in "xuU":
            number = int(code[1:], 16)
            if number <= 0x10FFFF and not 0xD800 <= number < 0xE000:
                return chr(number)
        elif code in _ESCAPES:
            return _ESCAPES[code]
        raise CodecError("unparsable", "an escape in double quotes is not understood; mend it")

    if re.search(r"\\", _CODE.sub("", spelling)):
        raise CodecError("unparsable", "an escape in double quotes is not understood; mend it")
    return _CODE.sub(plain, spelling[1:-1])


class _Parser:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = body_start(text)

    def document(self) -> Node:
        odd = re.compile(_ODD_ASCII if self.text.isascii() else _ODD).search(self.text, self.position)
        if odd:
            raise self._error("a character that YAML does not allow, or a carriage return alone", odd.start())
        self._space()
        marks = list(_MARK.finditer(self.text, self.position))
        if marks and marks[0].start() == self.position and marks[0].group() == "---":
            self.position = marks.pop(0).end()
            self._end_line()
        if marks:
            raise self._error("directives and several documents are not understood", marks[0].start())
        start = self._space()
        if start == len(self.text):
            return Node("empty", start, start)
        node = self._node(start, -1, 0)
        if self._space() < len(self.text):
            raise self._error("this does not belong to what stands above it")
        return node

    def _error(self, message: str, at: int | None = None) -> CodecError:
        line = line_of(self.text, self.position if at is None else at)
        return CodecError("unparsable", f"{message}; mend the YAML or edit it by hand", line)

    def _space(self) -> int:
        """Go to the next content and return its offset; blanks, empty lines and comments are passed."""
        while self.position < len(self.text):
            end = self.text.find("\n", self.position)
            end = len(self.text) if end < 0 else end
            content = self.text[self.position : end].rstrip("\r")
            bare = content.lstrip(" ")
            if bare.strip(" \t") and not bare.startswith("#"):
                if bare[0] == "\t":
                    raise self._error("a tab stands where only blanks may")
                self.position += len(content) - len(bare)
                return self.position
            self.position = min(end + 1, len(self.text))
        return self.position

    def _column(self, at: int) -> int:
        line = self.text.rfind("\n", 0, at) + 1
        return at - (line or body_start(self.text))

    def _end_line(self) -> None:
        found = _REST.match(self.text, self.position)
        if not found:
            raise self._error("something follows that is not understood")
        self.position = found.end()

    def _blanks(self) -> str:
        """Pass blanks and return the next character, empty at the line's end or before a comment."""
        start = self.position
        while self.text[self.position : self.position + 1] == " ":
            self.position += 1
        character = self.text[self.position : self.position + 1]
        if character == "\t":
            raise self._error("a tab stands where only blanks may")
        comment = character == "#" and self.position > start
        return "" if character in ("\r", "\n") or comment else character

    def _node(self, at: int, parent: int, depth: int) -> Node:
        """Parse the value that begins at *at*, in a collection whose column is *parent*."""
        if depth > _MAX_DEPTH:
            raise self._error("nested too deeply")
        self.position = at
        if self._is_dash(at):
            return self._list(at, depth)
        if self._key(at):
            return self._mapping(at, depth)
        return self._inline(parent, depth)

    def _is_dash(self, at: int) -> bool:
        return self.text[at : at + 1] == "-" and self.text[at + 1 : at + 2] in ("", " ", "\r", "\n", "\t")

    def _key(self, at: int) -> re.Match[str] | None:
        character = self.text[at : at + 1]
        pattern = _SINGLE if character == "'" else _DOUBLE if character == '"' else _PLAIN_KEY
        found = pattern.match(self.text, at)
        if not found or "\n" in found.group():
            return None
        return found if re.compile(r" *:(?=[ \t\r\n]|\Z)").match(self.text, found.end()) else None

    def _list(self, at: int, depth: int) -> Node:
        column = self._column(at)
        node = Node("list", at, at, column)
        while True:
            self.position += 1
            more = self._blanks()
            item = self._node(self.position, column, depth + 1) if more else self._below(column, depth, False)
            node.items.append(item)
            node.end = self.position
            following = self._space()
            if following == len(self.text) or self._column(following) < column:
                return self._done(node)
            if self._column(following) > column or not self._is_dash(following):
                # A list may stand at the column of the key that holds it.
                if self._column(following) == column:
                    return self._done(node)
                raise self._error("an item of the list was expected here")

    def _done(self, node: Node) -> Node:
        self.position = node.end
        return node

    def _mapping(self, at: int, depth: int) -> Node:
        column = self._column(at)
        node = Node("mapping", at, at, column)
        while True:
            key = self._key(self.position)
            if not key or self._is_dash(self.position):
                raise self._error("a key was expected here")
            start = self.position
            self.position = self.text.index(":", key.end()) + 1
            value = self._inline(column, depth) if self._blanks() else self._below(column, depth, True)
            node.entries.append(Entry(unquoted(key.group().rstrip(" ")), start, value))
            node.end = self.position
            following = self._space()
            if following == len(self.text) or self._column(following) < column:
                return self._done(node)
            if self._column(following) > column:
                raise self._error("this is indented more than what it belongs to")

    def _below(self, column: int, depth: int, lists: bool) -> Node:
        """Parse a value that begins on a following line, or is empty."""
        # An empty value's place is right after the colon or dash.
        place = self.position
        while place and self.text[place - 1] == " ":
            place -= 1
        self._end_line()
        end = self.position
        following = self._space()
        if following < len(self.text):
            there = self._column(following)
            if there > column or (lists and there == column and self._is_dash(following)):
                return self._node(following, column, depth + 1)
        self.position = end
        return Node("empty", place, place, column)

    def _inline(self, parent: int, depth: int) -> Node:
        """Parse a value that begins here, on the line of its key or dash."""
        start = self.position
        special = False
        while True:
            found = _PROPERTY.match(self.text, self.position)
            if not found:
                break
            special, self.position = True, found.end()
            if not self._blanks():
                node = self._below(parent, depth, True)
                node.special = True
                return node
        node = self._scalar(parent, start)
        node.special = special
        return node

    def _scalar(self, parent: int, start: int) -> Node:
        at = self.position
        character = self.text[at]
        if character in "|>":
            return self._block(parent, start)
        if character in "[{":
            self._flow()
            kind = "flow"
        elif character in "'\"":
            found = (_SINGLE if character == "'" else _DOUBLE).match(self.text, at)
            if not found:
                raise self._error("a quote is not closed")
            self.position, kind = found.end(), "folded" if "\n" in found.group() else "scalar"
        elif character == "*":
            alias = _ALIAS.match(self.text, at)
            self.position, kind = (alias.end() if alias else at + 1), "alias"
        else:
            return self._plain(parent)
        node = Node(kind, at, self.position)
        self._end_line()
        return node

    def _plain(self, parent: int) -> Node:
        at, kind = self.position, "scalar"
        found = _PLAIN.match(self.text, at)
        if not found:
            raise self._error("a value was expected here")
        end = at + len(found.group().rstrip(" \t"))
        self.position = found.end()
        self._end_line()
        done = self.position
        while "#" not in self.text[end:done]:
            following = self._space()
            if following == len(self.text) or self._column(following) <= parent:
                break
            if line_of(self.text, following) > line_of(self.text, done) + 1 and "#" in self.text[done:following]:
                raise self._error("text follows a comment")
            more = re.compile(r"(?:[^:#\r\n]|:(?=[^\s])|(?<=[^\s])#)+").match(self.text, following)
            if not more:
                raise self._error("a value goes on here in a way that is not understood")
            kind, end = "folded", following + len(more.group().rstrip(" \t"))
            self.position = more.end()
            self._end_line()
            done = self.position
        self.position = done
        return Node(kind, at, end)

    def _block(self, parent: int, start: int) -> Node:
        header = _BLOCK.match(self.text, self.position)
        if not header:
            raise self._error("a block scalar's head is not understood")
        self.position = header.end()
        self._end_line()
        end = self.position
        while self.position < len(self.text):
            begin = self.position + (self.text[self.position] == "\r") + 1
            stop = self.text.find("\n", begin)
            stop = len(self.text) if stop < 0 else stop
            content = self.text[begin:stop].rstrip("\r")
            if content.strip(" ") and len(content) - len(content.lstrip(" ")) <= parent:
                break
            self.position = stop - (self.text[stop - 1 : stop] == "\r" and stop > begin)
            if content.strip(" ") or "+" in header.group():
                end = self.position
        self.position = end
        return Node("block", start, end)

    def _flow(self) -> None:
        """Pass a flow collection, with all that is in it."""
        closing: list[str] = []
        fresh = True
        while self.position < len(self.text):
            character = self.text[self.position]
            if character in "'\"" and fresh:
                found = (_SINGLE if character == "'" else _DOUBLE).match(self.text, self.position)
                if not found:
                    raise self._error("a quote is not closed")
                self.position = found.end()
                fresh = False
                continue
            if character == "#" and self.text[self.position - 1] in " \t\r\n":
                end = self.text.find("\n", self.position)
                self.position = len(self.text) if end < 0 else end
                continue
            self.position += 1
            if character in "[{":
                closing.append("]" if character == "[" else "}")
            elif character in "]}":
                if closing.pop() != character:
                    raise self._error("brackets do not match")
                if not closing:
                    return
            fresh = character in "[{,:" or (fresh and character in " \t\r\n")
        raise self._error("a bracket is not closed")
