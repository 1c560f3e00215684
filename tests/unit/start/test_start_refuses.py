# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every way in which ComfyUI would serve without login: refused with status 78, and no stranger was ever let in."""

from __future__ import annotations

import importlib.util
import os
import shutil
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from types import ModuleType

import pytest
from started import PROGRAM, Locked

from harness import TOKEN, USERNAME  # isort: skip


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """start.py as a module."""
    spec = importlib.util.spec_from_file_location("genai_comfyui_start", PROGRAM)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


KEY = "A" * 43 + "="
FOREVER = "9999-12-31T00:00:00"


def write(content: str | bytes) -> Callable[[Locked], object]:
    return lambda locked: locked.pair.write_password(content)


def key(content: str) -> Callable[[Locked], object]:
    return lambda locked: locked.write_key(content)


def directory(locked: Locked) -> None:
    locked.pair.password_file.unlink()
    locked.pair.password_file.mkdir()


def link(locked: Locked) -> None:
    target = locked.pair.password_file.rename(locked.root / "elsewhere")
    locked.pair.password_file.symlink_to(target)


def age(**ago: float) -> str:
    return (datetime.now() - timedelta(**ago)).isoformat()


# What opens a ComfyUI-Login, or breaks its web form: seen from outside.
DAMAGE: dict[str, tuple[Callable[[Locked], object], str]] = {
    "missing": (lambda o: o.pair.password_file.unlink(), "login/PASSWORD: does not exist"),
    "empty": (write(""), "login/PASSWORD: is empty, and an empty token would let everybody in"),
    "blank first line": (write("\nadmin\n"), "login/PASSWORD: line 1 is not a bcrypt hash"),
    "CRLF": (write(f"{TOKEN}\r\nadmin\r\n"), "login/PASSWORD: has CR line ends"),
    "BOM": (write(b"\xef\xbb\xbf" + f"{TOKEN}\nadmin\n".encode()), "login/PASSWORD: begins with a byte-order mark"),
    "directory": (directory, "login/PASSWORD: is a directory"),
    "key empty": (key(""), ".secret-key.txt: is not one record <key>,<time>"),
    "key corrupt": (key(f"{KEY[:-2]},{FOREVER}"), ".secret-key.txt: is not one record <key>,<time>"),
    "node gone": (lambda o: shutil.rmtree(o.pair.node), "custom_nodes/ComfyUI-Login: holds no custom node"),
}
# What must not be either: asked of the check itself, because there are many.
MORE_DAMAGE: dict[str, tuple[Callable[[Locked], object], str]] = {
    "blanks after the hash": (write(f"{TOKEN} \nadmin\n"), "login/PASSWORD: line 1 is not a bcrypt hash"),
    "plain password": (write("Correct-Horse-1\nadmin\n"), "login/PASSWORD: line 1 is not a bcrypt hash"),
    "not UTF-8": (write(TOKEN.encode() + b"\nadm\xefn\n"), "login/PASSWORD: is not UTF-8"),
    "no user name": (write(f"{TOKEN}\n"), "login/PASSWORD: line 2 holds no user name"),
    "one line": (write(TOKEN), "login/PASSWORD: line 2 holds no user name"),
    "symbolic link": (link, "login/PASSWORD: is a symbolic link"),
    "world readable": (lambda o: o.pair.password_file.chmod(0o644), "everybody on this host may touch it (mode 0644)"),
    "key missing": (lambda o: o.pair.key_file.unlink(), ".secret-key.txt: does not exist"),
    "key with a line end": (key(f"{KEY},{FOREVER}\n"), ".secret-key.txt: is not one record <key>,<time>"),
    "key time unreadable": (key(f"{KEY},2026-13-01T00:00:00"), "holds a key or a time that cannot be read"),
    "key too old": (key(f"{KEY},{age(days=31)}"), ".secret-key.txt: is older than 30 days"),
    "key world readable": (lambda o: o.pair.key_file.chmod(0o604), "everybody on this host may touch it (mode 0604)"),
    "guard gone": (lambda o: shutil.rmtree(o.guard), "custom_nodes/ComfyUI-Login-Guard: holds no custom node"),
    "guest mode": (lambda o: (o.pair.code / "login" / "GUEST_MODE").touch(), "login/GUEST_MODE: lets guests in"),
    "legacy file": (lambda o: (o.pair.code / "PASSWORD").touch(), "would move it over login/PASSWORD; remove it"),
    "no ComfyUI": (lambda o: (o.pair.code / "main.py").unlink(), "holds no ComfyUI (main.py)"),
}


@pytest.mark.parametrize("seed", DAMAGE)
def test_damaged_files(locked: Locked, seed: str) -> None:
    damage, reason = DAMAGE[seed]
    damage(locked)
    assert reason in locked.refused()


@pytest.mark.parametrize("seed", MORE_DAMAGE)
def test_more_damaged_files(locked: Locked, program: ModuleType, seed: str) -> None:
    damage, reason = MORE_DAMAGE[seed]
    options, arguments = program._options(["--app", str(locked.pair.code), "--socket", "/s", "--", "--port", "1"])
    assert program.check_files(options, arguments) == TOKEN
    damage(locked)
    with pytest.raises(program.Refusal) as caught:
        program.check_files(options, arguments)
    assert reason in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_nothing_of_comfyui_is_imported_before(locked: Locked) -> None:
    for path in ("comfy/__init__.py", "app/__init__.py", "main.py"):
        (locked.pair.code / path).write_text("raise SystemExit('imported')\n")
    locked.pair.password_file.unlink()
    assert "login/PASSWORD: does not exist" in locked.refused()


def test_password_unreadable(locked: Locked) -> None:
    locked.pair.password_file.chmod(0)
    # Root reads everything, unless it gives that away.
    command = ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] if os.geteuid() == 0 else []
    assert "login/PASSWORD: Permission denied" in locked.refused(command=command)


def test_custom_nodes_switched_off(locked: Locked) -> None:
    for arguments in ([], ["--whitelist-custom-nodes", "ComfyUI-Login"]):
        reason = locked.refused("--disable-all-custom-nodes", *arguments)
        assert "--disable-all-custom-nodes switches the login off; add --whitelist-custom-nodes ComfyUI-Login" in reason


def test_guests_and_a_missing_guard_pass_when_allowed(locked: Locked) -> None:
    (locked.pair.code / "login" / "GUEST_MODE").touch()
    shutil.rmtree(locked.guard)
    server = locked.start("--quick-test-for-ci", own=["--allow-guest", "--no-guard"])
    assert server.wait_until_ended() == 0, server.log()


def dependency_missing(locked: Locked) -> None:
    # The directory of main.py comes first when modules are looked up.
    (locked.pair.code / "aiohttp_session.py").write_text("raise ImportError('No module named aiohttp_session')\n")


def check_removed(locked: Locked) -> None:
    locked.add_node(
        "remover",
        "from server import PromptServer\n"
        "async def remove(app):\n"
        "    app.middlewares[:] = [m for m in app.middlewares if getattr(m, '__name__', '') != 'check_login_status']\n"
        "PromptServer.instance.app.on_startup.append(remove)\n",
    )


def check_bypassed(locked: Locked) -> None:
    locked.add_node(
        "bypass",
        "from aiohttp import web\nfrom server import PromptServer\n"
        "@web.middleware\nasync def bypass(request, handler):\n"
        "    return web.json_response({}) if 'token' in request.query else await handler(request)\n"
        "PromptServer.instance.app.middlewares.insert(0, bypass)\n",
    )


def node_raises_at_start(locked: Locked) -> None:
    dependency_missing(locked)
    locked.add_node("raiser", "raise RuntimeError('nothing to do with it')\n")


AT_THE_GATE: dict[str, tuple[Callable[[Locked], object], str]] = {
    "dependency missing": (dependency_missing, "(no credential) was let in with 200: the login check is not active; "),
    "another node fails too": (node_raises_at_start, "(no credential) was let in with 200"),
    "check removed": (check_removed, "(no credential) was let in with 200"),
    "check bypassed": (check_bypassed, "(empty ?token=) was let in with 200"),
}


@pytest.mark.parametrize("seed", AT_THE_GATE)
def test_at_the_gate(locked: Locked, seed: str) -> None:
    damage, reason = AT_THE_GATE[seed]
    damage(locked)
    # The guard would see some of these first; here it is the gate that must.
    shutil.rmtree(locked.guard)
    said = locked.refused(own=["--no-guard"])
    assert said.startswith("ComfyUI is not locked, so it may not listen: a stranger ")
    assert reason in said
    if damage is dependency_missing:
        assert "Cannot import" in said
        assert "No module named aiohttp_session" in said


THE_GUARD = "the guard ended ComfyUI before it listened; see its line, 'comfyui-login-guard: ended ...', above"
ITS_LINE = "comfyui-login-guard: ended ComfyUI before it listened: "


def test_the_guard_ends_it_first(locked: Locked) -> None:
    dependency_missing(locked)
    said = locked.refused()
    assert said.startswith(THE_GUARD)
    assert "No module named aiohttp_session" in said
    assert ITS_LINE in (locked.root / "log.txt").read_text()


def test_the_guards_own_reason_is_pointed_to_and_no_other_is_invented(locked: Locked) -> None:
    (locked.guard / "settings.json").write_text("{")
    assert locked.refused() == THE_GUARD
    log = (locked.root / "log.txt").read_text()
    assert "settings.json: cannot be read" in log.partition(ITS_LINE)[2].partition("\n")[0]


def test_custom_nodes_looked_for_elsewhere(locked: Locked) -> None:
    (locked.root / "data" / "custom_nodes").mkdir(parents=True)
    assert "(no credential) was let in" in locked.refused("--base-directory", str(locked.root / "data"))


def test_a_server_without_a_site(locked: Locked) -> None:
    locked.add_node(
        "own_server",
        "import asyncio\nfrom aiohttp import web\nfrom comfy.cli_args import args\nfrom server import PromptServer\n"
        "async def hello(request):\n    return web.json_response({})\n"
        "async def listen(app):\n"
        "    await asyncio.get_running_loop().create_server(web.Server(hello), '127.0.0.1', args.port)\n"
        "PromptServer.instance.app.on_startup.append(listen)\n",
    )
    assert "(no credential) was let in with 200" in locked.refused()


def test_another_token_in_the_process(locked: Locked) -> None:
    other = "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"
    path = locked.pair.password_file
    change = f"open({str(path)!r}, 'w').write({other + chr(10) + USERNAME!r})\n"
    locked.pair.add_node("early", {"prestartup_script.py": change})
    said = locked.refused()
    assert "strangers are refused, and so is the token 9dd7d353a709: the server holds another one" in said
    assert other not in said


def test_aiohttp_missing(locked: Locked) -> None:
    (locked.lib / "aiohttp.py").write_text("raise ImportError('No module named aiohttp')\n")
    assert "aiohttp cannot be imported (No module named aiohttp); install ComfyUI's requirements" in locked.refused()


def test_the_socket_must_be_private(locked: Locked) -> None:
    place = locked.root / "run"
    place.mkdir(mode=0o700)
    place.chmod(0o750)
    assert "must be owned by this user, mode 0700" in locked.refused()
    place.chmod(0o700)
    blocked = place / "other.sock"
    blocked.write_text("")
    assert "is in the way of the socket" in locked.refused(own=["--socket", str(blocked)])
    assert "too long for a unix socket" in locked.refused(own=["--socket", str(place / ("x" * 120))])


def test_key_times_with_a_zone(locked: Locked, program: ModuleType) -> None:
    locked.write_key(f"{KEY},{datetime.now().isoformat()}")
    program.check_session_key(locked.pair.node)
    locked.write_key(f"{KEY},{datetime.now(timezone.utc).isoformat()}")
    with pytest.raises(program.Refusal, match="is not one record"):
        program.check_session_key(locked.pair.node)
