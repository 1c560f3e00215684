# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Consumers of a host: what their files hold, what they should hold, and making them agree."""

from __future__ import annotations

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs, _durable
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import to_text


def read_field(path: str, codec: str, key: str | None = None) -> str:
    """Return the value that the consumer at *path* reads, by its codec.

    Raises :class:`CodecError` (a ValueError) or :class:`DurableError` (an OSError); their text names file, line and
    mend and holds no value. A spelling that its readers disagree about is refused (``doubtful``), not guessed.
    """
    found = _codecs.get(codec)
    found.check_key(key)
    data = _durable.read(path).data
    if data is None:
        raise _durable.DurableError("no_file", path, "the file does not exist")
    try:
        text = to_text(data)
        value = found.decode(text, key)
        doubt = found.doubt(text, key)
    except CodecError as error:
        raise CodecError(error.reason, f"{path}: {error}") from None
    if doubt:
        raise CodecError("doubtful", f"{path}: {doubt}; run sync to write it in the safe spelling")
    return value
