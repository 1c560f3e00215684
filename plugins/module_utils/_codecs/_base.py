# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What every codec is: text in, text out, and nothing but the value's span changed."""

from __future__ import annotations

from typing import ClassVar, NamedTuple


class CodecError(ValueError):
    """A refusal. ``str()`` of it names the line and the mend, and never holds text of the file.

    ``reason`` is one of: ``unknown_codec``, ``bad_key``, ``not_text``, ``unparsable``, ``duplicate_key``,
    ``missing_key``, ``doubtful``, ``unencodable``, ``no_new_file``. ``line`` counts from 1, or is None.
    """

    def __init__(self, reason: str, message: str, line: int | None = None) -> None:
        super().__init__(message if line is None else f"line {line}: {message}")
        self.reason = reason
        self.line = line


class Span(NamedTuple):
    """Where a value's spelling stands: ``text[start:end]``, with its quotes; ``line`` counts from 1.

    ``context`` tells a codec what surrounds a span that is only a part of a spelling, such as the quotes.
    """

    start: int
    end: int
    line: int
    context: str = ""


class Codec:
    """One file format. A subclass gives ``locate``, ``read`` and ``encode``, and ``add`` where a key can be added.

    All methods are pure. ``text`` is a whole file as :func:`_text.to_text` returns it (byte order mark and line
    endings included). ``key`` is the consumer's ``key``; what it means is the codec's business. Each method may
    raise :class:`CodecError` and nothing else.
    """

    name: ClassVar[str] = ""
    needs_key: ClassVar[bool] = True
    """Whether a consumer must name a ``key``; where False, it must not."""
    parts: ClassVar[tuple[tuple[str, str], ...]] = ()
    """For a file that is written as a whole from several credential fields: pairs of (key, field)."""
    by_server: ClassVar[bool] = False
    """Whether the file is the server's own, which a rotation switches at another moment than its clients'."""
    keep_unknown: ClassVar[bool] = False
    """Whether a value that belongs to no known version is refused, rather than replaced, by default."""

    def check_key(self, key: str | None) -> None:
        """Raise ``bad_key`` when this format cannot have such a key."""
        if self.needs_key and not key:
            raise CodecError("bad_key", f"codec {self.name} needs a key; name the one that holds the value")
        if not self.needs_key and key:
            raise CodecError("bad_key", f"codec {self.name} owns the whole file and takes no key; remove the key")

    def locate(self, text: str, key: str | None) -> Span | None:
        """Return the span of the value's spelling, or None when the key is not there."""
        raise NotImplementedError

    def read(self, text: str, span: Span) -> str:
        """Return the value spelled at *span*, as the consumer reads it."""
        raise NotImplementedError

    def encode(self, value: str) -> str:
        """Return the spelling of *value* that goes into a span, or raise ``unencodable``."""
        raise NotImplementedError

    def spell(self, value: str, span: Span) -> str:
        """Return the spelling of *value* for the place *span*; :meth:`encode` for formats with one kind of place."""
        return self.encode(value)

    def doubt(self, text: str, key: str | None) -> str | None:
        """Say why readers of this format may see another value than :meth:`decode` returns, or None."""
        return None

    def add(self, text: str, key: str | None, value: str) -> str:
        """Return *text* with the key, which is not there, added."""
        raise CodecError("missing_key", f"the key is not in the file and codec {self.name} cannot add one")

    def new_text(self, key: str | None, value: str) -> str:
        """Return what a file that does not exist yet looks like, or raise ``no_new_file``."""
        raise CodecError("no_new_file", f"codec {self.name} cannot make a new file; create the file first")

    def decode(self, text: str, key: str | None) -> str:
        """Return the value, or raise ``missing_key``."""
        span = self.locate(text, key)
        if span is None:
            raise CodecError("missing_key", "the key is not in the file")
        return self.read(text, span)

    def replace(self, text: str, key: str | None, value: str) -> str:
        """Return *text* with *value* in place, and the key added where it was missing.

        The result is read again before it is returned: it decodes to *value*, without doubt.
        """
        span = self.locate(text, key)
        if span is None:
            return self.checked(self.add(text, key, value), key, value)
        return self.checked(text[: span.start] + self.spell(value, span) + text[span.end :], key, value)

    def checked(self, text: str, key: str | None, value: str) -> str:
        """Return *text* if it decodes to *value*; raise ``unencodable`` otherwise."""
        if self.decode(text, key) != value or self.doubt(text, key):
            raise CodecError("unencodable", f"codec {self.name} could not spell this value in this file")
        return text
