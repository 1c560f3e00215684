# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real ansible-playbook runs of the rotation action. Each costs a second, so each proves many things."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

from rotation_plays import Plays, task

CREATE = {"genai.comfyui.credential": {"names": ["main", "other"], "create": True, "policy": {"cost": 4}}}
CONSUMERS = [{"host": "c1", "id": "env"}, {"host": "s2", "id": "mcp"}]


def evidence(version: str, **server: Any) -> dict[str, Any]:
    """Return evidence in which all consumers hold *version* and all servers are as given."""
    return {
        "servers": [
            {"host": host, "instance": name, "acceptor": "guard", "reachable": True, "locked": True, **server}
            for host, name in (("s1", "default"), ("s2", "a"))
        ],
        "consumers": [{**one, "reachable": True, "status": "in_sync", "version": version} for one in CONSUMERS],
    }


def results(done: Any) -> list[dict[str, Any]]:
    """Return the results of the tasks in the order of the output (-v)."""
    decoder = json.JSONDecoder()
    return [decoder.raw_decode(text)[0] for text in re.split(r"=> (?=\{)", done.stdout)[1:]]


def secrets_in(document: Any) -> list[str]:
    items = document["credentials"].values()
    return [v["hash"] for i in items for v in i["versions"].values()] + [i["password"]["value"] for i in items]


def assert_hidden(out: str, secrets: list[str]) -> None:
    for secret in secrets:
        for form in (secret, secret[-31:], base64.b64encode(secret.encode()).decode()[:-4]):
            assert form not in out


def test_a_whole_rotation(tmp_path: Path) -> None:
    plays = Plays(tmp_path)
    both = {"accepts": ["v1", "v2"], "refuses": [], "password": "v1", "holds": "v1"}
    done = plays.run(
        [
            CREATE,
            {**task("started"), "check_mode": True, "diff": True},
            task("started"),
            task("started"),
            task("advanced", evidence={"servers": evidence("v1", **both)["servers"][:1]}),
            task("advanced", evidence=evidence("v1", **both)),
            task("advanced", evidence=evidence("v2", **both)),
            task("advanced", evidence=evidence("v2", **{**both, "password": "v2"})),
            task("advanced", evidence=evidence("v2", **{**both, "password": "v2"}), now="2099-01-01T00:00:00Z"),
            task("status", evidence=evidence("v2", **{**both, "password": "v2"})),
            {
                **task("advanced", evidence=evidence("v2", accepts=["v2"], refuses=["v1"], password="v2")),
                "check_mode": True,
            },
            task("advanced", evidence=evidence("v2", accepts=["v2"], refuses=["v1"], password="v2")),
            task("advanced"),
        ],
        "-vvv",
    )
    assert done.returncode == 0, done.out
    _made, planned, started, again, stays, *moved = results(done)
    assert (planned["changed"], planned["phase"], planned["moves"]) == (True, "pending", ["pending"])
    assert planned["versions"]["pending"] == {"version": "v2", "fingerprint": None}
    assert "main.pending: v2 (made in the real run)" in planned["diff"]["after"]
    assert (started["phase"], started["was"], started["to"]) == ("pending", "idle", "v2")
    assert started["required"] == ["c1:env", "s2:mcp"]
    assert started["servers"] == ["s1:default", "s2:a"]
    assert started["next"] == ["guards accept v1 and v2", "consumers hold v1", "PASSWORD of each server holds v1"]
    assert (again["changed"], again["phase"]) == (False, "pending")
    assert stays["waiting_for"] == [
        {"kind": "server", "id": "s2:a", "why": "could not be reached (nobody looked at it)"}
    ]
    assert [one["moves"] for one in moved] == [
        ["accepted"], ["distributed"], ["switched"], ["retiring"], [], ["idle"], ["idle"], [],
    ]  # fmt: skip
    assert moved[4]["waiting_for"][0]["why"] == "was not seen to refuse v1"
    item = plays.document()["credentials"]["main"]
    assert item["labels"] == {"current": "v2", "pending": None, "previous": None}
    assert [one["version"] for one in item["retired"]] == ["v1"]
    assert_hidden(done.out, secrets_in(plays.document()))


def test_refusals_say_what_to_do(tmp_path: Path) -> None:
    plays = Plays(tmp_path)
    newer = evidence("v1", accepts=["v1"], password=None, fingerprint="0123456789ab")
    done = plays.run(
        [
            CREATE,
            task("advanced", evidence=newer),
            task("status", evidence=newer),
            task("started", reason="scheduled"),
            task("started", rotate="token", password="Wrong-Horse-9"),
            task("started", evidence={"servers": [{"host": "s1", "instance": "a", "aceptor": "guard"}]}),
            task("started", names=["main", "other"], required=["a:b"]),
            task("started", servers=[]),
            task("started", reason="compromise", rotate="both", now="2026-05-05T05:05:05Z"),
            task("aborted"),
            task("advanced", forget=["c9:x"]),
            task("advanced", forget=["c1:env"]),
        ],
        "-v",
    )
    assert done.returncode == 0, done.out
    refused, told, waits, wrong, odd, both, none, started, aborted, unknown, forgot = results(done)[1:]
    assert "the field is newer than the truth" in refused["msg"]
    assert "0123456789ab on s1:default" in refused["msg"]
    assert "'state: adopted'" in refused["msg"]
    assert "failed" not in told or not told["failed"]
    assert "0123456789ab on s1:default" in told["newer"]
    assert waits["phase"] == "idle"
    assert "rotate_after_days is not set" in waits["why"][0]
    assert "not the one in force" in wrong["msg"]
    assert "unknown keys aceptor; known: accept_fingerprints" in odd["msg"]
    assert "belong to one credential" in both["msg"]
    assert "no server uses this credential" in none["msg"]
    assert (started["phase"], started["reason"]) == ("pending", "compromise")
    assert "to abort it would make the token valid again" in aborted["msg"]
    assert "'c9:x' is not waited for; the rotation waits for c1:env" in unknown["msg"]
    assert forgot["required"] == ["s2:mcp"]
    assert plays.document()["credentials"]["main"]["sessions_epoch"] == 1777957505
    assert_hidden(done.out, ["Wrong-Horse-9", *secrets_in(plays.document())])
