# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the truth is handed out: the view that modules take (it holds values), and the summary that may be shown.

The view says what the field should be now, whatever the state of a rotation: every play that brings hosts in line with
it does the right thing, at any time and in any order of hosts.
"""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils._truth_form import Credential, Document, Rotation


def view(item: Credential) -> dict[str, Any]:
    """Return what a module needs of one credential, with its values, as plain data.

    Keys: ``username``, ``password`` (None when people own it), ``token``, ``version``, ``made``, ``retired`` (list of
    ``version``, ``fingerprint``, ``retired``); where there is one, ``pending`` / ``previous`` (``token``, ``version``,
    and ``password`` where it is another one); and what the field should be now: ``distribute`` (the label that every
    consumer but a server's PASSWORD holds), ``serve`` (the label that PASSWORD holds), ``accept`` (list of ``version``,
    ``token``, ``expires``: what a guard accepts) and ``epoch`` (whole seconds since 1970 or 0: older browser sessions
    do not count). ``expires`` is whole seconds since 1970, or None. A label None is the current one, but what holds
    the pending one keeps it.

    A version that is being withdrawn is shown as ``previous``, so that whoever holds it goes back.
    """
    versions, labels, rotation = item["versions"], item["labels"], item["rotation"]
    current = labels["current"]
    shown: dict[str, Any] = {
        "username": item["username"],
        "password": item["password"].get("value"),
        "token": versions[current]["hash"],
        "version": current,
        "made": versions[current]["made"],
        "retired": [
            {"version": e["version"], "fingerprint": e["fp"], "retired": e["retired"]} for e in item["retired"]
        ],
        "distribute": "current",
        "serve": "current",
        "accept": [],
        "epoch": item.get("sessions_epoch", 0),
    }
    names = {"pending": labels["pending"], "previous": labels["previous"]}
    if rotation is not None and rotation.get("aborting"):
        names = {"pending": None, "previous": labels["pending"]}
    for label, version in names.items():
        if version is not None:
            shown[label] = {"token": versions[version]["hash"], "version": version}
            if rotation is not None and "password" in rotation:
                shown[label]["password"] = rotation["password"].get("value")
    shown["distribute"], shown["serve"], accepted = _wanted(item)
    shown["accept"] = [{"version": v, "token": versions[v]["hash"], "expires": expires} for v, expires in accepted]
    return shown


def _wanted(item: Credential) -> tuple[str | None, str | None, list[tuple[str, int | None]]]:
    """Return (distribute, serve, accepted versions with their ends): what the phase wants of the field."""
    labels, rotation = item["labels"], item["rotation"]
    current, pending, previous = labels["current"], labels["pending"], labels["previous"]
    if rotation is None or pending is None:
        accepted: list[tuple[str, int | None]] = [(current, None)]
        if rotation is not None and previous is not None and _overlaps(rotation):
            accepted.append((previous, _seconds(rotation.get("overlap_until", rotation["since"]))))
        return "current", "current", accepted
    phase = rotation["phase"]
    both: list[tuple[str, int | None]] = [(current, None), (pending, None)]
    if rotation.get("aborting"):
        return "current", "current", both if phase == "accepted" else both[:1]
    if rotation["reason"] == "compromise":
        # Nobody gets in with the old token from the first moment on; clients are refused until they have the new one.
        return "pending", "pending", both[1:]
    bare = rotation.get("acceptor") == "none"
    if phase == "distributed" or (bare and phase == "accepted"):
        return "pending", "pending", both[::-1]
    # Nobody should hold the new token yet. Whoever does got it when the rotation was further (this truth is an older
    # copy), perhaps from a server that takes no other by now: to go back would be to be refused.
    return None if phase == "pending" else "pending", None, both


def _overlaps(rotation: Rotation) -> bool:
    if rotation["reason"] == "compromise" or rotation.get("acceptor") == "none":
        return False
    until = rotation.get("overlap_until", rotation["since"])
    return not rotation.get("retiring") and _seconds(until) > _seconds(rotation["since"])


def _seconds(moment: str) -> int:
    return int(datetime.strptime(moment, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc).timestamp())


def view_planned() -> dict[str, Any]:
    """Return the view of a credential that does not exist yet: as :func:`view`, with ``planned`` and no values."""
    return {
        "planned": True,
        "username": "",
        "password": None,
        "token": None,
        "version": None,
        "made": None,
        "retired": [],
        "distribute": "current",
        "serve": "current",
        "accept": [],
        "epoch": 0,
    }


def summary(document: Document, name: str) -> dict[str, Any]:
    """Return what may be shown of one credential: names, versions, fingerprints, policy; empty when it is not there."""
    item = document["credentials"].get(name)
    if item is None:
        return {}
    return {
        "username": item["username"],
        "password": "managed" if item["password"]["managed"] else "not kept here",
        "policy": dict(item["policy"]),
        "versions": {
            label: f"{version} ({fingerprint(item['versions'][version]['hash'])})"
            for label, version in (
                ("current", item["labels"]["current"]),
                ("pending", item["labels"]["pending"]),
                ("previous", item["labels"]["previous"]),
            )
            if version is not None
        },
        "retired": [f"{e['version']} ({e['fp']})" for e in item["retired"]],
    }
