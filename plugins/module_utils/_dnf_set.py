# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of packages with its repositories, module stream and version locks on a host with dnf.

Private to the collection. Standard library only. dnf resolves the whole transaction before anything changes, and does
it in one; stream and packages together. What a failed transaction left of ours, other than packages, is taken back.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import typing as t

from ansible_collections.genai.comfyui.plugins.module_utils import _apt_text
from ansible_collections.genai.comfyui.plugins.module_utils import _dnf_text as text
from ansible_collections.genai.comfyui.plugins.module_utils._dnf import (
    KEYS,
    LOCKLIST,
    REPOSITORIES,
    Dnf,
    DnfError,
    content,
    write,
)
from ansible_collections.genai.comfyui.plugins.module_utils._package_set import Work
from ansible_collections.genai.comfyui.plugins.module_utils._record import Record

# The host may run it by the time that somebody wants our packages gone.
KERNELS = ("kernel", "kernel-core", "kernel-modules", "kernel-modules-core", "kernel-modules-extra")


def newest(versions: t.Mapping[str, list[str]]) -> dict[str, str]:
    """Return one version a package, without its architecture."""
    return {name: found[-1].rpartition(".")[0] for name, found in versions.items()}


def came(before: t.Mapping[str, list[str]], after: t.Mapping[str, list[str]]) -> list[str]:
    """Return what is new: names, or names with version where another version was there and stays.

    Kernels are left out: nothing of ours may take one away later.
    """
    found = []
    for name, versions in after.items():
        old = before.get(name, [])
        new = [version for version in versions if version not in old]
        if name in KERNELS or not new:
            continue
        if name == "gpg-pubkey":
            found += [f"{name}-{version.rpartition('.')[0]}" for version in new]
        elif not old:
            found.append(name)
        elif set(old) & set(versions):
            found += [f"{name}-{version}" for version in new]
    return found


class DnfSet:
    """One set, as the module's parameters describe it."""

    def __init__(self, dnf: Dnf, params: t.Mapping[str, t.Any]) -> None:
        self.dnf, self.params = dnf, params
        self.record = Record(params["record"])
        self.record.manager = "dnf"
        self.wishes = [_apt_text.Wish(check_name(one["name"]), one.get("version") or "") for one in params["packages"]]
        self.versions = dnf.installed()
        self.installed = newest(self.versions)
        self.broken: list[str] = []
        self._own: set[str] = set()
        self._specs: list[str] = []
        self._changed = False
        self._new_keys: list[str] = []

    def plan(self) -> Work:
        """Find out what is to be done, and let dnf judge it.

        :raises DnfError: dnf refuses; nothing was changed
        """
        work = Work()
        self._sources(work)
        for path in self.record.files:
            if path not in self._own and os.path.exists(path):
                work.removed_files.append(path)
                self.dnf.add("repos", os.path.basename(path), "")
        wishes = self._wanted()
        work.names = [wish.name for wish in wishes if self.params["latest"] or not wish.met(self.installed)]
        self._specs = [text.spec(wish) for wish in wishes if wish.name in work.names]
        if work.names:
            self._judge(work)
            if all(wish.met(self.installed) for wish in wishes) and not work.simulation.lines():
                # The newest ones were asked for, and are there.
                work.names = []
        self._holds(work)
        return work

    def _sources(self, work: Work) -> None:
        """Look at keys and repositories, and put what is new into the scratch."""
        for repository in self.params["repositories"]:
            name = f"genai-{repository['name']}"
            key_path, place = f"{KEYS}/RPM-GPG-KEY-{name}", f"{REPOSITORIES}/{name}.repo"
            old = content(key_path)
            known = old is not None and self.record.fingerprints(repository["name"]) == repository["fingerprints"]
            # The key is fetched when its fingerprints are new here: a second run needs no network.
            key = old if known and old is not None else self.dnf.key(repository)
            for path, wanted in ((key_path, key), (place, text.repository(repository, key_path))):
                self._own.add(path)
                if content(path) != wanted:
                    work.files[path] = wanted
            scratch_key = self.dnf.add("keys", name, key)
            self.dnf.add("repos", f"{name}.repo", text.repository(repository, scratch_key))
            for other in repository.get("replaces") or []:
                if os.path.exists(f"{REPOSITORIES}/{other}"):
                    work.removed_files.append(f"{REPOSITORIES}/{other}")
                    self.dnf.add("repos", other, "")

    def _wanted(self) -> list[_apt_text.Wish]:
        """Return all wishes: packages, and of the optional ones those that exist, else what stands in for them."""
        wishes = list(self.wishes)
        for option in self.params["wanted"]:
            name = check_name(option["name"])
            if self.dnf.there(name):
                continue
            if self.dnf.known(self._options(), name):
                wishes.append(_apt_text.Wish(name))
            else:
                wishes += [_apt_text.Wish(check_name(one)) for one in option.get("otherwise") or []]
        return list(dict.fromkeys(wishes))

    def _options(self, refresh: bool = False) -> list[str]:
        allow = ["--allowerasing"] if self.params["may_remove"] else []
        return [*self.dnf.options(self.record.holds), "--setopt=install_weak_deps=False", *allow] + (
            ["--refresh"] if refresh else []
        )

    def _judge(self, work: Work) -> None:
        """Let dnf resolve the transaction. Raises DnfError."""
        for stream in self.params["streams"]:
            module, _colon, wanted = stream.partition(":")
            there = self.dnf.enabled(module)
            if there and there not in (wanted, self.record.streams.get(module)):
                raise DnfError(
                    f"the stream {module}:{there} is enabled, but not by this role, and {stream} is wanted; "
                    f"'dnf module reset {module}' lets it change"
                )
        script = text.script(self.params["streams"], self._specs, run=False)
        well, said = self.dnf.shell(self._options(refresh=bool(self.params["latest"])), script)
        if not well and not self.params["latest"]:
            # What dnf remembers of the repositories may be older than what is wanted.
            well, said = self.dnf.shell(self._options(refresh=True), script)
        if not well:
            raise DnfError(self._why(said))
        found = text.read_transaction(said, self.installed)
        work.simulation = found
        against = text.locked_by([one for one in self.dnf.locks() if one not in self.record.holds], found)
        if against:
            raise DnfError(
                f"dnf cannot install {' '.join(self._specs)}; locked, but not by this role: {', '.join(against)}; "
                "'dnf versionlock delete' lets them change"
            )
        if found.downgrade and not self.params["allow_downgrade"]:
            older = ", ".join(sorted(found.downgrade))
            raise DnfError(f"{older} would become older; it would be a downgrade, which has to be allowed first")
        lost = [
            name
            for name in found.remove
            if name not in self.record.packages and not _apt_text.select([name], self.params["may_remove"], [])
        ]
        if lost:
            raise DnfError(
                f"Installing {' '.join(self._specs)} would remove {', '.join(sorted(lost))}. Remove these yourself, "
                "or allow it by name"
            )

    def _why(self, said: str) -> str:
        """Return the message for a refused transaction."""
        parts = [f"dnf cannot install {' '.join(self._specs)}"]
        names = [one["name"] for one in self.params["repositories"]]
        options = self._options()
        for stream in self.params["streams"]:
            if f"missing groups or modules: {stream}" in said:
                module = stream.partition(":")[0]
                streams = ", ".join(self.dnf.streams(options, module)) or "none at all"
                parts.append(f"the stream {stream} is not offered; on offer: {streams}")
        for wish in self.wishes:
            if len(parts) > 1 or "Unable to find a match" not in said or text.spec(wish) not in said:
                continue
            there = self.dnf.offered(options, wish.name, names)
            if not any(_apt_text.version_matches(version, wish.version or "*") for version in there):
                on_offer = ", ".join(there) or "none at all"
                parts.append(f"{wish.name} is not offered in a version {wish.version or '*'}; on offer: {on_offer}")
        theirs = [line for line in self.dnf.locks() if line not in self.record.holds]
        if theirs and "exclude filtering" in said:
            parts.append(
                f"locked, but not by this role: {', '.join(theirs)}; 'dnf versionlock delete' lets them change"
            )
        return "; ".join(parts) + f". dnf says: {text.complaints(said)}"

    def _locks(self, installed: t.Mapping[str, str]) -> list[str]:
        """Return the locks that are to be there."""
        names = _apt_text.select(installed, self.params["hold"], self.params["hold_except"])
        # The plugin wants the epoch, also where there is none.
        return [text.lock(n, installed[n] if ":" in installed[n] else f"0:{installed[n]}") for n in names]

    def _holds(self, work: Work) -> None:
        """Look which locks are to be set or taken off."""
        after = {**self.installed, **{name: new for name, (_old, new) in work.simulation.install.items()}}
        wanted = self._locks({name: after[name] for name in after if name not in work.simulation.remove})
        have = self.dnf.locks()
        work.hold = [line for line in wanted if line not in have]
        work.unhold = [line for line in self.record.holds if line not in wanted and line in have]

    def apply(self, work: Work) -> None:
        """Do what was planned.

        :raises DnfError: the transaction failed; without a package of it, files and keys are as they were
        """
        before = {path: content(path) for path in [*work.files, *work.removed_files]}
        old = (list(self.record.files), dict(self.record.sources), self.record.exists)
        for path in work.removed_files:
            os.unlink(path)
        for path, wanted in work.files.items():
            write(path, wanted)
        self.record.sources = {r["name"]: list(r["fingerprints"]) for r in self.params["repositories"]}
        self.record.files = sorted((set(self.record.files) & self._own) | set(work.files))
        self.record.save()
        if work.names:
            said = self._install(work)
            if said:
                half = self._half_way()
                if not half:
                    self._take_back(before, *old)
                raise DnfError(f"dnf failed.{half} {self._log()}dnf says: {said}")
        self._set_locks()

    def _install(self, work: Work) -> str:
        """Run the transaction and put on record what came; return what is wrong with the result."""
        streams = self.params["streams"]
        enabled = {one.partition(":")[0]: self.dnf.enabled(one.partition(":")[0]) for one in streams}
        well, said = self.dnf.shell(self._options(), text.script(streams, self._specs, run=True))
        after = self.dnf.installed()
        new = came(self.versions, after)
        have = set(after) | {f"{n}-{v}" for n, found in after.items() for v in found}
        have |= {f"gpg-pubkey-{v.rpartition('.')[0]}" for v in after.get("gpg-pubkey", [])}
        self.record.packages = sorted((set(self.record.packages) | set(new)) & have)
        for stream in streams:
            module, _colon, wanted = stream.partition(":")
            if self.dnf.enabled(module) == wanted and (not enabled[module] or module in self.record.streams):
                self.record.streams[module] = wanted
        self.record.save()
        installed = newest(after)
        missing = [wish.name for wish in self.wishes if wish.name in work.names and not wish.met(installed)]
        self._changed = {n: v for n, v in after.items() if n != "gpg-pubkey"} != {
            n: v for n, v in self.versions.items() if n != "gpg-pubkey"
        }
        self._new_keys = [name for name in new if name.startswith("gpg-pubkey-")]
        self.installed = installed
        if well and not missing:
            return ""
        return text.complaints(said) or f"{', '.join(missing)} did not come"

    def _half_way(self) -> str:
        return " Left half-way: 'dnf check' tells." if self._changed else ""

    def _take_back(
        self, before: t.Mapping[str, str | None], files: list[str], sources: dict[str, list[str]], existed: bool
    ) -> None:
        """Bring back what was there before a transaction that brought nothing."""
        for path, wanted in before.items():
            if wanted is None:
                os.unlink(path)
            else:
                write(path, wanted)
        if self._new_keys:
            self.dnf.run(["rpm", "-e", *self._new_keys])
        self.record.packages = [name for name in self.record.packages if name not in self._new_keys]
        self.record.files, self.record.sources = files, sources
        if existed:
            self.record.save()
        else:
            self.record.drop()

    def _log(self) -> str:
        """Return what the newest of the build logs says about its error."""
        logs = [path for pattern in self.params["logs"] for path in glob.glob(pattern)]
        if not logs:
            return ""
        last = max(logs, key=os.path.getmtime)
        return f"{last} says: {' | '.join(_apt_text.error_lines(content(last) or ''))}. "

    def _set_locks(self) -> None:
        wanted, have = self._locks(self.installed), self.dnf.locks()
        gone = [line for line in self.record.holds if line not in wanted]
        new = [line for line in wanted if line not in have]
        if gone or new:
            write(LOCKLIST, text.with_locks(content(LOCKLIST) or "", gone, new))
        ours = sorted((set(self.record.holds) | set(new)) & set(wanted))
        if ours != self.record.holds:
            self.record.holds = ours
            self.record.save()


def check_name(name: str) -> str:
    """Return a package's name or exact spec; raise ValueError for what is none, such as an option."""
    if not fnmatch.fnmatchcase(name, "[A-Za-z0-9]*") or any(letter in name for letter in " \t\n*?[];"):
        raise ValueError(f"{name!r} is no package name")
    return name
