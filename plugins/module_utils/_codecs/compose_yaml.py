# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compose files: YAML with ``$$`` for ``$``, and variables in lists."""

from __future__ import annotations

import re

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import (
    REFERENCE,
    is_reference,
    line_of,
    only_one,
    pointer,
    refuse_control,
)
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._yaml_tree import Node, unquoted
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.yaml import EXAMPLE, Yaml, after


class ComposeYaml(Yaml):
    """A Compose file: ``$`` is written ``$$``. A name in a list, as in ``environment``, finds the item ``NAME=...``."""

    name = "compose_yaml"

    def read(self, text: str, span: Span) -> str:
        spelling = text[span.start : span.end]
        if span.context == "item":
            if re.search(r"['\"\\]", spelling):
                raise CodecError("unparsable", "quotes and backslashes in an item are not understood", span.line)
            inner = spelling
        else:
            inner = unquoted(spelling)
        return inner.replace("$$", "$")

    def doubt(self, text: str, key: str | None) -> str | None:
        span = self.locate(text, key)
        if span is None or "$" not in text[span.start : span.end].replace("$$", ""):
            return None
        return "Compose takes what follows a single $ for a variable, in any quotes"

    def encode(self, value: str) -> str:
        return super().encode(value.replace("$", "$$"))

    def spell(self, value: str, span: Span) -> str:
        if span.context != "item":
            return super().spell(value, span)
        refuse_control(value, self.name)
        if re.search(r"['\"\\]|:(?:\s|\Z)|\s#|^\s|\s\Z", value):
            raise CodecError("unencodable", "such an item cannot hold quotes, backslashes, ': ' or ' #'; use a mapping")
        return value.replace("$", "$$")

    def add(self, text: str, key: str | None, value: str) -> str:
        _found, parent = self._walk(text, pointer(key, EXAMPLE))
        if parent is not None and parent.kind == "list":
            name = pointer(key, EXAMPLE)[-1]
            item = self.spell(value, Span(0, 0, 0, "item"))
            return after(text, parent, f"- '{name}={item}'")
        return super().add(text, key, value)

    def _item(self, text: str, node: Node, name: str) -> Node | None:
        if re.fullmatch(r"[0-9]+", name):
            return super()._item(text, node, name)
        found = []
        for item in node.items:
            if item.kind not in ("scalar", "alias", "folded", "block"):
                continue
            spelling = text[item.start : item.end]
            quoted = spelling[:1] in ("'", '"')
            inner = spelling[1:-1] if quoted else spelling
            if inner == name:
                raise CodecError(
                    "unparsable", "the name stands without '=' and a value; complete it", line_of(text, item.start)
                )
            if item.kind == "scalar" and inner.startswith(name + "="):
                start = item.start + quoted + len(name) + 1
                found.append(Node("item", start, item.end - quoted, special=item.special))
        only_one([line_of(text, item.start) for item in found])
        return found[0] if found else None

    def _span(self, text: str, node: Node) -> Span:
        span = super()._span(text, node)
        if is_reference(text[span.start : span.end].strip("'\"")):
            raise CodecError("unparsable", REFERENCE, span.line)
        return Span(span.start, span.end, span.line, "item") if node.kind == "item" else span

    def _extendable(self, node: Node) -> Node | None:
        scalars = all(item.kind in ("scalar", "item") and not item.special for item in node.items)
        return node if node.items and scalars else None
