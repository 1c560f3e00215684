# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Signed rpm repositories of dummy packages that stand for those of RHEL's kin, NVIDIA and Docker.

The packages have the real ones' names, and dependencies in small; NVIDIA's are in module streams, as the real ones of
release 9. rpmbuild, rpmsign and createrepo_c do the work on a host that has them, see gpu_rhel.py.
"""

from __future__ import annotations

import io
import tarfile
import textwrap

from gpu_dummies import (
    CARD,
    DOCKER_CE,
    DOCKER_UNIT,
    FAKE_CTK,
    FAKE_MOKUTIL,
    FAKE_SMI,
    LOAD,
    POSTINST,
    REFRESH_PATH,
    REFRESH_SERVICE,
)

KERNEL = "5.14.0-570.el9.x86_64"
"""The kernel that the host is said to have."""
DRIVERS = ("580.126.09", "590.48.01", "590.55.02")
TOOLKITS = ("1.18.1", "1.20.0")
STREAMS = {"580-open": "580.126.09", "580-dkms": "580.126.09", "590-open": "590.48.01"}
SCRIPTS = ("nvidia-smi", "nvidia-ctk", "podman", "docker")


class Rpm:
    """One binary package of a source package: what it requires and provides, files by path, scriptlets by name."""

    def __init__(self, name: str, requires: str = "", conflicts: str = "", provides: str = "") -> None:
        self.name = name
        self.relations = {"Requires": requires, "Conflicts": conflicts, "Provides": provides}
        self.files: dict[str, str] = {}
        self.scriptlets: dict[str, str] = {}

    def holding(self, files: dict[str, str], **scriptlets: str) -> Rpm:
        """Give it files, and scriptlets such as ``preun``."""
        self.files, self.scriptlets = files, scriptlets
        return self


def spec(version: str, release: str, epoch: int, rpms: list[Rpm]) -> str:
    """Return a spec file that builds all of *rpms*; its %install takes the files from /srv/build/files."""
    head = f"Version: {version}\nRelease: {release}\n" + (f"Epoch: {epoch}\n" if epoch else "")
    parts, install, lists = [], "", ""
    for number, rpm in enumerate(rpms):
        relations = "".join(f"{key}: {value}\n" for key, value in rpm.relations.items() if value)
        common = f"Summary: dummy of {rpm.name}\nAutoReqProv: no\n{relations}"
        option = "" if number == 0 else f" -n {rpm.name}"
        opening = f"Name: {rpm.name}\n{head}License: none\n" if number == 0 else f"%package -n {rpm.name}\n"
        parts.append(f"{opening}{common}%description{option}\ndummy\n")
        for when, script in rpm.scriptlets.items():
            parts.append(f"%{when}{option}\n{script}\n")
        lists += f"%files{option}\n" + "".join(f"/{path}\n" for path in rpm.files)
        for path in rpm.files:
            mode = "0755" if path.rsplit("/", 1)[-1] in SCRIPTS else "0644"
            # The same path in two packages of a spec would be one file.
            install += f"install -D -m {mode} /srv/build/files/{rpm.name}-{version}/{path} %{{buildroot}}/{path}\n"
    return "".join([*parts, f"%install\n{install}", lists])


def driver(version: str) -> list[Rpm]:
    """Return a driver's packages in one version, of both kinds of module."""
    same = f"= 3:{version}"
    # Real DKMS packages build in %post; here the headers of the same transaction are awaited.
    build = POSTINST.replace("@VERSION@", version).replace("updates/dkms", "extra")
    build = build.replace('[ "$1" = configure ] || exit 0\n', "").replace("#!/bin/sh\n", "").replace("%", "%%")
    gone = "[ $1 -eq 0 ] && find /lib/modules -name nvidia.ko -delete; :"
    module = {"posttrans": build, "preun": gone}
    needs = f"nvidia-driver-cuda-libs {same}, libnvidia-ml {same}, nvidia-persistenced {same}, nvidia-modprobe {same}"
    return [
        Rpm("nvidia-driver-cuda", needs).holding({"usr/bin/nvidia-smi": FAKE_SMI.replace("@VERSION@", version)}),
        Rpm("nvidia-driver-cuda-libs").holding({f"usr/lib64/libcuda.so.{version}": "dummy\n"}),
        Rpm("libnvidia-ml").holding({f"usr/lib64/libnvidia-ml.so.{version}": "dummy\n"}),
        Rpm("nvidia-persistenced"),
        Rpm("nvidia-modprobe"),
        Rpm("kmod-nvidia-open-dkms", "dkms", "kmod-nvidia-latest-dkms").holding({}, **module),
        Rpm("kmod-nvidia-latest-dkms", "dkms", "kmod-nvidia-open-dkms").holding({}, **module),
        Rpm("nvidia-open", f"nvidia-driver-cuda {same}, kmod-nvidia-open-dkms {same}"),
        Rpm("cuda-drivers", f"nvidia-driver-cuda {same}, kmod-nvidia-latest-dkms {same}"),
    ]


def toolkit(version: str) -> list[Rpm]:
    """Return the container toolkit's packages in one version."""
    same = f"= {version}"
    files = {
        "usr/bin/nvidia-ctk": FAKE_CTK.replace("@VERSION@", version),
        "usr/lib/systemd/system/nvidia-cdi-refresh.service": REFRESH_SERVICE,
        "usr/lib/systemd/system/nvidia-cdi-refresh.path": REFRESH_PATH,
    }
    return [
        Rpm("nvidia-container-toolkit", f"nvidia-container-toolkit-base {same}, libnvidia-container-tools {same}"),
        Rpm("nvidia-container-toolkit-base").holding(files),
        Rpm("libnvidia-container-tools", f"libnvidia-container1 {same}"),
        Rpm("libnvidia-container1"),
    ]


Source = tuple[str, str, int, list[Rpm]]
"""Version, release, epoch and packages of a source package."""


def system() -> dict[str, Source]:
    """Return what the distribution and EPEL have."""
    headers = {f"usr/lib/modules/{KERNEL}/build/Makefile": "all:\n"}
    podman = {"usr/bin/podman": "#!/bin/sh\necho podman version 5.4.0\n"}
    number, release = KERNEL.removesuffix(".x86_64").split("-")
    rest = [Rpm("dkms"), Rpm("python3-dnf-plugin-versionlock"), Rpm("kernel-headers"), Rpm("kernel-devel-matched")]
    return {
        # What scriptlets run with is Debian's here, which rpm does not know of.
        "release": ("9.6", "1.el9", 0, [Rpm("rocky-release", provides="/bin/sh, system-release = 9.6")]),
        "kernel": (number, release, 0, [Rpm("kernel-devel").holding(headers)]),
        "newer-kernel": (number, "999.el9", 0, [Rpm("kernel", "kernel-core"), Rpm("kernel-core")]),
        "rest": ("99", "1.el9", 0, rest),
        "podman": ("5.4.0", "1.el9", 2, [Rpm("podman").holding(podman)]),
        "local": ("1", "1", 0, [Rpm("local-cuda-app", "libnvidia-ml")]),
    }


def sources() -> dict[str, Source]:
    """Return every source package by name."""
    found = system()
    found["docker"] = ("28.3.1", "1.el9", 3, docker())
    found.update({f"driver-{version}": (version, "1.el9", 3, driver(version)) for version in DRIVERS})
    found.update({f"toolkit-{version}": (version, "1", 0, toolkit(version)) for version in TOOLKITS})
    return found


def docker() -> list[Rpm]:
    """Return Docker's packages."""
    unit = {"usr/lib/systemd/system/docker.service": DOCKER_UNIT}
    return [
        Rpm("docker-ce", "containerd.io, docker-ce-cli").holding(unit),
        Rpm("docker-ce-cli").holding({"usr/bin/docker": DOCKER_CE}),
        *(Rpm(name) for name in ("containerd.io", "docker-buildx-plugin", "docker-compose-plugin")),
    ]


def modules(streams: dict[str, str]) -> str:
    """Return the description of module streams; a stream holds one kind of kernel module."""
    text = ""
    for number, (stream, version) in enumerate(streams.items()):
        other = "kmod-nvidia-latest-dkms" if stream.endswith("-open") else "kmod-nvidia-open-dkms"
        names = [rpm.name for rpm in driver(version) if rpm.name != other]
        artifacts = "".join(f"      - {name}-3:{version}-1.el9.x86_64\n" for name in names)
        text += textwrap.dedent(f"""\
            ---
            document: modulemd
            version: 2
            data:
              name: nvidia-driver
              stream: "{stream}"
              version: {number + 1}
              context: dummy
              arch: x86_64
              summary: dummy
              description: dummy
              license: {{module: [none]}}
              artifacts:
                rpms:
            """)
        text += artifacts
    return text


# Builds, signs, and lays out as the vendors do: <base>/rhel9/x86_64, <base>/stable/rpm/x86_64, <base>/rhel/9.
BUILD = r"""#!/bin/sh
set -e
export GNUPGHOME=/srv/build/gnupg LC_ALL=C
mkdir -m 700 $GNUPGHOME
mkdir -p /srv/rpm/keys
for name in right wrong system; do
  gpg --batch --quiet --passphrase '' --quick-gen-key "$name <$name@example.com>" rsa2048 sign never
  gpg --armor --export $name@example.com > /srv/rpm/keys/$name.asc
  gpg --with-colons --list-keys $name@example.com | awk -F: '/^fpr/ {print $10; exit}' > /srv/rpm/keys/$name.fingerprint
done
for spec in /srv/build/*.spec; do
  name=$(basename $spec .spec)
  rpmbuild --quiet -bb --target x86_64 --define "_topdir /srv/build/top/$name" --define "_build_id_links none" \
    --define "__os_install_post %{nil}" --define "debug_package %{nil}" --define "_binary_payload w0.gzdio" $spec \
    > /srv/build/$name.log 2>&1 || { cat /srv/build/$name.log >&2; exit 1; }
done
repository() { # path key stream-file specs...
  where=/srv/rpm/$1; key=$2; streams=$3; shift 3
  mkdir -p $where
  for name in "$@"; do cp /srv/build/top/$name/RPMS/x86_64/*.rpm $where/; done
  [ -z "$key" ] || rpmsign --define "__gpg /usr/bin/gpg" --define "_gpg_name $key@example.com" --addsign $where/*.rpm \
    > /dev/null 2>&1
  createrepo_c --quiet $where
  [ -z "$streams" ] || modifyrepo_c --mdtype=modules /srv/build/$streams $where/repodata > /dev/null
}
sign() { gpg --batch --local-user $2@example.com --armor --detach-sign /srv/rpm/$1/repodata/repomd.xml; }
repository system system '' release kernel newer-kernel rest podman local
repository rhel9/x86_64 right modules.yaml driver-580.126.09 driver-590.48.01
repository newer/rhel9/x86_64 right newer.yaml driver-580.126.09 driver-590.48.01 driver-590.55.02
repository forged/rhel9/x86_64 wrong modules.yaml driver-580.126.09 driver-590.48.01
repository stable/rpm/x86_64 '' '' toolkit-1.18.1 toolkit-1.20.0
sign stable/rpm/x86_64 right
repository forged/stable/rpm/x86_64 '' '' toolkit-1.20.0
sign forged/stable/rpm/x86_64 wrong
repository rhel/9/x86_64/stable right '' docker
gpgconf --kill all
tar -C /srv/rpm -cf - .
"""
# Every host is this one: the outermost edge is faked, from there on Rocky Linux 9 is what everything reads.
FAKE_ROCKY = r"""#!/bin/sh
set -e
rm -f /etc/os-release
cat > /etc/os-release <<'END'
NAME="Rocky Linux"
VERSION="9.6 (Blue Onyx)"
ID="rocky"
ID_LIKE="rhel centos fedora"
VERSION_ID="9.6"
PLATFORM_ID="platform:el9"
PRETTY_NAME="Rocky Linux 9.6 (Blue Onyx)"
END
echo "Rocky Linux release 9.6 (Blue Onyx)" > /etc/redhat-release
mkdir -p /etc/rpm /etc/yum.repos.d /etc/pki/rpm-gpg
echo "%_dbpath /var/lib/rpm" > /etc/rpm/macros
# Plugins that Debian adds and RHEL does not have.
rm -f /etc/dnf/plugins/local.conf /usr/lib/python3/dist-packages/dnf-plugins/local.py \
  /usr/lib/python3/dist-packages/dnf-plugins/*leaves.py
cat > /etc/dnf/dnf.conf <<'END'
[main]
gpgcheck=1
installonly_limit=3
clean_requirements_on_remove=True
best=True
skip_if_unavailable=False
END
"""
SETUP = f"""{CARD}
install -m 0755 /srv/rpm/mokutil /usr/bin/mokutil
cp /srv/rpm/keys/system.asc /etc/pki/rpm-gpg/RPM-GPG-KEY-system
cat > /etc/yum.repos.d/system.repo <<'END'
[system]
name=system
baseurl=file:///srv/rpm/system
gpgkey=file:///etc/pki/rpm-gpg/RPM-GPG-KEY-system
END
dnf -y -q install rocky-release >/dev/null
"""


def recipe() -> bytes:
    """Return a tar file of all that the building host needs, in the folder ``build``."""
    files = {"build.sh": BUILD, "modules.yaml": modules(STREAMS)}
    files["newer.yaml"] = modules({**STREAMS, "590-open": "590.55.02"})
    for name, (version, release, epoch, rpms) in sources().items():
        files[f"{name}.spec"] = spec(version, release, epoch, rpms)
        for rpm in rpms:
            files.update({f"files/{rpm.name}-{version}/{path}": text for path, text in rpm.files.items()})
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, text in sorted(files.items()):
            entry = tarfile.TarInfo(f"build/{name}")
            entry.size = len(text.encode())
            tar.addfile(entry, io.BytesIO(text.encode()))
    return out.getvalue()


__all__ = ["BUILD", "FAKE_MOKUTIL", "FAKE_ROCKY", "KERNEL", "LOAD", "SETUP", "recipe"]
