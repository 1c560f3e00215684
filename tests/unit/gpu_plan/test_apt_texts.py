# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The texts that apt reads and writes, key files, and the record of what was installed."""

from __future__ import annotations

import json
import typing as t

import pytest

from ansible_collections.genai.comfyui.plugins.module_utils import _apt_components as components
from ansible_collections.genai.comfyui.plugins.module_utils import _apt_text as text
from ansible_collections.genai.comfyui.plugins.module_utils import _openpgp as openpgp
from ansible_collections.genai.comfyui.plugins.module_utils._record import Record

# A throw-away ed25519 key that was made for these tests and signs nothing.
KEY = """-----BEGIN PGP PUBLIC KEY BLOCK-----

mDMEawN9sxYJKwYBBAHaRw8BAQdAGmzzSvbn6pryRfU8r4yTxk08MYPcwc9a8uyl
FuH22BS0GXJpZ2h0IDxyaWdodEBleGFtcGxlLmNvbT6IkAQTFggAOBYhBP7EUq8F
6PJy/Xit9/yQDXt83SVBBQJrA32zAhsDBQsJCAcCBhUKCQgLAgQWAgMBAh4BAheA
AAoJEPyQDXt83SVBsK0BAKW/WffdPbJx0tInOI+Wl7kq0GCBA1jIw6/4dnaMjlZv
AP0eZOSSFIYEDsY/1K1esUOKNoj9zSV5KmokCLCETrnTCw==
=SBIa
-----END PGP PUBLIC KEY BLOCK-----
"""
FINGERPRINT = "FEC452AF05E8F272FD78ADF7FC900D7B7CDD2541"


def test_fingerprint() -> None:
    """gpg's fingerprint is ours, for armored text, for packets, for two keys, with Windows line ends."""
    assert [key.fingerprint for key in openpgp.read_keys(KEY.encode())] == [FINGERPRINT]
    packets = openpgp.dearmor(KEY.encode())
    assert openpgp.read_keys(packets) == openpgp.read_keys(KEY.replace("\n", "\r\n").encode())
    assert openpgp.armor(packets) == KEY
    assert len(openpgp.read_keys((KEY + KEY).encode())) == 2


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (b"", "no OpenPGP public key block"),
        (b"<html>404</html>", "no OpenPGP public key block"),
        (KEY.replace("mDME", "m*ME").encode(), "damaged"),
        (openpgp.dearmor(KEY.encode())[:40], "cut off"),
        (openpgp.dearmor(KEY.encode())[53:], "no OpenPGP public key"),
        (b"\x98\x07\x05abcdef", "not of version 4"),
    ],
)
def test_no_key(data: bytes, said: str) -> None:
    """What is no key is said to be none."""
    with pytest.raises(openpgp.KeyFileError, match=said):
        openpgp.read_keys(data)


@pytest.mark.parametrize(
    ("version", "glob", "fits"),
    [("580.126.09-1", "580.*", True), ("5800.1-1", "580.*", False), ("3:580.1-1", "580.*", True),
     ("580.126.09-1", "580.126.09-*", True), ("580.126.09-1ubuntu1", "580.126.09-1", False), ("3:1-1", "3:1-*", True)],
)  # fmt: skip
def test_versions(version: str, glob: str, fits: bool) -> None:
    """Branches and exact versions match as meant."""
    assert text.version_matches(version, glob) is fits


def test_simulation() -> None:
    """What apt says it would do is read, with what it replaces."""
    found = text.read_simulation(
        "Reading package lists...\nRemv local [1]\nInst libcuda1 [580.1-1] (590.1-1 Dummy:1 [all]) []\n"
        "Inst new (1.0 Debian:13/stable [amd64])\nConf new (1.0 Debian:13/stable [amd64])\nPurg gone [2]\n"
    )
    assert found.install == {"libcuda1": ("580.1-1", "590.1-1"), "new": ("", "1.0")}
    assert found.lines() == ["libcuda1 590.1-1 (was 580.1-1)", "new 1.0", "gone removed", "local removed"]


def test_status() -> None:
    """Half-way packages are told from installed ones; a hold is taken off for ours only."""
    installed, broken = text.read_status("ii \ta\t1\nhi \tb\t2\nrc \tc\t3\niF \td\t4\niU \te\t5\n")
    assert (installed, broken) == ({"a": "1", "b": "2"}, ["d", "e"])
    status = "Package: a\nStatus: hold ok installed\n\nPackage: b\nStatus: hold ok installed\n"
    assert (
        text.without_holds(status, ["b"])
        == "Package: a\nStatus: hold ok installed\n\nPackage: b\nStatus: install ok installed\n"
    )


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("W: GPG error: EXPKEYSIG FC900D7B7CDD2541 right", "has expired"),
        ("Missing key 3D7B9F31E3F3A23E, which is needed to verify signature.", "is not signed by key ABCD"),
        ("The following signatures couldn't be verified: NO_PUBKEY 3D7B9F31", "is not signed by key ABCD"),
        ("Policy rejected non-revocation signature (PositiveCertification) requiring second pre-image resistance\n"
         "because: SHA1 is not considered secure since 2026-02-01T00:00:00Z", "refuses the SHA-1 signatures"),
        ("E: The repository 'file:/x ./ Release' does not have a Release file.", "no signed release"),
        ("E: Conflicting values set for option Signed-By regarding source", "with another key"),
        ("Could not resolve 'mirror.example.com'", "cannot read it"),
    ],
)  # fmt: skip
def test_reasons(said: str, words: str) -> None:
    """What gpgv and sqv say becomes a sentence."""
    assert words in text.update_reason(said, "cuda", ["ABCD"])


def test_build_log() -> None:
    """The lines that name the error are picked; without any, the end of the log."""
    log = "CC a.o\na.c:7:1: error: too few arguments\nCC b.o\nmake: *** [a.o] Error 1\n"
    assert text.error_lines(log) == ["a.c:7:1: error: too few arguments", "make: *** [a.o] Error 1"]
    assert text.error_lines("one\n\ntwo\n", most=1) == ["two"]


def test_pins_and_sources() -> None:
    """Files are spelled as apt reads them."""
    pin = text.pins([{"packages": ["a", "b*"], "pin": "version 1.*", "priority": 900}])
    assert pin.endswith("Package: a b*\nPin: version 1.*\nPin-Priority: 900\n")
    flat = text.sources({"uri": "file:/x", "suite": "/", "architectures": ["amd64"]}, "/k.asc")
    assert flat.splitlines()[1:] == [
        "Types: deb",
        "URIs: file:/x",
        "Suites: /",
        "Architectures: amd64",
        "Signed-By: /k.asc",
    ]
    assert "Components: stable\n" in text.sources({"uri": "u", "suite": "trixie", "components": ["stable"]}, "/k")
    assert text.blacklist(["nvidia-"]).endswith('Package-Blacklist {\n    "nvidia-";\n};\n')
    assert text.select(["nvidia-smi", "nvidia-container-x", "bash"], ["nvidia-*"], ["nvidia-container-*"]) == [
        "nvidia-smi"
    ]
    with pytest.raises(ValueError, match="no package name"):
        text.check_name("--allow-unauthenticated")


SOURCES = """# Debian
Types: deb deb-src
URIs: http://mirror.example.com/debian
Suites: trixie trixie-updates
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg

Types: deb
URIs: http://mirror.example.com/security
Suites: trixie-security
Components: main non-free-firmware
Enabled: yes

Types: deb
URIs: http://elsewhere.example.com/debian
Suites: trixie
Components: main
Enabled: no
"""


def test_more_components() -> None:
    """The host's own address and key are used again, and only what is missing is added."""
    wanted = ["contrib", "non-free", "non-free-firmware"]
    suites = ["trixie", "trixie-updates", "trixie-security"]
    entries = components.read_sources("debian.sources", SOURCES)
    added = components.read_deb822(components.more_components(entries, suites, wanted))
    assert [(one.suite, one.components) for one in added] == [
        ("trixie", ("contrib", "non-free", "non-free-firmware")),
        ("trixie-updates", ("contrib", "non-free", "non-free-firmware")),
        ("trixie-security", ("contrib", "non-free")),
    ]
    assert added[0].signed_by == "/usr/share/keyrings/debian-archive-keyring.gpg"
    assert {one.uri for one in added} == {"http://mirror.example.com/debian", "http://mirror.example.com/security"}
    assert components.more_components([*entries, *added], suites, wanted) == ""
    lines = "deb [signed-by=/k arch=amd64] http://m/debian bookworm main  # x\ndeb-src http://m/debian bookworm main\n"
    old = components.read_sources("sources.list", lines)
    assert old == [components.Entry("http://m/debian", "bookworm", ("main",), "/k")]
    with pytest.raises(ValueError, match="no component 'main' of suite bookworm"):
        components.more_components(entries, ["bookworm"], wanted)


def test_record(tmp_path: t.Any) -> None:
    """The record survives, is readable by all and writable by one, and a damaged one is no empty one."""
    path = tmp_path / "deep" / "driver.json"
    record = Record(str(path))
    assert not record.exists
    record.packages, record.sources = ["a"], {"cuda": ["ABCD"]}
    record.save()
    assert (path.stat().st_mode & 0o777) == 0o644
    again = Record(str(path))
    assert (again.packages, again.fingerprints("cuda"), again.fingerprints("x")) == (["a"], ["ABCD"], [])
    assert json.loads(path.read_text())["version"] == 1
    path.write_text("{")
    with pytest.raises(ValueError, match="cannot be read"):
        Record(str(path))
    again.drop()
    assert not again.exists
