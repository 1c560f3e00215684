# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Logging in and out over HTTP: what ends a session, who may try, what is written down."""

from __future__ import annotations

import json
import re
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.parse import urlsplit

import bcrypt
import pytest
from besieged import Besieged
from harness import PASSWORD, TOKEN, Answer, Server


def configure(place: Besieged, **settings: Any) -> None:
    (place.guard_node / "settings.json").write_text(json.dumps(settings))


def with_cookie(server: Server, cookie: str, path: str = "/system_stats", **headers: str) -> int:
    return int(server.request("GET", path, headers={"Cookie": cookie, **headers}).status)


@pytest.mark.parametrize("path", ["/logout", "/api/logout"])
def test_a_log_out_ends_every_copy_of_the_cookie_also_after_a_restart(place: Besieged, path: str) -> None:
    with place.pair.serve() as server:
        mine, other = (server.login(password=PASSWORD).cookie for _login in range(2))
        assert with_cookie(server, mine) == with_cookie(server, other) == 200
        answer = server.request("GET", path, headers={"Cookie": mine})
        assert (answer.status, answer.location) == (302, "/login")
        assert "Max-Age=0" in answer.headers["set-cookie"]
        for one in ("/system_stats", "/api/prompt", "/ws", "/internal/logs", path):
            assert with_cookie(server, mine, one, Connection="Upgrade", Upgrade="websocket") == 401, one
        assert server.request("GET", "/login", headers={"Cookie": mine}).status == 200
        assert with_cookie(server, other) == 200
    with place.pair.serve() as server:
        assert with_cookie(server, mine) == 401
        assert with_cookie(server, other) == 200


def test_without_the_list_of_ended_sessions_all_are_over(place: Besieged) -> None:
    with place.pair.serve() as server:
        mine, other = (server.login(password=PASSWORD).cookie for _login in range(2))
        server.request("GET", "/logout", headers={"Cookie": mine})
    (found,) = (place.pair.code / "user").glob(".comfyui-login-guard-ended.json")
    found.unlink()
    with place.pair.serve() as server:
        assert with_cookie(server, mine) == with_cookie(server, other) == 401
        assert with_cookie(server, server.login(password=PASSWORD).cookie) == 200


def test_logging_out_at_once_from_many_places(place: Besieged) -> None:
    with place.pair.serve() as server, ThreadPoolExecutor(8) as threads:
        cookies = [server.login(password=PASSWORD).cookie for _login in range(24)]
        list(threads.map(lambda one: server.request("GET", "/logout", headers={"Cookie": one}), cookies))
        assert {with_cookie(server, one) for one in cookies} == {401}
    with place.pair.serve() as server:
        assert {with_cookie(server, one) for one in cookies} == {401}


def test_the_cookie_is_as_configured_and_tokens_and_nodes_cannot_make_one(place: Besieged) -> None:
    configure(place, cookie_secure=True, cookie_samesite="Strict", cookie_max_age=120)
    with place.pair.serve() as server:
        attributes = server.login(password=PASSWORD).headers["set-cookie"].partition("; ")[2].split("; ")
        assert {"HttpOnly", "Path=/", "SameSite=Strict", "Secure", "Max-Age=120"} <= set(attributes)
        # The node's own handler for logging out sets a cookie of its own, for which the guard has no number.
        made = server.request("GET", "/logout", token=TOKEN)
        assert made.location == "/login"
        if made.cookie:
            assert with_cookie(server, made.cookie) == 401


def test_an_old_cookie_of_the_bare_node_is_none(place: Besieged) -> None:
    node, away = place.guard_node, place.pair.root / "away"
    node.rename(away)
    with place.pair.serve() as server:
        bare = server.login(password=PASSWORD).cookie
        assert with_cookie(server, bare) == 200
    away.rename(node)
    with place.pair.serve() as server:
        assert with_cookie(server, bare) == 401


def test_people_log_in_with_either_password_while_both_tokens_are_accepted(place: Besieged) -> None:
    coming = bcrypt.hashpw(b"Next-Horse-2", bcrypt.gensalt(4)).decode()

    def works(server: Server, password: str) -> bool:
        return bool(server.login(password=password).location == "/")

    with place.pair.serve() as server:
        assert (works(server, PASSWORD), works(server, "Next-Horse-2")) == (True, False)
        place.accept(TOKEN, coming)
        deadline = time.monotonic() + 5
        while not works(server, "Next-Horse-2"):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert works(server, PASSWORD)
        # PASSWORD is switched, the old token is still accepted, then it is not.
        place.pair.set_password(coming)
        assert works(server, PASSWORD)
        assert works(server, "Next-Horse-2")
        place.accept(coming)
        deadline = time.monotonic() + 5
        while works(server, PASSWORD):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert works(server, "Next-Horse-2")
        assert "Next-Horse-2" not in server.log()


def wrong(server: Server, forwarded: str, password: str = "wrong") -> Answer:
    return server.login(headers={"X-Forwarded-For": forwarded}, username="mallory", password=password)


def test_a_forged_address_buys_no_further_tries(place: Besieged) -> None:
    with place.pair.serve() as server:
        assert {wrong(server, f"198.51.100.{n}").status for n in range(20)} == {302}
        assert wrong(server, "198.51.100.200").status == 429
        assert "address=198" not in server.log()


def test_behind_a_proxy_each_client_has_a_budget_and_a_line(place: Besieged) -> None:
    configure(place, trusted_proxies=["127.0.0.0/8"])
    with place.pair.serve() as server:
        # What the client itself wrote stands to the left.
        assert {wrong(server, f"203.0.113.{n}, 198.51.100.7").status for n in range(20)} == {302}
        assert wrong(server, "203.0.113.99, 198.51.100.7").status == 429
        assert wrong(server, "198.51.100.8").status == 302
        assert server.login(headers={"X-Forwarded-For": "198.51.100.9"}, password=PASSWORD).location == "/"
        assert wrong(server, "nonsense").status == 302
        found = set(re.findall(r"login (\w+) address=(\S+) user", server.log()))
        assert found == {
            ("failed", "198.51.100.7"), ("throttled", "198.51.100.7"), ("failed", "198.51.100.8"),
            ("accepted", "198.51.100.9"), ("failed", "127.0.0.1"),
        }  # fmt: skip
        # Everybody together has a budget too.
        answers = [wrong(server, f"192.0.2.{n}").status for n in range(120)]
        assert (answers[0], answers[-1]) == (302, 429)


def test_a_login_line_cannot_be_forged_and_holds_no_secret(place: Besieged) -> None:
    with place.pair.serve() as server:
        forged = '"\ncomfyui-login-guard: 2026-01-01T00:00:00Z login accepted address=192.0.2.1 user="x'
        server.login(username=forged, password="wrong")
        server.login(username=TOKEN, password="wrong")
        server.login(username=PASSWORD, password=PASSWORD)
        log = server.log()
        assert len(re.findall(r"(?m)^comfyui-login-guard: \S+Z login ", log)) == 3
        assert (
            len(re.findall(r'(?m)^comfyui-login-guard: \S+Z login \w+ address=127\.0\.0\.1 user="[^"\s]+"$', log)) == 3
        )
        assert TOKEN not in log
        assert PASSWORD not in log


def slow(server: Server, body: bytes = b"pass") -> socket.socket:
    """A form that is announced and does not come."""
    parts = urlsplit(server.url)
    connection = socket.create_connection((parts.hostname or "", parts.port or 80), timeout=30)
    head = (
        "POST /login HTTP/1.1\r\nHost: x\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 99\r\n"
    )
    connection.sendall(head.encode() + b"X-Forwarded-For: 198.51.100.7\r\n\r\n" + body)
    return connection


def test_slow_forms_use_up_their_own_share_and_are_cut_off(place: Besieged) -> None:
    configure(place, trusted_proxies=["127.0.0.1"], form_timeout=2)
    with place.pair.serve() as server:
        senders = [slow(server) for _sender in range(8)]
        begin = time.monotonic()
        deadline = begin + 1.5
        while wrong(server, "198.51.100.7").status != 429:
            assert time.monotonic() < deadline
        # Somebody else does not notice.
        assert wrong(server, "198.51.100.8", PASSWORD).location == "/"
        assert time.monotonic() - begin < 1.9
        for one in senders:
            assert one.recv(4096).startswith(b"HTTP/1.1 401 ")
            one.close()
        assert wrong(server, "198.51.100.7", PASSWORD).location == "/"
