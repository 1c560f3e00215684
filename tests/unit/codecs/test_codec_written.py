# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Files as people and tools write them: each edit is exactly one line's span, and each refusal names its line.

Each file is tried as it is, with CRLF, with a byte order mark, without its last newline, and in mixtures of these; and
the format's own parser, where there is one, reads the token afterwards and everything else as it was.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from env_readers import TOKENS
from written_readers import READERS

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._text import to_bytes, to_text

FILES = Path(__file__).with_name("fixtures")
TOKEN = TOKENS["letter"]
_NAME = "COMFYUI_API_TOKEN"
_HEADER = "header:Authorization"

# (codec, file, key, the line as it is, the line as it must become); @ is the codec's spelling of the token.
EDITS = [
    ("compose_yaml", "compose-anchors.yaml", f"/services/worker/environment/{_NAME}",
     f"      {_NAME}: changeme   # ask Ann", f"      {_NAME}: @   # ask Ann"),
    ("compose_yaml", "compose-anchors.yaml", "/services/worker/environment/OTHER_TOKEN",
     '      OTHER_TOKEN: "$$2b$$kept"', "      OTHER_TOKEN: @"),
    ("compose_yaml", "compose-anchors.yaml", "/services/worker/environment/EMPTY", "      EMPTY:", "      EMPTY: @"),
    ("compose_yaml", "compose-anchors.yaml", f"/services/idle/environment/{_NAME}",
     f'      - "{_NAME}=changeme"', f'      - "{_NAME}=$$"'),
    ("compose_yaml", "compose-odd.yaml", f"/services/web/environment/{_NAME}",
     f'        -   "{_NAME}=old $$ value"', f'        -   "{_NAME}=$$"'),
    ("yaml", "k8s-secret.yaml", "/stringData/token", "  token: 'changeme'", "  token: @"),
    ("yaml", "helm-values.yaml", "/extraEnvVars/2/value", "    value: changeme", "    value: @"),
    ("yaml", "helm-values.yaml", "/comfyui/api token", '  "api token": plain old value', '  "api token": @'),
    ("yaml", "helm-values.yaml", "/comfyui/odd", "  odd: 'it''s #not a comment'", "  odd: @"),
    ("yaml", "helm-values.yaml", "/comfyui/empty", "  empty: ~", "  empty: @"),
    ("yaml", "group-vars.yaml", "/farm_token", "farm_token: changeme", "farm_token: @"),
    ("yaml", "workflow.yaml", "/jobs/render/steps/2/with/token", "          token: changeme", "          token: @"),
    ("dotenv", "open-webui.env", "COMFYUI_API_KEY", "COMFYUI_API_KEY=changeme", "COMFYUI_API_KEY=@"),
    ("dotenv", "open-webui.env", "OPENAI_API_KEY", "OPENAI_API_KEY=''", "OPENAI_API_KEY=@"),
    ("compose_env", "open-webui.env", "COMFYUI_API_KEY", "COMFYUI_API_KEY=changeme", "COMFYUI_API_KEY=@"),
    ("dotenv_expand", "next.env", _NAME, f'{_NAME}="\\$2b\\$10\\$old.value"', f"{_NAME}=@"),
    ("dotenv_raw", "docker-run.env", _NAME, f"{_NAME}=changeme", f"{_NAME}=@"),
    ("systemd_env", "renderd.systemd", _NAME, f'{_NAME}="changeme"', f"{_NAME}=@"),
    ("json", "vscode-settings.json", "/comfyui.token", '  "comfyui.token": "changeme",', '  "comfyui.token": @,'),
    ("json", "vscode-settings.json", f"/terminal.integrated.env.linux/{_NAME}",
     f'    "{_NAME}": "old // value",', f'    "{_NAME}": @,'),
    ("json", "vscode-settings.json", "/a~1b/m~0n",
     '  "a/b": {"m~n": "slashes \\/ and \\u00e9"},', '  "a/b": {"m~n": @},'),
    ("json", "claude-desktop.json", f"/mcpServers/comfyui/env/{_NAME}",
     f'\t\t\t\t"{_NAME}": "changeme"', f'\t\t\t\t"{_NAME}": @'),
    ("json", "mcp.json", "/servers/comfyui/headers/Authorization",
     '      "headers": {"X-Team": "render", "Authorization": "Bearer changeme"}',
     '      "headers": {"X-Team": "render", "Authorization": @}'),
    ("json", "minified.json", "/servers/1/token", '"token":"changeme"', '"token":@'),
    ("shell", "bash-profile", _NAME, f'export {_NAME}="changeme" COMFYUI_URL=http://127.0.0.1:8188',
     f"export {_NAME}=@ COMFYUI_URL=http://127.0.0.1:8188"),
    ("shell", "zsh-exports", _NAME, f"export {_NAME}=changeme   # rotate me", f"export {_NAME}=@   # rotate me"),
    ("fish", "config.fish", _NAME, f'set -gx {_NAME} "changeme" # rotate me', f"set -gx {_NAME} @ # rotate me"),
    ("powershell", "profile.ps1", _NAME, f'$env:{_NAME} = "changeme"   # rotate me', f"$env:{_NAME} = @   # rotate me"),
    ("ini", "pip.conf", "/comfyui/token", "token = changeme", "token = @"),
    ("ini", "aws-credentials", "/profile studio/comfyui_token", "comfyui_token=changeme", "comfyui_token=@"),
    ("ini", "gitconfig", '/http "https:~1~1git.example.org"/extraHeader',
     "\textraHeader = X-Comfy: changeme", "\textraHeader = @"),
    ("ini", "no-sections.ini", "/Token", "Token=changeme", "Token=@"),
    ("ini_extended", "extended.ini", "/comfyui/token", "token = old$$value", "token = @"),
    ("toml", "pyproject.toml", "/tool/comfyui/token", 'token = "changeme" # rotate me', "token = @ # rotate me"),
    ("toml", "pyproject.toml", "/tool/comfyui/limits/memory", 'limits.memory = "8GiB"', "limits.memory = @"),
    ("toml", "farm.toml", "/servers/1/token", "token = 'changeme'", "token = @"),
    ("toml", "farm.toml", "/clients/notebooks.example.org/token", 'token = "dotted"', "token = @"),
    ("toml", "farm.toml", "/owner/token", 'owner = { name = "Ann", token = "inline" }',
     'owner = { name = "Ann", token = @ }'),
    ("netrc", "netrc", "gpu-1.example.org",
     "machine gpu-1.example.org login comfy password changeme account render",
     "machine gpu-1.example.org login comfy password @ account render"),
    ("netrc", "netrc", "gpu-2.example.org", '\tpassword "other one"', "\tpassword @"),
    ("netrc", "netrc", "gpu-3.example.org", "machine gpu-3.example.org login comfy",
     "machine gpu-3.example.org login comfy password @"),
    ("curl_config", "curlrc", _HEADER, 'header = "Authorization: Bearer changeme"', 'header = "Authorization: #"'),
    ("curl_config", "curl-oauth", "oauth2-bearer", "oauth2-bearer = changeme", "oauth2-bearer = @"),
    ("htpasswd", "htpasswd", "comfy",
     "comfy:$2y$05$abcdefghijklmnopqrstuuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ012", "comfy:@"),
    ("haproxy_map", "tokens.map", "main", "changeme\tmain", "@\tmain"),
    ("nginx_map", "nginx-tokens", "main", '"~^changeme$"    main;', "@    main;"),
    ("line", "ssh-config", "comfyui token", "  SetEnv-changeme", "  @"),
]  # fmt: skip

# (codec, file, key, the line after which one is added, the new line). None: at the end.
ADDITIONS = [
    ("yaml", "k8s-secret.yaml", "/metadata/annotations/new", "        stringData: nor this", "    new: @"),
    ("yaml", "group-vars.yaml", "/farm_new", None, "farm_new: @"),
    ("compose_yaml", "compose-anchors.yaml", "/services/idle/environment/NEW",
     "      - 'SPACED= a b '", "      - 'NEW=$$'"),
    ("dotenv", "open-webui.env", "NEW", None, "NEW=@"),
    ("dotenv_raw", "docker-run.env", "NEW", None, "NEW=@"),
    ("systemd_env", "renderd.systemd", "NEW", None, "NEW=@"),
    ("shell", "bash-profile", "NEW", None, "export NEW=@"),
    ("fish", "config.fish", "NEW", None, "set -gx NEW @"),
    ("powershell", "profile.ps1", "NEW", None, "$env:NEW = @"),
    ("curl_config", "curl-oauth", _HEADER, None, 'header = "Authorization: #"'),
    ("haproxy_map", "tokens.map", "new", None, "@ new"),
]  # fmt: skip

# (codec, file, key, line, what the message says)
REFUSALS = [
    ("compose_yaml", "compose-odd.yaml", f"/services/aliased/environment/{_NAME}", 19, "alias"),
    ("compose_yaml", "compose-odd.yaml", f"/services/inline/environment/{_NAME}", 22, "brackets or braces"),
    ("compose_yaml", "compose-odd.yaml", f"/services/interpolated/environment/{_NAME}", 26, "somewhere else"),
    ("compose_yaml", "compose-odd.yaml", f"/services/twice/environment/{_NAME}", 32, "lines 30 and 32"),
    ("compose_yaml", "compose-odd.yaml", f"/services/folded/environment/{_NAME}", 36, "block scalar"),
    ("compose_yaml", "compose-odd.yaml", "/services/web/environment/DEBUG", 8, "without '='"),
    ("yaml", "k8s-several.yaml", "/stringData/token", 9, "several documents"),
    ("yaml", "helm-values.yaml", "/comfyui/multi", 25, "several lines"),
    ("yaml", "helm-values.yaml", "/ingress/enabled", 17, "brackets or braces"),
    ("yaml", "group-vars.yaml", "/farm_vault", 5, "anchor or a tag"),
    ("yaml", "group-vars.yaml", "/farm_script", 10, "block scalar"),
    ("yaml", "group-vars.yaml", "/farm_copy/nothing", 19, "keys from elsewhere"),
    ("dotenv", "twice.env", _NAME, 4, "no KEY=value"),
    ("dotenv", "unclosed.env", "NAME", 2, "quote"),
    ("dotenv_expand", "next.env", "COMFYUI_OTHER", 5, "taken from somewhere else"),
    ("json", "trailing.json", "/token", 4, "was expected here"),
    ("json", "twice.json", "/comfyui/token", 5, "lines 3 and 5"),
    ("json", "vscode-settings.json", "/editor.fontSize", 3, "not a string"),
    ("shell", "bash-profile", "ONLY_THERE", 10, "depends on what stands around it"),
    ("shell", "bash-profile", "TWICE", 42, "lines 40 and 42"),
    ("shell", "bash-profile", "FROM_FILE", 44, "taken from somewhere else"),
    ("shell", "bash-profile", "sizes", 37, "not understood"),
    ("shell", "leaves.sh", _NAME, 8, "the script ends before this line"),
    ("shell", "half.sh", _NAME, None, "not closed"),
    ("fish", "config.fish", "ONLY_THERE", 5, "depends on what stands around it"),
    ("fish", "config.fish", "COLOURS", 25, "depends on what stands around it"),
    ("powershell", "profile.ps1", "INSIDE", 9, "depends on what stands around it"),
    ("powershell", "profile.ps1", "PATH", 13, "not understood"),
    ("ini", "pip.conf", "/global/extra-index-url", 5, "goes on in the next line"),
    ("ini", "twice.ini", "/comfyui/token", 6, "more than once"),
    ("ini_extended", "extended.ini", "/paths/model", 5, "taken from somewhere else"),
    ("toml", "broken.toml", "/comfyui/token", 3, "a value was expected"),
    ("toml", "pyproject.toml", "/tool/comfyui/raw", 33, "no string on one line"),
    ("toml", "pyproject.toml", "/tool/comfyui/timeout", 29, "no string on one line"),
    ("netrc", "netrc", "gpu-9.example.org", None, "no such machine"),
    ("line", "markers-twice", "comfyui token", 5, "lines 1 and 5"),
]  # fmt: skip

SHAPES = ("as it is", "CRLF", "byte order mark", "no last newline", "byte order mark and CRLF")
_LF_ONLY = frozenset({"shell", "fish", "systemd_env"})
"""Formats whose readers take a carriage return as part of the line."""


def load(name: str) -> str:
    """Return a file of the corpus."""
    return str(to_text((FILES / f"{name}.txt").read_bytes()))


def shaped(text: str, shape: str) -> str:
    """Return the text in another shape."""
    if "CRLF" in shape:
        text = text.replace("\n", "\r\n")
    if "byte order mark" in shape:
        text = "\ufeff" + text
    return re.sub(r"\r?\n\Z", "", text) if shape == "no last newline" else text


def spelled(codec: str, line: str) -> str:
    """Return the line with the token, as the codec spells it, and as it stands within a spelling."""
    whole = _codecs.get(codec).encode(TOKEN)
    return (
        re.sub(r"=\$\$(?=['\"])", lambda _found: "=" + TOKEN.replace("$", "$$"), line)
        .replace("@", whole)
        .replace('#"', TOKEN + '"')
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("codec", "name", "key", "old", "new"), EDITS, ids=lambda v: v if len(v) < 60 else "")
def test_edit(tmp_path: Path, codec: str, name: str, key: str, old: str, new: str, shape: str) -> None:
    """One line differs from the file, in one span; a second edit changes nothing."""
    text, one = shaped(load(name), shape), _codecs.get(codec)
    assert text.count(old) == 1
    try:
        found = one.replace(text, key, TOKEN)
    except CodecError as error:
        # Shells and systemd take the carriage return of some lines as a part of them.
        if codec not in _LF_ONLY or "CRLF" not in shape:
            raise
        said = str(error)
    else:
        said = ""
        assert found == text.replace(old, spelled(codec, new))
    assert "changeme" not in said
    if said:
        return
    assert one.replace(found, key, TOKEN) == found
    if codec in READERS and "byte order mark" not in shape:
        READERS[codec](tmp_path, text, found, key, TOKEN)


@pytest.mark.parametrize(
    ("codec", "name", "key", "after", "new"), ADDITIONS, ids=lambda v: v if v and len(v) < 60 else ""
)
def test_addition(tmp_path: Path, codec: str, name: str, key: str, after: str | None, new: str) -> None:
    """One line more than before, in the file's own style."""
    text, one = load(name), _codecs.get(codec)
    line = spelled(codec, new)
    expected = text + line + "\n" if after is None else text.replace(after + "\n", f"{after}\n{line}\n")
    found = one.replace(text, key, TOKEN)
    assert found == expected
    assert one.decode(found, key) == TOKEN
    if codec in READERS:
        READERS[codec](tmp_path, text, found, key, TOKEN)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("codec", "name", "key", "line", "words"), REFUSALS, ids=str)
def test_refusal(codec: str, name: str, key: str, line: int | None, words: str, shape: str) -> None:
    """The message names the line, and holds nothing of the file's values."""
    text = shaped(load(name), shape)
    with pytest.raises(CodecError) as caught:
        _codecs.get(codec).replace(text, key, TOKEN)
    said = str(caught.value)
    if codec in _LF_ONLY and "CRLF" in shape:
        # What is wrong first may be the carriage return of another line.
        assert re.match(r"line \d+: ", said)
    else:
        assert words in said
        # None: at the end of the file, wherever that is, or nowhere.
        assert line is None or said.startswith(f"line {line}: ")
    assert "changeme" not in said


@pytest.mark.parametrize("codec", ["dotenv", "shell", "yaml", "toml", "json"])
def test_other_encodings_are_refused(codec: str) -> None:
    """Latin-1 and UTF-16, as old editors save, by the number of the line."""
    assert _codecs.get(codec)
    with pytest.raises(CodecError, match=r"^line 2: .*save the file as UTF-8"):
        to_text("# first\n# caf\u00e9\nT=1\n".encode("latin-1"))
    with pytest.raises(CodecError, match=r"^line 1: a NUL byte; save the file as UTF-8"):
        to_text("T=1\n".encode("utf-16"))


@pytest.mark.parametrize("codec", ["dotenv", "dotenv_raw", "systemd_env", "ini", "netrc"])
def test_mixed_line_ends_stay(codec: str) -> None:
    """Files that were edited on two systems keep each line's own end."""
    texts = {
        "dotenv": ("A=1\r\nT=x\nB=2\r\n", "T"),
        "dotenv_raw": ("A=1\nT=x\r\nB=2\n", "T"),
        "systemd_env": ("A=1\r\nT=x\nB=2\r\n", "T"),
        "ini": ("[s]\r\na=1\nt=x\r\nb=2\n", "/s/t"),
        "netrc": ("machine a login b\r\nmachine h password x\nmachine c login d\r\n", "h"),
    }
    text, key = texts[codec]
    found = _codecs.get(codec).replace(text, key, TOKEN)
    assert found == text.replace("x", _codecs.get(codec).encode(TOKEN))
    assert to_bytes(found).count(b"\r\n") == text.count("\r\n")


def test_every_file_is_used() -> None:
    """Hundreds of lines, none of them for nothing."""
    used = {row[1] for table in (EDITS, ADDITIONS, REFUSALS) for row in table}
    there = {path.name[: -len(".txt")] for path in FILES.glob("*.txt")}
    assert used == there
    assert sum(len(load(name).splitlines()) for name in there) > 500
