# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A server with a token lets nobody in without it. All of this may be asked of a running server."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import pytest
from harness import Site

CLOSED = [
    "/",
    "/prompt",
    "/queue",
    "/history",
    "/system_stats",
    "/object_info",
    "/models",
    "/userdata?dir=workflows",
    "/settings",
    "/users",
    "/extensions",
    "/features",
    "/view?filename=x.png",
    "/internal/logs",
    "/internal/folder_paths",
    "/guest_mode",
    "/logout",
    "/no/such/path",
]
WRONG = ["x", "$2b$12$", "Correct-Horse-1", "None", "null", "undefined", "*"]


def token_of(bearer: dict[str, str]) -> str:
    return bearer["Authorization"].split()[1]


@pytest.mark.parametrize("path", CLOSED)
def test_without_a_credential_every_path_is_refused(site: Site, path: str) -> None:
    answer = site.request("GET", path)
    assert (answer.status, answer.json()) == (401, {"error": "Authentication required."})


@pytest.mark.parametrize("path", ["/api/prompt", "/api/system_stats", "/api/login", "/api/guest_mode", "/api/logout"])
def test_the_api_twins_are_closed_too(site: Site, path: str) -> None:
    assert site.request("GET", path).status == 401


@pytest.mark.parametrize("path", ["/prompt", "/api/prompt", "/free", "/interrupt", "/queue", "/upload/image"])
def test_without_a_credential_nothing_can_be_posted(site: Site, path: str) -> None:
    assert site.request("POST", path, body=b"{}").status == 401


@pytest.mark.parametrize("path", ["/", "/system_stats", "/no/such/path"])
def test_a_browser_is_sent_to_the_login_page(site: Site, path: str) -> None:
    answer = site.request("GET", path, headers={"Accept": "text/html,application/xhtml+xml"})
    assert answer.status == 302
    assert answer.location.endswith("/login")


def test_the_login_page_is_open(site: Site) -> None:
    answer = site.request("GET", "/login")
    assert answer.status == 200
    assert "first login" not in answer.text.lower()


@pytest.mark.parametrize("query", ["?token=", "?token"])
@pytest.mark.parametrize("path", ["/system_stats", "/api/prompt", "/internal/logs"])
def test_an_empty_token_opens_nothing(site: Site, path: str, query: str) -> None:
    assert site.request("GET", path + query).status == 401


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_token_is_refused(site: Site, wrong: str) -> None:
    assert site.request("GET", "/system_stats", token=wrong).status == 401
    assert site.request("GET", f"/system_stats?token={wrong}").status == 401


def test_a_part_of_the_token_is_refused(site: Site, bearer: dict[str, str]) -> None:
    token = token_of(bearer)
    for wrong in (token[:-1], token + "x", token.swapcase()):
        assert site.request("GET", "/system_stats", token=wrong).status == 401


def test_the_token_opens_in_the_header_and_in_the_query(site: Site, bearer: dict[str, str]) -> None:
    token = token_of(bearer)
    assert site.request("GET", "/system_stats", headers=bearer).status == 200
    assert site.request("GET", f"/system_stats?token={token}").status == 200
    escaped = token.replace("$", "%24").replace("/", "%2F")
    assert site.request("GET", f"/system_stats?token={escaped}").status == 200


def test_the_scheme_is_case_sensitive(site: Site, bearer: dict[str, str]) -> None:
    assert site.request("GET", "/system_stats", headers={"Authorization": f"bearer {token_of(bearer)}"}).status == 401


def test_basic_credentials_mean_nothing(site: Site, bearer: dict[str, str]) -> None:
    basic = {"Authorization": "Basic YTpi"}
    assert site.request("GET", "/system_stats", headers=basic).status == 401
    assert site.request("GET", f"/system_stats?token={token_of(bearer)}", headers=basic).status == 200


def test_an_unreadable_cookie_counts_as_none(site: Site, bearer: dict[str, str]) -> None:
    cookie = {"Cookie": "AIOHTTP_SESSION=nonsense"}
    assert site.request("GET", "/system_stats", headers=cookie).status == 401
    assert site.request("GET", "/system_stats", headers={**cookie, **bearer}).status == 200


def test_the_system_stats_show_no_token(site: Site, bearer: dict[str, str]) -> None:
    stats = site.request("GET", "/system_stats", headers=bearer)
    # Not compared in the assertion itself, which would print both.
    shown = token_of(bearer) in stats.text
    assert not shown
    assert {"argv", "comfyui_version", "python_version"} <= stats.json()["system"].keys()
    assert {"name", "type", "vram_total", "vram_free"} <= stats.json()["devices"][0].keys()


async def _first_message(url: str, headers: dict[str, str]) -> Any:
    async with aiohttp.ClientSession() as session, session.ws_connect(url, headers=headers) as socket:
        return await asyncio.wait_for(socket.receive_json(), 30)


async def _refusal(url: str, headers: dict[str, str]) -> int:
    try:
        await _first_message(url, headers)
    except aiohttp.WSServerHandshakeError as error:
        return error.status
    return 101


@pytest.mark.parametrize("path", ["/ws", "/api/ws"])
def test_a_socket_needs_the_token(site: Site, path: str) -> None:
    assert asyncio.run(_refusal(site.url + path, {})) == 401
    assert asyncio.run(_refusal(site.url + path, {"Authorization": "Bearer x"})) == 401
    assert asyncio.run(_refusal(site.url + path + "?token=", {})) == 401


@pytest.mark.parametrize("path", ["/ws", "/api/ws"])
def test_a_socket_with_the_token_starts_with_the_status(site: Site, bearer: dict[str, str], path: str) -> None:
    message = asyncio.run(_first_message(site.url + path, bearer))
    assert message["type"] == "status"
    assert "queue_remaining" in message["data"]["status"]["exec_info"]
    # Percent-encoded, so that the client cannot rewrite it.
    url = f"{site.url}{path}?token={token_of(bearer).replace('$', '%24').replace('/', '%2F')}"
    assert asyncio.run(_first_message(url, {}))["type"] == "status"
