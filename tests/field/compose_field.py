# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One server with an engine inside and one client, as molecule/compose has them, to be broken and mended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from field_hosts import NAME, ROOT, Field

PROJECT = f"genai-comfyui-{NAME}-compose"
CACHE = ROOT / ".cache" / PROJECT
INVENTORY = ROOT / "molecule" / "compose" / "inventory"
BOX = "comfyui-default"
APP = "/opt/comfyui/instances/default/container"


class ComposeField(Field):
    """The hosts, and how to ask them without the collection's own modules."""

    def __init__(self) -> None:
        super().__init__(INVENTORY, PROJECT, CACHE)

    def play(self, playbook: str, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a playbook on these hosts; the scenario has its own of the same inventory beside them."""
        return super().play(playbook, *arguments, COMPOSE_HOSTS=f"{NAME}-compose", **environment)

    def code(self, *header: str, path: str = "/system_stats") -> str:
        """Return the status that the client host gets, 000 where nothing answers; a header comes over stdin."""
        words = f"curl -s -o /dev/null -m 10 -w '%{{http_code}}' -H @- http://srv-1:8188{path}"
        command = ["docker", "exec", "-i", f"{PROJECT}-cli-1", "sh", "-c", words]
        done = subprocess.run(command, input="\n".join(header), capture_output=True, text=True, check=False)
        return done.stdout

    def token(self) -> str:
        """Return the token in force."""
        item = self.truth()["credentials"]["main"]
        token: str = item["versions"][item["labels"]["current"]]["hash"]
        return token

    def works(self) -> bool:
        """Tell whether the server lets the token in, and nobody without one."""
        return (self.code(f"Authorization: Bearer {self.token()}"), self.code()) == ("200", "401")

    def box(self) -> str:
        """Return the container's id and when it was started; empty where it is absent."""
        form = "{{.Id}} {{.State.StartedAt}} {{.State.Running}}"
        return self.on("srv-1", f"docker inspect -f '{form}' {BOX} 2>/dev/null", check=False).strip()

    def running(self) -> bool:
        """Tell whether the instance's container runs."""
        return self.box().endswith(" true")

    def journal(self, since: str) -> str:
        """Return what the unit said since *since*, a time of systemd."""
        return self.on("srv-1", f"journalctl --no-pager -o cat -u comfyui@default --since '@{since}'")

    def now(self) -> str:
        """Return the host's time for :meth:`journal`."""
        return self.on("srv-1", "date +%s.%N").strip()

    def broken(self) -> dict[str, str]:
        """Return the pins of a login node that cannot be imported, the same each time."""
        self.on(
            "srv-1",
            "test -d /srv/broken || { git -c safe.directory='*' clone -q /srv/git/ComfyUI-Login.git /srv/broken"
            " && cd /srv/broken && git config user.name t && git config user.email t@example.com"
            " && printf 'import a_module_that_is_not_there\\n' > __init__.py && git commit -qam broken"
            " && git config uploadpack.allowAnySHA1InWant true; }",
        )
        commit = self.on("srv-1", "git -C /srv/broken rev-parse HEAD").strip()
        return {"comfyui_login_repo": "file:///srv/broken", "comfyui_login_version": commit}

    def left(self) -> str:
        """Return what a rehearsal left behind, which should be nothing."""
        boxes = "docker ps -aq --filter label=genai.comfyui.rehearsal"
        return self.on("srv-1", f"{boxes}; ls -d /opt/comfyui/compose/rehearsal-* 2>/dev/null || true")

    def image(self) -> str:
        """Return the id of the image that the container is made of."""
        return self.on("srv-1", f"docker inspect -f '{{{{.Image}}}}' {BOX}").strip()

    def ensure(self) -> None:
        """Converge where the instance does not work."""
        if not (self.running() and self.works()):
            done = self.site()
            assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]


def awaited(condition: Callable[[], bool], seconds: float, what: str) -> None:
    """Ask until it holds. Fails with *what* when it does not within so many seconds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.2)


@contextmanager
def compose_hosts() -> Iterator[ComposeField]:
    """Bring the hosts up and converge them; remove them at the end unless FIELD_KEEP is set."""
    field = ComposeField()
    if not os.environ.get("FIELD_REUSE"):
        shutil.rmtree(CACHE, ignore_errors=True)
        CACHE.mkdir(parents=True)
        field.password_file.touch(0o600)
        field.password_file.write_text("field tests only\n")
        for words in (["tools.engine", "ensure"], ["tools.images"], ["tools.repos"]):
            subprocess.run([sys.executable, "-m", *words], cwd=ROOT, check=True, stdin=subprocess.DEVNULL)
        for playbook in ("tests/hosts/destroy.yml", "tests/hosts/create.yml", "molecule/compose/prepare.yml"):
            done = field.play(playbook)
            assert done.returncode == 0, done.stdout + done.stderr
        done = field.site()
        assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    try:
        yield field
    finally:
        if not os.environ.get("FIELD_KEEP"):
            field.play("tests/hosts/destroy.yml")
