# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ask apt what it would do, with sources and pins that are not on the system yet; and let it do that.

Private to the collection. Standard library only. Nothing of the system changes before :meth:`Apt.apply`: sources,
pins, lists and dpkg's status are looked at in a scratch directory, so that apt itself judges keys and conflicts first.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import typing as t

from ansible_collections.genai.comfyui.plugins.module_utils import _apt_text as text
from ansible_collections.genai.comfyui.plugins.module_utils._package_key import accepted

Run = t.Callable[[list[str]], tuple[int, str, str]]
ETC = "/etc/apt"
LISTS = "/var/lib/apt/lists"
STATUS = "/var/lib/dpkg/status"
_FORMAT = "${db:Status-Abbrev}\t${Package}\t${Version}\n"


class AptError(ValueError):
    """apt refused; the message says what and why, and what to do where that is known."""


class Apt:
    """One host's apt, with additions that are not there yet.

    :param run: runs a command and returns (status, stdout, stderr)
    """

    def __init__(self, run: Run) -> None:
        self.run = run
        self.scratch = ""

    def __enter__(self) -> Apt:
        # apt reads keys and lists as its own user, so others must be able to enter.
        self.scratch = tempfile.mkdtemp(prefix="genai-apt-", dir="/var/tmp")
        os.chmod(self.scratch, 0o755)  # noqa: S103
        for name in ("lists/partial", "sources.list.d", "preferences.d", "cache/archives/partial"):
            os.makedirs(os.path.join(self.scratch, name))
        self._link(LISTS, "lists")
        self._link(f"{ETC}/sources.list.d", "sources.list.d")
        self._link(f"{ETC}/preferences.d", "preferences.d")
        return self

    def __exit__(self, *_exc: object) -> None:
        shutil.rmtree(self.scratch, ignore_errors=True)

    def _link(self, source: str, target: str) -> None:
        if os.path.isdir(source):
            for name in os.listdir(source):
                path = os.path.join(source, name)
                if os.path.isfile(path) and name != "lock":
                    os.symlink(path, os.path.join(self.scratch, target, name))

    def add(self, directory: str, name: str, content: str) -> str:
        """Put a file over what the scratch has under that name; empty *content* takes it away."""
        path = os.path.join(self.scratch, directory, name)
        if os.path.lexists(path):
            os.unlink(path)
        if content:
            with open(path, "w", encoding="utf-8") as stream:
                stream.write(content)
            os.chmod(path, 0o644)
        return path

    def installed(self) -> tuple[dict[str, str], list[str]]:
        """Return version by package, and the packages that are half-way."""
        status, out, err = self.run(["dpkg-query", "-W", "-f", _FORMAT])
        if status != 0:
            raise AptError(f"dpkg-query: {err.strip() or out.strip()}")
        return text.read_status(out)

    def held(self) -> set[str]:
        """Return the packages on hold."""
        return set(self.run(["apt-mark", "showhold"])[1].split())

    def key(self, repository: t.Mapping[str, t.Any]) -> str:
        """Return a repository's key file as armored text, once its fingerprints are the expected ones.

        :raises AptError: it cannot be fetched
        :raises KeyRefusedError: it is no key, or another one
        """

        def fetch(url: str) -> bytes:
            # apt's own downloader knows the proxies and certificates that apt is configured with.
            target = os.path.join(self.scratch, f"{repository['name']}.key")
            status, out, err = self.run(["/usr/lib/apt/apt-helper", "download-file", url, target])
            if status != 0:
                said = text.complaints(out + err)
                raise AptError(f"repository {repository['name']}: its key {url} cannot be fetched: {said}")
            with open(target, "rb") as stream:
                return stream.read()

        return accepted(repository, fetch)

    def update(self, only: str = "") -> tuple[bool, str]:
        """Read the lists into the scratch, of all sources or of the one in file *only*; return (well, output)."""
        options = ["-o", "APT::Get::List-Cleanup=false"]
        if only:
            options += ["-o", f"Dir::Etc::sourcelist={only}", "-o", "Dir::Etc::sourceparts=-"]
        status, out, err = self.run(
            ["apt-get", "update", *self.options(), *options, "-o", "APT::Update::Error-Mode=any"]
        )
        said = out + err
        # Without the error mode (apt before 2.7.x knows it too, others ignore it) a refusal is only a warning.
        bad = status != 0 or any(line.startswith(("E:", "W: GPG", "W: Failed")) for line in said.splitlines())
        return not bad, said

    def options(self) -> list[str]:
        """Return the options that let apt look at the scratch."""
        places = {
            "Dir::State::lists": f"{self.scratch}/lists",
            "Dir::Etc::sourceparts": f"{self.scratch}/sources.list.d",
            "Dir::Etc::preferencesparts": f"{self.scratch}/preferences.d",
            "Dir::Cache": f"{self.scratch}/cache",
            "Dir::State::status": f"{self.scratch}/status" if os.path.exists(f"{self.scratch}/status") else STATUS,
        }
        return [word for key, value in places.items() for word in ("-o", f"{key}={value}")]

    def release_holds(self, names: t.Collection[str]) -> None:
        """Let the simulation change these packages although they are on hold."""
        with open(STATUS, encoding="utf-8", errors="surrogateescape") as stream:
            status = stream.read()
        with open(f"{self.scratch}/status", "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text.without_holds(status, names))

    def simulate(self, words: t.Sequence[str]) -> tuple[text.Simulation | None, str]:
        """Return what apt would do for ``apt-get <words>``, or None and what it complained about."""
        status, out, err = self.run(["apt-get", "-s", "-y", *self.options(), *words])
        return (text.read_simulation(out) if status == 0 else None), out + err

    def known(self, names: t.Sequence[str]) -> dict[str, str]:
        """Return the candidate version of each package that apt could install."""
        found: dict[str, str] = {}
        name = ""
        for line in self.run(["apt-cache", "policy", *self.options(), *names])[1].splitlines():
            if line[:1].strip() and line.endswith(":"):
                name = line[:-1].split(":")[0]
            elif line.startswith("  Candidate: ") and not line.endswith("(none)"):
                found[name] = line.split(": ", 1)[1]
        return found

    def offered(self, names: t.Sequence[str]) -> dict[str, list[str]]:
        """Return every version on offer of each package, whatever the pins say."""
        found: dict[str, list[str]] = {}
        for line in self.run(["apt-cache", "madison", *self.options(), *names])[1].splitlines():
            words = [word.strip() for word in line.split("|")]
            if len(words) == 3 and words[1] not in found.setdefault(words[0], []):
                found[words[0]].append(words[1])
        return found
