# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs: how each file format spells a value. Text to text, no I/O; one file a format."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.dotenv import Dotenv
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.json_pointer import JsonPointer
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.login_password import LoginPassword
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.raw import Raw
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.systemd_env import SystemdEnv

CODECS: Mapping[str, Codec] = {
    codec.name: codec for codec in (Dotenv(), JsonPointer(), LoginPassword(), Raw(), SystemdEnv())
}
"""All codecs by name. Listed by hand, so that Ansible packs each file when it sends a module to a host."""


def get(name: str) -> Codec:
    """Return the codec *name*, or raise :class:`CodecError` (``unknown_codec``) that lists the known ones."""
    try:
        return CODECS[name]
    except KeyError:
        known = ", ".join(sorted(CODECS))
        raise CodecError("unknown_codec", f"there is no codec {name!r}; known are: {known}") from None
