# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How containers get at GPUs: toolkit, runtime entry, CDI, by engine and version.

Private to the collection. Pure functions.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils import _gpu_plan_names as names
from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan_names import Json

NO_GIDS = "no-additional-gids-for-device-nodes"
Say = t.Callable[..., None]


def override(repository: Json, asked: t.Mapping[str, t.Any], prefix: str) -> None:
    """Let the user's own key and fingerprints stand for the vendor's, as an internal copy needs."""
    if asked[f"{prefix}key"]:
        repository["key"] = asked[f"{prefix}key"]
    if asked[f"{prefix}key_url"]:
        repository["key_url"] = asked[f"{prefix}key_url"]
    if asked[f"{prefix}fingerprints"]:
        repository["fingerprints"] = [str(one).replace(" ", "").upper() for one in asked[f"{prefix}fingerprints"]]


def major(version: t.Any) -> int:
    """Return the first number of a version, or 0."""
    match = re.search(r"\d+", str(version or ""))
    return int(match[0]) if match else 0


def engines(host: t.Mapping[str, t.Any], asked: t.Any) -> list[str]:
    """Return the engines that are to see GPUs: those asked for, or those that are there."""
    if asked is not None:
        return list(asked)
    return [name for name in ("docker", "podman") if host.get(name)]


def containers(host: t.Mapping[str, t.Any], asked: t.Mapping[str, t.Any], family: str, warn: Say, refuse: Say) -> Json:
    """Plan toolkit, CDI and engines.

    :returns: ``manage``, ``engines``, ``repositories``, ``packages``, ``runtime`` (an entry
        for Docker is wanted), ``docker_cdi`` (``features.cdi`` is wanted), ``cdi`` (the refresh service is wanted),
        ``cdi_flags``
    """
    wanted = engines(host, asked["engines"])
    unknown = sorted(set(wanted) - {"docker", "podman"})
    if unknown:
        refuse("engine", names=", ".join(unknown))
    plan: Json = {"manage": bool(asked["toolkit"] and wanted), "engines": wanted, "repositories": [], "packages": [],
                  "engine_packages": [], "engine_repositories": [], "runtime": False, "docker_cdi": False,
                  "cdi": False, "cdi_flags": []}  # fmt: skip
    _engine(host, asked, family, plan, refuse)
    if not plan["manage"]:
        return plan
    kind = "rpm" if family == "rhel" else "deb"
    repository = names.toolkit_repository(kind, host["arch"], asked["toolkit_base"] or names.TOOLKIT_BASE)
    override(repository, asked, "toolkit_")
    plan["repositories"] = [repository]
    version = str(asked["toolkit_version"] or "")
    # Two versions of these four do not work together.
    glob = "" if not version else (version if "-" in version else f"{version}-*")
    plan["packages"] = [{"name": name, "version": glob} for name in names.TOOLKIT_PACKAGES]
    _cdi(host, asked, plan, warn, refuse)
    return plan


def _engine(host: t.Mapping[str, t.Any], asked: t.Mapping[str, t.Any], family: str, plan: Json, refuse: Say) -> None:
    """Plan an engine where one is asked for by name and none is there."""
    source = asked["docker_source"]
    if source not in ("distro", "docker"):
        refuse("docker_source", source=source)
    elif "docker" in plan["engines"] and not host.get("docker"):
        if family == "rhel" and source == "distro":
            refuse("docker_rhel")
            return
        version = str(host["release"])
        release = "debian13" if family == "debian" and version.startswith("13") else ""
        chosen, plan["engine_repositories"] = names.docker_engine(
            family,
            release,
            host["arch"],
            source,
            str(host.get("codename") or ""),
            asked["docker_base"] or names.DOCKER_BASE,
        )
        for repository in plan["engine_repositories"]:
            override(repository, asked, "docker_")
        plan["engine_packages"] = [{"name": name, "version": ""} for name in chosen]


def _cdi(host: t.Mapping[str, t.Any], asked: t.Mapping[str, t.Any], plan: Json, warn: Say, refuse: Say) -> None:
    """Choose between runtime entry and CDI for each engine."""
    docker, podman = "docker" in plan["engines"], "podman" in plan["engines"]
    version = host.get("docker") or ""
    if docker and not major(version) and asked["docker_source"] == "distro":
        # One that is still to be installed, or does not run and tells nothing, is the one that the release brings.
        version = "20.10" if str(host["release"]).split(".", maxsplit=1)[0] == "12" else ""
    old_docker = docker and 0 < major(version) < 25
    wish = asked["cdi"]
    if wish not in ("auto", True, False):
        refuse("cdi", wish=wish)
    if wish is True and old_docker:
        refuse("cdi_docker", version=version)
    if wish is False and podman:
        refuse("cdi_podman")
    plan["cdi"] = wish is not False and (podman or (docker and not old_docker))
    plan["runtime"] = docker
    plan["docker_cdi"] = bool(docker and plan["cdi"] and not old_docker)
    flags = asked["cdi_flags"]
    old_podman = podman and 0 < major(host.get("podman")) < 5
    if flags is None:
        plan["cdi_flags"] = [NO_GIDS] if old_podman else []
    else:
        plan["cdi_flags"] = list(flags)
        if old_podman and NO_GIDS not in flags:
            refuse("F9", version=host["podman"], flag=NO_GIDS)
    if host.get("static_cdi") and plan["cdi"]:
        warn("static_cdi")
