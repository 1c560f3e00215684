# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jobs on a real process: followed, failed, cancelled, lost, refused."""

from __future__ import annotations

import threading
import uuid
from pathlib import Path
from typing import Any

import pytest
from harness import TOKENS, Pair, Server
from workflow_server import client, gated, saved, until

from ansible_collections.genai.comfyui.plugins.module_utils import _websocket
from ansible_collections.genai.comfyui.plugins.module_utils import _workflow_run as run
from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError
from ansible_collections.genai.comfyui.plugins.module_utils._workflow import Graph, WorkflowError, problems


def start(server: Server, graph: Graph) -> tuple[run.Client, str, str]:
    here, job, us = client(server.url), str(uuid.uuid4()), str(uuid.uuid4())
    here.submit(graph, job, us)
    return here, job, us


def test_a_picture_comes_out(server: Server) -> None:
    here, job, us = start(server, saved("Gradient", shape="flat"))
    seen = run.Seen()
    state = run.follow(here, job, us, 20, seen)
    assert (state["state"], seen.by) == ("done", "websocket")
    (output,) = run.outputs_of(state["record"])
    data = here.fetch(output)
    assert run.judge(output["filename"], data, "varied") == {"kind": "png", "width": 16, "height": 2}
    assert run.execution_seconds(state["record"]) is not None


def test_the_end_is_heard_without_a_poll(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "POLL", 60.0)
    door = tmp_path / "door"
    here, job, us = start(server, gated(door))
    found: list[Any] = []
    follower = threading.Thread(target=lambda: found.append(run.follow(here, job, us, 50, run.Seen())))
    follower.start()
    until(Path(f"{door}.reached").exists)
    door.touch()
    follower.join(20)
    assert not follower.is_alive(), "only the WebSocket could tell before a minute had passed"
    assert found[0]["state"] == "done"


def test_places_in_the_queue_and_taking_a_job_back(server: Server, tmp_path: Path) -> None:
    door = tmp_path / "door"
    here, first, us = start(server, gated(door))
    until(Path(f"{door}.reached").exists)
    second = start(server, saved("Gradient", shape="steep"))[1]
    third = start(server, saved("Gradient", shape="flat"))[1]
    assert here.look(first)["state"] == "running"
    assert (here.look(third)["position"], here.look(third)["queued"]) == (2, 2)
    assert here.cancel(second)
    assert here.look(second)["state"] == "lost"
    assert here.cancel(first)
    state = run.follow(here, first, us, 20, run.Seen())
    assert state["state"] == "interrupted"
    assert "interrupted at node 1 (Gate)" in run.failure_of(state["record"])
    assert run.follow(here, third, us, 20, run.Seen())["state"] == "done", "the others are not touched"
    assert not here.cancel(third)


def test_a_failing_node_is_named(server: Server) -> None:
    here, job, us = start(server, saved("Broken", model_name="here.safetensors"))
    state = run.follow(here, job, us, 20, run.Seen())
    assert state["state"] == "error"
    assert run.failure_of(state["record"]) == "node 1 (Broken): ValueError: header too small"


def test_what_the_server_would_refuse_is_known_before(server: Server) -> None:
    here = client(server.url)
    for graph, said in (
        (saved("Nowhere"), "the server has no Nowhere"),
        (saved("Broken", model_name="gone.safetensors"), "is a model that the server does not have; there is: 'here"),
        (saved("Gradient", shape="round"), "is not among the choices: 'steep', 'flat'"),
    ):
        (found,) = problems(graph, here.offered(graph))
        assert said in found
        with pytest.raises(WorkflowError, match="refuses the workflow: "):
            here.submit(graph, str(uuid.uuid4()), "us")


def test_a_refused_token_is_named_by_fingerprint(server: Server) -> None:
    other = client(server.url, TOKENS["dot"])
    with pytest.raises(WorkflowError, match=r"refuses the token [0-9a-f]{12} \(status 401\)") as caught:
        other.look("x")
    assert TOKENS["dot"] not in str(caught.value)
    assert TOKENS["dot"] not in repr(other)


def test_a_plain_picture_is_not_varied(server: Server) -> None:
    here, job, us = start(server, saved("EmptyImage", width=8, height=8, batch_size=1, color=7))
    (output,) = run.outputs_of(run.follow(here, job, us, 20, run.Seen())["record"])
    data = here.fetch(output)
    with pytest.raises(WorkflowError, match="one single colour"):
        run.judge("x.png", data, "varied")
    assert run.judge("x.png", data, "decodable")["width"] == 8
    with pytest.raises(WorkflowError, match="ends too early"):
        run.judge("x.png", data[:-5], "decodable")
    with pytest.raises(WorkflowError, match="damaged"):
        run.judge("x.png", data.replace(b"IDAT", b"IDAX"), "decodable")


def test_a_restart_loses_the_job_and_says_so(pair: Pair, tmp_path: Path) -> None:
    door = tmp_path / "door"
    with pair.serve() as server:
        here, job, us = start(server, gated(door))
        until(Path(f"{door}.reached").exists)
        server.process.kill()
        server.process.wait()
        assert run.follow(here, job, us, 0.1, run.Seen())["state"] == "unreachable"
    with pair.serve() as again:
        assert run.follow(client(again.url), job, us, 5, run.Seen())["state"] == "lost"


def test_polling_where_no_websocket_can_be_had(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_arguments: object, **_options: object) -> None:
        raise HttpError("protocol", "no WebSocket here")

    # The edge: a proxy that does not pass WebSockets on.
    monkeypatch.setattr(_websocket, "connect", refused)
    monkeypatch.setattr(run, "POLL", 0.05)
    here, job, us = start(server, saved("Gradient", shape="flat"))
    seen = run.Seen()
    assert run.follow(here, job, us, 20, seen)["state"] == "done"
    assert seen.by == "polling"


def test_neither_way_of_following_works_without_the_token(server: Server) -> None:
    with pytest.raises(_websocket.WebSocketRefused) as caught:
        _websocket.connect(server.url, "/ws?clientId=x", token=TOKENS["dot"])
    assert caught.value.status == 401
    with pytest.raises(WorkflowError, match=r"refuses the token [0-9a-f]{12} \(status 401\)"):
        run.follow(client(server.url, TOKENS["dot"]), "x", "us", 1, run.Seen())


class WithCard(run.Client):
    """The edge: a server with two cards, of which more and more is in use, and then less."""

    used = iter([1, 7, 3])

    def json(self, method: str, path: str, content: Any = None) -> Any:
        """Answer /system_stats as such a server would."""
        if path != "/system_stats":
            return super().json(method, path, content)
        free = 10 - next(self.used, 3)
        card = {"type": "cuda", "vram_total": 10, "vram_free": free}
        return {"devices": [card, {**card, "vram_free": 8}, {"type": "cpu", "vram_total": 99, "vram_free": 0}]}


def test_the_peak_of_vram_is_of_all_cards_while_the_job_runs(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "POLL", 0.02)
    door = tmp_path / "door"
    here = WithCard(server.url, TOKENS["letter"], timeout=10)
    job, seen = str(uuid.uuid4()), run.Seen()
    here.submit(gated(door), job, "us")
    until(Path(f"{door}.reached").exists)
    run.follow(here, job, "us", 0.5, seen)
    assert seen.vram == 7 + 2
    door.touch()
    lean = run.Seen()
    assert run.follow(here, job, "us", 20, lean, lean=True)["state"] == "done"
    assert lean.vram is None, "what is measured is not disturbed"


def test_saving_leaves_nothing_half_written_and_no_way_out(tmp_path: Path) -> None:
    path = run.save(b"x" * 10, str(tmp_path), "../../etc/pass wd")
    assert path == str(tmp_path / "pass wd")
    assert [one.name for one in tmp_path.iterdir()] == ["pass wd"]
    with pytest.raises(OSError, match="No such file"):
        run.save(b"x", str(tmp_path / "gone"), "a.png")
