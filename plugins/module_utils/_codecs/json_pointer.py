# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON with comments, the value named by an RFC 6901 pointer such as ``/servers/0/token``."""

from __future__ import annotations

import json
import re
from functools import lru_cache
from typing import NamedTuple, Optional

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import body_start, eol_of, line_of

_SPACE = re.compile(r"(?:[ \t\r\n]+|//[^\n]*|/\*[\s\S]*?\*/)*")
_STRING = re.compile(r'"(?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*"')
_SCALAR = re.compile(r"(?:true|false|null|-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?)(?![A-Za-z0-9_.+-])")
_MAX_DEPTH = 100


class _Node:
    def __init__(self, start: int) -> None:
        self.start = self.end = start
        self.kind = "scalar"
        self.members: list[_Member] = []
        self.items: list[_Node] = []
        self.trailing_comma = False


class _Member(NamedTuple):
    name: str
    start: int
    value: _Node


_Found = Optional[_Node]
_Missing = Optional[tuple[_Node, str]]


class JsonPointer(Codec):
    """Replaces a string, or adds a member to an object that is there. Comments and trailing commas are left alone."""

    name = "json"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        if not (key or "").startswith("/") or re.search(r"~(?![01])", key or ""):
            raise CodecError("bad_key", "the key is a JSON pointer such as /servers/main/token; it begins with '/'")

    def locate(self, text: str, key: str | None) -> Span | None:
        found, _missing = self._walk(text, key)
        if found is None:
            return None
        if found.kind != "string":
            raise CodecError(
                "unparsable", 'what the key points to is not a string; make it "" first', line_of(text, found.start)
            )
        return Span(found.start, found.end, line_of(text, found.start))

    def read(self, text: str, span: Span) -> str:
        return str(json.loads(text[span.start : span.end]))

    def encode(self, value: str) -> str:
        return json.dumps(value, ensure_ascii=False)

    def add(self, text: str, key: str | None, value: str) -> str:
        _found, missing = self._walk(text, key)
        if missing is None:
            raise CodecError("missing_key", "what the key points to has no object around it; add that first")
        parent, name = missing
        member = f"{json.dumps(name, ensure_ascii=False)}: {self.encode(value)}"
        if not parent.members:
            return self._fill(text, parent, member)
        last = parent.members[-1]
        rest = text[last.value.end : parent.end - 1]
        if parent.trailing_comma or rest.strip():
            raise CodecError(
                "missing_key",
                "a comment or comma stands where the new member would go; add the key by hand",
                line_of(text, last.value.end),
            )
        before = text[: last.start]
        indent = re.search(r"\n[ \t]*\Z", before)
        gap = (eol_of(text) + indent.group(0)[1:]) if indent else " "
        return text[: last.value.end] + "," + gap + member + text[last.value.end :]

    def new_text(self, key: str | None, value: str) -> str:
        self.check_key(key)
        names = _names(key or "")
        if any(not name or re.fullmatch(r"-|[0-9]+", name) for name in names):
            raise CodecError("no_new_file", "a new file cannot be made for a key with list positions; create it first")
        opened = "".join(
            "  " * depth + f"{json.dumps(name, ensure_ascii=False)}: " + ("{\n" if depth < len(names) else "")
            for depth, name in enumerate(names, 1)
        )
        closed = "".join("\n" + "  " * depth + "}" for depth in range(len(names) - 1, -1, -1))
        return self.checked("{\n" + opened + self.encode(value) + closed + "\n", key, value)

    def _fill(self, text: str, parent: _Node, member: str) -> str:
        inside = text[parent.start + 1 : parent.end - 1]
        if inside.strip():
            raise CodecError(
                "missing_key", "only comments stand in the object; add the key by hand", line_of(text, parent.start)
            )
        if "\n" not in inside:
            return text[: parent.start + 1] + member + text[parent.start + 1 :]
        begin = text.rfind("\n", 0, parent.start) + 1
        indent = re.match(r"[ \t]*", text[begin : parent.start])
        gap = eol_of(text) + (indent.group(0) if indent else "") + "  "
        return text[: parent.start + 1] + gap + member + text[parent.start + 1 :]

    def _walk(self, text: str, key: str | None) -> tuple[_Found, _Missing]:
        """Return the node at *key*; or None and, when only the last step is missing, its parent and name."""
        self.check_key(key)
        node = _parsed(text)
        names = _names(key or "")
        for index, name in enumerate(names):
            if node.kind == "object":
                same = [member for member in node.members if member.name == name]
                if len(same) > 1:
                    where = " and ".join(str(line_of(text, member.start)) for member in same)
                    raise CodecError(
                        "duplicate_key",
                        f"a name of the key stands more than once (lines {where}); keep one",
                        line_of(text, same[1].start),
                    )
                if not same:
                    return None, ((node, name) if index == len(names) - 1 else None)
                node = same[0].value
            elif node.kind == "array":
                if not re.fullmatch(r"0|[1-9][0-9]{0,8}", name) or int(name) >= len(node.items):
                    return None, None
                node = node.items[int(name)]
            else:
                raise CodecError(
                    "unparsable", "the key goes through a value that is no object or list", line_of(text, node.start)
                )
        return node, None


def _names(pointer: str) -> list[str]:
    return [name.replace("~1", "/").replace("~0", "~") for name in pointer.split("/")[1:]]


# One look at a file asks several times in a row.
@lru_cache(maxsize=1)
def _parsed(text: str) -> _Node:
    return _Parser(text).document()


class _Parser:
    """Offsets of every value of a document."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.position = body_start(text)

    def document(self) -> _Node:
        node = self._value(0)
        self._space()
        if self.position < len(self.text):
            raise self._error("text follows the document")
        return node

    def _error(self, message: str) -> CodecError:
        return CodecError("unparsable", f"{message}; mend the JSON", line_of(self.text, self.position))

    def _space(self) -> None:
        found = _SPACE.match(self.text, self.position)
        self.position = found.end() if found else self.position

    def _take(self, character: str) -> bool:
        self._space()
        if self.text[self.position : self.position + 1] != character:
            return False
        self.position += 1
        return True

    def _value(self, depth: int) -> _Node:
        if depth > _MAX_DEPTH:
            raise self._error("nested too deeply")
        self._space()
        node = _Node(self.position)
        if self._take("{"):
            node.kind = "object"
            self._members(node, depth)
        elif self._take("["):
            node.kind = "array"
            self._items(node, depth)
        else:
            string = _STRING.match(self.text, self.position)
            found = string or _SCALAR.match(self.text, self.position)
            if not found:
                raise self._error("a value was expected here")
            node.kind = "string" if string else "scalar"
            self.position = found.end()
        node.end = self.position
        return node

    def _members(self, node: _Node, depth: int) -> None:
        while not self._take("}"):
            if node.members and not node.trailing_comma:
                raise self._error("a comma or '}' was expected here")
            found = _STRING.match(self.text, self.position)
            if not found:
                raise self._error("a name in double quotes was expected here")
            start, self.position = self.position, found.end()
            if not self._take(":"):
                raise self._error("a colon was expected here")
            node.members.append(_Member(str(json.loads(found.group(0))), start, self._value(depth + 1)))
            node.trailing_comma = self._take(",")

    def _items(self, node: _Node, depth: int) -> None:
        while not self._take("]"):
            if node.items and not node.trailing_comma:
                raise self._error("a comma or ']' was expected here")
            node.items.append(self._value(depth + 1))
            node.trailing_comma = self._take(",")
