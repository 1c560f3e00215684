# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Known tools and where they keep a token, so that a consumer may name the tool in place of codec, key and field."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


class PresetError(ValueError):
    """A preset that does not exist or does not know enough. ``str()`` says what to give."""


@dataclass(frozen=True)
class Preset:
    """Defaults of a consumer. ``home`` is a path below the home of the consumer's owner, None where there is none."""

    codec: str
    key: str | None = None
    field: str = "token"
    home: str | None = None


_TOKEN = "COMFYUI_API_TOKEN"  # noqa: S105 - a variable's name
_BEARER = "headers/Authorization"

PRESETS: Mapping[str, Preset] = {
    # This collection's own place: line 1 is the token, line 2 the user name.
    "comfyui_login": Preset("login_password"),
    # A .env beside notebooks, for python-dotenv and the like; the name is the one that ComfyUI clients use most.
    "jupyter_env": Preset("dotenv", _TOKEN),
    # Docker Compose: the .env of a project, an env_file with "format: raw", and the Compose file itself, where the
    # service's name belongs to the key: /services/NAME/environment/COMFYUI_API_TOKEN.
    "compose_env": Preset("compose_env", _TOKEN),
    "compose_raw_env": Preset("dotenv_raw", _TOKEN),
    "compose_service": Preset("compose_yaml"),
    # EnvironmentFile= of a unit.
    "systemd_service": Preset("systemd_env", _TOKEN),
    # Open WebUI reads this variable (backend/open_webui/config.py) and sends it as a bearer token. It copies it to its
    # database at the first start, and from then on looks there unless ENABLE_PERSISTENT_CONFIG is False.
    "open_webui": Preset("dotenv", "COMFYUI_API_KEY"),
    # MCP clients with a server named "comfyui" over HTTP. VS Code: code.visualstudio.com, "MCP configuration
    # reference": "servers", in the user's profile or .vscode/mcp.json.
    "vscode_mcp": Preset("json", f"/servers/comfyui/{_BEARER}", "bearer", ".config/Code/User/mcp.json"),
    # Claude Code and others: "mcpServers" in a project's .mcp.json.
    "mcp_json": Preset("json", f"/mcpServers/comfyui/{_BEARER}", "bearer"),
    # Cursor: cursor.com/docs/context/mcp, "Configuration locations": the user's own file.
    "cursor": Preset("json", f"/mcpServers/comfyui/{_BEARER}", "bearer", ".cursor/mcp.json"),
    # Claude Desktop starts local servers with an environment: claude_desktop_config.json, "mcpServers". Its folder
    # differs by system and Linux has no official one, so the path has to be given.
    "claude_desktop": Preset("json", f"/mcpServers/comfyui/env/{_TOKEN}"),
    # The Krita plugin of Acly/krita-ai-diffusion sends this setting as a bearer token (ai_diffusion/settings.py,
    # backend/comfy_client.py). It is in no dialog, and the plugin writes the whole file anew when a setting is changed:
    # Krita has to be closed while the file is written.
    "krita_ai_diffusion": Preset("json", "/server_authorization", home=".local/share/krita/ai_diffusion/settings.json"),
    # A file for curl -K. No path: ~/.curlrc would send the header to every server.
    "curl": Preset("curl_config", "header:Authorization", "bearer"),
}


def resolve(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return a consumer's suboptions with its preset's defaults filled in; explicit values win.

    Raises :class:`PresetError` when the preset is unknown, or when neither it nor the consumer says path and codec.
    """
    result = dict(given)
    name = given.get("preset")
    if name:
        preset = PRESETS.get(str(name))
        if preset is None:
            raise PresetError(f"there is no preset {name!r}; known are: {', '.join(sorted(PRESETS))}")
        # Another codec has other keys.
        same = result.get("codec") in (None, "", preset.codec)
        result["codec"] = result.get("codec") or preset.codec
        result["key"] = result.get("key") or (preset.key if same else None)
        result["field"] = result.get("field") or preset.field
        if not result.get("path") and preset.home:
            result["path"] = _below_home(str(name), preset.home, result.get("owner"))
    for option in ("path", "codec"):
        if not result.get(option):
            raise PresetError(f"it has no {option}; give one" + (f", for preset {name} knows none" if name else ""))
    return result


def _below_home(name: str, path: str, owner: Any) -> str:
    if not owner:
        raise PresetError(f"preset {name} needs the owner, in whose home the file is, or a path")
    home = os.path.expanduser(f"~{owner}")
    if not os.path.isabs(home):
        raise PresetError(f"there is no user {str(owner)!r} on this host; create it first or give the path")
    return os.path.join(home, path)
