# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files that people wrote: this repository's own YAML and TOML, and the scripts of the machine's shell."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from env_readers import TOKENS

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError

ROOT = Path(__file__).resolve().parents[3]
TOKEN = TOKENS["letter"]
REASONS = {"unparsable", "duplicate_key", "missing_key"}
SCRIPTS = [Path("/etc/profile"), Path("/etc/bash.bashrc"), Path("/etc/skel/.bashrc"), Path("/etc/skel/.profile")]


def files(*suffixes: str) -> list[Path]:
    """The repository's own files with such names."""
    known = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in known.split("\0") if name.endswith(suffixes) and (ROOT / name).is_file()]


class Loader(yaml.SafeLoader):
    """Takes Ansible's tags for what they stand on."""


Loader.add_multi_constructor("!", lambda loader, suffix, node: getattr(node, "value", None))


def test_yaml_files() -> None:
    """A key is added to every mapping of ours, and each string replaced in turn, with nothing else changed."""
    codec, edited, refused = _codecs.get("yaml"), 0, 0
    reasons: set[str] = set()
    for path in files(".yml", ".yaml"):
        text = path.read_text(encoding="utf-8")
        if text.startswith("$ANSIBLE_VAULT"):
            continue
        try:
            document: Any = yaml.load(text, Loader)
        except yaml.YAMLError:
            continue
        keys = ["/zz_added"]
        if isinstance(document, dict):
            keys += [f"/{name}" for name, value in document.items() if isinstance(value, str) and "/" not in str(name)]
        for key in keys:
            try:
                new = codec.replace(text, key, TOKEN)
            except CodecError as error:
                reasons.add(error.reason)
                refused += 1
                continue
            assert isinstance(document, dict), path
            assert yaml.load(new, Loader) == {**document, key[1:]: TOKEN}, (path, key)
            edited += 1
    assert edited > 50
    assert refused < edited
    assert reasons <= REASONS


def test_toml_files() -> None:
    """A key is added to this project's own TOML, with nothing else changed."""
    tomllib = pytest.importorskip("tomllib", reason="no tomllib: TOML was not compared")
    for path in files(".toml"):
        text = path.read_text(encoding="utf-8")
        before = tomllib.loads(text)
        new = _codecs.get("toml").replace(text, "/zz_table/added", TOKEN)
        assert tomllib.loads(new) == {**before, "zz_table": {"added": TOKEN}}


@pytest.mark.parametrize("path", SCRIPTS, ids=str)
def test_shell_scripts(tmp_path: Path, path: Path) -> None:
    """A variable is added to real scripts and read back by bash."""
    if not path.is_file():
        pytest.skip(f"there is no {path} here")
    text = path.read_text(encoding="utf-8")
    new = _codecs.get("shell").replace(text, "ZZ_TOKEN", TOKEN)
    assert new.startswith(text)
    script = tmp_path / "script"
    script.write_text(new, encoding="utf-8")
    # Interactive, as these scripts leave early otherwise; their prompts are of no interest.
    done = subprocess.run(
        ["bash", "--norc", "-i", "-c", '. "$1" >/dev/null; printf "%s" "$ZZ_TOKEN"', "bash", str(script)],
        capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    assert done.stdout == TOKEN
