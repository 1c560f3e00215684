# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pictures that lie beside a report, as part of its page."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ansible_collections.genai.comfyui.plugins.plugin_utils import _html as html

EACH = 3 * 1024 * 1024
"""A picture of more bytes is named instead of shown."""
TOGETHER = 24 * 1024 * 1024
"""Bytes of all pictures of a page."""
STYLE = """
.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(9rem, 1fr)); gap: .8rem; }
.pictures figure { margin: 0; }
.pictures img { width: 100%; height: auto; border-radius: .4rem; border: 1px solid var(--line); display: block; }
.pictures figcaption { font-weight: 400; font-size: .86rem; color: var(--soft-ink); margin: .3rem 0 0; }
"""
_KINDS = {b"\x89PNG": "image/png", b"\xff\xd8\xff": "image/jpeg", b"RIFF": "image/webp"}


def embedded(directory: Path, names: Iterable[Any], each: int = EACH, together: int = TOGETHER) -> dict[str, str]:
    """Return the pictures that fit, as ``data:`` addresses by their file name in *directory*; others are left out."""
    done: dict[str, str] = {}
    left = together
    for given in names:
        name = Path(str(given or "")).name
        with suppress(OSError):
            data = (directory / name).read_bytes() if name and name not in done else b""
            kind = next((kind for mark, kind in _KINDS.items() if data.startswith(mark)), None)
            if kind and len(data) <= min(each, left):
                left -= len(data)
                done[name] = f"data:{kind};base64,{base64.b64encode(data).decode('ascii')}"
    return done


def gallery(shown: Iterable[tuple[str, str, str]], pictures: Mapping[str, str]) -> str:
    """Return pictures side by side, as HTML; empty without any.

    :param shown: file name, what it is, and a note for each; one that is not among *pictures* is named.
    """
    found = []
    for name, said, note in shown:
        if name in pictures:
            found.append(
                f'<figure><img src="{html.text(pictures[name])}" alt="{html.text(said)}" loading="lazy">'
                f"<figcaption>{html.text(said)}<br>{html.text(note)}</figcaption></figure>"
            )
        elif name:
            found.append(
                f"<figure><figcaption>{html.text(said)}: {html.text(name)} is too large to be shown here"
                "</figcaption></figure>"
            )
    return f'<div class="pictures">{"".join(found)}</div>' if found else ""
