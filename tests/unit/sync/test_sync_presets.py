# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Presets: the tool is named, and codec, key and field follow; what is given explicitly wins."""

from __future__ import annotations

import getpass
import json
from pathlib import Path

import pytest
import yaml
from sync_cases import LETTER, file, sync

from ansible_collections.genai.comfyui.plugins.doc_fragments.consumers import ModuleDocFragment
from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._presets import PRESETS, PresetError, resolve


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_presets_are_sound(name: str) -> None:
    """Codec and key fit each other, and the module's documentation knows the preset."""
    preset = PRESETS[name]
    codec = _codecs.get(preset.codec)
    if preset.key or not codec.needs_key:
        codec.check_key(preset.key)
    options = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["consumers"]["suboptions"]
    assert options["preset"]["choices"] == sorted(PRESETS)
    assert f"V({name})" in " ".join(options["preset"]["description"])


@pytest.mark.parametrize("name", sorted(_codecs.CODECS))
def test_codecs_are_documented(name: str) -> None:
    """The module's documentation and the page about codecs name every codec."""
    options = yaml.safe_load(ModuleDocFragment.DOCUMENTATION)["options"]["consumers"]["suboptions"]
    assert f"V({name})" in " ".join(options["codec"]["description"])
    assert f"| `{name}` |" in (Path(__file__).parents[3] / "docs/codecs.md").read_text(encoding="utf-8")


def test_preset_fills_in(tmp_path: Path) -> None:
    """A preset's file is written as the tool wants it, and the record says how."""
    path = file(tmp_path / "mcp.json", '{\n  // ours\n  "mcpServers": {"comfyui": {"headers": {}}}\n}\n')
    outcome = sync({"id": "editor", "path": str(path), "preset": "mcp_json"})
    assert outcome.error is None
    record = outcome.records[0]
    assert (record["codec"], record["field"], record["status"]) == ("json", "bearer", "in_sync")
    text = path.read_text(encoding="utf-8")
    found = json.loads(text.replace("// ours", ""))
    assert found["mcpServers"]["comfyui"]["headers"]["Authorization"] == f"Bearer {LETTER}"


def test_explicit_values_win(tmp_path: Path) -> None:
    """Key and field of the consumer take the place of the preset's; another codec drops the preset's key."""
    given = {"id": "a", "path": "/x", "preset": "curl", "key": "oauth2-bearer", "field": "token"}
    assert resolve(given) == {**given, "codec": "curl_config"}
    assert resolve({"id": "a", "path": "/x", "preset": "curl", "codec": "dotenv"})["key"] is None
    own = file(tmp_path / "env", "")
    outcome = sync({"id": "a", "path": str(own), "preset": "jupyter_env", "key": "MINE"})
    assert outcome.error is None
    assert own.read_text(encoding="utf-8") == f"MINE='{LETTER}'\n"


@pytest.mark.parametrize(
    ("preset", "path"),
    [
        ("vscode_mcp", ".config/Code/User/mcp.json"),
        ("cursor", ".cursor/mcp.json"),
        ("krita_ai_diffusion", ".local/share/krita/ai_diffusion/settings.json"),
    ],
)
def test_path_below_the_owners_home(preset: str, path: str) -> None:
    """Where the tool's file is known, the owner is enough."""
    owner = getpass.getuser()
    found = resolve({"id": "a", "preset": preset, "owner": owner})
    assert found["path"] == str(Path(f"~{owner}").expanduser() / path)


def test_krita_keeps_its_settings(tmp_path: Path) -> None:
    """The plugin's file as it writes it: one line changes."""
    text = '{\n  "server_mode": "external",\n  "server_authorization": "",\n  "server_url": "h:8188"\n}'
    path = file(tmp_path / "settings.json", text)
    outcome = sync({"id": "a", "path": str(path), "preset": "krita_ai_diffusion"})
    assert outcome.error is None
    assert path.read_text(encoding="utf-8") == text.replace('n": ""', f'n": "{LETTER}"')


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"preset": "emacs", "path": "/x"}, "no preset 'emacs'; known are: claude_desktop"),
        ({"preset": "vscode_mcp"}, "needs the owner"),
        ({"preset": "vscode_mcp", "owner": "no-such-user"}, "no user 'no-such-user' on this host"),
        ({"preset": "curl"}, "it has no path; give one, for preset curl knows none"),
        ({"codec": "dotenv", "key": "T"}, "it has no path; give one"),
        ({"path": "/x"}, "it has no codec; give one"),
    ],
)
def test_refusals(given: dict[str, str], message: str) -> None:
    """What is missing is named, and nothing is written."""
    with pytest.raises(PresetError, match=message):
        resolve(given)
    outcome = sync({"id": "a", **given})
    assert message in str(outcome.error)
    assert not outcome.changed_paths


def test_key_is_still_needed(tmp_path: Path) -> None:
    """A preset that cannot know the key says so through its codec."""
    outcome = sync({"id": "a", "path": str(tmp_path / "compose.yaml"), "preset": "compose_service"})
    assert "codec compose_yaml needs a key" in str(outcome.error)
