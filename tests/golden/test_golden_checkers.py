# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The consumers' own parsers judge a file before it takes the old one's place: real programs, good and bad files."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest
from golden_hashes import PASSWORD, TOKENS
from golden_path import folder_with
from golden_tools import or_skip

from ansible_collections.genai.comfyui.plugins.module_utils import _execute
from ansible_collections.genai.comfyui.plugins.module_utils._agree import Outcome, agree
from ansible_collections.genai.comfyui.plugins.module_utils._checkers import CHECKERS
from ansible_collections.genai.comfyui.plugins.module_utils._consumers import CHECKED_BY, ConsumerError, parse
from ansible_collections.genai.comfyui.plugins.module_utils._consumers import CHECKERS as known_checkers

OTHER_SECRET = "Hunter-Two-Is-Not-Ours"
LETTER = TOKENS["letter"]


def sync(
    path: Path, codec: str, key: str | None, token: str = LETTER, main_password: str = PASSWORD, **others: Any
) -> Outcome:
    """Let sync write the token; nothing that is said holds a value."""
    given = {"id": "one", "path": str(path), "codec": codec, "key": key, **others}
    main = {"username": "admin", "password": main_password, "token": token, "version": "v7"}
    outcome = agree([given], {"main": main}, False)
    body = token.rsplit("$", 1)[-1]
    pieces = [body[start : start + 8] for start in range(0, len(body) - 8, 4)]
    for secret in (token, body, PASSWORD, OTHER_SECRET, *pieces):
        assert secret not in repr(vars(outcome))
    return outcome


@pytest.fixture
def with_programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return what puts real programs before all others."""

    def put(*names: str) -> None:
        or_skip(lambda: folder_with(tmp_path / "bin", *names))
        monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")

    return put


COMPOSE = "services:\n  web:\n    image: x\n    env_file: [not-there.env]\n    environment:\n      T: old\n"
# (name, programs, codec, key, good file, bad file that the codec takes, what the parser says of the bad one)
CASES: dict[str, tuple[tuple[str, ...], str, str | None, str, str, str]] = {
    "compose": (
        ("docker-compose",), "compose_yaml", "/services/web/environment/T", COMPOSE,
        COMPOSE + f"    no_such_option: {OTHER_SECRET}\n", "no_such_option",
    ),
    "compose_env": (
        ("docker-compose",), "compose_env", "T", "A=1\nT=old\n", f"A=1\nB={OTHER_SECRET} ${{C:?missing}}\n", "C",
    ),
    # The codec of shells refuses what they refuse, so a codec that knows less is taken.
    "shell": (
        ("bash",), "line", "t", "A=(1 2)\n# BEGIN t\n#\n# END t\n",
        f"A=(1 2)\necho {OTHER_SECRET} (b)\n# BEGIN t\n#\n# END t\n", "line 2: syntax error near",
    ),
    "fish": (
        ("fish",), "fish", "T", "set -gx A (echo 1)\n", f"set -gx A 1\necho {OTHER_SECRET} &&& x\n",
        "(line 2): Expected a command, but found a '&'",
    ),
    "nginx_map": (
        ("nginx",), "nginx_map", "ann", "# ours\n", f"# ours\n{OTHER_SECRET} bob extra;\n", "invalid number",
    ),
}  # fmt: skip


def text_of(outcome: Outcome) -> str:
    """The error, or nothing."""
    return str(outcome.error or "")


@pytest.mark.parametrize("token", TOKENS.values(), ids=TOKENS.keys())
@pytest.mark.parametrize("name", CASES)
def test_good_files_are_taken(name: str, token: str, tmp_path: Path, with_programs: Any) -> None:
    """The parser is asked, takes the file, and is named in the record."""
    programs, codec, key, good, _bad, _said = CASES[name]
    with_programs(*programs)
    path = tmp_path / "the file"
    path.write_text(good, encoding="utf-8")
    outcome = sync(path, codec, key, token, validate=name)
    assert outcome.error is None
    assert (outcome.records[0]["validated"], outcome.records[0]["validator"]) == (True, name)
    assert not [left for left in os.listdir(tmp_path) if "genai-tmp" in left]


@pytest.mark.parametrize("name", CASES)
def test_bad_files_are_refused(name: str, tmp_path: Path, with_programs: Any) -> None:
    """The old file stays, and the parser's words are shown with the file's own name and without values."""
    programs, codec, key, _good, bad, said = CASES[name]
    with_programs(*programs)
    path = tmp_path / "the file"
    path.write_text(bad, encoding="utf-8")
    outcome = sync(path, codec, key, validate=name)
    assert f"{name} refuses the new content, so the old file stays" in text_of(outcome)
    assert "it refuses the old file, too: mend that first, or set validate to false" in text_of(outcome)
    words = text_of(outcome).split("set validate to false", 1)[1]
    assert said in words
    assert str(path) in words
    assert not re.search(r"genai-(?:check|tmp)", text_of(outcome))
    assert (outcome.records[0]["validated"], outcome.records[0]["changed"]) == (False, False)
    assert path.read_text(encoding="utf-8") == bad
    assert sync(path, codec, key, validate=False).error is None
    assert path.read_text(encoding="utf-8") != bad


def test_compose_says_what_a_wrong_codec_would_do(tmp_path: Path, with_programs: Any) -> None:
    """A Compose file written as mere YAML would lose a part of the token: Compose itself says so beforehand."""
    with_programs("docker-compose")
    path = tmp_path / "compose.yaml"
    path.write_text(COMPOSE, encoding="utf-8")
    outcome = sync(path, "yaml", "/services/web/environment/T", validate="compose")
    assert "Docker Compose reads another value at /services/web/environment/T" in text_of(outcome)
    assert path.read_text(encoding="utf-8") == COMPOSE
    path.write_text("T=old\n", encoding="utf-8")
    assert "another value at T" in text_of(sync(path, "dotenv_raw", "T", validate="compose_env"))
    assert "another value at T" in text_of(sync(path, "dotenv", "T", validate="compose_raw_env"))
    assert sync(path, "dotenv", "T", validate="compose_env").error is None
    raw = tmp_path / "raw"
    outcome = sync(raw, "dotenv_raw", "T")
    assert (outcome.error, outcome.records[0]["validator"]) == (None, "compose_raw_env")


def test_compose_without_its_environment(tmp_path: Path, with_programs: Any) -> None:
    """A variable that only the real call has is no fault of the file."""
    with_programs("docker-compose")
    path = tmp_path / "compose.yaml"
    path.write_text(COMPOSE + "      U: ${ONLY_THEN:?needed}\n", encoding="utf-8")
    outcome = sync(path, "compose_yaml", "/services/web/environment/T")
    assert (outcome.error, outcome.records[0]["validated"]) == (None, True)


def test_haproxy_takes_our_maps(tmp_path: Path, with_programs: Any) -> None:
    """HAProxy loads the map from within a configuration made for it. It has no map that it would refuse."""
    with_programs("haproxy")
    path = tmp_path / "tokens.map"
    path.write_text("# ours\n", encoding="utf-8")
    outcome = sync(path, "haproxy_map", "ann")
    assert (outcome.error, outcome.records[0]["validator"]) == (None, "haproxy_map")


@pytest.mark.parametrize("drop_in", [True, False])
def test_systemd_units(tmp_path: Path, with_programs: Any, drop_in: bool) -> None:
    """Units and drop-ins are judged under their own names, also by what systemd would only warn of."""
    with_programs("systemd-analyze")
    unit = tmp_path / "web.service"
    path = tmp_path / "web.service.d" / "token.conf" if drop_in else unit
    path.parent.mkdir(exist_ok=True)
    unit.write_text("[Service]\nExecStart=/bin/true\n", encoding="utf-8")
    marks = "# BEGIN token\n#\n# END token\n"
    start = "[Service]\n" if drop_in else "[Service]\nExecStart=/bin/true\n"
    # The value is an assignment that systemd knows, so that the file may hold it.
    given: dict[str, Any] = {"validate": "systemd_unit", "field": "password"}
    path.write_text(f"{start}Nonsense={OTHER_SECRET}\n{marks}", encoding="utf-8")
    outcome = sync(path, "line", "token", **given)
    assert "systemd_unit refuses the new content" in text_of(outcome)
    assert re.search(rf"{re.escape(str(path))}:\d+: Unknown key", text_of(outcome))
    path.write_text(start + marks, encoding="utf-8")
    outcome = sync(path, "line", "token", main_password="Restart=on-failure", **given)
    assert (outcome.error, outcome.records[0]["validated"]) == (None, True)


def test_visudo_like_commands(tmp_path: Path) -> None:
    """The user's own command gets the file's temporary name and no shell."""
    check = tmp_path / "check"
    body = '#!/bin/sh\ntest "$1" = "a b;c" || exit 9\ngrep -q T= "$2" || exit 8\necho "no: $(cat "$2")" >&2\nexit $3\n'
    check.write_text(body, encoding="utf-8")
    check.chmod(0o755)
    path = tmp_path / "env"
    outcome = sync(path, "dotenv", "T", validate=[str(check), "a b;c", "%s", "1"])
    assert f"{check} a b;c %s 1 refuses the new content, so the old file stays: no: <masked>" in text_of(outcome)
    assert not path.exists()
    outcome = sync(path, "dotenv", "T", validate=[str(check), "a b;c", "%s", "0"])
    assert (outcome.error, outcome.records[0]["validated"]) == (None, True)


def test_missing_programs_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the parser is not on the host the file is written, and the record says that nobody was asked."""
    monkeypatch.setattr(_execute, "_MORE_PLACES", ())
    monkeypatch.setenv("PATH", str(tmp_path))
    for codec, key, program in (("nginx_map", "ann", "nginx"), ("fish", "T", "fish"), ("compose_env", "T", "Compose")):
        outcome = sync(tmp_path / codec, codec, key)
        record = outcome.records[0]
        assert (outcome.error, record["validated"], record["status"]) == (None, None, "in_sync")
        assert re.match(rf"{codec} was not asked: there is no .*{program}.* on this host", record["validator"])
    assert sync(tmp_path / "json", "json", "/t").records[0]["validator"] is None


@pytest.mark.parametrize("codec", sorted(CHECKED_BY))
def test_defaults(codec: str) -> None:
    """Each codec that has a parser names it, and no validator can be switched on by mistake."""
    given = {"id": "one", "path": "/x", "codec": codec, "key": "T", "validate": None}
    main = {"main": {"token": LETTER, "username": "admin", "version": "v7"}}
    given["key"] = "/a/b" if codec == "compose_yaml" else "T"
    assert [name for name, _checker in parse(given, main, False).validators] == [CHECKED_BY[codec]]
    assert parse({**given, "validate": "no"}, main, False).validators == ()
    assert sorted(CHECKERS) == list(known_checkers)
    for wrong, message in (("visudo", "or one of: compose, "), (["visudo", "-c"], "has no %s"), ([], "or one of")):
        with pytest.raises(ConsumerError, match=message):
            parse({**given, "validate": wrong}, main, False)
