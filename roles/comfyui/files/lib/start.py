# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The locked start: run ComfyUI in this process, and let it listen only once it is proven locked.

    python start.py --app DIR --socket PATH [--origin ORIGIN] [--custom-nodes DIR] [--allow-guest] [--no-guard]
                    -- ARGUMENTS OF COMFYUI

Before anything of ComfyUI is imported, the files that decide about its login are checked. Then ``main.py`` runs as
ever, but the first attempt to listen is held: the same application, all nodes loaded, is served on a private unix
socket and proven there. Whoever is refused ends with status 78 and one line on stderr. Beyond that, the process ends
as ComfyUI ends.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import binascii
import errno
import importlib
import io
import logging
import os
import re
import runpy
import stat
import sys
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.module_utils._probe import Evidence, Target, probe

REFUSED = 78
"""Exit status of a refusal (EX_CONFIG): starting again would not mend it."""

LOGIN_NODE, GUARD_NODE = "ComfyUI-Login", "ComfyUI-Login-Guard"
_KEY_RECORD = re.compile(r"([A-Za-z0-9_-]{43}=),([0-9T:.-]+)")
_FILE_LIMIT = 64 * 1024
_PROBE_TIMEOUT = 60.0
_MEND = "run the playbook for this host again"


class Refusal(Exception):
    """Why ComfyUI may not start, and the mend, in one sentence."""


# --- what must be so before ComfyUI is imported ---------------------------------------------------------------------


def read_private(path: Path) -> bytes:
    """Read a small secret file; raise Refusal unless it is a regular file that only its owner and group may touch."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        why = {errno.ENOENT: "does not exist", errno.ELOOP: "is a symbolic link"}.get(error.errno or 0, error.strerror)
        raise Refusal(f"{path}: {why}; {_MEND}") from None
    try:
        mode = os.fstat(handle).st_mode
        if not stat.S_ISREG(mode):
            kind = "a directory" if stat.S_ISDIR(mode) else "not a regular file"
            raise Refusal(f"{path}: is {kind}; remove it and {_MEND}")
        if mode & 0o007:
            raise Refusal(f"{path}: everybody on this host may touch it (mode {stat.S_IMODE(mode):04o}); chmod it 0600")
        return os.read(handle, _FILE_LIMIT)
    finally:
        os.close(handle)


def read_token(app: Path) -> str:
    """Return the token in login/PASSWORD of the ComfyUI in *app*; raise Refusal unless the file is sound.

    Sound: two lines ended by LF, the bcrypt hash and a user name. What is merely odd opens ComfyUI (an empty first
    line), breaks the web form (CR, blanks) or lets the login node empty the file (no user name).
    """
    path = app / "login" / "PASSWORD"
    data = read_private(path)
    if not data:
        raise Refusal(f"{path}: is empty, and an empty token would let everybody in; {_MEND}")
    if data.startswith(b"\xef\xbb\xbf"):
        raise Refusal(f"{path}: begins with a byte-order mark; {_MEND}")
    if b"\r" in data:
        raise Refusal(f"{path}: has CR line ends, with which the web form refuses every password; {_MEND}")
    try:
        lines = data.decode("utf-8").split("\n")
    except UnicodeDecodeError:
        raise Refusal(f"{path}: is not UTF-8; {_MEND}") from None
    if not is_token(lines[0]):
        raise Refusal(f"{path}: line 1 is not a bcrypt hash and nothing else; {_MEND}")
    if len(lines) < 2 or not lines[1].strip():
        raise Refusal(f"{path}: line 2 holds no user name, so a form login could empty the file; {_MEND}")
    return lines[0]


def check_session_key(node: Path) -> None:
    """Raise Refusal unless the login node will take its session key file as it is, and not renew it."""
    path = node / ".secret-key.txt"
    match = _KEY_RECORD.fullmatch(read_private(path).decode("utf-8", "replace"))
    if match is None:
        raise Refusal(f"{path}: is not one record <key>,<time>, and the login node would fail on it; {_MEND}")
    try:
        key = base64.urlsafe_b64decode(match[1])
        made = datetime.fromisoformat(match[2])
    except (binascii.Error, ValueError):
        raise Refusal(f"{path}: holds a key or a time that cannot be read; {_MEND}") from None
    if len(key) != 32 or made.tzinfo is not None:
        raise Refusal(f"{path}: holds a key or a time of another form; {_MEND}")
    # The node compares the same way, in local time without a zone.
    if datetime.now() - made > timedelta(days=30):
        raise Refusal(f"{path}: is older than 30 days, and the login node would replace it; {_MEND}")


def check_files(options: argparse.Namespace, arguments: list[str]) -> str:
    """Check everything on disk that decides about the login, and return the token. Raises Refusal."""
    app: Path = options.app
    nodes: Path = options.custom_nodes or app / "custom_nodes"
    if not (app / "main.py").is_file():
        raise Refusal(f"{app}: holds no ComfyUI (main.py); {_MEND}")
    if os.path.lexists(app / "PASSWORD"):
        raise Refusal(f"{app}/PASSWORD: the login node would move it over login/PASSWORD; remove it")
    if os.path.lexists(app / "login" / "GUEST_MODE") and not options.allow_guest:
        raise Refusal(f"{app}/login/GUEST_MODE: lets guests in, who can read the token; remove it or allow guests")
    token = read_token(app)
    needed = [LOGIN_NODE] if options.no_guard else [LOGIN_NODE, GUARD_NODE]
    for name in needed:
        if not (nodes / name / "__init__.py").is_file():
            raise Refusal(f"{nodes / name}: holds no custom node, so ComfyUI would start without it; {_MEND}")
    check_session_key(nodes / LOGIN_NODE)
    if "--disable-all-custom-nodes" in arguments and not {"--whitelist-custom-nodes", *needed}.issubset(arguments):
        raise Refusal(
            "--disable-all-custom-nodes switches the login off; "
            f"add --whitelist-custom-nodes {' '.join(needed)} to the launch arguments"
        )
    return token


# --- no token in anything that is printed or logged -----------------------------------------------------------------


class _Sieve(io.BufferedIOBase):
    """Bytes on their way out, without the token. Never closes what lies beneath."""

    def __init__(self, stream: Any, clean: Callable[[bytes], bytes]) -> None:
        # The stream is kept because it closes its buffer when nobody holds it any more.
        self._stream, self._under, self._clean = stream, stream.buffer, clean
        self.name = stream.name

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        left = memoryview(self._clean(bytes(data)))
        # Unbuffered streams have a raw file beneath, which may take less than all.
        while left:
            left = left[self._under.write(left) or 0 :]
        return len(data)

    def flush(self) -> None:
        # At the interpreter's end the order of things is anybody's guess.
        if not self._under.closed:
            self._under.flush()

    def fileno(self) -> int:
        return int(self._under.fileno())

    def isatty(self) -> bool:
        return bool(self._under.isatty())

    def close(self) -> None:
        self.flush()


class Scrubber:
    """Replaces the token, plain or percent-encoded, by ``<token FINGERPRINT>`` in all that this process prints."""

    def __init__(self, token: str) -> None:
        odd = {"$": r"(?:\$|%24)", ".": r"(?:\.|%2[Ee])", "/": r"(?:\\?/|%2[Ff])"}
        pattern = "".join(odd.get(letter, letter) for letter in token)
        self._text, self._bytes = re.compile(pattern), re.compile(pattern.encode("ascii"))
        self._name = f"<token {fingerprint(token)}>"
        self.node_failure = ""
        """What ComfyUI logged about a failed import of the login node; empty without one."""

    def text(self, text: str) -> str:
        """Return *text* without the token."""
        return self._text.sub(self._name, text)

    def install(self) -> None:
        """Put the sieve under stdout and stderr, and into logging."""
        name = self._name.encode("ascii")
        for stream in ("stdout", "stderr"):
            old: Any = getattr(sys, stream)
            new = io.TextIOWrapper(
                _Sieve(old, lambda data: self._bytes.sub(name, data)),
                encoding=old.encoding,
                errors=old.errors,
                line_buffering=old.line_buffering,
                write_through=old.write_through,
            )
            setattr(sys, stream, new)
            setattr(sys, f"__{stream}__", new)
        make = logging.getLogRecordFactory()

        def record(*args: Any, **kwargs: Any) -> logging.LogRecord:
            made = make(*args, **kwargs)
            try:
                said = made.getMessage()
            except Exception:
                # A bad format string: logging itself will report it, through the sieve.
                return made
            if self._text.search(said):
                made.msg, made.args = self.text(said), ()
            if said.startswith("Cannot import ") and f"{LOGIN_NODE} " in said:
                self.node_failure = self.text(said)
            return made

        logging.setLogRecordFactory(record)

    def install_in_comfyui(self) -> None:
        """Keep the token out of the lines that ComfyUI itself keeps and serves at /internal/logs."""
        try:
            module = importlib.import_module("app.logger")
        except ImportError:
            return
        for kind in vars(module).values():
            if isinstance(kind, type) and issubclass(kind, io.TextIOWrapper) and "write" in vars(kind):
                self._clean_writes(kind)

    def _clean_writes(self, kind: Any) -> None:
        write = kind.write

        def clean(stream: Any, data: Any) -> Any:
            return write(stream, self.text(data) if isinstance(data, str) else data)

        kind.write = clean


# --- no listening before the proof ----------------------------------------------------------------------------------


class Gate:
    """Holds every aiohttp server that wants to listen until it has been proven locked on a private socket.

    The first one that is not ends the process. Once ComfyUI itself has passed, another one only gets an error.
    """

    def __init__(self, socket: Path, token: str | None, origin: str | None, refuse: Callable[[str], NoReturn]) -> None:
        self._socket, self._token, self._origin, self._refuse = socket, token, origin, refuse
        self._proven: list[object] = []

    def install(self) -> None:
        """Wrap the ways to listen. Raises Refusal when aiohttp is missing."""
        try:
            from aiohttp import web_runner, web_server
        except ImportError as error:
            raise Refusal(f"aiohttp cannot be imported ({error}); install ComfyUI's requirements again") from None
        sites: Any = web_runner.BaseSite
        loops: Any = asyncio.base_events.BaseEventLoop
        start, listen = sites.start, loops.create_server

        # Every site calls this first, whatever its class and under whatever name it was imported.
        async def site_start(site: Any) -> None:
            await self._admit(site._runner.server)
            await start(site)

        # And this is what is left to those who do without a site.
        async def create_server(loop: Any, factory: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(factory, web_server.Server):
                await self._admit(factory)
            return await listen(loop, factory, *args, **kwargs)

        sites.start, loops.create_server = site_start, create_server

    async def _admit(self, server: Any) -> None:
        if any(server is one for one in self._proven):
            return
        try:
            if self._token is None:
                raise Refusal("only --help was asked for")
            seen = await self._examine(server, self._token)
            verdict = "" if seen.locked else seen.detail
        except Exception as error:
            verdict = f"it could not be proven locked ({type(error).__name__}: {error})"
        if not verdict:
            self._proven.append(server)
        elif self._proven:
            raise PermissionError(errno.EACCES, f"comfyui-start: another server may not listen: {verdict}")
        else:
            self._refuse(f"ComfyUI is not locked, so it may not listen: {verdict}")

    async def _examine(self, server: Any, token: str) -> Evidence:
        loop: Any = asyncio.get_running_loop()
        answer: asyncio.Future[Evidence] = loop.create_future()
        target = Target(
            "http://127.0.0.1", token, origin=self._origin, unix_socket=str(self._socket), timeout=_PROBE_TIMEOUT
        )
        self._socket.unlink(missing_ok=True)
        listening = await loop.create_unix_server(server, path=str(self._socket))

        def settle(seen: Evidence) -> None:
            if not answer.done():
                answer.set_result(seen)

        def look() -> None:
            seen = probe(target)
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, seen)

        try:
            # A daemon, so that Ctrl-C need not wait for it.
            threading.Thread(target=look, name="comfyui-start-probe", daemon=True).start()
            return await answer
        finally:
            listening.close()
            self._socket.unlink(missing_ok=True)


def check_socket(path: Path) -> None:
    """Raise Refusal unless nobody else can reach *path*; its directory is made when it is missing."""
    directory = path.parent
    try:
        directory.mkdir(mode=0o700, exist_ok=True)
        found = directory.lstat()
    except OSError as error:
        raise Refusal(f"{directory}: {error.strerror}; the directory for the proof must be private") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o077:
        raise Refusal(f"{directory}: the directory for the proof must be owned by this user, mode 0700")
    if len(os.fsencode(path)) > 100:
        raise Refusal(f"{path}: too long for a unix socket")
    if os.path.lexists(path) and not path.is_socket():
        raise Refusal(f"{path}: is in the way of the socket for the proof; remove it")


# --- the program ----------------------------------------------------------------------------------------------------


def _options(argv: list[str]) -> tuple[argparse.Namespace, list[str]]:
    own, arguments = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    parser = argparse.ArgumentParser(prog="start.py", allow_abbrev=False)
    parser.add_argument("--app", type=Path, required=True, help="directory of ComfyUI's main.py")
    parser.add_argument("--socket", type=Path, required=True, help="unix socket for the proof, in a private directory")
    parser.add_argument("--origin", help="the origin given to ComfyUI as --enable-cors-header")
    parser.add_argument("--custom-nodes", type=Path, help="where the custom nodes are; default: beside main.py")
    parser.add_argument("--allow-guest", action="store_true", help="accept login/GUEST_MODE")
    parser.add_argument("--no-guard", action="store_true", help="do without the guard node")
    options = parser.parse_args(own)
    options.app = Path(os.path.abspath(options.app))
    options.socket = Path(os.path.abspath(options.socket))
    return options, arguments


def main(argv: list[str]) -> None:
    """Check, then become ComfyUI."""
    options, arguments = _options(argv)
    scrubber: Scrubber | None = None

    def refuse(reason: str) -> NoReturn:
        failure = scrubber.node_failure if scrubber else ""
        line = " ".join((reason + (f"; {failure}" if failure else "")).split())
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        os.write(2, f"comfyui-start: refused: {line}\n".encode("utf-8", "replace"))
        # Not sys.exit: threads of custom nodes would keep the process, and the unit, alive.
        os._exit(REFUSED)

    helps = not {"-h", "--help"}.isdisjoint(arguments)
    try:
        token = None if helps else check_files(options, arguments)
        if token is not None:
            scrubber = Scrubber(token)
            scrubber.install()
        check_socket(options.socket)
        Gate(options.socket, token, options.origin, refuse).install()
    except Refusal as refusal:
        refuse(str(refusal))

    app = str(options.app)
    here = os.path.dirname(os.path.abspath(__file__))
    os.chdir(app)
    sys.path[:] = [app, *(path for path in sys.path if os.path.abspath(path) != here)]
    sys.argv = [os.path.join(app, "main.py"), *arguments]
    if scrubber is not None:
        scrubber.install_in_comfyui()
    try:
        runpy.run_path(sys.argv[0], run_name="__main__")
    except SystemExit as end:
        if end.code == REFUSED:
            refuse("the guard ended ComfyUI before it listened; see its line, 'comfyui-login-guard: ended ...', above")
        raise


if __name__ == "__main__":
    main(sys.argv[1:])
