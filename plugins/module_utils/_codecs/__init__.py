# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs: how each file format spells a value. Text to text, no I/O; one file a format."""

from __future__ import annotations

from collections.abc import Mapping

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.curl_files import CurlConfig, Netrc
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.dotenv import Dotenv
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.dotenv_dialects import (
    ComposeEnv,
    DotenvExpand,
    DotenvRaw,
)
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.fish import Fish
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.ini import Ini, IniExtended
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.json_pointer import JsonPointer
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.login_password import LoginPassword
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.powershell import PowerShell
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.raw import Raw
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.rows import (
    HaproxyMap,
    Htpasswd,
    MarkedLine,
    NginxMap,
)
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.shell import Shell
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.systemd_env import SystemdEnv
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.toml import Toml
from ansible_collections.genai.comfyui.plugins.module_utils._codecs.yaml import ComposeYaml, Yaml

CODECS: Mapping[str, Codec] = {
    codec.name: codec
    for codec in (
        CurlConfig(),
        Netrc(),
        Dotenv(),
        ComposeEnv(),
        DotenvExpand(),
        DotenvRaw(),
        Fish(),
        Ini(),
        IniExtended(),
        JsonPointer(),
        LoginPassword(),
        PowerShell(),
        Raw(),
        HaproxyMap(),
        Htpasswd(),
        MarkedLine(),
        NginxMap(),
        Shell(),
        SystemdEnv(),
        Toml(),
        ComposeYaml(),
        Yaml(),
    )
}
"""All codecs by name. Listed by hand, so that Ansible packs each file when it sends a module to a host."""


def get(name: str) -> Codec:
    """Return the codec *name*, or raise :class:`CodecError` (``unknown_codec``) that lists the known ones."""
    try:
        return CODECS[name]
    except KeyError:
        known = ", ".join(sorted(CODECS))
        raise CodecError("unknown_codec", f"there is no codec {name!r}; known are: {known}") from None
