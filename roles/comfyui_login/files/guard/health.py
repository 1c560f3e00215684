# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the guard tells about itself: to everybody whether the server is up and locked, with the token all it knows."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from .accept import Accept
from .counters import Counters, Sample, exposition
from .redact import fingerprint

HEALTH, METRICS = "/comfyui_login_guard/health", "/comfyui_login_guard/metrics"
_HEADERS = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}


class Health:
    """*locked* is asked each time; *versions* names guard, node and ComfyUI."""

    def __init__(
        self, locked: Callable[[], bool], accept: Accept, counters: Counters, versions: Mapping[str, str]
    ) -> None:
        self._locked, self._accept, self._counters, self._versions = locked, accept, counters, versions

    def answer(self, request: web.Request, known: bool) -> web.Response | None:
        """Answer a request for one of the two pages; None when it is for neither, or not for this one to see."""
        page = request.raw_path.partition("?")[0]
        if request.method not in ("GET", "HEAD"):
            return None
        if page == METRICS and known:
            return web.Response(
                body=exposition(self._samples()).encode("utf-8"),
                headers={**_HEADERS, "Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
            )
        if page != HEALTH:
            return None
        locked = self._locked()
        told: dict[str, Any] = {"status": "locked" if locked else "not locked"}
        if known:
            told.update(self._details())
        return web.json_response(told, status=200 if locked else 503, headers=_HEADERS)

    def _accepted(self) -> list[dict[str, Any]]:
        return [
            {"version": one.version, "fingerprint": fingerprint(one.token.decode("ascii")), "expires": one.expires}
            for one in self._accept.current.valid(time.time())
        ]

    def _details(self) -> dict[str, Any]:
        counts: dict[str, Any] = {}
        for name, labels, value in self._counters.samples():
            if labels:
                counts.setdefault(name, {})["".join(labels.values())] = int(value)
            else:
                counts[name] = int(value)
        return {
            "versions": dict(self._versions),
            "accepted": self._accepted(),
            "epoch": self._accept.current.epoch,
            "accept_file": {"present": self._accept.present, "sound": self._accept.sound},
            "counters": counts,
        }

    def _samples(self) -> list[Sample]:
        samples: list[Sample] = [("locked", {}, float(self._locked())), ("info", dict(self._versions), 1)]
        for one in self._accepted():
            labels = {"version": one["version"], "fingerprint": one["fingerprint"]}
            samples.append(("accepted_token", labels, 1))
            if one["expires"] is not None:
                samples.append(("accepted_token_expires_seconds", labels, one["expires"]))
        samples.append(("sessions_epoch_seconds", {}, self._accept.current.epoch))
        samples.append(("accept_file_sound", {}, float(self._accept.sound)))
        return samples + self._counters.samples()
