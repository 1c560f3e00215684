# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What runs in ComfyUI's own Python environment: one file of a hub, brought by ``huggingface_hub``.

Its text is given to that environment's interpreter on standard input, followed by one JSON line: ``url``, ``token``,
``timeout``, ``chunk``, ``xet``, ``descriptor`` (the open file to write to), or only ``{"probe": true}``. It answers in
JSON lines on standard output: ``asked`` with what the hub says; then, told by the line ``{"have": …, "total": …}``
where to go on, ``done`` with the bytes that are there (and ``restarted`` when the file was begun anew), and ``end``; or
``error``. Closing its standard input ends it at once.

The library's own ``hf_hub_download`` is not used: since 1.0 it throws away what came before a kill.
"""

from __future__ import annotations

import errno
import importlib
import inspect
import json
import os
import shutil
import sys
import tempfile
import threading
import typing as t
from urllib.parse import urlsplit

Json = dict[str, t.Any]

OUT: list[t.Any] = [sys.stdout]
SCRATCH = [""]
_PAGES = (b"<!doctype html", b"<html")


class Refused(Exception):
    """What comes is not what was asked for; the text is one of ``page``, ``more`` and ``strange``."""


def say(**said: t.Any) -> None:
    """Write one line."""
    OUT[0].write(json.dumps(said) + "\n")
    OUT[0].flush()


def part(name: str = "") -> t.Any:
    """Return a module of the library, which only this environment has."""
    return importlib.import_module("huggingface_hub" + name)


def origin(url: str) -> tuple[str, str | None, int | None]:
    """Return scheme, host and port."""
    parts = urlsplit(url)
    return parts.scheme, parts.hostname, parts.port or {"http": 80, "https": 443}.get(parts.scheme)


def keep_token_home(home: str) -> None:
    """Take the token off every request to another host, whichever way the library came to make it.

    The library itself lets it go to the hubs that it knows, also when a mirror redirects there.
    """

    def strip(request: t.Any) -> None:
        if origin(str(request.url)) != origin(home):
            request.headers.pop("Authorization", None)

    hub = part()
    if hasattr(hub, "set_client_factory"):

        def client() -> t.Any:
            made = part(".utils._http").default_client_factory()
            made.event_hooks = {**made.event_hooks, "request": [*made.event_hooks["request"], strip]}
            return made

        hub.set_client_factory(client)
        return
    requests = importlib.import_module("requests")

    def session() -> t.Any:
        # Before 1.0. Redirects are sent by the same method.
        made = requests.Session()
        sending = made.send

        def send(request: t.Any, **given: t.Any) -> t.Any:
            strip(request)
            return sending(request, **given)

        made.send = send
        return made

    hub.configure_http_backend(session)


class Sink:
    """The file that the library writes to: says how far it is, and takes neither web pages nor too much."""

    def __init__(self, descriptor: int, have: int, total: int) -> None:
        self._descriptor, self._at, self._total = descriptor, have, total

    def write(self, data: bytes) -> int:
        """Append."""
        if self._at == 0 and data[:64].lstrip().lower().startswith(_PAGES):
            raise Refused("page")
        if self._at + len(data) > self._total:
            raise Refused("more")
        rest = memoryview(data)
        while rest:
            count = os.pwrite(self._descriptor, rest, self._at)
            rest, self._at = rest[count:], self._at + count
        say(done=self._at)
        return len(data)

    def tell(self) -> int:
        """Return how much there is."""
        return self._at

    def seek(self, place: int, _whence: int = 0) -> int:
        """Go back; the library does so when the server sends all of the file again."""
        self._at = place
        return place

    def truncate(self, size: int | None = None) -> int:
        """Throw away what follows."""
        size = self._at if size is None else size
        os.ftruncate(self._descriptor, size)
        say(done=size, restarted=True)
        return size

    def flush(self) -> None:
        """Do nothing: every write is whole."""


def bring(asked: Json) -> None:
    """Ask for the file and fetch it."""
    hub, constants, file_download = part(), part(".constants"), part(".file_download")
    constants.HF_HUB_DOWNLOAD_TIMEOUT = constants.HF_HUB_ETAG_TIMEOUT = asked["timeout"]
    constants.DOWNLOAD_CHUNK_SIZE = asked["chunk"]
    url, token = asked["url"], asked["token"] or False
    keep_token_home(url)
    said = hub.get_hf_file_metadata(url, token=token, timeout=asked["timeout"], library_name="genai.comfyui")
    if not said.commit_hash or not said.etag:
        raise Refused("strange")
    streams = said.xet_file_data and asked.get("xet") and hasattr(xet(), "XetSession")
    say(asked={"size": said.size, "etag": said.etag, "xet": bool(streams)})
    where = json.loads(sys.stdin.readline())
    threading.Thread(target=end_with_the_caller, daemon=True).start()
    headers = file_download.build_hf_headers(token=token, library_name="genai.comfyui")
    if origin(said.location) != origin(url):
        headers.pop("authorization", None)
    sink = Sink(asked["descriptor"], where["have"], where["total"])
    if streams:
        by_xet(said.xet_file_data, url, token, where, sink)
        say(end=sink.tell())
        return
    given = {"headers": headers, "resume_size": where["have"], "expected_size": where["total"]}
    file_download.http_get(said.location, sink, **given)
    say(end=sink.tell())


def xet() -> t.Any:
    """Return hf_xet, or None."""
    try:
        return importlib.import_module("hf_xet")
    except ImportError:
        return None


def by_xet(file: t.Any, url: str, token: t.Any, where: Json, sink: Sink) -> None:
    """Fetch from where the file ends by the other transport, which hands over the bytes in their order."""
    headers = part(".file_download").build_hf_headers(token=token, library_name="genai.comfyui")
    given: Json = {"token_refresh_url": file.refresh_route, "token_refresh_headers": headers}
    if origin(file.refresh_route) != origin(url):
        headers.pop("authorization", None)
        given = {}
    lent = part(".utils._xet").refresh_xet_connection_info(file_data=file, headers=headers)
    given.update({"token": lent.access_token, "token_expiry_unix_secs": lent.expiration_unix_epoch})
    # It wants a place for logs and the like; read when the session begins.
    os.environ["HF_HOME"] = SCRATCH[0] = tempfile.mkdtemp(prefix="genai-comfyui-xet-")
    try:
        group = xet().XetSession().new_download_stream_group(endpoint=lent.endpoint, **given)
        wanted = xet().XetFileInfo(file.file_hash, where["total"])
        for data in group.download_stream(wanted, start=where["have"] or None):
            sink.write(data)
    finally:
        shutil.rmtree(SCRATCH[0], ignore_errors=True)


def end_with_the_caller() -> None:
    """Wait for the end of standard input, which a killed caller closes too."""
    while sys.stdin.read(1):
        pass
    if SCRATCH[0]:
        shutil.rmtree(SCRATCH[0], ignore_errors=True)
    os._exit(3)


def failure(error: BaseException) -> Json:
    """Return an error as data, without any text of the library: addresses in it may be signed."""
    if isinstance(error, Refused):
        return {"kind": str(error)}
    answer = getattr(error, "response", None)
    status = getattr(answer, "status_code", None)
    if answer is not None and status is not None:
        names = ("Retry-After", "X-Error-Code", "X-Error-Message")
        found = {name: answer.headers.get(name) for name in names}
        return {"kind": "status", "status": status, "headers": {name: text for name, text in found.items() if text}}
    number = getattr(error, "errno", None)
    if number in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EROFS):
        return {"kind": "write", "errno": number}
    words = [one.__name__ for one in type(error).__mro__]
    certificate = "CERTIFICATE_VERIFY_FAILED" in str(error)
    return {"kind": "certificate" if certificate else "other", "name": words[0], "names": words}


def probe() -> Json:
    """Return the library's version; raises AttributeError where it lacks what is needed."""
    hub, file_download = part(), part(".file_download")
    if "resume_size" not in inspect.signature(file_download.http_get).parameters:
        raise AttributeError("resume_size")
    for name in ("build_hf_headers", "get_hf_file_metadata"):
        inspect.signature(getattr(file_download, name))
    if not hasattr(hub, "set_client_factory") and not hasattr(hub, "configure_http_backend"):
        raise AttributeError("configure_http_backend")
    versions = importlib.import_module("importlib.metadata")
    found = versions.version("hf-xet") if hasattr(xet(), "XetSession") else None
    return {"version": hub.__version__, "xet": found}


def main() -> None:
    """Do what the first line says."""
    # Libraries write their complaints to standard output too.
    OUT[0] = os.fdopen(os.dup(1), "w")
    with open(os.devnull, "w") as nothing:
        os.dup2(nothing.fileno(), 1)
    try:
        asked = json.loads(sys.stdin.readline())
        if asked.get("probe"):
            say(probe=probe())
        else:
            bring(asked)
    except Exception as error:  # whatever a library does not catch is an answer here too
        say(error=failure(error))


if __name__ == "__main__":
    main()
