# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What goes wrong with containers on a real host: one clear message each, and what ran goes on where something ran."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from compose_field import APP, BOX, ComposeField, awaited

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

SMI = Path(__file__).resolve().parents[1] / "unit" / "gpu"
NOWHERE = f"registry.invalid/python@sha256:{'0' * 64}"

FULL = """
- hosts: srv-1
  gather_facts: false
  tasks:
    - genai.comfyui.container_image: {name: genai-test-full, context: /root/big, base: "local/python:trixie"}
      environment: {DOCKER_HOST: "unix:///run/small.sock"}
"""


@pytest.fixture
def field(compose: ComposeField) -> ComposeField:
    """Return the hosts with a working instance."""
    compose.ensure()
    return compose


def refused(field: ComposeField, *arguments: str) -> str:
    """Converge in vain; return the playbook's words on one line."""
    done = field.site(*arguments)
    assert done.returncode != 0, done.stdout[-3000:]
    return " ".join(done.stdout.split())


def given(**variables: object) -> tuple[str, str]:
    """Return variables as arguments of a playbook."""
    return "-e", json.dumps(variables)


def started(field: ComposeField) -> str:
    """Start the instance by hand; return what its unit said where that failed, on one line."""
    since = field.now()
    field.on("srv-1", "systemctl reset-failed comfyui@default; systemctl start comfyui@default || true")
    return " ".join(field.journal(since).split())


def test_a_base_image_that_is_not_to_be_had(field: ComposeField) -> None:
    before = field.box()
    said = refused(field, *given(comfyui_base_image=NOWHERE))
    assert f"the base image {NOWHERE} is not on this host and cannot be pulled" in said
    said = refused(field, *given(comfyui_base_image="python:3.13"))
    assert "a tag may name another image tomorrow, so it is not pulled" in said
    assert (field.box(), field.works()) == (before, True)


def test_a_build_that_fails_leaves_the_former_instance(field: ComposeField) -> None:
    before = field.box()
    said = refused(field, *given(comfyui_extra_packages=["no-such-package-anywhere==1.0"]))
    assert "was not built" in said
    assert "no-such-package-anywhere" in said
    assert "The former image and what runs stay as they are" in said
    assert (field.box(), field.works()) == (before, True)


def test_a_full_disk_during_a_build(field: ComposeField, tmp_path: Path) -> None:
    """An engine of its own, whose data lie on a small file system."""
    before = field.box()
    field.on(
        "srv-1",
        "mkdir -p /run/small /root/big && mount -t tmpfs -o size=190m tmpfs /run/small"
        " && printf 'ARG BASE\\nFROM ${BASE}\\nCOPY big /big\\n' > /root/big/Dockerfile"
        " && head -c 120M /dev/urandom > /root/big/big"
        " && systemd-run --quiet --unit small dockerd --data-root /run/small --exec-root /run/small-exec"
        " --host unix:///run/small.sock --pidfile /run/small.pid --bridge none --iptables=false --ip6tables=false"
        " --containerd-namespace small --containerd-plugins-namespace small-plugins",
    )
    try:
        small = "docker -H unix:///run/small.sock"
        awaited(lambda: bool(field.on("srv-1", f"{small} info -f '{{{{.ID}}}}' 2>/dev/null || true")), 60, "the engine")
        field.on("srv-1", f"{small} import /srv/images/python.tar local/python:trixie")
        play = tmp_path / "full.yml"
        play.write_text(FULL)
        done = field.play(str(play))
        said = " ".join(done.stdout.split())
        assert "no space is left; /run/small is on the file system at /run/small, where" in said
        assert "docker builder prune" in said
        assert done.returncode != 0
    finally:
        field.on("srv-1", "systemctl stop small; umount -l /run/small; rm -rf /root/big", check=False)
    assert (field.box(), field.works()) == (before, True)


def test_what_is_in_the_way_is_seen_before_the_running_container_is_replaced(field: ComposeField) -> None:
    """A port, a certificate and a user that cannot be: nothing is changed, and what runs answers."""
    before = field.box()
    field.on("srv-1", "systemd-run --quiet --unit taken python3 -m http.server 8189")
    try:
        awaited(lambda: ":8189" in field.on("srv-1", "ss -ltnH"), 20, "the program that takes the port")
        tls = ["--tls-keyfile", "/etc/ssl/none.key", "--tls-certfile", "/etc/ssl/none.pem"]
        said = refused(field, *given(comfyui_instances=[{"name": "default", "port": 8189, "launch_args": tls}]))
        assert "0.0.0.0:8189 is taken by something else; free it or choose another port in comfyui_instances" in said
        assert "/etc/ssl/none.key is not there or no file" in said
        assert "Nothing was changed" in said
    finally:
        field.on("srv-1", "systemctl stop taken", check=False)
    said = refused(field, *given(comfyui_user="root"))
    assert "comfyui_user (root) and comfyui_group (comfyui) must not be root's" in said
    assert field.on("srv-1", "getent passwd root").endswith(":/root:/bin/bash\n")
    assert (field.box(), field.works()) == (before, True)


def test_another_instance_leaves_the_container_of_the_first_alone(field: ComposeField) -> None:
    before = field.box()
    try:
        done = field.site(
            *given(comfyui_instances=[{"name": "default", "port": 8188}, {"name": "second", "port": 8189}])
        )
        assert done.returncode == 0, done.stdout[-4000:]
        boxes = field.on("srv-1", "docker ps --filter label=genai.comfyui.instance --format '{{.Names}}'").split()
        assert sorted(boxes) == ["comfyui-default", "comfyui-second"]
        assert (field.box(), field.works()) == (before, True)
    finally:
        gone = "/etc/systemd/system/comfyui@second.service.d /opt/comfyui/instances/second"
        script = f"systemctl disable --now comfyui@second; docker rm -f comfyui-second; rm -rf {gone}"
        field.on("srv-1", f"{script}; systemctl daemon-reload", check=False)


def test_a_port_that_is_taken_when_a_container_starts(field: ComposeField) -> None:
    field.on("srv-1", "systemctl stop comfyui@default; systemd-run --quiet --unit taken python3 -m http.server 8188")
    try:
        awaited(lambda: ":8188" in field.on("srv-1", "ss -ltnH"), 20, "the program that takes the port")
        assert "8188 is taken by something else" in started(field)
    finally:
        field.on("srv-1", "systemctl stop taken", check=False)
    field.on("srv-1", "systemctl reset-failed comfyui@default; systemctl start comfyui@default")
    assert field.works()


def test_a_missing_bind_source(field: ComposeField) -> None:
    field.on("srv-1", "systemctl stop comfyui@default; mv /srv/comfyui/cache /srv/comfyui/away")
    try:
        said = started(field)
        assert "/srv/comfyui/cache is missing and nothing is made up in its place" in said
        assert not field.running()
        assert field.on("srv-1", "ls /srv/comfyui/cache 2>/dev/null || true") == "", "the engine made nothing up"
    finally:
        field.on("srv-1", "mv /srv/comfyui/away /srv/comfyui/cache")
    field.on("srv-1", "systemctl reset-failed comfyui@default; systemctl start comfyui@default")
    assert field.works()


def test_files_of_somebody_else(field: ComposeField) -> None:
    place = "/srv/comfyui/instances/default/output"
    field.on("srv-1", f"chown root:root {place} {APP}/login/PASSWORD; chmod 700 {place}")
    since = field.now()
    field.on("srv-1", "systemctl restart comfyui@default || true")
    said = " ".join(field.journal(since).split())
    assert "login/PASSWORD: Permission denied; run the playbook for this host again" in said
    assert (field.running(), field.code()) == (False, "000")
    done = field.site()
    assert done.returncode == 0, done.stdout[-4000:]
    owners = field.on("srv-1", f"stat -c %U {place} {APP}/login/PASSWORD").split()
    assert owners == ["comfyui", "comfyui"], "the role gives them back"
    assert field.works()


def test_an_engine_that_is_down(field: ComposeField) -> None:
    field.on("srv-1", "systemctl stop docker.socket docker.service")
    try:
        said = refused(field)
        assert "the container engine does not answer" in said
        assert "systemctl start docker" in said
    finally:
        field.on("srv-1", "systemctl start docker.socket docker.service")
    field.on("srv-1", "systemctl start comfyui@default")
    assert field.works()


@pytest.fixture
def card(field: ComposeField) -> Iterator[ComposeField]:
    """Let the driver's program tell of a card; the engine's settings know nothing of it."""
    field.on("srv-1", "mkdir -p /srv/fake")
    for name in ("fake_nvidia_smi.py", "fixtures/rtx-3090-580.json", "fixtures/rtx-3090-580.xml"):
        target = f"{field.project}-srv-1:/srv/fake/{Path(name).name}"
        subprocess.run(["docker", "cp", "-q", str(SMI / name), target], check=True)
    program = 'exec python3 -I -S /srv/fake/fake_nvidia_smi.py /srv/fake/rtx-3090-580.json "$@"'
    script = f"printf '#!/bin/sh\\n%s\\n' '{program}' > /usr/local/bin/nvidia-smi; chmod +x /usr/local/bin/nvidia-smi"
    field.on("srv-1", f"{script}; nvidia-smi -q -x | grep -q GPU-")
    yield field
    field.on("srv-1", "rm -r /usr/local/bin/nvidia-smi /srv/fake")


def test_a_gpu_host_whose_engine_has_no_way_to_gpus(card: ComposeField) -> None:
    before = card.box()
    said = refused(card)
    assert "takes no CDI devices" in said
    assert "has no runtime 'nvidia' in daemon.json" in said
    assert "nvidia_gpu" in said
    said = refused(card, *given(comfyui_container_gpu="runtime"))
    assert "comfyui_container_gpu is runtime, but Docker" in said
    assert (card.box(), card.works()) == (before, True)


def test_an_image_whose_node_cannot_be_imported_does_not_replace_what_runs(field: ComposeField) -> None:
    """It is started where nothing depends on it before; what runs answers on, also after a restart of its unit."""
    before, image = field.box(), field.image()
    pins = given(**field.broken())
    said = refused(field, *pins)
    assert "The image genai-comfyui:" in said
    assert "does not start locked" in said
    assert "custom_nodes/ComfyUI-Login module for custom nodes: No module named 'a_module_that_is_not_there'" in said
    assert "What ran before it runs on" in said
    assert (field.box(), field.works(), field.left()) == (before, True, "")
    done = field.site("--check", *pins)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "Would start genai-comfyui:" in " ".join(done.stdout.split())
    assert (field.box(), field.left()) == (before, "")
    # As after a reboot: nothing on disk says that the container is to be another one.
    field.on("srv-1", "systemctl restart comfyui@default")
    assert (field.image(), field.works()) == (image, True)
    done = field.site()
    assert done.returncode == 0, done.stdout[-4000:]
    assert "until it is proven locked" not in done.stdout, "what runs needs no rehearsal"


def test_a_node_that_fails_to_import_is_never_reachable_and_stays_stopped(field: ComposeField) -> None:
    """Without a rehearsal: neither the run nor a restart of the engine opens it; the next sound version is proven."""
    said = refused(field, *given(**field.broken(), comfyui__rehearse=False))
    assert "Stopped, because not locked. default:" in said
    assert "a_module_that_is_not_there" in said or "does not guard" in said
    assert (field.running(), field.code()) == (False, "000")

    field.on("srv-1", "systemctl restart docker")
    awaited(lambda: "up" in field.on("srv-1", "docker info >/dev/null 2>&1 && echo up || true"), 60, "the engine")
    awaited(lambda: field.on("srv-1", "systemctl list-jobs").startswith("No jobs"), 60, "what the restart started")
    assert (field.running(), field.code()) == (False, "000"), "an engine restart must not open it"

    done = field.site()
    assert done.returncode == 0, done.stdout[-4000:]
    assert field.works()


def test_a_password_that_is_gone_ends_in_a_stopped_server(field: ComposeField) -> None:
    """Whoever removes PASSWORD by hand must not get an open server from a restart, by whatever way."""
    field.on("srv-1", f"mv {APP}/login/PASSWORD {APP}/away")
    try:
        since = field.now()
        field.on("srv-1", "systemctl restart comfyui@default || true")
        assert "PASSWORD" in field.journal(since)
        field.on("srv-1", f"docker start {BOX} || true")
        awaited(lambda: not field.running(), 30, "the refusal of the container itself")
        assert field.code() == "000"
    finally:
        field.on("srv-1", f"mv {APP}/away {APP}/login/PASSWORD")
