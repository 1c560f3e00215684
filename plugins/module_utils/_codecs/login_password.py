# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The file ``login/PASSWORD`` of ComfyUI-Login: line 1 is the token, line 2 the user name, both ended by LF."""

from __future__ import annotations

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError, Span
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import BOM, refuse_control

_KEYS = ("token", "username")


class LoginPassword(Codec):
    """Owns the whole file. The keys are its two fields, ``token`` (the default) and ``username``."""

    name = "login_password"
    needs_key = False
    parts = (("token", "token"), ("username", "username"))
    keep_unknown = True
    by_server = True

    def check_key(self, key: str | None) -> None:
        if key and key not in _KEYS:
            raise CodecError("bad_key", "codec login_password writes both lines and takes no key; remove the key")

    def locate(self, text: str, key: str | None) -> Span | None:
        self.check_key(key)
        self._refuse_more(text)
        first = text.find("\n")
        first = len(text) if first < 0 else first
        if key != "username":
            return Span(0, first, 1) if text else None
        if first >= len(text) - 1:
            return None
        second = text.find("\n", first + 1)
        return Span(first + 1, len(text) if second < 0 else second, 2)

    def read(self, text: str, span: Span) -> str:
        # The API strips line 1 but the web form does not: what surrounds the hash must be seen, so it stays.
        return text[span.start : span.end]

    def encode(self, value: str) -> str:
        refuse_control(value, self.name)
        if not value.strip() or value != value.strip() or BOM in value:
            raise CodecError("unencodable", "login/PASSWORD cannot hold an empty value or blanks around it")
        return value

    def doubt(self, text: str, key: str | None) -> str | None:
        if text.startswith(BOM):
            return "a byte order mark before the hash makes the web form fail"
        if "\r" in text:
            return "CR line ends make the web form refuse every password"
        if text.count("\n") > 2:
            return "blank lines after the user name"
        return None

    def add(self, text: str, key: str | None, value: str) -> str:
        if key != "username":
            return self.encode(value) + "\n"
        return text.rstrip("\n") + "\n" + self.encode(value) + "\n"

    def replace(self, text: str, key: str | None, value: str) -> str:
        """Write the field; a mark, CR or blank lines around the two lines go, for the file is ours as a whole."""
        self._refuse_more(text)
        kept = [line.rstrip("\r") for line in text.lstrip(BOM).split("\n")[:2]] + ["", ""]
        token, username = (kept[0], self.encode(value)) if key == "username" else (self.encode(value), kept[1])
        new = token + "\n" + (username + "\n" if username else "")
        return self.checked(new, key, value)

    def new_text(self, key: str | None, value: str) -> str:
        return self.replace("", key, value)

    def _refuse_more(self, text: str) -> None:
        for number, line in enumerate(text.split("\n")[2:], 3):
            if line.strip():
                raise CodecError(
                    "unparsable",
                    "login/PASSWORD holds two lines, the hash and the user name; remove what follows them",
                    number,
                )
