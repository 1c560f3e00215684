# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What this machine is configured with (package mirrors, certificates, pip) and how the local hosts inherit it.

Nothing of it is written into the repository: it ends in files below .cache and in bind mounts.
"""

from __future__ import annotations

import configparser
import os
import re
import secrets
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools._common import CACHE, output, write_if_changed

HOST_FILES = CACHE / "hosts"
CA_BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
# What decides where pip gets packages from; options that change where it puts them stay out.
PIP_OPTIONS = (
    *("index-url", "extra-index-url", "find-links", "no-index", "cert", "client-cert", "trusted-host", "proxy"),
    *("timeout", "default-timeout", "retries", "disable-pip-version-check"),
    *("prefer-binary", "only-binary", "no-binary"),
)
SUITES = frozenset({"bullseye", "bookworm", "trixie", "forky", "sid", "oldstable", "stable", "testing", "unstable"})
APT_OPTIONS = re.compile(r"Acquire::(https?|ftp|Check-|Retries|ForceIPv|AllowInsecure|Max-)", re.IGNORECASE)


def apt_archives(root: Path = Path("/etc/apt")) -> tuple[str, str]:
    """Return (archive URI, security URI) of Debian as this machine's apt has them; empty where it has none.

    Both source formats are read. Ubuntu's own mirrors are not Debian's and are left out.
    The variables DEBIAN_MIRROR and DEBIAN_SECURITY_MIRROR come first.
    """
    if os.environ.get("DEBIAN_MIRROR"):
        return os.environ["DEBIAN_MIRROR"], os.environ.get("DEBIAN_SECURITY_MIRROR", "")
    entries: list[tuple[str, str]] = []
    for path in [root / "sources.list", *sorted((root / "sources.list.d").glob("*"))]:
        if path.suffix == ".list" and path.is_file():
            for line in path.read_text(errors="replace").splitlines():
                match = re.match(r"\s*deb\s+(?:\[[^]]*\]\s+)?(\S+)\s+(\S+)\s+.*\bmain\b", line)
                if match:
                    entries.append((match[1], match[2]))
        elif path.suffix == ".sources" and path.is_file():
            for stanza in re.split(r"\n\s*\n", path.read_text(errors="replace")):
                fields: dict[str, str] = {}
                for line in stanza.splitlines():
                    match = re.match(r"([A-Za-z-]+):\s*(.*)", line)
                    if match:
                        fields[match[1].lower()] = match[2]
                if "main" in fields.get("components", "").split() and fields.get("enabled", "yes").lower() != "no":
                    suites = fields.get("suites", "").split()
                    entries += [(uri, suite) for uri in fields.get("uris", "").split() for suite in suites]
    archive = security = ""
    for uri, suite in entries:
        places = urlsplit(uri).path.split("/")
        if suite.removesuffix("-security") not in SUITES:
            continue
        if "debian-security" in places or suite.endswith("-security"):
            security = security or uri
        elif "debian" in places:
            archive = archive or uri
    return archive, security


def apt_options(dump: str | None = None) -> str:
    """Return the lines of this machine's apt configuration that say how to reach archives: proxies, checks, retries."""
    if dump is None:
        done = output(["apt-config", "dump"])
        dump = done.stdout if done.returncode == 0 else ""
    kept = [line for line in dump.splitlines() if APT_OPTIONS.match(line) and not line.endswith(' "";')]
    return "".join(line + "\n" for line in kept)


def pip_settings(files: Sequence[Path] | None = None, environment: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the pip options that say where packages come from, merged as pip does: files, then PIP_* variables."""
    environment = os.environ if environment is None else environment
    home = Path(environment.get("HOME", "/root"))
    if files is None:
        files = [
            Path("/etc/xdg/pip/pip.conf"),
            Path("/etc/pip.conf"),
            home / ".pip" / "pip.conf",
            Path(environment.get("XDG_CONFIG_HOME", str(home / ".config"))) / "pip" / "pip.conf",
            *([Path(environment["PIP_CONFIG_FILE"])] if environment.get("PIP_CONFIG_FILE") else []),
        ]
    settings: dict[str, str] = {}
    for path in files:
        parser = configparser.RawConfigParser()
        try:
            parser.read(path)
        except (OSError, configparser.Error):
            continue
        for section in ("global", "install"):
            if parser.has_section(section):
                settings.update(
                    {key.replace("_", "-"): " ".join(value.split()) for key, value in parser.items(section)}
                )
    for name, value in environment.items():
        if name.startswith("PIP_") and value:
            settings[name[4:].lower().replace("_", "-")] = " ".join(value.split())
    if "cert" not in settings:
        # pip itself honours these two, but variables do not reach the hosts.
        bundle = environment.get("REQUESTS_CA_BUNDLE") or environment.get("CURL_CA_BUNDLE")
        if bundle:
            settings["cert"] = bundle
    return {key: settings[key] for key in sorted(settings) if key in PIP_OPTIONS}


def pip_paths(settings: Mapping[str, str]) -> list[str]:
    """Return the local files and directories that these pip settings lead to and that exist here."""
    found: list[str] = []
    for key in ("cert", "client-cert", "find-links", "index-url", "extra-index-url"):
        for word in settings.get(key, "").split():
            url = urlsplit(word)
            if url.scheme not in ("", "file"):
                continue
            path = Path(unquote(url.path))
            if key.endswith("index-url") and path.name == "simple":
                # A local index links to its files beside "simple".
                path = path.parent
            if path.is_absolute() and path != Path("/") and path.exists() and str(path) not in found:
                found.append(str(path))
    return found


def pip_conf(settings: Mapping[str, str]) -> str:
    """Spell pip settings as a configuration file; several values of one option stand on lines of their own."""
    lines = ["# From the machine that runs the local hosts.", "[global]"]
    for key, value in settings.items():
        words = value.split()
        lines.append(f"{key} = {value}" if len(words) < 2 else f"{key} =\n    " + "\n    ".join(words))
    return "\n".join(lines) + "\n"


def host_volumes(git: Path) -> list[str]:
    """Write the files that the hosts inherit and return the bind mounts ("source:target:ro") that carry them.

    :param git: directory of bare repositories, seen at /srv/git
    """
    settings = pip_settings()
    text = pip_conf(settings)
    # An index URL may carry a password.
    write_if_changed(HOST_FILES / "pip.conf", text, 0o600 if re.search(r"://[^/\s]*@", text) else 0o644)
    write_if_changed(HOST_FILES / "apt.conf", "// From the machine that runs the local hosts.\n" + apt_options())
    # The repositories belong to whoever runs this; git in the hosts would call that dubious.
    safe = "".join(f"\tdirectory = /srv/git/{path.name}\n" for path in sorted(git.glob("*.git")))
    write_if_changed(HOST_FILES / "gitconfig", f"[safe]\n{safe}")
    mounts = {"/srv/git": str(git)}
    mounts["/etc/pip.conf"] = str(HOST_FILES / "pip.conf")
    mounts["/etc/apt/apt.conf.d/99-machine"] = str(HOST_FILES / "apt.conf")
    mounts["/etc/gitconfig"] = str(HOST_FILES / "gitconfig")
    if CA_BUNDLE.exists():
        mounts[str(CA_BUNDLE)] = str(CA_BUNDLE)
    if list(Path("/etc/apt/auth.conf.d").glob("*.conf")):
        mounts["/etc/apt/auth.conf.d"] = "/etc/apt/auth.conf.d"
    for path in pip_paths(settings):
        mounts.setdefault(path, path)
    return [f"{source}:{target}:ro" for target, source in sorted(mounts.items())]


def identity(directory: Path) -> str:
    """Return what tells this directory from a later one at the same path: a bind mount of it dies with it."""
    mark = directory / ".id"
    try:
        return mark.read_text()
    except FileNotFoundError:
        write_if_changed(mark, secrets.token_hex(8))
        return mark.read_text()


def quoted(values: Sequence[str]) -> str:
    """Spell a command line for a message."""
    return shlex.join(values)
