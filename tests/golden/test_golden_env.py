# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Variables in files: what we write is what each consumer reads, and what people write in its place is seen through."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import golden_readers as readers
import pytest
from golden_hashes import SPELLINGS, TOKENS, credential
from golden_readers import Reader, Refused, Values
from golden_tools import ROOT, Unavailable

sys.path.insert(0, str(ROOT / "tests/unit/codecs"))
import env_readers

from ansible_collections.genai.comfyui.plugins.module_utils import _codecs
from ansible_collections.genai.comfyui.plugins.module_utils._codecs._base import CodecError
from ansible_collections.genai.comfyui.plugins.module_utils._judge import judge

pytestmark = pytest.mark.slow


def libsystemd(path: Path, names: Sequence[str]) -> Values:
    """systemd's own parser, called as a function."""
    if env_readers.systemd_library() is None:
        raise Unavailable("there is no systemd library")
    return {name: env_readers.systemd(path, name) for name in names}


SHELLS: dict[str, Reader] = {
    name: partial(readers.shell, name) for name in ("sh", "bash", "dash", "zsh", "ksh", "busybox")
}
COMPOSE: dict[str, Reader] = {"compose_dotenv": readers.compose_dotenv, "compose_env_file": readers.compose_env_file}
SYSTEMD: dict[str, Reader] = {"libsystemd": libsystemd, "systemd": readers.systemd_host}
PLAIN: dict[str, Reader] = {
    "node_env_file": readers.node_env_file,
    "node_dotenv": readers.node_dotenv,
    "python_dotenv": readers.python_dotenv,
    "decouple": readers.decouple,
    "django_environ": readers.django_environ,
}
EXPANDING: dict[str, Reader] = {"dotenv_expand": readers.dotenv_expand, "next_env": readers.next_env}
# codec -> its consumers
CONSUMERS: dict[str, dict[str, Reader]] = {
    "dotenv": {**PLAIN, **COMPOSE, **SYSTEMD, **SHELLS},
    "dotenv_raw": {"compose_raw": partial(readers.compose_env_file, form="raw")},
    "dotenv_expand": {**EXPANDING, **COMPOSE, **SYSTEMD, **SHELLS},
    "compose_env": COMPOSE,
    "systemd_env": SYSTEMD,
    "shell": SHELLS,
    "fish": {"fish": readers.fish},
    "powershell": {"powershell": readers.powershell},
}
# codec -> what stands before a spelling, in people's own files
ASSIGNMENT = {"shell": "export {}=", "fish": "set -gx {} ", "powershell": "$env:{} = "}
# What a consumer reads alike in all these spellings has to be told from what only some of them give.
NAIVE: dict[str, dict[str, Reader]] = {
    "dotenv": {**PLAIN, **COMPOSE, "libsystemd": libsystemd},
    "dotenv_raw": CONSUMERS["dotenv_raw"],
    "dotenv_expand": EXPANDING,
    "compose_env": COMPOSE,
    "systemd_env": {"libsystemd": libsystemd},
    "shell": SHELLS,
    "fish": CONSUMERS["fish"],
    "powershell": CONSUMERS["powershell"],
}


def cases(consumers: dict[str, dict[str, Reader]]) -> list[object]:
    """All pairs of codec and consumer."""
    return [
        pytest.param(codec, reader, id=f"{codec}-{name}")
        for codec, every in consumers.items()
        for name, reader in every.items()
    ]


def ask(reader: Reader, path: Path, names: Sequence[str]) -> Values:
    """Ask a consumer; skip the test when it cannot be had."""
    try:
        return reader(path, names)
    except Unavailable as error:
        pytest.skip(f"not asked: {error}")


@pytest.mark.parametrize(("codec", "reader"), cases(CONSUMERS))
def test_written_and_read(tmp_path: Path, codec: str, reader: Reader) -> None:
    """A new file and edited ones, with every hash: the consumer reads exactly the token."""
    one = _codecs.get(codec)
    prefix = ASSIGNMENT.get(codec, "{}=")
    names = [f"T{index}" for index in range(2 * len(TOKENS))]
    wanted = dict(zip(names, [*TOKENS.values()] * 2))
    # The first half is added, the second half takes the place of something.
    text = "# ours\n" + "".join(f"{prefix.format(name)}old\n".replace("$", "$", 1) for name in names[len(TOKENS) :])
    if codec == "powershell":
        text = text.replace("old", "'old'")
    for name, token in wanted.items():
        text = one.replace(text, name, token)
    path = tmp_path / "file.env"
    path.write_text(text, encoding="utf-8", newline="")
    found = ask(reader, path, names)
    assert {name: found.get(name) for name in names} == wanted


@pytest.mark.parametrize(("codec", "reader"), cases(NAIVE))
def test_naive_spellings(tmp_path: Path, codec: str, reader: Reader) -> None:
    """Where the consumer reads another value, the codec says so, and the value is recognised with its version."""
    one = _codecs.get(codec)
    prefix = ASSIGNMENT.get(codec, "{}=")
    lines = {
        f"T_{token}_{spelling}": prefix.format(f"T_{token}_{spelling}") + spell(TOKENS[token])
        for token in TOKENS
        for spelling, spell in SPELLINGS.items()
    }
    path = tmp_path / "file.env"
    try:
        path.write_text("".join(f"{line}\n" for line in lines.values()), encoding="utf-8")
        found = dict(ask(reader, path, list(lines)))
    except Refused:
        found = _one_by_one(reader, path, lines)
    for name, line in lines.items():
        if name not in found:
            continue
        value, token = found[name] or "", name.split("_")[1]
        try:
            read, doubt = one.decode(f"{line}\n", name), one.doubt(f"{line}\n", name)
        except CodecError:
            read, doubt = "", "refused"
        assert doubt or read == value, f"{name}: the codec reads something else and has no doubt"
        if value != TOKENS[token]:
            verdict = judge(value, "token", credential(token))
            assert verdict.status == "damaged", f"{name}: not recognised"
            assert "version v7" in verdict.detail or not value.strip()


def _one_by_one(reader: Reader, path: Path, lines: dict[str, str]) -> dict[str, str | None]:
    """Ask for each line alone; what the consumer refuses is left out."""
    found: dict[str, str | None] = {}
    for name, line in lines.items():
        path.write_text(f"{line}\n", encoding="utf-8")
        try:
            found[name] = reader(path, [name]).get(name)
        except Refused:
            continue
    return found
