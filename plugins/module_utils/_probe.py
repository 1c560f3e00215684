# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The HTTP evidence: who gets in, who does not, and so whether a server is locked.

A server is locked when strangers (no credential, an empty ``?token=``, a well-formed token that nobody knows) are
refused, the current token is let in, and, where a password is given, the web form takes it. The token is sent only
after strangers have been refused: to a server that lets everybody in, or that is no ComfyUI, it is never shown.
While a rotation runs, the other versions that are alive are asked too, and must be let in or refused as told.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from urllib.parse import urlencode, urlsplit

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._http import HttpError, Response, request

DOWN = "down"
OPEN = "open"
TOKEN_REFUSED = "token_refused"  # noqa: S105
LOCKED = "locked"
UNEXPECTED = "unexpected"

# A route that every ComfyUI has, that changes nothing, and that the login check must cover.
_PATH = "/system_stats"
_GATEWAY_ERRORS = (502, 503, 504)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.1, 1.0


@dataclass(frozen=True)
class Other:
    """Another version of the credential. ``accepted``: whether it must be let in; None only asks."""

    version: str
    token: str = field(repr=False)
    accepted: bool | None = None


@dataclass(frozen=True)
class Target:
    """One server to look at.

    ``url`` is its base address; with ``unix_socket`` the connection goes there and ``url`` only names the host.
    ``token`` None leaves the server unproven. ``password`` also tries the web form. ``origin`` is sent as it is, for
    servers that were started with ``--enable-cors-header``. ``timeout`` is seconds for one request. ``version`` is the
    name of ``token``'s version, and ``others`` are asked after it; with ``others`` None nobody is interested in them.
    """

    url: str
    token: str | None = field(default=None, repr=False)
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    origin: str | None = None
    ca_path: str | None = None
    verify: bool = True
    unix_socket: str | None = None
    timeout: float = 10.0
    version: str | None = None
    others: tuple[Other, ...] | None = None


@dataclass(frozen=True)
class Check:
    """One request: what was expected, the status seen (None: no answer), and whether that is as it must be."""

    name: str
    expected: str
    status: int | None
    ok: bool
    version: str | None = None
    """Of the token that was sent, where that has a name."""

    def as_dict(self) -> dict[str, object]:
        """Plain types, for a module's result."""
        return {"name": self.name, "expected": self.expected, "status": self.status, "ok": self.ok}


@dataclass(frozen=True)
class Evidence:
    """What a probe saw.

    ``state``: ``down`` (no answer), ``open`` (a stranger was let in), ``token_refused`` (strangers and the token are
    refused), ``locked`` (every check as it must be), ``unexpected`` (anything else; ``detail`` says what).
    ``at`` is UTC in ISO form, ``waited`` seconds. ``passing`` says that looking again may show something else.
    ``accepts`` and ``refuses`` are the versions seen let in and refused; ``guarded`` whether the process behind the
    address runs with the guard (None: not asked, or no answer).
    """

    state: str
    detail: str
    url: str
    fingerprint: str | None
    checks: tuple[Check, ...] = ()
    at: str = ""
    waited: float = 0.0
    passing: bool = False
    accepts: tuple[str, ...] = ()
    refuses: tuple[str, ...] = ()
    guarded: bool | None = None

    @property
    def locked(self) -> bool:
        """Whether the server is proven locked."""
        return self.state == LOCKED

    def as_dict(self) -> dict[str, object]:
        """Plain types without any secret, for a module's result."""
        return {
            "state": self.state,
            "detail": self.detail,
            "url": self.url,
            "fingerprint": self.fingerprint,
            "checks": [check.as_dict() for check in self.checks],
            "at": self.at,
            "waited": self.waited,
            "accepts": list(self.accepts),
            "refuses": list(self.refuses),
            "guarded": self.guarded,
        }


def probe(target: Target) -> Evidence:
    """Look once. Never raises for what the server does; a bad address is reported as ``unexpected``."""
    checks: list[Check] = []
    try:
        state, detail, passing = _matrix(target, checks)
    except _NoAnswer as none:
        state, detail, passing = none.verdict
    return Evidence(
        state=state,
        detail=detail,
        url=target.url if target.unix_socket is None else "unix:" + target.unix_socket,
        fingerprint=None if target.token is None else fingerprint(target.token),
        checks=tuple(checks),
        at=datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z"),
        passing=passing,
        accepts=tuple(check.version for check in checks if check.version and check.status and check.status < 300),
        refuses=tuple(check.version for check in checks if check.version and check.status in (401, 302)),
        guarded=guarded(target) if target.others is not None and state in (LOCKED, TOKEN_REFUSED) else None,
    )


def guarded(target: Target) -> bool | None:
    """Return whether the process behind the address runs with the guard; None without an answer.

    ComfyUI-Login lets every path pass that ends like a script's name; the guard decides by the route. Nothing is sent
    that anybody must not know, and nothing is changed.
    """
    path = f"/userdata/genai-comfyui-{secrets.token_hex(8)}.js"
    try:
        return _refused(_ask(target, [], "suffix", "401", path, None))
    except _NoAnswer:
        return None


def prove(
    target: Target,
    wait: float = 0.0,
    *,
    wait_for_token: bool = False,
    alive: Callable[[], bool] | None = None,
) -> Evidence:
    """Look until the answer cannot change by waiting, or *wait* seconds are over; return the last Evidence.

    A server that is down or not ready is looked at again; ``locked`` and ``open`` end at once, ``token_refused`` too
    unless *wait_for_token*. *alive* is asked between looks: False (the server's process is gone) ends the waiting.
    """
    begin = time.monotonic()
    pause = _FIRST_PAUSE
    while True:
        seen = probe(target)
        waited = time.monotonic() - begin
        again = seen.passing or (wait_for_token and seen.state == TOKEN_REFUSED)
        gone = again and alive is not None and not alive()
        if not again or gone or waited + pause > wait:
            break
        time.sleep(pause)
        pause = min(pause * 1.5, _LONGEST_PAUSE)
    detail = seen.detail
    if gone:
        detail = "the server's process has ended; last seen: " + detail
    elif again and wait > 0:
        detail = f"gave up after {waited:.1f} s; last seen: {detail}"
    return replace(seen, detail=detail, waited=round(waited, 3))


_Verdict = tuple[str, str, bool]


class _NoAnswer(Exception):
    def __init__(self, verdict: _Verdict) -> None:
        super().__init__(verdict[1])
        self.verdict = verdict


def _matrix(target: Target, checks: list[Check]) -> _Verdict:
    strangers = (
        ("anonymous", _PATH, None, "the login check is not active"),
        ("empty_token", _PATH + "?token=", None, "the server holds an empty token (login/PASSWORD empty or missing)"),
        ("random_token", _PATH, _random_token(target.token), "the server takes any token"),
    )
    for name, path, token, meaning in strangers:
        answer = _ask(target, checks, name, "401", path, token)
        refused = _refused(answer)
        checks.append(Check(name, "401", answer.status, refused))
        if 200 <= answer.status < 300:
            return OPEN, f"a stranger ({_words(name)}) was let in with {answer.status}: {meaning}", False
        if not refused:
            return UNEXPECTED, _odd(name, answer.status), True
    if target.token is None:
        return UNEXPECTED, "strangers are refused, but without a token the server is not proven", False
    return _with_token(target, target.token, checks)


def _with_token(target: Target, token: str, checks: list[Check]) -> _Verdict:
    verdict = _current(target, token, checks)
    if verdict[0] in (LOCKED, TOKEN_REFUSED):
        for other in target.others or ():
            odd = _other(target, other, checks)
            verdict = odd if odd is not None and verdict[0] == LOCKED else verdict
    if verdict[0] == LOCKED and target.password is not None:
        return _form(target, target.password, checks)
    return verdict


def _current(target: Target, token: str, checks: list[Check]) -> _Verdict:
    answer = _ask(target, checks, "current_token", "200", _PATH, token)
    accepted = 200 <= answer.status < 300
    checks.append(Check("current_token", "200", answer.status, accepted, target.version))
    if _refused(answer):
        return (
            TOKEN_REFUSED,
            f"strangers are refused, and so is the token {fingerprint(token)}: the server holds another one"
            + (" or does not take this Origin" if target.origin else "")
            + " (a ComfyUI that was not restarted after login/PASSWORD changed still holds the old one)",
            False,
        )
    if not accepted:
        return UNEXPECTED, _odd("current_token", answer.status), True
    return LOCKED, f"strangers are refused, the token {fingerprint(token)} is accepted", False


def _other(target: Target, other: Other, checks: list[Check]) -> _Verdict | None:
    """Ask with another version; return what is wrong with the answer, or None."""
    expected = {True: "200", False: "401", None: "200 or 401"}[other.accepted]
    name = f"token {other.version}"
    answer = _ask(target, checks, name, expected, _PATH, other.token)
    accepted, refused = 200 <= answer.status < 300, _refused(answer)
    wrong = not (accepted or refused) or (other.accepted is not None and other.accepted != accepted)
    checks.append(Check(name, expected, answer.status, not wrong, other.version))
    known = f"the token of {other.version} ({fingerprint(other.token)})"
    if not wrong:
        return None
    # A guard takes up to a second to notice what its file says now, so looking again may help.
    if refused:
        return TOKEN_REFUSED, f"{known} is refused, though the rotation needs it accepted", True
    if accepted:
        return UNEXPECTED, f"{known} is still accepted, though it should be refused by now", True
    return UNEXPECTED, f"with {known} GET {_PATH} answered {answer.status}, neither 200 nor 401", True


def _form(target: Target, password: str, checks: list[Check]) -> _Verdict:
    # Once and never again: each try costs the server a bcrypt and stalls everybody else for that long.
    expected = "302 to /"
    form = urlencode({"username": target.username or "", "password": password}).encode("ascii")
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = _ask(target, checks, "form_login", expected, "/login", None, "POST", headers, form)
    place = urlsplit(answer.headers.get("location", ""))
    moved = answer.status in (301, 302, 303)
    accepted = moved and bool(place.path) and not _is_login(place.path) and "wrong_password" not in place.query
    checks.append(Check("form_login", expected, answer.status, accepted))
    if accepted:
        return LOCKED, "strangers are refused, the token is accepted, the password logs in", False
    if moved and _is_login(place.path):
        return UNEXPECTED, "the token is accepted, but the web form refuses the password", False
    odd = " (it fails so on a PASSWORD whose first line is no bcrypt hash)" if answer.status == 500 else ""
    return UNEXPECTED, f"the token is accepted, but the web form answered {answer.status}{odd}", False


def _ask(
    target: Target,
    checks: list[Check],
    name: str,
    expected: str,
    path: str,
    token: str | None,
    method: str = "GET",
    headers: dict[str, str] | None = None,
    body: bytes | None = None,
) -> Response:
    """Send one request of the matrix; without a usable answer the check is recorded and _NoAnswer raised."""
    sent = dict(headers or {})
    if target.origin is not None:
        sent["Origin"] = target.origin
    try:
        answer = request(
            method,
            target.url,
            path,
            token=token,
            headers=sent,
            body=body,
            timeout=target.timeout,
            ca_path=target.ca_path,
            verify=target.verify,
            unix_socket=target.unix_socket,
        )
    except HttpError as error:
        checks.append(Check(name, expected, None, False))
        # A form login is not repeated, whatever became of it.
        silent = error.kind in ("unreachable", "timeout")
        text = f"no answer: {error}" if silent else str(error)
        raise _NoAnswer((DOWN if silent else UNEXPECTED, text, silent and method == "GET")) from None
    if answer.status in _GATEWAY_ERRORS:
        checks.append(Check(name, expected, answer.status, False))
        text = f"no ComfyUI behind this address: it answered {answer.status}"
        raise _NoAnswer((DOWN, text, method == "GET"))
    return answer


def _refused(answer: Response) -> bool:
    if answer.status == 401:
        return True
    return answer.status == 302 and _is_login(urlsplit(answer.headers.get("location", "")).path)


def _is_login(path: str) -> bool:
    return path.rstrip("/").endswith("/login")


def _words(name: str) -> str:
    return {"anonymous": "no credential", "empty_token": "empty ?token=", "random_token": "made-up token"}[name]


def _odd(name: str, status: int) -> str:
    if name == "current_token":
        return f"with the token GET {_PATH} answered {status}, neither 200 nor 401"
    return f"to a stranger ({_words(name)}) GET {_PATH} answered {status}, neither a refusal nor a welcome"


def _random_token(other_than: str | None) -> str:
    """A canonical bcrypt hash of nothing; never *other_than*."""
    alphabet = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"
    while True:
        body = [secrets.choice(alphabet) for _index in range(53)]
        # The last character of salt and of digest holds fewer bits than the others.
        body[21], body[52] = secrets.choice(".Oeu"), secrets.choice(".26CGKOSWaeimquy")
        token = "$2b$12$" + "".join(body)
        if token != other_than:
            return token
