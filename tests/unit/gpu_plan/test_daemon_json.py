# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's daemon.json as people have it, sound and broken: our keys come and go, all else stays."""

from __future__ import annotations

import json
import subprocess
import sys
import typing as t
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils import _daemon_json as engine

NVIDIA = {"nvidia": {"path": "nvidia-container-runtime", "args": []}}
BOTH = engine.wanted_keys(runtime=True, default_runtime=False, cdi=True)
# Files of many hosts, in small: what each is known for.
SOUND: dict[str, str] = {
    "empty": "",
    "blank": "\n  \n",
    "empty object": "{}",
    "log rotation": '{\n  "log-driver": "json-file",\n  "log-opts": {"max-size": "10m", "max-file": "3"}\n}\n',
    "mirror": '{\n    "registry-mirrors": ["https://mirror.example.com"],\n    "insecure-registries": []\n}\n',
    "data root": '{"data-root": "/srv/docker", "storage-driver": "overlay2"}',
    "live restore": '{\n\t"live-restore": true,\n\t"userland-proxy": false\n}\n',
    "containerd snapshotter": '{"features": {"containerd-snapshotter": true}}',
    "buildkit": '{\n  "features": {\n    "buildkit": true\n  }\n}',
    "other runtimes": '{"runtimes": {"runsc": {"path": "/usr/local/bin/runsc"}, "kata": {"runtimeType": "kata.v2"}}}',
    "nvidia-ctk": '{\n    "runtimes": {\n        "nvidia": {\n            "args": [],\n'
    '            "path": "nvidia-container-runtime"\n        }\n    }\n}',
    "full path": '{"default-runtime": "nvidia", "runtimes": {"nvidia": {"path": "/usr/bin/nvidia-container-runtime", '
    '"runtimeArgs": []}}}',
    "address pools": '{"default-address-pools": [{"base": "10.99.0.0/16", "size": 24}], "mtu": 1400}',
    "cgroup driver": '{"exec-opts": ["native.cgroupdriver=systemd"]}',
    "not ascii": '{"labels": ["ort=Köln", "🐳=ja"]}',
    "hosts and tls": '{"hosts": ["unix:///var/run/docker.sock"], "tlsverify": true, "tlscacert": "/etc/docker/ca.pem"}',
    "cdi refused": '{"features": {"cdi": false}}',
    "crlf": '{\r\n  "debug": false\r\n}\r\n',
    "null": '{"runtimes": null, "debug": true}',
    "proxies": '{"proxies": {"http-proxy": "http://proxy.example.com:3128", "no-proxy": "localhost"}, "ipv6": true}',
}
BROKEN: dict[str, tuple[str, str]] = {
    "trailing comma": ('{\n  "debug": true,\n}\n', "no valid JSON"),
    "comment": ('{\n  // rotate\n  "debug": true\n}', "line 2 column 3"),
    "single quotes": ("{'debug': true}", "line 1 column 2"),
    "cut off": ('{"runtimes": {"nvidia": {"path"', "no valid JSON"),
    "list": ('["debug"]', "no JSON object"),
    "byte order mark": ('\ufeff{"debug": true}', "byte order mark"),
    "key twice": ('{"features": {"a": true}, "features": {"b": true}}', "'features' stands in it twice"),
    "two documents": ("{}\n{}", "line 2 column 1"),
    "not a number": ('{"mtu": NaN}', "NaN is no JSON"),
    "runtimes is a list": ('{"runtimes": ["nvidia"]}', "runtimes is no object"),
    "deep": ("[" * 100_000, "nested too deeply"),
}


def strip(document: dict[str, t.Any]) -> dict[str, t.Any]:
    """Return a document without what we are asked to put in."""
    rest = json.loads(json.dumps(document))
    for outer, inner in (("runtimes", "nvidia"), ("features", "cdi")):
        if isinstance(rest.get(outer), dict):
            rest[outer].pop(inner, None)
        if not rest.get(outer):
            rest.pop(outer, None)
    return t.cast("dict[str, t.Any]", rest)


@pytest.mark.parametrize("name", SOUND)
def test_put_in_and_taken_out(name: str) -> None:
    """Our keys come, the others stay in their order; a second run changes nothing; afterwards all is as it was."""
    before = engine.parse(SOUND[name])
    after, record = engine.put_in(before, BOTH, {})
    assert after["features"]["cdi"] is True
    assert after["runtimes"]["nvidia"]["path"].endswith("nvidia-container-runtime")
    assert strip(after) == strip(before)
    assert [key for key in after if key in before] == list(before)
    assert engine.put_in(after, BOTH, record) == (after, record)
    back = engine.take_out(after, record)
    if name == "null":
        assert back == {"debug": True}
    else:
        assert back == before


@pytest.mark.parametrize("name", BROKEN)
def test_refused(name: str) -> None:
    """A file that is not understood is named with its place."""
    text, said = BROKEN[name]
    with pytest.raises(engine.ConfigError) as caught:
        engine.put_in(engine.parse(text), BOTH, {})
    assert said in str(caught.value)


def test_same_meaning_is_not_rewritten() -> None:
    """The runtime at a full path, or with runtimeArgs, is the runtime that is wanted."""
    wanted = engine.wanted_keys(runtime=True, default_runtime=True, cdi=False)
    document = engine.parse(SOUND["full path"])
    assert engine.put_in(document, wanted, {})[0] == document


def test_spelling() -> None:
    """The indentation of the file stays; a new file gets four blanks."""
    assert engine.indent(SOUND["log rotation"]) == 2
    assert engine.indent(SOUND["live restore"]) == "\t"
    assert engine.indent("") == 4
    assert '\n\t"live-restore"' in engine.spell(engine.parse(SOUND["live restore"]), SOUND["live restore"])
    assert "Köln" in engine.spell(engine.parse(SOUND["not ascii"]))


def test_other_wish() -> None:
    """What an earlier run put in and this one no longer wants goes; what others added beside it stays."""
    document, record = engine.put_in({"debug": True}, BOTH, {})
    document["runtimes"]["runsc"] = {"path": "runsc"}
    fewer = engine.wanted_keys(runtime=True, default_runtime=False, cdi=False)
    after, record = engine.put_in(document, fewer, record)
    assert "features" not in after
    assert engine.take_out(after, record) == {"debug": True, "runtimes": {"runsc": {"path": "runsc"}}}


def test_replaced_comes_back() -> None:
    """What ours took the place of comes back at the end, unless somebody changed it since; a second run keeps it."""
    wanted = engine.wanted_keys(runtime=True, default_runtime=True, cdi=False)
    before = {"default-runtime": "runc", "runtimes": {"nvidia": {"path": "/opt/old/nvidia-docker", "args": ["-v"]}}}
    document, record = engine.put_in(before, wanted, {})
    assert document["default-runtime"] == "nvidia"
    assert document["runtimes"]["nvidia"]["path"] == "nvidia-container-runtime"
    again, record = engine.put_in(document, wanted, record)
    assert again == document
    assert engine.take_out(document, record) == before
    assert engine.put_in(document, engine.wanted_keys(True, False, False), record)[0]["default-runtime"] == "runc"
    document["default-runtime"] = "crun"
    assert engine.take_out(document, record)["default-runtime"] == "crun"


def test_a_no_is_told_from_silence() -> None:
    """Only a false that somebody wrote is a decision."""
    says = {name: engine.says_no_cdi(engine.parse(text)) for name, text in SOUND.items()}
    assert [name for name, no in says.items() if no] == ["cdi refused"]
    assert not engine.says_no_cdi({"features": {"cdi": None}})
    assert not engine.says_no_cdi({"features": []})


def test_changed_by_others_stays() -> None:
    """A value that somebody changed since is theirs."""
    document, record = engine.put_in({}, engine.wanted_keys(True, True, False), {})
    document["default-runtime"] = "runc"
    assert engine.take_out(document, record) == {"default-runtime": "runc"}


def run(place: Path, **arguments: t.Any) -> dict[str, t.Any]:
    """Run the module on files below *place*."""
    given = {"path": str(place / "daemon.json"), "record": str(place / "record"), "validate": False, **arguments}
    (place / "arguments").write_text(json.dumps({"ANSIBLE_MODULE_ARGS": given}))
    module = "ansible_collections.genai.comfyui.plugins.modules.engine_config"
    command = [sys.executable, "-m", module, str(place / "arguments")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    return t.cast("dict[str, t.Any]", json.loads(done.stdout))


def test_a_written_no_stays(tmp_path: Path) -> None:
    """The runtime comes, features.cdi stays false and is named; absent brings the file back to the letter's meaning."""
    file = tmp_path / "daemon.json"
    file.write_text(SOUND["cdi refused"])
    result = run(tmp_path, cdi=True)
    assert (result["changed"], result["refused"]) == (True, ["features.cdi"])
    assert json.loads(file.read_text()) == {"features": {"cdi": False}, "runtimes": NVIDIA}
    again = run(tmp_path, cdi=True)
    assert (again["changed"], again["refused"]) == (False, ["features.cdi"])
    assert run(tmp_path, cdi=False)["refused"] == []
    run(tmp_path, state="absent")
    assert json.loads(file.read_text()) == {"features": {"cdi": False}}
    file.write_text("{}")
    assert run(tmp_path, cdi=True)["refused"] == []
    assert json.loads(file.read_text())["features"] == {"cdi": True}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


@given(
    st.dictionaries(st.sampled_from(["a", "b", "log-opts"]), _VALUES, max_size=3),
    st.dictionaries(
        st.sampled_from(["runsc", "kata"]), st.dictionaries(st.just("path"), st.text(max_size=3)), max_size=2
    ),
)
def test_any_document(others: dict[str, t.Any], runtimes: dict[str, t.Any]) -> None:
    """For every document: in, out, and it is the same one."""
    document = {**others, **({"runtimes": runtimes} if runtimes else {})}
    after, record = engine.put_in(document, BOTH, {})
    assert engine.take_out(after, record) == document
    assert engine.parse(engine.spell(after)) == after
