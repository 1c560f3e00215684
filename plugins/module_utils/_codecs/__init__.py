# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Codecs: how each file format spells a value. Text to text, no I/O; one file a format.

A format's file is imported when it is first asked for: on a host each one is compiled anew in every run, and most
hosts need two or three of them. The imports are written out, so that Ansible packs each file all the same.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Callable

from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import Codec, CodecError


def _compose_yaml() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.compose_yaml import ComposeYaml

    return (ComposeYaml(),)


def _curl_files() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.curl_files import CurlConfig, Netrc

    return (CurlConfig(), Netrc())


def _dotenv() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.dotenv import Dotenv

    return (Dotenv(),)


def _dotenv_dialects() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.dotenv_dialects import (
        ComposeEnv,
        DotenvExpand,
        DotenvRaw,
    )

    return (ComposeEnv(), DotenvExpand(), DotenvRaw())


def _fish() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.fish import Fish

    return (Fish(),)


def _ini() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.ini import Ini, IniExtended

    return (Ini(), IniExtended())


def _json_pointer() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.json_pointer import JsonPointer

    return (JsonPointer(),)


def _login_password() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.login_password import LoginPassword

    return (LoginPassword(),)


def _powershell() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.powershell import PowerShell

    return (PowerShell(),)


def _raw() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.raw import Raw

    return (Raw(),)


def _rows() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.rows import (
        HaproxyMap,
        Htpasswd,
        MarkedLine,
        NginxMap,
    )

    return (HaproxyMap(), Htpasswd(), MarkedLine(), NginxMap())


def _shell() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.shell import Shell

    return (Shell(),)


def _systemd_env() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.systemd_env import SystemdEnv

    return (SystemdEnv(),)


def _toml() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.toml import Toml

    return (Toml(),)


def _yaml() -> tuple[Codec, ...]:
    from ansible_collections.genai.comfyui.plugins.module_utils._codecs.yaml import Yaml

    return (Yaml(),)


_FILES: Mapping[str, Callable[[], tuple[Codec, ...]]] = {
    "curl_config": _curl_files,
    "netrc": _curl_files,
    "dotenv": _dotenv,
    "compose_env": _dotenv_dialects,
    "dotenv_expand": _dotenv_dialects,
    "dotenv_raw": _dotenv_dialects,
    "fish": _fish,
    "ini": _ini,
    "ini_extended": _ini,
    "json": _json_pointer,
    "login_password": _login_password,
    "powershell": _powershell,
    "raw": _raw,
    "haproxy_map": _rows,
    "htpasswd": _rows,
    "line": _rows,
    "nginx_map": _rows,
    "shell": _shell,
    "systemd_env": _systemd_env,
    "toml": _toml,
    "compose_yaml": _compose_yaml,
    "yaml": _yaml,
}


class _Codecs(Mapping[str, Codec]):
    """All codecs by name, each made once."""

    def __init__(self) -> None:
        self._made: dict[str, Codec] = {}

    def __getitem__(self, name: str) -> Codec:
        if name not in self._made:
            self._made.update((codec.name, codec) for codec in _FILES[name]())
        return self._made[name]

    def __iter__(self) -> Iterator[str]:
        return iter(_FILES)

    def __len__(self) -> int:
        return len(_FILES)


CODECS: Mapping[str, Codec] = _Codecs()


def get(name: str) -> Codec:
    """Return the codec *name*, or raise :class:`CodecError` (``unknown_codec``) that lists the known ones."""
    try:
        return CODECS[name]
    except KeyError:
        known = ", ".join(sorted(CODECS))
        raise CodecError("unknown_codec", f"there is no codec {name!r}; known are: {known}") from None
