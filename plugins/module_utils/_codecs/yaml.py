# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""YAML, the value named by a JSON Pointer such as ``/server/token``."""

from __future__ import annotations

import re

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    BOM,
    append_line,
    eol_of,
    line_of,
    only_one,
    pointer,
    refuse_control,
)
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._yaml_tree import Node, parse, unquoted

EXAMPLE = "/server/token"
_PLAIN_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null", "nan", "inf"])
_WHAT = {
    "alias": "an alias; change what it points to",
    "block": "a block scalar; write it in quotes on one line",
    "flow": "in brackets or braces; write it as a block",
    "folded": "spread over several lines; put it on one",
    "mapping": "a mapping; name one of its keys",
    "list": "a list; name one of its items",
}


class Yaml(Codec):
    """Written in single quotes. Block mappings and lists, plain and quoted scalars on one line, one document."""

    name = "yaml"

    def check_key(self, key: str | None) -> None:
        super().check_key(key)
        pointer(key, EXAMPLE)

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        found, _parent = self._walk(text, pointer(key, EXAMPLE))
        return self._span(text, found) if found else None

    def _span(self, text: str, node: Node) -> Span:
        line = line_of(text, node.start)
        if node.special:
            raise CodecError("unparsable", "an anchor or a tag stands before the value; remove it", line)
        if node.kind in _WHAT:
            raise CodecError("unparsable", f"the value is {_WHAT[node.kind]}", line)
        return Span(node.start, node.end, line, "empty" if node.kind == "empty" else "")

    def read(self, text: str, span: Span) -> str:
        return unquoted(text[span.start : span.end])

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if re.search("[\x7f-\x9f\u2028\u2029\ufeff\ufffe\uffff\ud800-\udfff]", value):
            raise CodecError("unencodable", "the value holds a character that YAML does not allow")
        return "'" + value.replace("'", "''") + "'"

    def spell(self, value: str, span: Span) -> str:
        return (" " if span.context == "empty" else "") + self.encode(value)

    def add(self, text: str, key: str | None, value: str) -> str:
        names = pointer(key, EXAMPLE)
        _found, parent = self._walk(text, names)
        line = f"{_name(names[-1])}: {self.encode(value)}"
        if parent is None:
            if len(names) == 1 and parse(text).kind == "empty" and not re.search(r"(?m)^---", text):
                return append_line(text, line)
            raise CodecError("missing_key", "what the key points to has no mapping around it; add that first")
        if any(entry.name == "<<" for entry in parent.entries):
            raise CodecError(
                "missing_key",
                "the mapping takes keys from elsewhere ('<<'); add the key by hand",
                line_of(text, parent.start),
            )
        return after(text, parent, line)

    def new_text(self, key: str | None, value: str) -> str:
        self.check_key(key)
        names = pointer(key, EXAMPLE)
        if any(not name or re.fullmatch(r"-|[0-9]+", name) for name in names):
            raise CodecError("no_new_file", "a new file cannot be made for a key with list positions; create it first")
        heads = "".join("  " * depth + _name(name) + ":\n" for depth, name in enumerate(names[:-1]))
        last = "  " * (len(names) - 1) + f"{_name(names[-1])}: {self.encode(value)}\n"
        return self.checked(heads + last, key, value)

    def _walk(self, text: str, names: list[str]) -> tuple[Node | None, Node | None]:
        """Return the node at *names*; or None and, when only the last step is missing, the collection to add it to."""
        node = parse(text)
        for index, name in enumerate(names):
            last = index == len(names) - 1
            if node.kind == "mapping":
                same = [entry for entry in node.entries if entry.name == name]
                only_one([line_of(text, entry.start) for entry in same], "a name of the key stands")
                if not same:
                    return None, node if last else None
                node = same[0].value
            elif node.kind == "list":
                found = self._item(text, node, name)
                if found is None:
                    return None, self._extendable(node) if last else None
                node = found
            elif node.kind == "empty":
                return None, None
            else:
                what = _WHAT.get(node.kind, "no mapping or list")
                raise CodecError("unparsable", f"what the key goes through is {what}", line_of(text, node.start))
        return node, None

    def _item(self, text: str, node: Node, name: str) -> Node | None:
        if re.fullmatch(r"0|[1-9][0-9]{0,8}", name) and int(name) < len(node.items):
            return node.items[int(name)]
        return None

    def _extendable(self, node: Node) -> Node | None:
        return None


def _name(name: str) -> str:
    plain = _PLAIN_NAME.fullmatch(name) and name.lower() not in _WORDS
    return name if plain else Yaml().encode(name)


def after(text: str, collection: Node, line: str) -> str:
    """Return *text* with *line* after the last line of a block collection, at its column."""
    end = collection.end
    while end < len(text) and text[end] not in "\r\n":
        end += 1
    begin = text.rfind("\n", 0, collection.start) + 1
    if text[begin : collection.start].lstrip(BOM).strip(" -"):
        raise CodecError("missing_key", "the collection does not begin on a line of its own; add the key by hand")
    return text[:end] + eol_of(text) + " " * collection.indent + line + text[end:]
