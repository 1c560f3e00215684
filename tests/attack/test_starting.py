# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""With the guard ComfyUI ends before it listens, whatever keeps the login check away; and nothing gets before it."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from besieged import Besieged
from harness import BOUND_BY_MODES, LOGIN_NODE, TOKEN, TOKENS

KEY = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="


def overwrite(name: str, text: str) -> Callable[[Besieged], None]:
    """Give a file of the guard another content."""

    def do(place: Besieged) -> None:
        (place.guard_node / name).write_text(text)

    return do


def node(text: str) -> Callable[[Besieged], None]:
    """A further custom node of this text, in a file that is loaded at some point."""
    return lambda place: place.pair.add_node("other.py", {"other.py": "NODE_CLASS_MAPPINGS = {}\n" + text}) and None


def password(content: bytes) -> Callable[[Besieged], None]:
    return lambda place: place.pair.write_password(content)


def _to_directory(place: Besieged) -> None:
    place.pair.password_file.unlink()
    place.pair.password_file.mkdir()


def _to_link(place: Besieged) -> None:
    place.pair.password_file.rename(place.pair.root / "elsewhere")
    place.pair.password_file.symlink_to(place.pair.root / "elsewhere")


def _key(content: str) -> Callable[[Besieged], None]:
    return lambda place: place.pair.key_file.write_text(content) and None


_HOOK = "from server import PromptServer\napp = PromptServer.instance.app\n"
NO_CHECK = "the login check is not in the application"
FAULTS: dict[str, tuple[Callable[[Besieged], None], str]] = {
    "no password": (lambda p: p.pair.password_file.unlink(), "PASSWORD: does not exist"),
    "no login directory": (lambda p: shutil.rmtree(p.pair.password_file.parent), "PASSWORD: does not exist"),
    "empty": (password(b""), "line 1 is not a bcrypt hash"),
    "blank line": (password(b"\n\n"), "line 1 is not a bcrypt hash"),
    "plain password": (password(b"secret\ncomfy\n"), "line 1 is not a bcrypt hash"),
    "byte-order mark": (password(b"\xef\xbb\xbf" + TOKEN.encode() + b"\ncomfy\n"), "line 1 is not a bcrypt hash"),
    "CR": (password(TOKEN.encode() + b"\r\ncomfy\r\n"), "has CR line ends"),
    "not text": (password(b"\xff\xfe\x00"), "is not UTF-8"),
    "UTF-16": (password((TOKEN + "\ncomfy\n").encode("utf-16")), "is not UTF-8"),
    "no user name": (password(TOKEN.encode() + b"\n"), "line 2 holds no user name"),
    "short hash": (password(TOKEN[:-1].encode() + b"\ncomfy\n"), "line 1 is not a bcrypt hash"),
    "huge": (password(b"x" * 100_000), "is larger than"),
    "directory": (_to_directory, "is not a regular file"),
    "link": (_to_link, "is a symbolic link"),
    "for all": (lambda p: p.pair.password_file.chmod(0o644), "others may touch it (mode 0644)"),
    "legacy file": (lambda p: (p.pair.code / "PASSWORD").write_text("x") and None, "PASSWORD: "),
    "node gone": (lambda p: shutil.rmtree(p.pair.node), NO_CHECK),
    "node disabled": (lambda p: p.pair.node.rename(f"{p.pair.node}.disabled") and None, NO_CHECK),
    "node raises": (lambda p: (p.pair.node / "__init__.py").write_text("1/0") and None, NO_CHECK),
    "node exits its import": (lambda p: (p.pair.node / "__init__.py").write_text("") and None, NO_CHECK),
    "empty key": (_key(""), NO_CHECK),
    "bad key": (_key("short,9999-12-31T00:00:00"), NO_CHECK),
    "key without a time": (_key(KEY), NO_CHECK),
    "check taken out": (
        node(_HOOK + "async def f(app):\n app.middlewares[:] = [m for m in app.middlewares if m.__name__ != "
             "'check_login_status']\napp.on_startup.insert(0, f)\n"), NO_CHECK),
    "check of another": (
        node(_HOOK + "from aiohttp import web\n@web.middleware\nasync def check_login_status(request, handler):\n"
             " return await handler(request)\nasync def f(app):\n app.middlewares[:] = [check_login_status]\n"
             "app.on_startup.insert(0, f)\n"), "is not the one of ComfyUI-Login"),
    "two checks": (
        node(_HOOK + "async def f(app):\n app.middlewares.append(app.middlewares[-1])\napp.on_startup.insert(0, f)\n"),
        "is not the one of ComfyUI-Login"),
    "check that lets pass": (
        node(_HOOK + "async def f(app):\n for m in app.middlewares:\n  if m.__name__ == 'check_login_status':\n"
             "   async def g(r, h): return await h(r)\n   m.__code__ = g.__code__\napp.on_startup.insert(0, f)\n"),
        "lets in whoever has no credential"),
    "another token held": (
        node(_HOOK + "async def f(app):\n for m in app.middlewares:\n  if m.__name__ == 'check_login_status':\n"
             "   m.__globals__['TOKEN'] = 'x'\napp.on_startup.insert(0, f)\n"),
        "does not hold the token of login/PASSWORD"),
    "broken accept set": (lambda p: p.write_accept(b"{"), "ACCEPT.json: is not JSON"),
    "open accept set": (lambda p: p.accept(TOKEN, mode=0o644), "ACCEPT.json: others may touch it"),
    "broken settings": (overwrite("settings.json", "{"), "settings.json: "),
    "unknown setting": (overwrite("settings.json", '{"guest": true}'), "settings.json: 'guest' is not a setting"),
    "bad setting": (
        overwrite("settings.json", '{"trusted_proxies": ["0.0.0.0/0"]}'), "0.0.0.0/0 would believe everybody"),
    "nothing filters the log": (
        lambda p: (p.guard_node / "prestartup_script.py").unlink(), "prestartup_script.py did not run"),
    "the filter gone": (lambda p: (p.guard_node / "redact.py").unlink(), "tokens cannot be kept out of the log"),
    "the filter broken": (overwrite("redact.py", "1/0"), "or ComfyUI from listening (ZeroDivisionError)"),
    "the latch gone": (lambda p: (p.guard_node / "latch.py").unlink(), "or ComfyUI from listening (FileNotFoundError)"),
    "the guard's entry empty": (overwrite("__init__.py", ""), "the guard itself was not loaded"),
    "the guard's entry no Python": (overwrite("__init__.py", "def ("), "the guard itself was not loaded"),
    "the guard's entry gone": (lambda p: (p.guard_node / "__init__.py").unlink(), "the guard itself was not loaded"),
    "the guard's set-up empty": (overwrite("setup.py", "def install(end): pass"), "the guard itself was not loaded"),
    "part of the guard gone": (lambda p: (p.guard_node / "rules.py").unlink(), "the guard itself could not be set up"),
    "part of the guard empty": (
        overwrite("gate.py", ""), "the guard itself could not be set up"),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_comfyui_ends_before_it_listens(place: Besieged, name: str) -> None:
    fault, said = FAULTS[name]
    fault(place)
    ended = place.pair.run_until_ended()
    assert ended.process.returncode == 78, ended.log()
    line = next(line for line in ended.log().splitlines() if line.startswith("comfyui-login-guard: ended ComfyUI"))
    assert said in line
    assert TOKEN not in line


@pytest.mark.parametrize("module", ["aiohttp_session", "bcrypt", "cryptography"])
def test_without_a_dependency_it_ends(place: Besieged, module: str) -> None:
    ended = place.pair.run_until_ended(env=place.pair.without_module(module))
    assert ended.process.returncode == 78, ended.log()


def test_a_password_that_cannot_be_read_ends_it(place: Besieged) -> None:
    place.pair.password_file.chmod(0)
    server = place.pair.start(command=BOUND_BY_MODES)
    try:
        server.wait_until_ended(60)
        assert "PASSWORD: Permission denied" in server.log()
    finally:
        server.stop()


def test_a_middleware_that_others_put_first_comes_after_the_guard(place: Besieged) -> None:
    node(
        _HOOK + "from aiohttp import web\n@web.middleware\nasync def opened(request, handler):\n"
        " return web.Response(text='open')\nasync def f(app): app.middlewares.insert(0, opened)\n"
        "app.middlewares.insert(0, opened)\napp.middlewares.append(opened)\napp.on_startup.append(f)\n"
    )(place)
    with place.pair.serve() as server:
        assert server.request("GET", "/system_stats").status == 401
        assert server.request("GET", "/system_stats", token=TOKENS["dot"]).status == 401
        assert server.request("GET", "/system_stats", token=TOKEN).text == "open"


@pytest.mark.parametrize("name", ["000-Login", "zzz-Login"])
def test_the_order_of_loading_does_not_matter(place: Besieged, name: str) -> None:
    place.pair.node.rename(place.pair.node.with_name(name))
    with place.pair.serve() as server:
        assert server.request("GET", "/system_stats").status == 401
        assert server.request("GET", "/system_stats", token=TOKEN).status == 200


def test_without_custom_nodes_the_guard_needs_the_login_node(place: Besieged) -> None:
    white = ("--disable-all-custom-nodes", "--whitelist-custom-nodes", "ComfyUI-Login-Guard")
    assert place.pair.run_until_ended(*white).process.returncode == 78
    with place.pair.serve(*white, LOGIN_NODE) as server:
        assert server.request("GET", "/system_stats").status == 401
