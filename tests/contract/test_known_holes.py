# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Holes of the pair as it comes: paths by their ending need no credential, and the log holds the token.

They are part of the contract because the guard and the proxy rules are tested against a server that has them.
"""

from __future__ import annotations

import pytest
from harness import TOKEN, Pair, Server
from test_prompts import picture, post, wait_for

BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest.mark.parametrize("name", ["x.js", "x.css", "x.css.map", "x.ico", "new%2Fdir%2Fdeep%2Fx.js", "x.%6as"])
@pytest.mark.parametrize("prefix", ["/userdata/", "/api/userdata/"])
def test_anybody_may_write_read_and_delete_user_files_of_some_endings(locked: Server, prefix: str, name: str) -> None:
    assert locked.request("POST", prefix + name, body=b"bytes").status == 200
    assert locked.request("GET", prefix + name).body == b"bytes"
    assert locked.request("DELETE", prefix + name).status == 204
    assert locked.request("GET", prefix + name).status == 404


def test_anybody_may_take_away_a_user_file_of_known_name(locked: Server) -> None:
    owned = "/userdata/workflows%2Fvictim.json"
    assert locked.request("POST", owned, headers=BEARER, body=b"mine").status == 200
    assert locked.request("GET", owned).status == 401
    assert locked.request("POST", owned + "/move/stolen.js").status == 200
    assert locked.request("GET", "/userdata/stolen.js").body == b"mine"
    assert locked.request("GET", owned, headers=BEARER).status == 404
    assert locked.request("DELETE", "/userdata/stolen.js").status == 204


def test_anybody_may_style_the_page_of_all_users(locked: Server) -> None:
    assert "user.css" in locked.request("GET", "/", headers=BEARER).text
    assert locked.request("POST", "/api/userdata/user.css", body=b"body{}").status == 200
    assert locked.request("DELETE", "/api/userdata/user.css").status == 204


def test_a_generated_picture_leaks_through_the_model_preview(locked: Server) -> None:
    prompt = picture("leak")
    wait_for(locked, BEARER, post(locked, BEARER, {"prompt": prompt}).json()["prompt_id"])
    # Two levels up from models/checkpoints.
    path = "/experiment/models/preview/checkpoints/0/..%2F..%2Foutput%2Fleak_00001_.js"
    for prefix in ("", "/api"):
        answer = locked.request("GET", prefix + path)
        assert (answer.status, answer.headers["content-type"]) == (200, "image/webp")


def test_static_scripts_and_styles_are_open(locked: Server) -> None:
    assert locked.request("GET", "/old_css/style.css").status == 200
    assert locked.request("GET", "/extensions/ComfyUI-Login/freeMemory.js").status == 200
    assert "/extensions/ComfyUI-Login/freeMemory.js" in locked.request("GET", "/extensions", headers=BEARER).json()


CLOSED = [
    ("GET", "/userdata/x.JS", 401),
    ("GET", "/userdata/x.json", 401),
    ("GET", "/LOGIN", 401),
    ("GET", "/login/", 401),
    ("GET", "//prompt", 401),
    ("GET", "/prompt?x.js", 401),
    ("GET", "/prompt?x=.js", 401),
    ("GET", "/prompt%3F.js", 404),
    ("GET", "/prompt%23.js", 404),
    ("GET", "/prompt;.js", 404),
    ("GET", "/prompt/.js", 404),
    ("GET", "/prompt.js", 404),
    ("GET", "/view/x.js", 404),
    ("GET", "/ws/x.js", 404),
    ("GET", "/internal/logs/x.js", 404),
    ("GET", "/view?filename=a.png&x=.js", 401),
    ("POST", "/prompt/x.js", 405),
    ("POST", "/upload/image/x.js", 405),
    ("GET", "/models/x.js", 404),
    ("GET", "/internal/files/x.js", 400),
    ("POST", "/userdata/..%2F..%2Fx.js", 403),
    ("POST", "/userdata/a.json/move/b.json", 401),
]


@pytest.mark.parametrize(("method", "path", "status"), CLOSED)
def test_these_endings_open_nothing(locked: Server, method: str, path: str, status: int) -> None:
    assert locked.request(method, path).status == status


def test_these_endings_show_nothing(locked: Server) -> None:
    assert locked.request("GET", "/object_info/KSampler.js").json() == {}
    assert locked.request("GET", "/history/x.js").json() == {}


def test_the_login_path_is_open_for_every_method(locked: Server) -> None:
    assert [locked.request(method, "/login").status for method in ("HEAD", "PUT", "DELETE")] == [200, 405, 405]


def test_the_log_holds_the_token(pair: Pair) -> None:
    pair.set_password(TOKEN)
    with pair.serve() as server:
        assert f"For direct API calls, use token={TOKEN}" in server.log()
        assert TOKEN in server.request("GET", "/internal/logs", token=TOKEN).text


def test_a_quieter_log_does_not(pair: Pair) -> None:
    pair.set_password(TOKEN)
    with pair.serve("--verbose", "WARNING") as server:
        assert TOKEN not in server.request("GET", "/internal/logs", token=TOKEN).text
        assert TOKEN not in server.log()


def test_a_wrong_login_leaves_no_line(locked: Server) -> None:
    before = locked.log()
    locked.login(password="wrong")
    assert locked.log() == before
