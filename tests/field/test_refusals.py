# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What cannot be right is refused with one clear error, and nothing changes."""

from __future__ import annotations

import hashlib
import subprocess
import typing as t

import pytest
from field_hosts import APP, CACHE, PROJECT, Field

pytestmark = [pytest.mark.hosts, pytest.mark.slow]

PASSWORD = f"{APP}/login/PASSWORD"
WATCHED = "sha256sum /srv/notebooks.env /etc/comfyui-mcp.json"


def on_server(field: Field) -> str:
    return field.on(
        "srv-1", f"sha256sum {PASSWORD}; stat -c '%U %a %i' {PASSWORD}; systemctl show -p MainPID comfyui@default"
    )


def on_client(field: Field) -> str:
    return field.on("cli-1", f"{WATCHED}; stat -c '%U %a %i' /srv/notebooks.env /etc/comfyui-mcp.json")


def truth_file() -> str:
    return hashlib.sha256((CACHE / "credentials.vault.yml").read_bytes()).hexdigest()


@pytest.fixture
def unchanged(converged: Field) -> t.Iterator[Field]:
    """Give the hosts, and insist that the test left server, client and truth as they were."""
    before = (on_server(converged), on_client(converged), truth_file())
    yield converged
    assert (on_server(converged), on_client(converged), truth_file()) == before


def test_a_wrong_vault_password_stops_before_any_host_is_touched(unchanged: Field) -> None:
    right = unchanged.password_file.read_text()
    unchanged.password_file.write_text("wrong\n")
    try:
        done = unchanged.site()
    finally:
        unchanged.password_file.write_text(right)
    assert done.returncode != 0
    assert "credentials.vault.yml" in done.stdout + done.stderr
    assert "Lay down" not in done.stdout


def test_a_missing_store_is_never_made_up(unchanged: Field) -> None:
    store = CACHE / "credentials.vault.yml"
    aside = CACHE / "aside.yml"
    store.rename(aside)
    try:
        done = unchanged.site("-e", "comfyui_credential_create=false")
        assert not store.exists()
    finally:
        aside.rename(store)
    assert done.returncode != 0
    assert "create" in done.stdout, done.stdout[-3000:]
    assert "Lay down" not in done.stdout


def test_an_empty_store_is_corrupt_and_never_made_anew(unchanged: Field) -> None:
    store = CACHE / "credentials.vault.yml"
    content = store.read_bytes()
    store.write_bytes(b"")
    try:
        done = unchanged.site()
        assert store.read_bytes() == b""
    finally:
        store.write_bytes(content)
    assert done.returncode != 0
    assert "empty" in done.stdout.lower(), done.stdout[-3000:]


CONSUMER = "{id: x, path: /srv/notebooks.env, codec: %s, key: COMFYUI_API_TOKEN, credential: %s}"


@pytest.mark.parametrize(
    ("consumers", "words"),
    [
        ([CONSUMER % ("dotenvv", "main")], ["dotenvv", "dotenv"]),
        (
            [CONSUMER % ("dotenv", "main"), CONSUMER.replace("id: x", "id: y") % ("dotenv", "main")],
            ["x", "y", "/srv/notebooks.env"],
        ),
    ],
)
def test_a_consumer_that_cannot_be_right_names_itself(unchanged: Field, consumers: list[str], words: list[str]) -> None:
    done = unchanged.site("-e", f"{{comfyui_consumers: [{', '.join(consumers)}]}}", "--tags", "client")
    assert done.returncode != 0
    for word in words:
        assert word in done.stdout, done.stdout[-4000:]


def test_a_credential_that_the_truth_lacks_is_named(unchanged: Field) -> None:
    consumers = "{comfyui_consumers: [%s], comfyui_credential_create: false}" % (CONSUMER % ("dotenv", "nobody"))
    done = unchanged.site("-e", consumers)
    assert done.returncode != 0
    assert "nobody" in done.stdout


def test_a_password_that_the_truth_does_not_know_is_refused_and_kept(converged: Field) -> None:
    foreign = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
    field = converged
    field.on("srv-1", f"cp -p {PASSWORD} /root/kept; printf '%s\\nsomebody\\n' '{foreign}' > {PASSWORD}")
    try:
        before = field.on("srv-1", f"sha256sum {PASSWORD}")
        done = field.site()
        assert done.returncode != 0
        assert PASSWORD in done.stdout, done.stdout[-4000:]
        assert "adopt" in done.stdout
        assert foreign not in done.stdout
        assert field.on("srv-1", f"sha256sum {PASSWORD}") == before
        audit = field.play("playbooks/audit.yml")
        assert audit.returncode != 0
        assert "unknown" in audit.stdout
    finally:
        field.on("srv-1", f"mv /root/kept {PASSWORD}")
    assert field.site().returncode == 0


def test_a_full_disk_leaves_the_old_file(converged: Field) -> None:
    field = converged
    fill = (
        "mkdir -p /mnt/full; mountpoint -q /mnt/full || mount -t tmpfs -o size=64k tmpfs /mnt/full;"
        " printf 'OTHER=1\\nCOMFYUI_API_TOKEN=old\\n' > /mnt/full/.env; chmod 600 /mnt/full/.env;"
        " dd if=/dev/zero of=/mnt/full/fill bs=1k 2>/dev/null; sha256sum /mnt/full/.env"
    )
    before = field.on("cli-1", fill)
    try:
        consumer = "{comfyui_consumers: [{id: full, path: /mnt/full/.env, codec: dotenv, key: COMFYUI_API_TOKEN}]}"
        done = field.site("-e", consumer, "--tags", "client", "--limit", "cli-1")
        assert done.returncode != 0
        assert "space" in done.stdout, done.stdout[-4000:]
        assert field.on("cli-1", "sha256sum /mnt/full/.env") == before
        assert field.on("cli-1", "ls -A /mnt/full").split() == [".env", "fill"] or field.on(
            "cli-1", "ls -A /mnt/full"
        ).split() == ["..env.lock", ".env", "fill"]
    finally:
        field.on("cli-1", "umount /mnt/full")


def test_an_unreachable_host_is_named_as_not_checked(converged: Field) -> None:
    subprocess.run(["docker", "stop", "-t", "5", f"{PROJECT}-cli-1"], check=True, capture_output=True)
    try:
        done = converged.play("playbooks/audit.yml")
        assert done.returncode != 0
        report = converged.report("audit")
        assert any(one["host"] == "cli-1" for one in report["not_checked"]), report["not_checked"]
        assert "srv-1" in done.stdout
    finally:
        subprocess.run(["docker", "start", f"{PROJECT}-cli-1"], check=True, capture_output=True)
        converged.on("cli-1", "systemctl is-system-running --wait || true")


def test_an_argument_that_the_deployed_comfyui_does_not_know_is_refused_by_name(unchanged: Field) -> None:
    dropins = "cat /etc/systemd/system/comfyui@*/*.conf | sha256sum"
    before = unchanged.on("srv-1", dropins)
    done = unchanged.site("-e", "{comfyui_launch_args: [--no-such-flag]}")
    assert done.returncode != 0
    assert "--no-such-flag is not known to the deployed ComfyUI" in done.stdout, done.stdout[-4000:]
    assert unchanged.on("srv-1", dropins) == before


def test_a_dirty_checkout_is_reported_and_stays(unchanged: Field) -> None:
    unchanged.on("srv-1", f"echo '# mine' >> {APP}/folder_paths.py")
    try:
        done = unchanged.site("-e", "comfyui_version=0000000000000000000000000000000000000001")
        assert done.returncode != 0
        assert APP in done.stdout
        assert "# mine" in unchanged.on("srv-1", f"tail -1 {APP}/folder_paths.py")
    finally:
        unchanged.on("srv-1", f"cd {APP} && git checkout -q folder_paths.py")


def test_a_tag_that_moved_upstream_is_reported_and_not_followed(converged: Field) -> None:
    field = converged
    field.on(
        "srv-1",
        "rm -rf /root/moved; git clone -q --bare /srv/git/ComfyUI.git /root/moved; cd /root/moved;"
        f" git tag -f moving $(git -C {APP} rev-parse HEAD)",
    )
    upstream = ("-e", "{comfyui_repo: 'file:///root/moved', comfyui_version: moving}", "--tags", "comfyui")
    try:
        done = field.site(*upstream)
        assert done.returncode == 0, done.stdout[-4000:]
        head = field.on("srv-1", f"git -C {APP} rev-parse HEAD")
        field.on(
            "srv-1",
            "cd /root/moved; git -c user.name=x -c user.email=x@example.com tag -f moving"
            " $(git -c user.name=x -c user.email=x@example.com commit-tree -p HEAD -m evil HEAD^{tree})",
        )
        done = field.site(*upstream)
        assert done.returncode != 0, done.stdout[-4000:]
        assert field.on("srv-1", f"git -C {APP} rev-parse HEAD") == head
    finally:
        field.on("srv-1", "rm -rf /root/moved")
    assert field.site().returncode == 0
