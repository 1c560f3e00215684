# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From a host and what is asked of it to repositories, pins, packages and holds, or to the reason why not.

Private to the collection. :func:`gpu_plan` is a pure function; role ``nvidia_gpu`` does what it says. Each refusal
names what works instead.
"""

from __future__ import annotations

import re
import typing as t

from ansible_collections.genai.comfyui.plugins.plugin_utils import _gpu_plan_containers
from ansible_collections.genai.comfyui.plugins.plugin_utils import _gpu_plan_names as names
from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan_names import Json
from ansible_collections.genai.comfyui.plugins.plugin_utils._gpu_plan_says import RELEASES, SAYS, WARNS

EL = {"rhel", "rocky", "almalinux"}
DEFAULTS: Json = {
    "source": "auto", "branch": "", "version": "", "profile": "compute", "module": "auto", "min_version": "580",
    "repo_release": "", "repo_base": "", "toolkit_base": "", "secure_boot": "check", "headers": True,
    "packages": [], "kernel": "", "manage": True, "docker_source": "distro", "hold": True, "unattended": True,
    "key": "", "key_url": "", "fingerprints": [],
    "toolkit_key": "", "toolkit_key_url": "", "toolkit_fingerprints": [], "replaces": [], "toolkit": True,
    "docker_base": "", "docker_key": "", "docker_key_url": "", "docker_fingerprints": [],
    "toolkit_version": "", "engines": None, "cdi": "auto", "cdi_flags": None, "power_limit": None,
}  # fmt: skip
LATEST = 590
"""The branch that is asked for where 580 is not offered."""


class PlanError(ValueError):
    """A setting that makes no sense at all; the message names the variable."""


def numbers(version: str) -> tuple[int, ...]:
    """Return a version's numbers, so that 580 < 580.126.09 < 590."""
    return tuple(int(part) for part in re.findall(r"\d+", version.split("-")[0].split(":")[-1]))


def at_least(version: str, floor: str) -> bool:
    """Tell whether a driver version meets a floor; an empty floor is always met."""
    wanted = numbers(floor)
    return not wanted or numbers(version)[: len(wanted)] >= wanted


class _Planner:
    """Collects a plan; one method a question."""

    def __init__(self, host: t.Mapping[str, t.Any], asked: t.Mapping[str, t.Any]) -> None:
        unknown = sorted(set(asked) - set(DEFAULTS))
        if unknown:
            raise PlanError(f"the GPU plan does not know {', '.join(unknown)}")
        self.host, self.asked = host, {**DEFAULTS, **asked}
        # From the command line a boolean comes as text.
        self.asked["cdi"] = {"true": True, "false": False}.get(str(self.asked["cdi"]).lower(), self.asked["cdi"])
        self.warnings: list[str] = []
        self.refusals: list[Json] = []
        self.family = self.key = ""

    def refuse(self, code: str, **words: t.Any) -> None:
        """Note why it cannot be done, and what can."""
        self.refusals.append({"code": code, "message": SAYS[code].format(**words)})

    def warn(self, code: str, **words: t.Any) -> None:
        """Note what somebody should know."""
        self.warnings.append(WARNS[code].format(**words))

    def platform(self) -> bool:
        """Find out which of the supported systems this is; False when it is none."""
        distribution, release = str(self.host.get("distribution", "")).lower(), str(self.host.get("release", ""))
        major = release.split(".", maxsplit=1)[0]
        if distribution == "debian" and major in ("12", "13"):
            self.family, self.key = "debian", f"debian{major}"
        elif distribution == "ubuntu" and release in ("22.04", "24.04"):
            self.family, self.key = "ubuntu", f"ubuntu{release.replace('.', '')}"
        elif distribution in EL and major == "9":
            self.family, self.key = "rhel", "rhel9"
        else:
            what = f"{self.host.get('distribution') or 'an unknown system'} {release}".strip()
            self.refuse("platform", what=what, releases=RELEASES)
            return False
        if self.host.get("arch") not in names.ARCHES:
            self.refuse("arch", arch=self.host.get("arch"))
            return False
        return True

    def source(self) -> str:
        """Choose between the distribution's packages and NVIDIA's."""
        source = self.asked["source"]
        if source not in ("auto", "distro", "cuda_repo"):
            raise PlanError(f"nvidia_gpu_driver_source is {source!r}; auto, distro and cuda_repo are known")
        if source == "auto":
            if self.family == "ubuntu":
                return "distro"
            fixed = names.DISTRO_BRANCH.get(self.key)
            enough = fixed and self.asked["min_version"] and at_least(str(fixed), self.asked["min_version"])
            return "distro" if enough else "cuda_repo"
        if source == "distro" and self.family == "rhel":
            self.refuse("source")
        return str(source)

    def branch(self, source: str) -> int:
        """Choose the driver's branch."""
        version, asked = str(self.asked["version"] or ""), str(self.asked["branch"] or "")
        if asked and not asked.isdigit():
            raise PlanError(f"nvidia_gpu_driver_branch is {asked!r}; a number such as 580 is expected")
        if version and not numbers(version):
            raise PlanError(f"nvidia_gpu_driver_version is {version!r}; a version such as 580.126.09-1 is expected")
        if version and asked and numbers(version)[0] != int(asked):
            raise PlanError(f"nvidia_gpu_driver_version {version} is not of nvidia_gpu_driver_branch {asked}")
        if source == "distro" and self.family == "debian":
            return names.DISTRO_BRANCH[self.key]
        if version:
            return numbers(version)[0]
        if asked:
            return int(asked)
        return LATEST if self.key == "debian13" else 580

    def module(self, source: str) -> str:
        """Choose between the open and the proprietary kernel module."""
        module = self.asked["module"]
        if module not in ("auto", "open", "proprietary"):
            raise PlanError(f"nvidia_gpu_kernel_module is {module!r}; auto, open and proprietary are known")
        generations = {generation(gpu.get("pci_id")) for gpu in self.host.get("gpus") or []}
        old, new = bool(generations & {"old"}), bool(generations & {"blackwell"})
        if old and new:
            self.refuse("mixed")
        if module == "open" and old:
            self.refuse("old_card")
        if module == "proprietary" and new:
            self.refuse("new_card")
        if module != "auto":
            return str(module)
        # Debian's own open modules do not install or do not build, see known_bad().
        known_good = not (source == "distro" and self.family == "debian")
        return "open" if (not old and known_good) or new else "proprietary"

    def known_bad(self, source: str, branch: int, module: str, dkms: bool) -> None:
        """Refuse what is known not to work."""
        floor = str(self.asked["min_version"] or "")
        floors = re.fullmatch(r"[0-9.]*", floor)
        if not floors:
            raise PlanError(f"nvidia_gpu_driver_min_version is {floor!r}; a version such as 580 is expected")
        exact = str(self.asked["version"] or branch)
        if not at_least(exact, floor) and numbers(exact) < numbers(floor)[: len(numbers(exact))]:
            where = f"{self.key}'s own driver is {branch}" if source == "distro" else f"Driver {exact} was asked for"
            works = (
                "nvidia_gpu_driver_source: cuda_repo"
                if source == "distro" and self.family == "debian"
                else f"nvidia_gpu_driver_branch: {max(LATEST if self.key == 'debian13' else 580, numbers(floor)[0])}"
            )
            self.refuse("F1", where=where, floor=floor, works=works, branch=branch)
        if source == "distro" and module == "open" and self.family == "debian":
            self.refuse("F2" if self.key == "debian13" else "F3")
            if self.asked["cdi"] is not False:
                self.refuse("F8")
        other = str(self.asked["repo_release"] or "")
        if source == "cuda_repo" and other and other != self.key:
            sqv = " Its key is bound by SHA-1, which this release's apt refuses." if self.key == "debian13" else ""
            self.refuse("F4", other=other, key=self.key, sqv=sqv)
        if source == "cuda_repo" and self.key == "debian13" and branch < LATEST:
            self.refuse("F5", branch=branch, latest=LATEST)
        old = [gpu for gpu in self.host.get("gpus") or [] if generation(gpu.get("pci_id")) == "old"]
        if old and branch > 580:
            self.refuse("branch", card=old[0].get("name") or old[0].get("pci_id"), branch=branch)
        if dkms and "rt" in str(self.kernel()).replace("+", "-").split("-"):
            self.refuse("kernel", kernel=self.kernel())

    def kernel(self) -> str:
        """Return the release of the kernel that is to be served."""
        return str(self.asked["kernel"] or self.host.get("kernel") or "")

    def place(self) -> None:
        """Refuse to build modules for somebody else's kernel."""
        if self.host.get("container") and not self.asked["kernel"]:
            self.refuse("container")

    def secure_boot(self, dkms: bool) -> bool:
        """Judge Secure Boot; return whether the module-signing key is to be enrolled."""
        wish = self.asked["secure_boot"]
        if wish not in ("check", "enroll", "ignore"):
            raise PlanError(f"nvidia_gpu_secure_boot is {wish!r}; check, enroll and ignore are known")
        if not dkms or self.host.get("secure_boot") != "enabled" or self.host.get("mok_enrolled"):
            return False
        if wish == "check":
            signed = " Or set nvidia_gpu_driver_source: distro, whose modules Canonical signed."
            self.refuse("secure_boot", ubuntu=signed if self.family == "ubuntu" else "")
        elif wish == "ignore":
            self.warn("secure_boot")
        return bool(wish == "enroll")

    def pins(self, source: str, branch: int) -> list[Json]:
        """Return apt pins that let one branch or version come, and keep other ones of the same names away."""
        if self.family == "rhel" or source == "distro":
            return []
        glob = version_glob(str(self.asked["version"] or ""), branch)
        return [
            {
                "name": "nvidia-driver",
                "entries": [
                    {"packages": list(names.DRIVER_GLOBS), "pin": f"version {glob}", "priority": 900},
                    # Debian's own driver, or a newer branch, under the same name.
                    {"packages": list(names.DRIVER_NAMES), "pin": "version *", "priority": -1},
                ],
            }
        ]

    def result(self) -> Json:
        """Return the plan."""
        known = self.platform()
        empty: Json = {
            "family": self.family, "release": self.key, "kernel": self.kernel(),
            "source": "", "branch": 0, "module": "",
            "repositories": [], "components": None, "pins": [], "packages": [], "wanted": [], "hold": [],
            "hold_except": [], "keep_from_unattended": [], "stream": "", "dkms": False, "enroll": False,
            "containers": {"manage": False, "engines": [], "cdi": False},
        }  # fmt: skip
        if not known and not self.asked["manage"]:
            # Somebody else's driver on somebody else's system can still be asked for.
            self.refusals.clear()
        if not known:
            return {**empty, "warnings": self.warnings, "refusals": self.refusals}
        if not self.asked["manage"]:
            return self.finish(empty)
        source = self.source()
        branch, module = self.branch(source), self.module(source)
        if self.asked["profile"] not in ("compute", "full"):
            raise PlanError(f"nvidia_gpu_driver_profile is {self.asked['profile']!r}; compute and full are known")
        kernel, release = self.kernel(), str(self.host["release"])
        if self.family == "ubuntu":
            flavour = names.ubuntu_flavour(kernel, release)
        else:
            flavour = names.debian_flavour(kernel) if self.family == "debian" else ""
        dkms = not (self.family == "ubuntu" and source == "distro" and flavour)
        self.known_bad(source, branch, module, dkms)
        self.place()
        plan = {**empty, "source": source, "branch": branch, "module": module, "dkms": dkms}
        plan["enroll"] = self.secure_boot(dkms)
        chosen = list(self.asked["packages"]) or names.packages(
            self.family, source, branch, self.asked["profile"], module, "" if dkms else flavour
        )
        plan["packages"] = [{"name": name, "version": self.version_of(name, source, branch)} for name in chosen]
        if dkms and self.asked["headers"]:
            self.header_packages(plan, kernel, flavour)
        plan["pins"] = self.pins(source, branch)
        self.sources(plan, source, branch, module)
        if self.asked["hold"]:
            plan["hold"], plan["hold_except"] = list(names.HOLD), list(names.HOLD_EXCEPT)
        if self.family == "rhel":
            self.locks(plan)
        if self.asked["unattended"] and self.family != "rhel":
            plan["keep_from_unattended"] = list(names.UNATTENDED)
        if source == "cuda_repo" and self.family == "ubuntu" and branch >= 590:
            self.warnings.append(
                "The names of NVIDIA's Ubuntu packages from 590 on are taken from its manual, not tried"
            )
        return self.finish(plan)

    def locks(self, plan: Json) -> None:
        """Add what dnf needs to keep versions; its locks are what dnf-automatic heeds as well."""
        if self.asked["hold"]:
            plan["hold"] = list(names.HOLD_RPM)
            plan["packages"].insert(0, {"name": names.LOCK_PLUGIN, "version": ""})
        elif self.asked["unattended"]:
            self.warn("dnf_automatic")

    def version_of(self, name: str, source: str, branch: int) -> str:
        """Return the glob that a package's version must match."""
        exact = str(self.asked["version"] or "")
        # Where the name holds the branch, an exact version alone has to match.
        if source == "distro" or not (exact or name in names.DRIVER_NAMES or name.startswith("kmod-nvidia-")):
            return ""
        return version_glob(exact, branch)

    def header_packages(self, plan: Json, kernel: str, flavour: str) -> None:
        """Add the kernel's headers, for the running kernel and for those to come."""
        if self.family != "rhel" and not flavour:
            self.warn("kernel", kernel=kernel)
            return
        must, wanted = names.headers(self.family, kernel, flavour)
        plan["packages"] = [{"name": name, "version": ""} for name in must] + plan["packages"]
        plan["wanted"] = wanted

    def sources(self, plan: Json, source: str, branch: int, module: str) -> None:
        """Add repositories, or the distribution's components."""
        if source == "distro":
            if self.family == "debian":
                code = {"debian12": "bookworm", "debian13": "trixie"}[self.key]
                plan["components"] = {
                    "suites": [code, f"{code}-updates", f"{code}-security"],
                    "components": ["contrib", "non-free", "non-free-firmware"],
                }
            return
        repository = names.cuda_repository(self.key, self.host["arch"], self.asked["repo_base"] or names.CUDA_BASE)
        repository["replaces"] = list(self.asked["replaces"])
        _gpu_plan_containers.override(repository, self.asked, "")
        plan["repositories"] = [repository]
        if self.family == "rhel":
            plan["stream"] = f"nvidia-driver:{branch}-{'open' if module == 'open' else 'dkms'}"
            self.warn("rhel")

    def finish(self, plan: Json) -> Json:
        """Add containers, warnings and refusals."""
        plan["containers"] = _gpu_plan_containers.containers(self.host, self.asked, self.family, self.warn, self.refuse)
        _power(self.host, self.asked["power_limit"], self.refuse)
        return {**plan, "warnings": self.warnings, "refusals": self.refusals}


def version_glob(version: str, branch: int) -> str:
    """Return the glob for an exact version, with or without its Debian revision, or for a branch."""
    if not version:
        return f"{branch}.*"
    return version if "-" in version else f"{version}-*"


def generation(pci_id: t.Any) -> str:
    """Return ``old`` (before Turing), ``turing`` (up to Ada and Hopper) or ``blackwell``; empty when not known."""
    match = re.fullmatch(r"(?:10de:)?([0-9a-f]{4})", str(pci_id or "").lower())
    if not match:
        return ""
    number = int(match[1], 16)
    if number < 0x1E00:
        return "old"
    return "blackwell" if number >= 0x2900 else "turing"


def _power(host: t.Mapping[str, t.Any], asked: t.Any, refuse: t.Callable[..., None]) -> None:
    """Refuse a power limit that a card cannot take."""
    for gpu in host.get("gpus") or []:
        watts = asked.get(gpu.get("uuid")) if isinstance(asked, t.Mapping) else asked
        power = gpu.get("power") or {}
        low, high = power.get("min_w"), power.get("max_w")
        if watts is None or low is None or high is None:
            continue
        if not low <= float(watts) <= high:
            refuse("power", watts=watts, low=low, high=high, name=gpu.get("name"), uuid=gpu.get("uuid"))


def gpu_plan(host: t.Mapping[str, t.Any], asked: t.Mapping[str, t.Any]) -> Json:
    """Plan what has to be on a host so that its GPUs work.

    :param host: ``distribution``, ``release``, ``arch`` (x86_64 ...), ``kernel`` (release), ``container`` (bool),
        ``secure_boot`` (enabled, disabled ...), ``mok_enrolled`` (bool or None), ``gpus`` (records with ``pci_id``,
        ``name``, ``uuid``, ``power``), ``docker`` and ``podman`` (version or empty), ``toolkit`` (version or empty),
        ``static_cdi`` (bool)
    :param asked: any of :data:`DEFAULTS`
    :returns: ``source``, ``branch``, ``module``, ``dkms``, ``enroll``, ``repositories``, ``components``, ``pins``,
        ``packages``, ``wanted``, ``hold``, ``hold_except``, ``keep_from_unattended``, ``stream``, ``containers``,
        ``warnings``, ``refusals`` (records with ``code`` and ``message``). With refusals nothing of it may be done.
    :raises PlanError: a setting has a value that is not known
    """
    return _Planner(host, asked).result()
