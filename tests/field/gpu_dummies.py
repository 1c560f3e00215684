# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the dummy packages hold: fakes of nvidia-smi, nvidia-ctk and mokutil, a pretended build, the refresh units.

Everything the fakes tell comes from files below /srv/fake, so that a test changes the hardware by writing a file.
"""

from __future__ import annotations

FAKE = "/srv/fake"

# /srv/fake/gpu.json: {"loaded": "590.48.01"}; without it no driver is loaded. Another version than its own is a
# mismatch, as in life.
FAKE_SMI = r"""#!/usr/bin/env python3
import json, re, sys
try:
    card = json.load(open("/srv/fake/gpu.json"))
except OSError:
    card = {}
arguments = sys.argv[1:]
if not card.get("loaded"):
    print("NVIDIA-SMI has failed because it couldn't communicate with the NVIDIA driver. Make sure that the latest "
          "NVIDIA driver is installed and running.")
    sys.exit(9)
if card["loaded"] != "@VERSION@":
    print("Failed to initialize NVML: Driver/library version mismatch")
    sys.exit(18)
if "-pl" in arguments:
    card["limit"] = float(arguments[arguments.index("-pl") + 1])
    json.dump(card, open("/srv/fake/gpu.json", "w"))
    print("Power limit for GPU 00000000:01:00.0 was set to %.2f W." % card["limit"])
    sys.exit(0)
values = {
    "index": "0", "uuid": "GPU-8f0d7a3e-0000-4000-8000-000000003090", "name": "NVIDIA GeForce RTX 3090",
    "pci.bus_id": "00000000:01:00.0", "pci.device_id": "0x220410DE", "driver_version": card["loaded"],
    "compute_cap": "8.6", "memory.total": "24576", "memory.used": "1", "memory.free": "24575",
    "power.limit": "%.2f" % card.get("limit", 350), "power.default_limit": "350.00", "enforced.power.limit": "350.00",
    "power.min_limit": "%.2f" % card.get("min", 100), "power.max_limit": "%.2f" % card.get("max", 350),
    "power.draw": "20.00", "persistence_mode": "Enabled", "display_active": "Disabled", "mig.mode.current": "[N/A]",
}
for word in arguments:
    if word.startswith("--query-gpu="):
        print(", ".join(values.get(name, "[N/A]") for name in word[12:].split(",")))
        sys.exit(0)
if "-q" in arguments and "-x" in arguments:
    print('''<?xml version="1.0" ?>
<nvidia_smi_log><timestamp>now</timestamp><driver_version>%(driver_version)s</driver_version>
<cuda_version>13.1</cuda_version>
<attached_gpus>1</attached_gpus><gpu id="%(pci.bus_id)s"><product_name>%(name)s</product_name>
<product_architecture>Ampere</product_architecture>
<persistence_mode>Enabled</persistence_mode><uuid>%(uuid)s</uuid><minor_number>0</minor_number>
<pci><pci_bus>01</pci_bus>
<pci_device_id>220410DE</pci_device_id><pci_bus_id>%(pci.bus_id)s</pci_bus_id></pci>
<fb_memory_usage><total>24576 MiB</total><reserved>0 MiB</reserved>
<used>1 MiB</used><free>24575 MiB</free></fb_memory_usage>
<gpu_power_readings><current_power_limit>%(power.limit)s W</current_power_limit>
<default_power_limit>350.00 W</default_power_limit>
<min_power_limit>%(power.min_limit)s W</min_power_limit>
<max_power_limit>%(power.max_limit)s W</max_power_limit></gpu_power_readings>
<processes></processes></gpu></nvidia_smi_log>''' % values)
    sys.exit(0)
print("GPU 0: NVIDIA GeForce RTX 3090")
"""

FAKE_CTK = r"""#!/bin/sh
case "$1 $2" in
  "--version "*) echo "NVIDIA Container Toolkit CLI version @VERSION@" ;;
  "cdi generate")
    out=/var/run/cdi/nvidia.yaml
    mkdir -p /var/run/cdi
    {
      echo "cdiVersion: 0.5.0"
      echo "kind: nvidia.com/gpu"
      echo "devices:"
      echo "- name: all"
      echo "  containerEdits:"
      echo "    deviceNodes:"
      echo "    - path: /dev/nvidia0"
      case "$NVIDIA_CTK_CDI_GENERATE_FEATURE_FLAGS" in
        *no-additional-gids*) ;;
        *) echo "    additionalGids: [44]" ;;
      esac
    } > "$out" ;;
  *) exit 1 ;;
esac
"""

REFRESH_SERVICE = """[Unit]
Description=Dummy of the toolkit's refresh service
[Service]
Type=oneshot
EnvironmentFile=-/etc/nvidia-container-toolkit/nvidia-cdi-refresh.env
ExecStart=/usr/bin/nvidia-ctk cdi generate
[Install]
WantedBy=multi-user.target
"""

REFRESH_PATH = """[Unit]
Description=Dummy of the toolkit's refresh path
[Path]
PathChanged=/usr/bin/nvidia-ctk
[Install]
WantedBy=multi-user.target
"""

# Pretends to be DKMS: "builds" for each kernel that has headers, or fails as the real one does.
POSTINST = r"""#!/bin/sh
set -e
[ "$1" = configure ] || exit 0
mkdir -p /var/lib/dkms/nvidia/@VERSION@/build
log=/var/lib/dkms/nvidia/@VERSION@/build/make.log
: > /var/lib/dkms/dummy-status
for kernel in /lib/modules/*; do
  release=$(basename "$kernel")
  [ -e "$kernel/build/Makefile" ] || continue
  if [ -e /srv/fake/dkms-fails ]; then
    {
      echo "DKMS make.log for nvidia-@VERSION@ for kernel $release (x86_64)"
      echo "  CC [M]  /var/lib/dkms/nvidia/@VERSION@/build/nvidia/nv-pci.o"
      echo "nvidia/nv-pci.c:237:9: error: too few arguments to function 'pci_resize_resource'"
      echo "make[3]: *** [scripts/Makefile.build:229: nvidia/nv-pci.o] Error 1"
    } > "$log"
    echo "Error! Bad return status for module build on kernel: $release (x86_64)" >&2
    echo "Consult $log for more information." >&2
    echo "nvidia/@VERSION@: added" > /var/lib/dkms/dummy-status
    # As with the real dkms, a switch decides whether dpkg hears of it.
    [ -e /srv/fake/dkms-fails-silently ] && exit 0
    exit 10
  fi
  mkdir -p "$kernel/updates/dkms"
  echo "@VERSION@" > "$kernel/updates/dkms/nvidia.ko"
  echo "nvidia/@VERSION@, $release, x86_64: installed" >> /var/lib/dkms/dummy-status
done
"""

FAKE_MOKUTIL = r"""#!/bin/sh
case "$1" in
  --sb-state) cat /srv/fake/secure-boot 2>/dev/null || echo "EFI variables are not supported on this system" ;;
  --test-key)
    [ -e /srv/fake/enrolled ] && { echo "$2 is already enrolled"; exit 1; }
    echo "$2 is not enrolled" ;;
  --list-new) [ -e /srv/fake/pending ] && echo "SHA1 Fingerprint: 00" || exit 1 ;;
  --import) read -r first; read -r second; [ -n "$first" ] && [ "$first" = "$second" ] && touch /srv/fake/pending ;;
  *) exit 255 ;;
esac
"""

# Makes a host with one RTX 3090 on its bus and no driver.
CARD = r"""#!/bin/sh
set -e
card=/srv/fake/root/sys/bus/pci/devices/0000:01:00.0
mkdir -p $card /srv/fake/root/proc/driver /srv/fake/root/sys/module /srv/fake/root/dev
for name in usr lib etc run var boot; do ln -sfn /$name /srv/fake/root/$name; done
echo 0x10de > $card/vendor; echo 0x2204 > $card/device; echo 0x030000 > $card/class
"""

SETUP = f"""{CARD}
mkdir -p /srv/repo/debian12 /srv/repo/debian13 /srv/repo/stable/deb
for release in debian12 debian13; do ln -sfn /srv/repo/cuda /srv/repo/$release/x86_64; done
ln -sfn /srv/repo/toolkit /srv/repo/stable/deb/amd64
install -m 0755 /srv/repo/mokutil /usr/bin/mokutil
"""

# Stands for modprobe or a boot: what the kernel tells with a driver of that version, or with none.
LOAD = r"""#!/bin/sh
set -e
root=/srv/fake/root
rm -rf $root/proc/driver/nvidia $root/sys/module/nvidia $root/dev/nvidia* /srv/fake/gpu.json
[ -n "$1" ] || exit 0
mkdir -p $root/proc/driver/nvidia $root/sys/module/nvidia
echo "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  $1  Release Build  (root@dummy)" \
  > $root/proc/driver/nvidia/version
echo "$1" > $root/sys/module/nvidia/version
touch $root/dev/nvidia0 $root/dev/nvidiactl $root/dev/nvidia-uvm
echo "{\"loaded\": \"$1\"}" > /srv/fake/gpu.json
"""

# An engine with a unit, as Docker's own packages bring it; on RHEL nothing starts it.
DOCKER_CE = r"""#!/bin/sh
case "$1" in
  --version) echo "Docker version 28.3.1, build 0000000" ;;
  ps) systemctl is-active --quiet docker.service ;;
  *) exit 1 ;;
esac
"""
DOCKER_UNIT = """[Unit]
Description=Dummy of Docker's engine
[Service]
ExecStart=/bin/sleep infinity
[Install]
WantedBy=multi-user.target
"""

# An engine that does not run, of the version that the release has.
FAKE_DOCKER = r"""#!/bin/sh
[ "$1" = --version ] || exit 1
grep -q '^VERSION_ID="12"' /etc/os-release && echo "Docker version 20.10.24+dfsg1, build 297e128" && exit 0
echo "Docker version 26.1.5+dfsg1, build a72d7cd"
"""
