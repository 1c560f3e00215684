# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import configparser
from pathlib import Path

import pytest

from tools import machine


def test_mirrors_are_read_from_both_formats(tmp_path: Path) -> None:
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "other.list").write_text("deb https://example.org/repo stable main\n")
    (parts / "debian.sources").write_text(
        "Types: deb\nURIs: http://mirror.example/debian\nSuites: bookworm bookworm-updates\nComponents: main contrib\n"
        "\nTypes: deb\n# note\nURIs: http://mirror.example/debian-security\n"
        "Suites: bookworm-security\nComponents: main\n"
    )
    assert machine.apt_archives(tmp_path) == (
        "http://mirror.example/debian",
        "http://mirror.example/debian-security",
    )
    (tmp_path / "sources.list").write_text(
        "# deb http://old.example/debian bookworm main\n"
        "deb [signed-by=/x.gpg arch=amd64] http://first.example/debian/ bookworm main\n"
    )
    assert machine.apt_archives(tmp_path)[0] == "http://first.example/debian/"


def test_a_disabled_source_and_ubuntus_mirror_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "sources.list").write_text(
        "deb http://a.ubuntu.example/ubuntu noble main\ndeb http://a.ubuntu.example/ubuntu noble-security main\n"
        "deb http://a.example/debian noble main\n"
    )
    parts = tmp_path / "sources.list.d"
    parts.mkdir()
    (parts / "debian.sources").write_text(
        "Enabled: no\nTypes: deb\nURIs: http://mirror.example/debian\nSuites: bookworm\nComponents: main\n"
    )
    assert machine.apt_archives(tmp_path) == ("", "")


def test_a_mirror_may_be_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DEBIAN_MIRROR", "http://mine.example/debian")
    assert machine.apt_archives(tmp_path) == ("http://mine.example/debian", "")
    monkeypatch.setenv("DEBIAN_SECURITY_MIRROR", "http://mine.example/security")
    assert machine.apt_archives(tmp_path) == ("http://mine.example/debian", "http://mine.example/security")


def test_only_how_to_reach_archives_is_taken_from_apt() -> None:
    dump = 'Acquire::http::Proxy "http://proxy:3128";\nAPT::Get::Assume-Yes "true";\nAcquire::Check-Date "false";\n'
    assert machine.apt_options(dump) == 'Acquire::http::Proxy "http://proxy:3128";\nAcquire::Check-Date "false";\n'


def test_pip_settings_are_merged_as_pip_does(tmp_path: Path) -> None:
    first, second = tmp_path / "a.conf", tmp_path / "b.conf"
    first.write_text("[global]\nindex-url = https://a.example/simple\ncert = /a.crt\ntarget = /somewhere\n")
    second.write_text("[install]\nfind_links =\n    /wheels\n    /more\n")
    environment = {"PIP_CERT": "/b.crt", "PIP_TARGET": "/elsewhere", "PIP_NO_INPUT": "1", "PIP_INDEX_URL": ""}
    assert machine.pip_settings([first, second, tmp_path / "none"], environment) == {
        "cert": "/b.crt",
        "find-links": "/wheels /more",
        "index-url": "https://a.example/simple",
    }


def test_the_certificates_of_other_programs_serve_where_pip_has_none(tmp_path: Path) -> None:
    assert machine.pip_settings([], {"REQUESTS_CA_BUNDLE": "/ca.crt"}) == {"cert": "/ca.crt"}
    assert machine.pip_settings([], {"REQUESTS_CA_BUNDLE": "/ca.crt", "PIP_CERT": "/own.crt"}) == {"cert": "/own.crt"}


def test_local_places_that_pip_is_led_to_are_found(tmp_path: Path) -> None:
    (tmp_path / "index" / "simple").mkdir(parents=True)
    (tmp_path / "wheels with space").mkdir()
    settings = {
        "cert": str(tmp_path / "absent.crt"),
        "extra-index-url": f"file://{tmp_path}/index/simple https://a.example/simple",
        "find-links": f"file://{tmp_path}/wheels%20with%20space relative https://a.example/wheels",
    }
    assert machine.pip_paths(settings) == [str(tmp_path / "wheels with space"), str(tmp_path / "index")]


def test_the_spelled_configuration_reads_back() -> None:
    parser = configparser.RawConfigParser()
    parser.read_string(machine.pip_conf({"cert": "/a.crt", "find-links": "/a /b"}))
    assert parser["global"]["cert"] == "/a.crt"
    assert parser["global"]["find-links"].split() == ["/a", "/b"]


def test_a_configuration_with_a_password_is_closed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "HOST_FILES", tmp_path / "hosts")
    monkeypatch.setenv("PIP_INDEX_URL", "https://me:secret@a.example/simple")
    machine.host_volumes(tmp_path / "git")
    written = tmp_path / "hosts" / "pip.conf"
    assert written.stat().st_mode & 0o777 == 0o600
    monkeypatch.setenv("PIP_INDEX_URL", "https://a.example/simple")
    with written.open() as mounted:
        volumes = machine.host_volumes(tmp_path / "git")
        assert "secret" not in mounted.read(), "running hosts hold a bind mount of the inode"
    assert written.stat().st_mode & 0o777 == 0o644
    assert f"{tmp_path}/git:/srv/git:ro" in volumes
    assert all(volume.endswith(":ro") for volume in volumes)
