# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask dnf what it would do, with repositories that are not on the system yet; and let it do that.

Private to the collection. Standard library only. What is asked changes nothing but dnf's own cache.
"""

from __future__ import annotations

import configparser
import glob
import os
import re
import shutil
import tempfile
import typing as t

from ansible_collections.genai.comfyui.plugins.module_utils import _dnf_text as text
from ansible_collections.genai.comfyui.plugins.module_utils._package_key import KeyRefusedError, accepted

Run = t.Callable[[list[str]], tuple[int, str, str]]
REPOSITORIES = "/etc/yum.repos.d"
KEYS = "/etc/pki/rpm-gpg"
MODULES = "/etc/dnf/modules.d"
PLUGINS = "/etc/dnf/plugins"
LOCKLIST = f"{PLUGINS}/versionlock.list"
_FORMAT = "%{NAME}\\t%|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\\t%{ARCH}\\n"


class DnfError(ValueError):
    """dnf refused; the message says what and why, and what to do where that is known."""


def content(path: str) -> str | None:
    """Return a file's text, or None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


def write(path: str, wanted: str) -> None:
    """Replace a file by rename; readable for all."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    temporary = f"{path}.genai-new"
    with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as stream:
        stream.write(wanted)
        os.fchmod(stream.fileno(), 0o644)
    os.rename(temporary, path)


class Dnf:
    """One host's dnf, with additions that are not there yet.

    :param run: runs a command and returns (status, stdout, stderr)
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.scratch = ""

    def __enter__(self) -> Dnf:
        self.scratch = tempfile.mkdtemp(prefix="genai-dnf-", dir="/var/tmp")
        for name in ("repos", "keys", "plugins"):
            os.makedirs(os.path.join(self.scratch, name))
        for path in glob.glob(f"{REPOSITORIES}/*.repo"):
            os.symlink(path, os.path.join(self.scratch, "repos", os.path.basename(path)))
        return self

    def __exit__(self, *_exc: object) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)

    def add(self, directory: str, name: str, wanted: str) -> str:
        """Put a file over what the scratch has under that name; empty *wanted* takes it away. Returns its path."""
        path = os.path.join(self.scratch, directory, name)
        if os.path.lexists(path):
            os.unlink(path)
        if wanted:
            write(path, wanted)
        return path

    def installed(self) -> dict[str, list[str]]:
        """Return all versions by package, each ``epoch:version-release.arch`` without an epoch that is none."""
        status, out, err = self.run(["rpm", "-qa", "--qf", _FORMAT])
        if status != 0:
            raise DnfError(f"rpm -qa: {err.strip() or out.strip()}")
        found: dict[str, list[str]] = {}
        for line in out.splitlines():
            words = line.split("\t")
            if len(words) == 3:
                found.setdefault(words[0], []).append(f"{words[1]}.{words[2]}")
        return found

    def there(self, name: str) -> bool:
        """Tell whether a package is installed, named in any way that rpm understands."""
        return self.run(["rpm", "-q", "--quiet", name])[0] == 0

    def key(self, repository: t.Mapping[str, t.Any]) -> str:
        """Return a repository's key file as armored text, once its fingerprints are the expected ones.

        :raises DnfError: it cannot be fetched
        :raises KeyRefusedError: it is no key, or another one
        """

        def fetch(url: str) -> bytes:
            target = os.path.join(self.scratch, f"{repository['name']}.key")
            command = ["curl", "--fail", "--silent", "--show-error", "--location", "--output", target, url]
            status, out, err = self.run(command)
            if status != 0:
                said = (err or out).strip()
                raise DnfError(f"repository {repository['name']}: its key {url} cannot be fetched: {said}")
            with open(target, "rb") as stream:
                return stream.read()

        return accepted(repository, fetch)

    def options(self, ours: t.Collection[str]) -> list[str]:
        """Return the options that let dnf look at the scratch, without the version locks that are *ours*."""
        for path in glob.glob(f"{PLUGINS}/*.conf"):
            if os.path.basename(path) != "versionlock.conf":
                self.add("plugins", os.path.basename(path), content(path) or "")
        foreign = "".join(f"{line}\n" for line in self.locks() if line not in ours)
        place = self.add("plugins", "versionlock.list", foreign or "# none\n")
        self.add("plugins", "versionlock.conf", f"[main]\nenabled = 1\nlocklist = {place}\n")
        settings = {
            "reposdir": f"{self.scratch}/repos",
            "pluginconfpath": f"{self.scratch}/plugins",
            # Of our own stream only: another one's is refused before.
            "module_stream_switch": "True",
            "color": "never",
        }
        return [f"--setopt={key}={value}" for key, value in settings.items()]

    def locks(self) -> list[str]:
        """Return all version locks of the host."""
        return text.locks(content(LOCKLIST) or "")

    def shell(self, words: t.Sequence[str], script: str) -> tuple[bool, str]:
        """Let dnf do the lines of a script; return (well, output)."""
        path = self.add("", "script", script)
        _status, out, err = self.run(["dnf", "-y", *words, "shell", path])
        said = f"{out}\n{err}"
        return not text.failed(said), said

    def offered(self, options: t.Sequence[str], name: str, repositories: t.Sequence[str]) -> list[str]:
        """Return every version on offer of a package, whatever stream it is in."""
        free = [f"--setopt=genai-{one}.module_hotfixes=1" for one in repositories]
        command = ["dnf", "-q", "-y", *options, *free, "repoquery", "--showduplicates", "--qf", "%{evr}", name]
        return list(dict.fromkeys(self.run(command)[1].split()))

    def known(self, options: t.Sequence[str], name: str) -> bool:
        """Tell whether a repository offers a package, named in any way that dnf understands."""
        return bool(self.run(["dnf", "-q", "-y", *options, "repoquery", name])[1].split())

    def streams(self, options: t.Sequence[str], module: str) -> list[str]:
        """Return the streams on offer of a module."""
        out = self.run(["dnf", "-q", "-y", *options, "module", "list", module])[1]
        return re.findall(rf"^{re.escape(module)}\s+(\S+)", out, re.M)

    def enabled(self, module: str) -> str:
        """Return the stream of a module that is enabled on the host; empty when none is."""
        parser = configparser.RawConfigParser()
        parser.read(f"{MODULES}/{module}.module")
        if parser.get(module, "state", fallback="") != "enabled":
            return ""
        return parser.get(module, "stream", fallback="")


__all__ = ["Dnf", "DnfError", "KeyRefusedError", "content", "write"]
