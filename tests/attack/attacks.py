# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The table of attacks: requests of somebody who knows nothing. `hole` says that the bare login node falls for it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from harness import PASSWORD, TOKEN, TOKENS

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
JSON = {"Content-Type": "application/json"}
SUFFIXES = (".js", ".css", ".css.map", ".ico")


@dataclass(frozen=True)
class Attack:
    """One request."""

    name: str
    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    hole: bool = False


def _plain() -> Iterator[Attack]:
    gets = (
        "/", "/prompt", "/queue", "/history", "/system_stats", "/object_info", "/object_info/KSampler", "/models",
        "/models/checkpoints", "/embeddings", "/userdata?dir=.", "/v2/userdata", "/userdata/comfy.settings.json",
        "/settings", "/users", "/extensions", "/features", "/view?filename=ComfyUI_00001_.png", "/internal/logs",
        "/internal/logs/raw", "/internal/folder_paths", "/internal/files/output", "/guest_mode", "/logout", "/ws",
        "/view_metadata/checkpoints?filename=x", "/experiment/models", "/experiment/models/checkpoints", "/nothing",
    )  # fmt: skip
    for path in gets:
        yield Attack("nothing", "GET", path)
        if not path.startswith("/internal"):
            yield Attack("api twin", "GET", "/api" + path)
    for path in ("/prompt", "/queue", "/free", "/interrupt", "/history", "/upload/image", "/upload/mask", "/users"):
        yield Attack("post", "POST", path, JSON, b"{}")
        yield Attack("post api twin", "POST", "/api" + path, JSON, b"{}")
    for method in ("POST", "PUT", "DELETE", "PATCH", "HEAD", "TRACE", "PROPFIND"):
        yield Attack("method", method, "/userdata/victim.txt", {}, b"x" if method != "HEAD" else None)
    yield Attack("method override", "GET", "/prompt", {"X-HTTP-Method-Override": "OPTIONS"})


def _suffixes() -> Iterator[Attack]:
    for base in ("/userdata/", "/api/userdata/"):
        for suffix in SUFFIXES:
            yield Attack("write by suffix", "POST", f"{base}x{suffix}", {}, b"evil", hole=True)
        yield Attack("write deep", "POST", f"{base}new%2Fdir%2Fdeep%2Fx.js", {}, b"evil", hole=True)
        yield Attack("read", "GET", f"{base}victim.js", hole=True)
        yield Attack("head", "HEAD", f"{base}victim.js", hole=True)
        yield Attack("delete", "DELETE", f"{base}victim.js", hole=True)
        yield Attack("take away", "POST", f"{base}comfy.settings.json/move/s.js", hole=True)
        yield Attack("encoded suffix", "POST", f"{base}x.%6as", {}, b"evil", hole=True)
        yield Attack("encoded dot", "POST", f"{base}x%2ejs", {}, b"evil", hole=True)
        yield Attack("five MiB", "POST", f"{base}big.js", {}, b"x" * (5 << 20), hole=True)
    yield Attack("style for all", "POST", "/api/userdata/user.css", {}, b"body{}", hole=True)
    yield Attack("style read", "GET", "/api/userdata/user.css")
    for base in ("", "/api"):
        place = f"{base}/experiment/models/preview/checkpoints/0/"
        for up in ("..%2F..%2F", "%2e%2e/%2e%2e/"):
            for suffix in (".js", ".css"):
                yield Attack("picture", "GET", f"{place}{up}output%2FComfyUI_00001_{suffix}", hole=True)
        yield Attack("picture raw", "GET", f"{place}../../output/ComfyUI_00001_.js")
    yield Attack("history by suffix", "GET", "/history/x.js", hole=True)
    yield Attack("node by suffix", "GET", "/object_info/KSampler.js", hole=True)
    for path in (
        "/userdata/victim.JS", "/userdata/victim.js/", "/userdata/victim.js?x", "/userdata/x.json?x=.js",
        "/userdata/comfy.settings.json%23.js", "/userdata/comfy.settings.json%3F.js", "/userdata/a%00.js",
        "/userdata/comfy.settings.json;.js", "/view?filename=ComfyUI_00001_.png&x=.js", "/prompt?x.js", "//prompt",
        "/./prompt", "/assets/../prompt", "/assets/..%2fprompt", "/assets/%2e%2e/prompt",
        "/old_css/../userdata/victim.js",
        "/extensions/x/..%2f..%2fuserdata%2fvictim.js", "/LOGIN", "/login/", "/login/x", "/login.js", "/%6cogin",
        "/login%2f..%2fprompt", "/login/../prompt", "/login;x", "/prompt/login", "/internal/logs/x.js", "/..%2fmain.js",
        "/%2e%2e/%2e%2e/etc/passwd", "/..%5c..%5cmain.js", "/assets/%252e%252e/main.js", "/\\userdata\\victim.js",
    ):  # fmt: skip
        yield Attack("path trick", "GET", path, hole="%" not in path and path == "/userdata/victim.js?x")
    yield Attack("post to an asset", "POST", "/assets/index.js", {}, b"x")


def _credentials() -> Iterator[Attack]:
    for value in (
        "", "=", "=%20", "=%00", "=%0a", "=null", "=None", "=undefined", "=*", "=*0", "=%24", "=$2b$12$", "=%ff",
        f"={PASSWORD}", f"={TOKEN[:-1]}", f"={TOKEN}x", f"={TOKEN.swapcase()}", f"={TOKENS['dot']}", "=+", "=%C4%80",
        f"={TOKEN}%0a", f"=%20{TOKEN}", f"=%00{TOKEN}", f"=x&token={TOKEN}",
    ):  # fmt: skip
        for path in ("/system_stats", "/api/prompt", "/internal/logs", "/ws"):
            yield Attack("token in the query", "GET", f"{path}?token{value}")
    for name in ("Token", "TOKEN", "token[]", "token%00", "access_token", "%20token"):
        yield Attack("token by another name", "GET", f"/system_stats?{name}={TOKEN}")
    malformed = ("Bearer", "x", "Bearer a b", f"Bearer {TOKEN} x", f"{TOKEN}", "Bearer  ", "Bearer \t", "a b c d")
    for value in malformed:
        for path in ("/system_stats", "/api/prompt", "/ws", f"/system_stats?token={TOKEN}"):
            yield Attack("malformed authorization", "GET", path, {"Authorization": value}, hole=True)
    for value in (
        "Bearer x", f"bearer {TOKEN}", f"BEARER {TOKEN}", f"Basic {TOKEN}", "Basic YTpi", f"Token {TOKEN}",
        f"Bearer {TOKEN[:-1]}", f"Bearer {TOKEN}x", f"Bearer {TOKENS['slash']}", f"Bearer {PASSWORD}",
        f"Bearer \"{TOKEN}\"", f"Bearer,{TOKEN} x", "Bearer null", "Digest a=b", "Bearer \xff\xfe", "",
    ):  # fmt: skip
        yield Attack("wrong authorization", "GET", "/system_stats", {"Authorization": value})
    for name in ("X-Authorization", "Proxy-Authorization", "X-Forwarded-Authorization", "X-Api-Key", "Token"):
        yield Attack("token in another header", "GET", "/system_stats", {name: f"Bearer {TOKEN}"})
    for name, value in (
        ("X-Forwarded-For", "127.0.0.1"), ("X-Real-IP", "127.0.0.1"), ("X-Original-URL", "/login"),
        ("X-Rewrite-URL", "/assets/x.js"), ("X-Forwarded-Prefix", "/login"), ("Referer", "/login"),
        ("X-Forwarded-User", "comfy"), ("Remote-User", "comfy"), ("Upgrade", "websocket"), ("comfy-user", "default"),
        ("Range", "bytes=0-9"), ("Expect", "100-continue"), ("Connection", "Authorization"), ("Accept", "*/*.js"),
    ):  # fmt: skip
        yield Attack("header trick", "GET", "/system_stats", {name: value})
    for cookie in (
        "AIOHTTP_SESSION=x", "AIOHTTP_SESSION=", "AIOHTTP_SESSION=\xff\xfe", 'AIOHTTP_SESSION="{\\"logged_in\\":true}"',
        "AIOHTTP_SESSION=" + "gAAAAA" + "A" * 200, "logged_in=1", "AIOHTTP_SESSION=x; AIOHTTP_SESSION=y", ";;;=;",
        f"AIOHTTP_SESSION={TOKEN}", "; ".join(f"c{n}=x" for n in range(900)), "AIOHTTP_SESSION=" + "A" * 7000,
    ):  # fmt: skip
        yield Attack("cookie", "GET", "/system_stats", {"Cookie": cookie}, hole="\xff" in cookie)
        yield Attack("cookie and post", "POST", "/prompt", {"Cookie": cookie, **JSON}, b"{}", hole="\xff" in cookie)


def _forms() -> Iterator[Attack]:
    odd = {
        "no password": (FORM, b"username=comfy"),
        "empty form": (FORM, b""),
        "json": (JSON, b'{"password": "x"}'),
        "73 bytes": (FORM, b"password=" + b"x" * 73),
        "broken multipart": ({"Content-Type": "multipart/form-data"}, b"x"),
        "half multipart": ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x\r\nContent-Disp"),
        "file": (
            {"Content-Type": "multipart/form-data; boundary=x"},
            b'--x\r\nContent-Disposition: form-data; name="password"; filename="p"\r\n\r\nx\r\n--x--\r\n',
        ),
        "wrong charset": ({"Content-Type": "application/x-www-form-urlencoded; charset=nonsense"}, b"password=x"),
        "no type": ({}, b"password=x"),
    }
    for name, (headers, body) in odd.items():
        yield Attack(f"form: {name}", "POST", "/login", headers, body, hole=True)
    yield Attack("form: huge", "POST", "/login", FORM, b"password=" + b"x" * (3 << 20), hole=True)
    yield Attack("form: wrong", "POST", "/login", FORM, b"password=x")
    yield Attack("form: guest", "POST", "/login", FORM, b"password=&guest_mode=1")
    yield Attack("form: hash as password", "POST", "/login", FORM, b"password=" + TOKEN.encode())
    yield Attack("form: null byte", "POST", "/login", FORM, f"password={PASSWORD}%00x".encode())
    yield Attack("form: foreign page", "POST", "/login", {**FORM, "Origin": "https://evil.example"}, b"password=x")
    yield Attack("form by put", "PUT", "/login", FORM, b"password=x")
    yield Attack("form by delete", "DELETE", "/login")
    yield Attack("form at the twin", "POST", "/api/login", FORM, b"password=x")
    yield Attack("huge post", "POST", "/prompt", JSON, b"x" * (1 << 20))


def _guards_own() -> Iterator[Attack]:
    for path in (
        "/metrics", "/metrics?token=", f"/metrics?token={TOKENS['dot']}", "/metrics/", "/", "", "/settings.json",
        "/health/", "/health.js", "/health/x.js", "/%68ealth", "/health;x", "//health", "/metrics%00",
    ):  # fmt: skip
        yield Attack("page of the guard", "GET", f"/comfyui_login_guard{path}")
        yield Attack("page of the guard, twin", "GET", f"/api/comfyui_login_guard{path}")
    for method in ("POST", "PUT", "DELETE", "PATCH"):
        yield Attack("write to the health page", method, "/comfyui_login_guard/health", {}, b"x")
    for path in (
        "/userdata/..%2f.comfyui-login-guard-ended.json", "/userdata/../.comfyui-login-guard-ended.json",
        "/view?filename=.comfyui-login-guard-ended.json&type=user", "/extensions/ComfyUI-Login-Guard/settings.json",
        "/extensions/ComfyUI-Login-Guard/redact.py", "/api/logout", "/logout?token=", "/custom_nodes/x.js",
    ):  # fmt: skip
        yield Attack("files of the guard", "GET", path)


def _named() -> Iterator[tuple[str, Attack]]:
    number = 0
    for family in (_plain, _suffixes, _credentials, _forms, _guards_own):
        for attack in family():
            number += 1
            yield f"{number:03}-{attack.name}-{attack.method}".replace(" ", "_"), attack


ATTACKS = dict(_named())
