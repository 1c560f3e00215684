# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Structured files: what we write is what the format's own parsers read, and naive spellings are seen through."""

# One file a line is easier to compare.
# ruff: noqa: E501

from __future__ import annotations

import json
import netrc
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import golden_readers as readers
import pytest
from golden_hashes import PASSWORD, SPELLINGS, TOKENS, credential
from golden_readers import Refused
from golden_tools import Unavailable, libraries, program, python

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._judge import judge

pytestmark = pytest.mark.slow

Read = Callable[[Path], str]


def _script(code: str) -> Read:
    def read(path: Path) -> str:
        return readers.output([python(), "-I", "-c", f"import sys\npath = sys.argv[1]\n{code}", path])

    return read


def _node_json(path: Path) -> str:
    script = "process.stdout.write(JSON.parse(require('fs').readFileSync(process.argv[1])).s.t)"
    return readers.output(["node", "-e", script, path])


def _compose(path: Path) -> str:
    found = readers.compose_config(path, path.read_text(encoding="utf-8"))
    return found.get("T") or ""


def _sed(path: Path) -> str:
    return readers.output(["sed", "-n", "/BEGIN token/{n;p;}", path])[:-1]


def _cat(path: Path) -> str:
    return readers.output(["sh", "-c", 'printf %s "$(cat "$1")"', "sh", path])


def _netrc(path: Path) -> str:
    found = netrc.netrc(str(path)).authenticators("host")
    return (found[2] if found else "") or ""


def _login_lines(path: Path) -> str:
    with path.open(encoding="utf-8", newline="") as lines:
        return lines.readline().rstrip("\n")


INI = "import configparser\nparser = configparser.{}\nparser.read(path)\nsys.stdout.write(parser['s']['t'])"
# codec, key, a file with the value in place of @, how it is read
FILES: list[tuple[str, str, str | None, str, Read]] = [
    ("json", "python", "/s/t", '{"a": 1, "s": {"t": "@"}}', _script("import json\nsys.stdout.write(json.load(open(path))['s']['t'])")),
    ("json", "node", "/s/t", '{"s": {"t": "@"}}', _node_json),
    ("yaml", "pyyaml", "/s/t", "s:\n  a: 1\n  t: @\n", _script("import yaml\nsys.stdout.write(yaml.safe_load(open(path))['s']['t'])")),
    ("compose_yaml", "map", "/services/s/environment/T", "services:\n  s:\n    image: x\n    environment:\n      T: @\n", _compose),
    ("compose_yaml", "list", "/services/s/environment/T", "services:\n  s:\n    image: x\n    environment:\n      - T=@\n", _compose),
    ("compose_yaml", "quoted-list", "/services/s/environment/T", "services:\n  s:\n    image: x\n    environment:\n      - \"T=@\"\n", _compose),
    ("toml", "tomllib", "/s/t", "[s]\nt = '@'\n", _script("import tomllib\nsys.stdout.write(tomllib.load(open(path, 'rb'))['s']['t'])")),
    ("ini", "none", "/s/t", "[s]\nt = @\n", _script(INI.format("ConfigParser(interpolation=None)"))),
    ("ini", "basic", "/s/t", "[s]\nt = @\n", _script(INI.format("ConfigParser()"))),
    ("ini_extended", "extended", "/s/t", "[s]\nt = @\n", _script(INI.format("ConfigParser(interpolation=configparser.ExtendedInterpolation())"))),
    ("line", "sed", "token", "# BEGIN token\n@\n# END token\n", _sed),
    ("raw", "cat", None, "@", _cat),
    ("netrc", "python", "host", "machine host login ann password @\n", _netrc),
    ("login_password", "first-line", None, "@\nadmin\n", _login_lines),
]  # fmt: skip
IDS = [f"{codec}-{name}" for codec, name, *_others in FILES]


def read_or_skip(read: Read, path: Path) -> str:
    """Ask a consumer; skip the test when it cannot be had."""
    try:
        return read(path)
    except Unavailable as error:
        pytest.skip(f"not asked: {error}")


@pytest.mark.parametrize(("codec", "_name", "key", "text", "read"), FILES, ids=IDS)
@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_written_and_read(
    tmp_path: Path, codec: str, _name: str, key: str | None, text: str, read: Read, token: str
) -> None:
    """The token takes the place of an older one, and the consumer reads exactly it."""
    one = _codecs.get(codec)
    path = tmp_path / "file"
    path.write_text(one.replace(text.replace("@", "old"), key, token), encoding="utf-8", newline="")
    assert read_or_skip(read, path) == token


@pytest.mark.parametrize(("codec", "_name", "key", "text", "read"), FILES, ids=IDS)
@pytest.mark.parametrize("name", TOKENS)
def test_naive_spellings(
    tmp_path: Path, codec: str, _name: str, key: str | None, text: str, read: Read, name: str
) -> None:
    """Where the consumer reads another value, the codec says so, and the value is recognised with its version."""
    one, token = _codecs.get(codec), TOKENS[name]
    for spelling in ("bare", "single", "double", "doubled"):
        made = text.replace("@", SPELLINGS[spelling](token))
        if codec == "json" or (codec == "compose_yaml" and '"T=' in text and spelling == "double"):
            made = text.replace("@", SPELLINGS["doubled"](token) if spelling == "doubled" else token)
        path = tmp_path / spelling
        path.write_text(made, encoding="utf-8", newline="")
        try:
            decoded, doubt = one.decode(made, key), one.doubt(made, key)
        except CodecError:
            decoded, doubt = "", "refused"
        try:
            value = read_or_skip(read, path)
        except Refused:
            # The consumer itself says that something is wrong; the codec may not call it fine.
            assert doubt or judge(decoded, "token", credential(name)).status == "damaged", spelling
            continue
        assert doubt or decoded == value, f"{spelling}: the codec reads something else and has no doubt"
        if value != token:
            verdict = judge(value, "token", credential(name))
            assert verdict.status == "damaged", f"{spelling}: not recognised"
            assert "version v7" in verdict.detail


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
def test_htpasswd(tmp_path: Path, token: str) -> None:
    """Apache's own tool finds that the password fits the hash."""
    path = tmp_path / "htpasswd"
    path.write_text(_codecs.get("htpasswd").replace("bob:x\n", "ann", token), encoding="utf-8")
    try:
        command: list[Any] = [program("htpasswd"), "-vb", path, "ann"]
        environment = libraries()
    except Unavailable as error:
        pytest.skip(f"not asked: {error}")
    for password, fits in ((PASSWORD, True), ("wrong", False)):
        done = subprocess.run([*command, password], env=environment, capture_output=True, check=False)
        assert (done.returncode == 0) == fits


def test_json_with_comments() -> None:
    """Comments and trailing commas, as VS Code writes them, stay; what is left of them is JSON with the token."""
    text = '{\n  // servers\n  "s": {"t": "old",}, /* end */\n}\n'
    new = _codecs.get("json").replace(text, "/s/t", TOKENS["slash"])
    plain = new.replace("// servers", "").replace("/* end */", "").replace('",}', '"}').replace("}, \n", "}\n")
    assert json.loads(plain) == {"s": {"t": TOKENS["slash"]}}
