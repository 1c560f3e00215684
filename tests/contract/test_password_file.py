# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What `login/PASSWORD` holds decides who gets in: no file, a file, and every shape of it."""

from __future__ import annotations

import pytest
from harness import PASSWORD, TOKEN, TOKENS, Pair, Server


def status(server: Server, query: str = "", token: str | None = None) -> int:
    return int(server.request("GET", "/system_stats" + query, token=token).status)


@pytest.mark.parametrize("name", TOKENS)
def test_each_kind_of_hash_is_a_token_and_a_password(pair: Pair, name: str) -> None:
    pair.set_password(TOKENS[name])
    with pair.serve() as server:
        assert status(server) == 401
        assert status(server, "?token=") == 401
        assert status(server, token=TOKENS[name]) == 200
        assert status(server, f"?token={TOKENS[name]}") == 200
        assert server.login(password=PASSWORD).location == "/"


def test_without_a_file_the_empty_token_opens_everything(pair: Pair) -> None:
    with pair.serve() as server:
        assert pair.password_file.parent.is_dir()
        assert status(server) == 401
        assert status(server, token="x") == 401
        assert status(server, "?token=x") == 401
        for query in ("?token=", "?token"):
            assert status(server, query) == 200
            assert server.request("GET", "/internal/logs" + query).status == 200
        answer = server.request("POST", "/prompt?token=", headers={"Content-Type": "application/json"}, body=b"{}")
        assert (answer.status, answer.json()["error"]["type"]) == (400, "no_prompt")


def test_without_a_file_the_first_caller_owns_the_server(pair: Pair) -> None:
    with pair.serve() as server:
        assert "first login" in server.request("GET", "/login").text.lower()
        claim = server.login(username="mallory", password="stolen")
        assert (claim.status, claim.location) == (302, "/")
        token, name = pair.password_file.read_text().splitlines()
        assert (token[:7], len(token), name) == ("$2b$12$", 60, "mallory")
        assert status(server, token=token) == 200
        assert status(server, "?token=") == 401
        assert server.request("GET", "/system_stats", headers={"Cookie": claim.cookie}).status == 200


def test_a_claim_without_a_user_name_leaves_the_server_open_for_all(pair: Pair) -> None:
    with pair.serve() as server:
        assert server.login(password="stolen").status == 500
        assert pair.password_file.read_bytes() == b""
        assert server.login(password="stolen").location == "/login?wrong_password=1"
        assert status(server, "?token=") == 200


def test_a_file_that_appears_later_is_read_by_the_next_request(pair: Pair) -> None:
    with pair.serve() as server:
        assert status(server, "?token=") == 200
        pair.set_password(TOKEN)
        assert status(server, "?token=") == 401
        assert status(server, token=TOKEN) == 200
        assert server.login(password=PASSWORD).location == "/"


def test_a_file_that_vanishes_lets_anybody_write_a_new_one(pair: Pair) -> None:
    pair.set_password(TOKEN)
    with pair.serve() as server:
        pair.password_file.unlink()
        assert status(server, token=TOKEN) == 200
        assert "first login" in server.request("GET", "/login").text.lower()
        assert server.login(username="mallory", password="stolen").location == "/"
        new = pair.password_file.read_text().splitlines()[0]
        # Only the form follows; the process keeps its token.
        assert status(server, token=new) == 401
        assert status(server, token=TOKEN) == 200


def test_a_file_of_the_old_layout_silently_replaces_the_current_one(pair: Pair) -> None:
    pair.set_password(TOKEN)
    (pair.code / "PASSWORD").write_text(TOKENS["dot"] + "\nold\n")
    with pair.serve() as server:
        assert status(server, token=TOKEN) == 401
        assert status(server, token=TOKENS["dot"]) == 200
    assert not (pair.code / "PASSWORD").exists()
    assert pair.password_file.read_text() == TOKENS["dot"] + "\nold\n"


# content, status of the token, status of ?token=, outcome of the right password without a user name, file afterwards
SHAPES: dict[str, tuple[bytes, int, int, str, bool]] = {
    "two lines": (f"{TOKEN}\nu\n".encode(), 200, 401, "/", True),
    "no final line feed": (f"{TOKEN}\nu".encode(), 200, 401, "/", True),
    "three lines": (f"{TOKEN}\nu\nmore\n".encode(), 200, 401, "/", True),
    "carriage returns": (f"{TOKEN}\r\nu\r\n".encode(), 200, 401, "/login?wrong_password=1", True),
    "blanks after the hash": (f"{TOKEN}  \nu\n".encode(), 200, 401, "/login?wrong_password=1", True),
    "hash only": (f"{TOKEN}\n".encode(), 200, 401, "500", False),
    "empty": (b"", 401, 200, "/login?wrong_password=1", True),
    "blank first line": (b"\nu\n", 401, 200, "/login?wrong_password=1", True),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_the_shape_of_the_file_decides(pair: Pair, shape: str) -> None:
    content, with_token, with_empty, login, kept = SHAPES[shape]
    pair.write_password(content)
    with pair.serve() as server:
        assert status(server) == 401
        assert status(server, token=TOKEN) == with_token
        assert status(server, "?token=") == with_empty
        answer = server.login(password=PASSWORD)
        assert (answer.location or str(answer.status)) == login
        assert pair.password_file.read_bytes() == (content if kept else b"")


def test_a_missing_user_name_is_filled_in_from_the_form(pair: Pair) -> None:
    pair.write_password(TOKEN + "\n")
    with pair.serve() as server:
        assert server.login(password="wrong", username="u").location == "/login?wrong_password=1"
        assert pair.password_file.read_text() == TOKEN + "\n"
        assert server.login(password=PASSWORD, username="u").location == "/"
        assert pair.password_file.read_text().splitlines() == [TOKEN, "u"]


@pytest.mark.parametrize("first", ["plain-password", f"comfy:{TOKEN}"])
def test_a_token_that_is_no_hash_is_accepted_all_the_same(pair: Pair, first: str) -> None:
    pair.write_password(f"{first}\nu\n")
    with pair.serve() as server:
        assert status(server, token=first) == 200
        assert server.login(password=PASSWORD).status == 500


def test_a_file_the_server_may_only_read_is_enough(pair: Pair) -> None:
    pair.set_password(TOKEN)
    pair.password_file.chmod(0o400)
    with pair.serve() as server:
        assert status(server, token=TOKEN) == 200
        assert server.login(password=PASSWORD).location == "/"
