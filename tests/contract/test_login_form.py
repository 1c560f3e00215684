# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The form, its cookies, and what a request with a credential may look like."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from harness import PASSWORD, TOKEN, USERNAME, Pair, Server

WRONG = (302, "/login?wrong_password=1")


def cookie(server: Server) -> dict[str, str]:
    return {"Cookie": server.login(password=PASSWORD).cookie}


def test_the_right_password_gives_a_cookie_that_opens(locked: Server) -> None:
    answer = locked.login(password=PASSWORD)
    assert (answer.status, answer.location) == (302, "/")
    name, _equals, attributes = answer.headers["set-cookie"].partition("=")
    assert name == "AIOHTTP_SESSION"
    assert attributes.endswith("; HttpOnly; Path=/")
    opened = {"Cookie": answer.cookie}
    assert locked.request("GET", "/system_stats", headers=opened).status == 200
    assert locked.request("GET", "/", headers={**opened, "Accept": "text/html"}).status == 200
    assert locked.request("GET", "/guest_mode", headers=opened).json() == {"guestMode": False}


def test_the_form_may_come_as_multipart(locked: Server) -> None:
    body = f'--x\r\nContent-Disposition: form-data; name="password"\r\n\r\n{PASSWORD}\r\n--x--\r\n'.encode()
    answer = locked.request("POST", "/login", headers={"Content-Type": "multipart/form-data; boundary=x"}, body=body)
    assert (answer.status, answer.location) == (302, "/")


@pytest.mark.parametrize("wrong", ["", "x", PASSWORD + " ", TOKEN, "x" * 72])
def test_a_wrong_password_is_told_by_the_location_only(locked: Server, wrong: str) -> None:
    answer = locked.login(password=wrong)
    assert (answer.status, answer.location, answer.cookie) == (*WRONG, "")


def test_the_user_name_is_never_checked_and_shown_to_all(locked: Server) -> None:
    assert locked.login(password=PASSWORD, username="somebody-else").location == "/"
    assert locked.login(password="x", username=USERNAME).location == WRONG[1]
    assert USERNAME in locked.request("GET", "/login").text


def test_a_form_without_a_password_is_a_server_error(locked: Server) -> None:
    assert locked.login(username=USERNAME).status == 500
    kind = {"Content-Type": "application/json"}
    body = json.dumps({"password": PASSWORD}).encode()
    assert locked.request("POST", "/login", headers=kind, body=body).status == 500


def test_a_password_beyond_72_bytes_is_a_server_error(locked: Server) -> None:
    assert locked.login(password="x" * 73).status == 500


@pytest.mark.parametrize("malformed", ["Bearer", "x", "Bearer a b", f"Bearer {PASSWORD} x"])
def test_a_malformed_authorization_is_a_server_error(locked: Server, malformed: str) -> None:
    header = {"Authorization": malformed}
    assert locked.request("GET", "/system_stats", headers=header).status == 500
    assert locked.request("GET", f"/system_stats?token={TOKEN}", headers=header).status == 500
    assert locked.request("GET", "/system_stats", headers={**header, **cookie(locked)}).status == 200


def test_an_empty_authorization_counts_as_none(locked: Server) -> None:
    assert locked.request("GET", "/system_stats", headers={"Authorization": ""}).status == 401
    assert locked.request("GET", f"/system_stats?token={TOKEN}", headers={"Authorization": ""}).status == 200


def test_two_blanks_before_the_token_do_not_matter(locked: Server) -> None:
    assert locked.request("GET", "/system_stats", headers={"Authorization": f"Bearer  {TOKEN}"}).status == 200


def test_the_first_of_two_tokens_counts(locked: Server) -> None:
    assert locked.request("GET", f"/system_stats?token={TOKEN}&token=x").status == 200
    assert locked.request("GET", f"/system_stats?token=x&token={TOKEN}").status == 401


def test_logout_spoils_only_the_browsers_own_cookie(locked: Server) -> None:
    copy = cookie(locked)
    left = locked.request("GET", "/logout", headers=copy)
    assert (left.status, left.location) == (302, "/login")
    assert locked.request("GET", "/system_stats", headers={"Cookie": left.cookie}).status == 401
    assert locked.request("GET", "/system_stats", headers=copy).status == 200


def test_options_and_foreign_origins_are_answered_before_the_check(locked: Server) -> None:
    assert locked.request("OPTIONS", "/system_stats").status == 200
    foreign = {"Origin": "https://other.example"}
    assert locked.request("GET", "/system_stats", token=TOKEN, headers=foreign).status == 403
    named = {**foreign, "Host": "comfy.example"}
    assert locked.request("GET", "/system_stats", token=TOKEN, headers=named).status == 200


def test_logins_are_checked_one_after_the_other(pair: Pair) -> None:
    # Cost 10: some 0.05 s each, so that four in a row are told from four at once.
    pair.set_password("$2b$10$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK")
    with pair.serve() as server:
        server.login(password="warm")
        started = time.monotonic()
        server.login(password="x")
        one = time.monotonic() - started
        started = time.monotonic()
        with ThreadPoolExecutor(4) as threads:
            list(threads.map(lambda _: server.login(password="x"), range(4)))
        assert time.monotonic() - started > 2 * one
