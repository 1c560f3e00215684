# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import threading
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from probe_servers import OTHER, PASSWORD, TOKEN, Behaviour, serve

from ansible_collections.genai.comfyui.plugins.module_utils import _probe
from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._probe import Evidence, Target, probe, prove


def look(behaviour: Behaviour, **options: Any) -> Evidence:
    with serve(behaviour) as url:
        seen = probe(Target(url, **{"token": TOKEN, **options}))
    told = repr(seen) + str(seen.as_dict())
    assert TOKEN not in told
    assert PASSWORD not in told
    return seen


def names(seen: Evidence) -> list[tuple[str, int | None, bool]]:
    return [(check.name, check.status, check.ok) for check in seen.checks]


STRANGERS = [("anonymous", 401, True), ("empty_token", 401, True), ("random_token", 401, True)]


def test_locked() -> None:
    behaviour = Behaviour()
    seen = look(behaviour)
    assert (seen.state, seen.locked, seen.fingerprint) == ("locked", True, fingerprint(TOKEN))
    assert names(seen) == [*STRANGERS, ("current_token", 200, True)]
    paths = [request[1] for request in behaviour.seen]
    assert paths == ["/system_stats", "/system_stats?token=", "/system_stats", "/system_stats"]
    bearers = [request[2] for request in behaviour.seen]
    assert bearers[:2] == [None, None]
    made_up = str(bearers[2]).partition(" ")[2]
    assert is_token(made_up)
    assert made_up != TOKEN
    assert bearers[3] == f"Bearer {TOKEN}"
    assert datetime.strptime(seen.at, "%Y-%m-%dT%H:%M:%SZ")


def test_a_redirect_to_login_refuses_too() -> None:
    seen = look(Behaviour(refusal=(302, "/login")))
    assert (seen.state, names(seen)[0]) == ("locked", ("anonymous", 302, True))
    assert look(Behaviour(refusal=(302, "https://x.example/comfy/login"))).state == "locked"
    elsewhere = look(Behaviour(refusal=(302, "/welcome")))
    assert elsewhere.state == "unexpected"
    assert "GET /system_stats answered 302, neither a refusal nor a welcome" in elsewhere.detail


@pytest.mark.parametrize(
    ("behaviour", "who", "why"),
    [
        (Behaviour(check=False), "anonymous", "(no credential) was let in with 200: the login check is not active"),
        (Behaviour(token=""), "empty_token", "(empty ?token=) was let in with 200: the server holds an empty token"),
        (Behaviour(any_token=True), "random_token", "(made-up token) was let in with 200: the server takes any token"),
    ],
)
def test_open_and_the_token_stays_here(behaviour: Behaviour, who: str, why: str) -> None:
    seen = look(behaviour)
    assert (seen.state, seen.locked) == ("open", False)
    assert why in seen.detail
    assert seen.checks[-1].name == who
    assert not seen.checks[-1].ok
    assert f"Bearer {TOKEN}" not in [request[2] for request in behaviour.seen]


def test_token_refused() -> None:
    seen = look(Behaviour(token=OTHER))
    assert seen.state == "token_refused"
    assert f"so is the token {fingerprint(TOKEN)}: the server holds another one" in seen.detail
    assert names(seen) == [*STRANGERS, ("current_token", 401, False)]


def test_down() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    seen = probe(Target(f"http://127.0.0.1:{port}", TOKEN))
    assert (seen.state, seen.detail) == ("down", "no answer: Connection refused")
    assert names(seen) == [("anonymous", None, False)]


@pytest.mark.parametrize("status", [502, 503, 504])
def test_a_proxy_without_server_is_down(status: int) -> None:
    seen = look(Behaviour(refusal=(status, "")))
    assert (seen.state, seen.detail) == ("down", f"no ComfyUI behind this address: it answered {status}")


@pytest.mark.parametrize("status", [400, 403, 404, 500])
def test_neither_refused_nor_let_in_is_not_locked(status: int) -> None:
    behaviour = Behaviour(refusal=(status, ""))
    seen = look(behaviour)
    assert seen.state == "unexpected"
    assert f"(no credential) GET /system_stats answered {status}" in seen.detail
    assert len(behaviour.seen) == 1
    with_token = look(Behaviour(accepted=status))
    assert with_token.state == "unexpected"
    assert f"with the token GET /system_stats answered {status}, neither 200 nor 401" in with_token.detail


def test_without_token_nothing_is_proven() -> None:
    seen = look(Behaviour(), token=None)
    assert (seen.state, seen.fingerprint, names(seen)) == ("unexpected", None, STRANGERS)
    assert "without a token the server is not proven" in seen.detail
    assert look(Behaviour(check=False), token=None).state == "open"


@pytest.mark.parametrize(
    ("answer", "state", "detail"),
    [
        ((302, "/"), "locked", "strangers are refused, the token is accepted, the password logs in"),
        (
            (302, "/login?wrong_password=1"),
            "unexpected",
            "the token is accepted, but the web form refuses the password",
        ),
        ((302, "/login"), "unexpected", "the token is accepted, but the web form refuses the password"),
        ((302, "/?wrong_password=1"), "unexpected", "the token is accepted, but the web form answered 302"),
        ((302, ""), "unexpected", "the token is accepted, but the web form answered 302"),
        ((200, ""), "unexpected", "the token is accepted, but the web form answered 200"),
        (
            (500, ""),
            "unexpected",
            "the token is accepted, but the web form answered 500 (it fails so on a PASSWORD whose first line is no "
            "bcrypt hash)",
        ),
    ],
)
def test_the_form_is_judged_by_its_location(answer: tuple[int, str], state: str, detail: str) -> None:
    behaviour = Behaviour(form=lambda password: answer)
    with serve(behaviour) as url:
        seen = prove(Target(url, TOKEN, username="comfy", password=PASSWORD), wait=1, wait_for_token=True)
    assert (seen.state, seen.detail) == (state, detail)
    assert seen.checks[-1].name == "form_login"
    posts = [request for request in behaviour.seen if request[0] == "POST"]
    assert posts == [("POST", "/login", None, None)]


def test_the_form_is_left_alone_when_the_token_is_refused() -> None:
    behaviour = Behaviour(token=OTHER)
    look(behaviour, username="comfy", password=PASSWORD)
    assert all(request[0] == "GET" for request in behaviour.seen)


def test_the_origin_goes_with_every_request() -> None:
    behaviour = Behaviour(origin="https://ui.example")
    assert look(behaviour).state == "token_refused"
    behaviour.seen.clear()
    seen = look(behaviour, origin="https://ui.example", username="comfy", password=PASSWORD)
    assert seen.state == "locked"
    assert {request[3] for request in behaviour.seen} == {"https://ui.example"}
    refused = look(behaviour, origin="https://other.example")
    assert "or does not take this Origin" in refused.detail


def test_over_a_unix_socket(tmp_path: Path) -> None:
    with serve(Behaviour(), unix=tmp_path / "s"):
        seen = probe(Target("http://127.0.0.1", TOKEN, unix_socket=str(tmp_path / "s")))
    assert (seen.state, seen.url) == ("locked", f"unix:{tmp_path / 's'}")


def test_what_waiting_cannot_mend_ends_at_once() -> None:
    for behaviour, state in ((Behaviour(check=False), "open"), (Behaviour(token=OTHER), "token_refused")):
        with serve(behaviour) as url:
            seen = prove(Target(url, TOKEN), wait=60)
        assert (seen.state, seen.waited < 30) == (state, True)
    assert prove(Target("http://user:x@127.0.0.1:1", TOKEN), wait=60).state == "unexpected"


def test_waits_until_the_server_is_there() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]
    found: list[Evidence] = []
    waiting = threading.Event()

    def alive() -> bool:
        waiting.set()
        return True

    target = Target(f"http://127.0.0.1:{port}", TOKEN)
    thread = threading.Thread(target=lambda: found.append(prove(target, wait=30, alive=alive)))
    thread.start()
    assert waiting.wait(10)
    with serve(Behaviour(), port=port):
        thread.join(30)
    assert found[0].state == "locked"
    assert found[0].waited > 0


def test_waits_for_the_token_when_told() -> None:
    behaviour = Behaviour(token=OTHER)

    def alive() -> bool:
        behaviour.token = TOKEN
        return True

    with serve(behaviour) as url:
        assert prove(Target(url, TOKEN), wait=30, wait_for_token=True, alive=alive).state == "locked"


def test_gives_up_and_keeps_the_last_error() -> None:
    seen = prove(Target("http://127.0.0.1:1", TOKEN), wait=0.3)
    assert seen.state == "down"
    assert seen.detail.startswith("gave up after 0.")
    assert seen.detail.endswith("last seen: no answer: Connection refused")
    assert prove(Target("http://127.0.0.1:1", TOKEN)).detail == "no answer: Connection refused"


def test_stops_waiting_when_the_process_has_ended() -> None:
    seen = prove(Target("http://127.0.0.1:1", TOKEN), wait=60, alive=lambda: False)
    assert seen.waited < 30
    assert seen.detail == "the server's process has ended; last seen: no answer: Connection refused"


def test_a_target_does_not_show_its_secrets() -> None:
    shown = repr(Target("http://h", TOKEN, "comfy", PASSWORD))
    assert TOKEN not in shown
    assert PASSWORD not in shown


def test_made_up_tokens_are_well_formed() -> None:
    made = {_probe._random_token(TOKEN) for _turn in range(500)}
    assert len(made) == 500
    assert all(is_token(token) for token in made)
