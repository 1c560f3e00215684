# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A set of packages with its repositories, pins and holds: look, let apt judge, then do it in one transaction.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import glob
import os
import typing as t
from dataclasses import dataclass, field

from ansible_collections.genai.comfyui.plugins.module_utils import _apt_text as text
from ansible_collections.genai.comfyui.plugins.module_utils._apt import ETC, Apt, AptError
from ansible_collections.genai.comfyui.plugins.module_utils._apt_components import more_components, read_sources
from ansible_collections.genai.comfyui.plugins.module_utils._record import Record

KEYRINGS = f"{ETC}/keyrings"


@dataclass
class Work:
    """What is to be done, after apt has agreed to it in the scratch."""

    files: dict[str, str] = field(default_factory=dict)
    removed_files: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)
    simulation: text.Simulation = field(default_factory=text.Simulation)
    hold: list[str] = field(default_factory=list)
    unhold: list[str] = field(default_factory=list)
    refresh: bool = False
    notes: list[str] = field(default_factory=list)

    @property
    def changed(self) -> bool:
        """Whether anything is to be done at all."""
        return bool(self.files or self.removed_files or self.names or self.hold or self.unhold)


def content(path: str) -> str | None:
    """Return a file's text, or None where there is none."""
    try:
        with open(path, encoding="utf-8", errors="surrogateescape") as stream:
            return stream.read()
    except FileNotFoundError:
        return None


class PackageSet:
    """One set, as the module's parameters describe it."""

    def __init__(self, apt: Apt, params: t.Mapping[str, t.Any]) -> None:
        self.apt, self.params = apt, params
        self.name: str = params["name"]
        self.record = Record(params["record"])
        self.wishes = [text.Wish(text.check_name(p["name"]), p.get("version") or "") for p in params["packages"]]
        self.installed, self.broken = apt.installed()
        self.held = apt.held()
        self._own: set[str] = set()

    def plan(self) -> Work:
        """Find out what is to be done, and let apt judge it.

        :raises AptError: apt refuses; nothing was changed
        """
        work = Work()
        added = self._sources(work) + self._components(work)
        self._settings(work)
        self._leftovers(work)
        for path in added:
            self._judge_source(path)
        wishes = self._wanted()
        work.names = [w.name for w in wishes if self.params["latest"] or not w.met(self.installed)]
        if work.names or self.broken:
            self._transaction(work)
            if not self.broken and all(w.met(self.installed) for w in wishes) and not work.simulation.lines():
                # The newest ones were asked for, and are there.
                work.names = []
        self._holds(work)
        return work

    def _file(self, work: Work, path: str, wanted: str) -> None:
        """Note a file that is to be written."""
        self._own.add(path)
        if content(path) != wanted:
            work.files[path] = wanted

    def _sources(self, work: Work) -> list[str]:
        """Look at keys and sources; return the scratch's paths of sources that are new or changed."""
        added = []
        for repository in self.params["repositories"]:
            base = f"genai-{repository['name']}"
            keyring, place = f"{KEYRINGS}/{base}.asc", f"{ETC}/sources.list.d/{base}.sources"
            old = content(keyring)
            known = old is not None and self.record.fingerprints(repository["name"]) == repository["fingerprints"]
            # The key is fetched when its fingerprints are new here: a second run needs no network.
            key = old if known and old is not None else self.apt.key(repository)
            self._file(work, keyring, key)
            self._file(work, place, text.sources(repository, keyring))
            if keyring in work.files or place in work.files:
                scratch_key = self.apt.add("", f"{base}.asc", key)
                self.apt.add("sources.list.d", f"{base}.sources", "")
                added.append(self.apt.add("sources.list.d", f"{base}.sources", text.sources(repository, scratch_key)))
            for name in repository.get("replaces") or []:
                path = f"{ETC}/sources.list.d/{name}"
                if os.path.exists(path):
                    work.removed_files.append(path)
                    self.apt.add("sources.list.d", name, "")
        return added

    def _components(self, work: Work) -> list[str]:
        """Look which components of the distribution's own archive are missing."""
        wanted = self.params["components"]
        name = f"genai-{self.name}-components.sources"
        path = f"{ETC}/sources.list.d/{name}"
        if not wanted:
            return []
        entries = []
        for source in [f"{ETC}/sources.list", *sorted(glob.glob(f"{ETC}/sources.list.d/*"))]:
            if source != path and source.endswith((".list", ".sources")):
                entries += read_sources(source, content(source) or "")
        try:
            wanted_text = more_components(entries, wanted["suites"], wanted["components"])
        except ValueError as error:
            raise AptError(str(error)) from None
        if not wanted_text:
            return []
        self._file(work, path, wanted_text)
        return [self.apt.add("sources.list.d", name, wanted_text)] if path in work.files else []

    def _settings(self, work: Work) -> None:
        """Look at pins and at the exclusion from unattended upgrades."""
        for entry in self.params["pins"]:
            name = f"genai-{entry['name']}"
            wanted = text.pins(entry["entries"])
            self._file(work, f"{ETC}/preferences.d/{name}", wanted)
            # Only a priority above 1000 lets apt go back; it counts for this one transaction and is not kept.
            once = [{**one, "priority": 1001} if one["priority"] > 0 else one for one in entry["entries"]]
            self.apt.add("preferences.d", name, text.pins(once) if self.params["allow_downgrade"] else wanted)
        patterns = self.params["keep_from_unattended"]
        if patterns:
            self._file(work, f"{ETC}/apt.conf.d/52genai-{self.name}", text.blacklist(patterns))

    def _leftovers(self, work: Work) -> None:
        """Take away what an earlier run wrote and this one no longer wants."""
        for path in self.record.files:
            if path not in self._own and os.path.exists(path):
                work.removed_files.append(path)
                directory = os.path.basename(os.path.dirname(path))
                if directory in ("sources.list.d", "preferences.d"):
                    self.apt.add(directory, os.path.basename(path), "")

    def _wanted(self) -> list[text.Wish]:
        """Return all wishes: packages, and of the optional ones those that exist, else what stands in for them."""
        wishes = list(self.wishes)
        for option in self.params["wanted"]:
            name = text.check_name(option["name"])
            if name in self.installed or name in self.apt.known([name]):
                wishes.append(text.Wish(name))
            else:
                wishes += [text.Wish(text.check_name(one)) for one in option.get("otherwise") or []]
        return list(dict.fromkeys(wishes))

    def _judge_source(self, path: str) -> None:
        """Let apt read one new source on its own. Raises AptError."""
        well, said = self.apt.update(path)
        if well:
            return
        name = os.path.basename(path)[len("genai-") : -len(".sources")]
        keys = [key for one in self.params["repositories"] if one["name"] == name for key in one["fingerprints"]]
        raise AptError(f"{text.update_reason(said, name, keys)}. apt says: {text.complaints(said)}")

    def _transaction(self, work: Work) -> None:
        """Let apt simulate the transaction. Raises AptError."""
        self.apt.release_holds(self.record.holds)
        words = self._install_words(work.names)
        if self.params["latest"]:
            # Only fresh lists know what is newest.
            self.apt.update()
            work.refresh = True
        simulation, said = self.apt.simulate(words)
        if simulation is None and "Signed-By" not in said:
            # The host's lists may be old or absent: read them all, once, and ask again.
            well, read = self.apt.update()
            work.refresh = True
            simulation, said = self.apt.simulate(words)
            if simulation is None and not well:
                said += "\n" + read
        if simulation is None:
            raise AptError(self._why(said, work.names))
        work.simulation = simulation
        # Pins may send the same name elsewhere: what comes must be what was wished.
        for wish in self.wishes:
            new = simulation.install.get(wish.name, ("", ""))[1] or self.installed.get(wish.name, "")
            if wish.version and new and not text.version_matches(new, wish.version):
                raise AptError(self._why(f"E: {wish.name} would become {new}", [wish.name]))
        allowed = self.params["may_remove"]
        lost = [name for name in simulation.remove if name not in text.select([name], allowed, [])]
        lost = [name for name in lost if name not in self.record.packages]
        if lost:
            raise AptError(
                f"Installing {' '.join(work.names)} would remove {', '.join(sorted(lost))}. Remove these yourself, "
                "or allow it by name"
            )

    def _install_words(self, names: t.Sequence[str]) -> list[str]:
        words = [
            "install",
            "--no-install-recommends",
            *(["--allow-downgrades"] if self.params["allow_downgrade"] else []),
        ]
        return [*words, "--", *names] if names else [*words, "--fix-broken"]

    def _why(self, said: str, names: t.Sequence[str]) -> str:
        """Return the message for a refused transaction."""
        parts = [f"apt cannot install {' '.join(names) or 'what is half-way'}"]
        if "Conflicting values set for option Signed-By" in said:
            uris = [str(r["uri"]).rstrip("/") for r in self.params["repositories"]]
            others = [
                path
                for path in sorted(glob.glob(f"{ETC}/sources.list.d/*"))
                if not os.path.basename(path).startswith("genai-") and any(u in (content(path) or "") for u in uris)
            ]
            files = ", ".join(others) or f"a file below {ETC}"
            parts.append(f"{files} names the same repository with another key; remove it, or list it as replaced")
        for wish in self.wishes:
            if wish.name in names and wish.version:
                versions = self.apt.offered([wish.name]).get(wish.name, [])
                if not any(text.version_matches(version, wish.version) for version in versions):
                    there = ", ".join(versions) or "none at all"
                    parts.append(f"{wish.name} is not offered in a version {wish.version}; on offer: {there}")
                elif wish.name in self.installed and wish.name in text.missing_packages(said):
                    have = self.installed[wish.name]
                    parts.append(f"{wish.name} is installed as {have}; a downgrade has to be allowed first")
        missing = text.missing_packages(said)
        if missing and len(parts) == 1:
            parts.append(f"no source offers {', '.join(missing)}")
        theirs = sorted(self.held - set(self.record.holds))
        if theirs and ("held" in said or "hold" in said or "unmet" in said):
            parts.append(f"on hold, but not by this role: {', '.join(theirs)}; 'apt-mark unhold' lets them change")
        if "downgrade" in said.lower():
            parts.append("it would be a downgrade, which has to be allowed first")
        return "; ".join(parts) + f". apt says: {text.complaints(said)}"

    def _holds(self, work: Work) -> None:
        """Look which holds are to be set or taken off."""
        after = (set(self.installed) | set(work.simulation.install)) - set(work.simulation.remove)
        wanted = text.select(after, self.params["hold"], self.params["hold_except"])
        work.hold = [name for name in wanted if name not in self.held]
        work.unhold = [name for name in self.record.holds if name not in wanted and name in self.held]

    def apply(self, work: Work) -> None:
        """Do what was planned.

        :raises AptError: the transaction failed; what is done so far is on record
        """
        for path in work.removed_files:
            os.unlink(path)
        for path, wanted in work.files.items():
            self._write(path, wanted)
        self.record.sources = {r["name"]: list(r["fingerprints"]) for r in self.params["repositories"]}
        self.record.files = sorted((set(self.record.files) & self._own) | set(work.files))
        self.record.save()
        if work.refresh:
            self.apt.run(["apt-get", "update"])
        for path in work.files:
            if "/sources.list.d/" in path:
                # The others' lists are as fresh as they were; only ours are new.
                self.apt.run(["apt-get", "update", *text.ONLY, "-o", f"Dir::Etc::sourcelist={path}"])
        if work.names or self.broken:
            self._install(work)
        self._set_holds(work)

    def _write(self, path: str, wanted: str) -> None:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        temporary = f"{path}.genai-new"
        with open(temporary, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(wanted)
            os.fchmod(stream.fileno(), 0o644)
        os.rename(temporary, path)

    def _install(self, work: Work) -> None:
        ours = sorted(set(self.record.holds) & self.held)
        if ours:
            self.apt.run(["apt-mark", "unhold", *ours])
        words = ["apt-get", "-y", "-o", "DPkg::Lock::Timeout=300", "-o", "Dpkg::Options::=--force-confold"]
        if self.params["allow_downgrade"]:
            words += ["-o", f"Dir::Etc::preferencesparts={self.apt.scratch}/preferences.d"]
        status, out, err = self.apt.run([*words, *self._install_words(work.names)])
        installed, broken = self.apt.installed()
        came = (set(installed) | set(broken)) - set(self.installed)
        self.record.packages = sorted((set(self.record.packages) | came) & (set(installed) | set(broken)))
        self.record.save()
        if status != 0:
            if ours:
                self.apt.run(["apt-mark", "hold", *ours])
            half = f" Left half-way: {', '.join(broken)}." if broken else ""
            raise AptError(f"apt-get install failed.{half} {self._log()}apt says: {text.complaints(out + err)}")
        self.installed, self.held = installed, self.apt.held()

    def _log(self) -> str:
        """Return what the newest of the build logs says about its error."""
        logs = [path for pattern in self.params["logs"] for path in glob.glob(pattern)]
        if not logs:
            return ""
        newest = max(logs, key=os.path.getmtime)
        return f"{newest} says: {' | '.join(text.error_lines(content(newest) or ''))}. "

    def _set_holds(self, work: Work) -> None:
        wanted = text.select(self.installed, self.params["hold"], self.params["hold_except"])
        for action, names in (("hold", sorted(set(wanted) - self.held)), ("unhold", work.unhold)):
            if names:
                self.apt.run(["apt-mark", action, *names])
        ours = (set(self.record.holds) | (set(wanted) - self.held)) & set(wanted)
        if sorted(ours) != self.record.holds:
            self.record.holds = sorted(ours)
            self.record.save()
