# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A process keeps what it has read: which of token, password and cookie follow a rewrite, and when."""

from __future__ import annotations

from datetime import datetime, timedelta

from harness import PASSWORD, TOKEN, USERNAME, Pair, Server

# bcrypt of `Correct-Horse-2`, cost 4.
NEW_TOKEN = "$2b$04$OwDXC8bHWoWrItfMvGYdpuHjg9oNca6ZDXgtmQUrhr0dN/VL8mRiS"
NEW_PASSWORD = "Correct-Horse-2"


def opens(server: Server, token: str) -> bool:
    return bool(server.request("GET", "/system_stats", token=token).status == 200)


def cookie_opens(server: Server, cookie: str) -> bool:
    return bool(server.request("GET", "/system_stats", headers={"Cookie": cookie}).status == 200)


def password_opens(server: Server, password: str) -> bool:
    return bool(server.login(password=password).location == "/")


def test_only_a_restart_brings_a_new_token_and_password(pair: Pair) -> None:
    pair.set_password(TOKEN)
    with pair.serve() as server:
        cookie = server.login(password=PASSWORD).cookie
        pair.set_password(NEW_TOKEN)
        assert (opens(server, TOKEN), opens(server, NEW_TOKEN)) == (True, False)
        assert (password_opens(server, PASSWORD), password_opens(server, NEW_PASSWORD)) == (True, False)
        assert cookie_opens(server, cookie)
    with pair.serve() as server:
        assert (opens(server, TOKEN), opens(server, NEW_TOKEN)) == (False, True)
        assert (password_opens(server, PASSWORD), password_opens(server, NEW_PASSWORD)) == (False, True)
        # The point of replacing the key as well:
        assert cookie_opens(server, cookie)


def test_a_cookie_ends_with_its_key_and_a_restart(pair: Pair) -> None:
    pair.set_password(TOKEN)
    with pair.serve() as server:
        cookie = server.login(password=PASSWORD).cookie
        pair.key_file.unlink()
        assert cookie_opens(server, cookie)
    with pair.serve() as server:
        assert not cookie_opens(server, cookie)
        assert opens(server, TOKEN)


def test_a_form_nobody_has_used_yet_follows_the_file_while_the_token_does_not(pair: Pair) -> None:
    pair.set_password(TOKEN)
    with pair.serve() as server:
        pair.set_password(NEW_TOKEN)
        assert (password_opens(server, PASSWORD), password_opens(server, NEW_PASSWORD)) == (False, True)
        assert (opens(server, TOKEN), opens(server, NEW_TOKEN)) == (True, False)


def test_a_key_is_made_once_and_kept(pair: Pair) -> None:
    pair.set_password(TOKEN, USERNAME)
    with pair.serve():
        made = pair.key_file.read_text()
    key, written = made.split(",")
    assert len(key) == 44
    assert datetime.now() - datetime.fromisoformat(written) < timedelta(minutes=10)
    with pair.serve():
        assert pair.key_file.read_text() == made


def test_a_key_older_than_30_days_is_replaced_at_the_next_start(pair: Pair) -> None:
    pair.set_password(TOKEN)
    key = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s="
    for age, kept in ((29, True), (31, False)):
        content = f"{key},{(datetime.now() - timedelta(days=age)).isoformat()}"
        pair.key_file.write_text(content)
        with pair.serve() as server:
            assert server.request("GET", "/system_stats").status == 401
            assert (pair.key_file.read_text() == content) is kept


def test_a_key_from_the_far_future_is_never_replaced(pair: Pair) -> None:
    pair.set_password(TOKEN)
    content = "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s=,9999-12-31T00:00:00"
    pair.key_file.write_text(content)
    with pair.serve() as server:
        assert cookie_opens(server, server.login(password=PASSWORD).cookie)
    assert pair.key_file.read_text() == content
