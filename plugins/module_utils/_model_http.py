# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Asking for a large file by HTTP, through proxies and redirects.

The token goes to the host it was meant for and to no other: hubs redirect to storage hosts, which are strangers.
"""

from __future__ import annotations

import errno
import http.client
import io
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.genai.comfyui.plugins.module_utils._model_hash import Hasher
from ansible_collections.genai.comfyui.plugins.module_utils._models import address

Progress = Callable[[int], None]
"""Told how many bytes of the file are there."""

AUTHORITY = "give its authority as ca_path"

_PATIENCE = 60.0
# Seconds that bytes may wait for others before they are written.
_MOMENT = 0.2
_DIGEST = 64
# What servers answer to a HEAD where they would answer a GET.
_OTHER_METHOD = (403, 405, 501)


class FetchError(Exception):
    """A download that cannot succeed. ``kind`` says why, the text says it in words, without a token or a signed URL.

    Kinds: ``missing``, ``forbidden``, ``page`` (a web page in place of the file), ``hash``, ``size``, ``space``,
    ``write``, ``busy`` (another run has it), ``network``, ``address``. ``status`` is the server's
    answer, where one came that says nothing else.
    """

    def __init__(self, kind: str, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.kind, self.status = kind, status


class Interrupted(Exception):
    """The connection broke or the server was busy; what came so far is kept.

    *wait*: seconds the server asked for. *came*: bytes that came before.
    """

    def __init__(self, message: str, wait: float = 0.0, came: int = 0) -> None:
        super().__init__(message)
        self.wait, self.came = wait, came


@dataclass(frozen=True)
class Remote:
    """What the server says before the download: size in bytes, its mark of this content, a sha256 where it has one."""

    size: int | None
    etag: str | None
    sha256: str | None


@dataclass
class Source:
    """Where to download from. *token* goes to the host of *url* only; *timeout* is seconds of silence."""

    url: str
    token: str | None = field(default=None, repr=False)
    ca_path: str | None = None
    timeout: float = 30.0
    _mark: str | None = field(default=None, init=False, repr=False)
    _context: ssl.SSLContext | None = field(default=None, init=False, repr=False)

    @property
    def shown(self) -> str:
        """The address without anything secret."""
        return address(self.url)

    def context(self) -> ssl.SSLContext:
        """Return what TLS connections trust."""
        if self._context is None:
            way = "capath" if self.ca_path is not None and os.path.isdir(self.ca_path) else "cafile"
            self._context = ssl.create_default_context(ssl.Purpose.SERVER_AUTH, **{way: self.ca_path})
        return self._context

    def ask(self, _stream: io.FileIO | None = None) -> Remote:
        """Return what the server says of the file, without fetching it. Raises FetchError or Interrupted."""
        try:
            answer, linked = open_source(self, "HEAD", {})
        except FetchError as error:
            if error.status not in _OTHER_METHOD:
                raise
            # A signed address is often good for one method only.
            answer, linked = open_source(self, "GET", {"Range": "bytes=0-0"})
        with answer:
            refuse_page(self, answer)
            whole = (answer.headers.get("Content-Range") or "").rpartition("/")[2]
            size = linked.get("X-Linked-Size") or whole or answer.headers.get("Content-Length") or ""
            own, mark = answer.headers.get("ETag"), linked.get("X-Linked-ETag")
            # What a hub says of the content is not the mark that the storage host has for it.
            self._mark = own if mark is None and not (own or "").startswith("W/") else None
            return Remote(int(size) if size.isdigit() else None, mark or own, digest_in(mark))

    def close(self) -> None:
        """Nothing stays open between :meth:`ask` and :meth:`receive`."""

    def receive(self, stream: io.FileIO, part: str, total: int, progress: Progress, hasher: Hasher) -> int:
        """Append to *stream*, which stands at its end, what it lacks; see _model_fetch.Source."""
        have = stream.tell()
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and self._mark:
            headers["If-Range"] = self._mark
        answer, _linked = open_source(self, "GET", headers)
        came = 0
        with answer:
            refuse_page(self, answer)
            if have and answer.status != 206:
                stream.truncate(0)
                have = stream.seek(0)
                hasher.restart()
            elif have and not (answer.headers.get("Content-Range") or "").startswith(f"bytes {have}-"):
                raise FetchError("network", f"{self.shown}: the server sends another part than was asked for")
            start, broken = have, ""

            def fill(buffer: memoryview) -> int:
                nonlocal have, broken
                count, broken = (0, broken) if broken else _fill(answer, buffer[: min(len(buffer), total - have)])
                have += count
                return count

            def keep(piece: memoryview) -> None:
                nonlocal came
                write_to(part, lambda: _write_all(stream, piece))
                came += len(piece)
                progress(start + came)

            hasher.carry(fill, keep)
            if have < total:
                how = f"the connection broke ({broken})" if broken else "the server ended too early"
                raise Interrupted(how, came=came)
        return came


def _fill(answer: Any, buffer: memoryview) -> tuple[int, str]:
    """Read until *buffer* is full, or for a moment; return the bytes and, where the connection broke, by which error.

    On a fast line, few large pieces cost much less than many small ones; on a slow one, what came shall not wait.
    """
    # The answer's own method would go on until the buffer is full, and lose all of it where the connection breaks.
    read = answer.readinto if answer.chunked else answer.fp.readinto1
    count, until = 0, time.monotonic() + _MOMENT
    try:
        while count < len(buffer) and (count == 0 or time.monotonic() < until):
            more = read(buffer[count:])
            if not more:
                break
            count += more
    except (OSError, http.client.HTTPException) as error:
        return count, type(error).__name__
    return count, ""


class _Https(urllib.request.AbstractHTTPHandler):
    """Reads the authorities to trust only where a connection needs them; that takes longer than many a small file."""

    https_request = urllib.request.AbstractHTTPHandler.do_request_

    def __init__(self, source: Source) -> None:
        super().__init__()
        self._source = source

    def https_open(self, req: urllib.request.Request) -> Any:
        """Return the answer."""
        return self.do_open(http.client.HTTPSConnection, req, context=self._source.context())


class _SameHost(urllib.request.HTTPRedirectHandler):
    """Keeps the token from other hosts, and remembers what the first answer said of the file."""

    def __init__(self) -> None:
        self.linked: dict[str, str] = {}

    def http_error_302(self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any) -> Any:
        """Return the answer from where the server sends one; see the class."""
        place = urllib.parse.urljoin(req.full_url, headers.get("Location") or "")
        scheme = urllib.parse.urlsplit(place).scheme
        if scheme not in ("http", "https"):
            raise FetchError("address", f"the server redirects to {scheme}, which is not followed")
        return super().http_error_302(req, fp, code, msg, headers)

    http_error_301 = http_error_303 = http_error_307 = http_error_308 = http_error_302

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        """Return the request to follow with; see the class."""
        for name in ("X-Linked-Size", "X-Linked-ETag"):
            if headers.get(name):
                self.linked[name] = headers[name]
        # Before 3.11 urllib knows no 308.
        following = super().redirect_request(req, fp, 307 if code == 308 else code, msg, headers, newurl)
        if following is None:
            return None
        following.method = req.get_method()
        old, new = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        if (old.scheme, old.hostname, old.port) != (new.scheme, new.hostname, new.port):
            following.remove_header("Authorization")
        if new.scheme == "http" and old.scheme == "https":
            raise FetchError("address", "the server redirects from https to http, which is not followed")
        return following


def open_source(source: Source, method: str, headers: Mapping[str, str]) -> tuple[Any, dict[str, str]]:
    """Return the answer (200 or 206) and what the redirecting server said. Raises FetchError or Interrupted."""
    parts = urllib.parse.urlsplit(source.url)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.username is not None:
        raise FetchError("address", f"{source.shown} is no plain http(s) address")
    sent = {"User-Agent": "genai.comfyui", **headers}
    request = urllib.request.Request(source.url, method=method, headers=sent)  # noqa: S310 - checked above
    request.add_header("Accept-Encoding", "identity")
    if source.token is not None:
        request.add_header("Authorization", "Bearer " + source.token)
    redirects = _SameHost()
    opener = urllib.request.OpenerDirector()
    # urllib's own list has handlers for files and FTP too, and one for HTTPS that comes first.
    for one in (urllib.request.ProxyHandler(), urllib.request.HTTPHandler(), _Https(source), redirects):
        opener.add_handler(one)
    for kind in (urllib.request.HTTPDefaultErrorHandler, urllib.request.HTTPErrorProcessor):
        opener.add_handler(kind())
    try:
        return opener.open(request, timeout=source.timeout), redirects.linked
    except urllib.error.HTTPError as error:
        error.close()
        raise refused(source, error.code, error.headers) from None
    except urllib.error.URLError as error:
        if isinstance(error.reason, ssl.SSLCertVerificationError):
            raise FetchError("network", f"{source.shown}: the certificate is not trusted; {AUTHORITY}") from None
        why = error.reason.strerror if isinstance(error.reason, OSError) else None
        raise Interrupted(f"{parts.hostname} cannot be reached ({why or 'no connection'})") from None
    except http.client.InvalidURL:
        raise FetchError("address", f"{source.shown} cannot be put into a request") from None
    except (OSError, http.client.HTTPException) as error:
        raise Interrupted(f"{parts.hostname} gave no answer ({type(error).__name__})") from None
    except ValueError:
        raise FetchError("address", f"{source.shown} or the token cannot be put into a request") from None


def refused(source: Any, status: int, headers: Any) -> Exception:
    """Return what to raise for an answer with *status*: FetchError or Interrupted."""
    said = headers.get("X-Error-Message") or ""
    gated = "gated" in (headers.get("X-Error-Code") or "").lower()
    if status in (401, 403):
        if gated or "gated" in said.lower():
            return FetchError(
                "forbidden", f"{source.shown} is gated: accept its terms on the hub, and give a token of that account"
            )
        if headers.get("X-Error-Code") == "RepoNotFound":
            # A hub does not tell strangers which of its repositories exist.
            hint = "check its name, and give a token of an account that sees it"
            return FetchError("missing", f"{source.shown}: the repository does not exist, or is private; {hint}")
        how = "refuses the token" if source.token is not None else "wants a token; give one"
        told = headers.get("X-Error-Code") is not None
        return FetchError("forbidden", f"{source.shown} {how} (status {status})", 0 if told else status)
    if status in (404, 410):
        return FetchError(
            "missing", f"{source.shown} does not exist (status {status}); check repository, revision, path"
        )
    if status == 416:
        return Interrupted("the server has less than was already fetched")
    if status in (408, 425, 429) or (status >= 500 and status not in _OTHER_METHOD):
        wait = headers.get("Retry-After") or ""
        return Interrupted(
            f"the server answers with status {status}", min(_PATIENCE, float(wait) if wait.isdigit() else 0)
        )
    return FetchError("network", f"{source.shown} answers with status {status}", status)


def digest_in(mark: str | None) -> str | None:
    """Return the sha256 that an ETag holds, or None."""
    bare = (mark or "").removeprefix("W/").strip('"').lower()
    return bare if len(bare) == _DIGEST and set(bare) <= set("0123456789abcdef") else None


def refuse_page(source: Source, answer: Any) -> None:
    """Raise FetchError("page") when what comes is a web page."""
    if (answer.headers.get("Content-Type") or "").lower().startswith("text/html"):
        raise FetchError(
            "page", f"{source.shown} is a web page, not a file; a login or error page, or the wrong address"
        )


def write_to(path: str, do: Callable[[], Any]) -> None:
    """Do what writes to *path*. Raises FetchError: ``space`` or ``write``."""
    try:
        do()
    except OSError as error:
        raise unwritten(path, error.errno or 0) from None


def unwritten(path: str, number: int) -> FetchError:
    """Return what to raise where *path* cannot be written because of the system's error *number*."""
    return FetchError("space" if number in (errno.ENOSPC, errno.EDQUOT) else "write", f"{path}: {os.strerror(number)}")


def _write_all(stream: io.FileIO, data: memoryview) -> None:
    while data:
        data = data[stream.write(data) :]
