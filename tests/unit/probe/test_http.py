# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import socket
import ssl
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from probe_servers import TOKEN, Behaviour, serve

from ansible_collections.genai.comfyui.plugins.module_utils._http import BODY_LIMIT, HttpError, check_url, request


@contextmanager
def raw_server(talk: Callable[[socket.socket], None]) -> Iterator[str]:
    """A server that takes one connection and does whatever *talk* does."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def run() -> None:
            try:
                with listening.accept()[0] as peer:
                    peer.recv(65536)
                    talk(peer)
            except OSError:
                return

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    thread.join(10)


def void(_value: object) -> None:
    """For a lambda that is called for its effect."""


def failure(url: str, **options: object) -> HttpError:
    with pytest.raises(HttpError) as caught:
        request("GET", url, token=TOKEN, **options)  # type: ignore[arg-type]
    shown = "".join(traceback.format_exception(caught.value))
    assert TOKEN not in shown
    assert "Bearer" not in shown
    return caught.value


def test_the_token_travels_in_the_header_only() -> None:
    behaviour = Behaviour()
    with serve(behaviour) as url:
        answer = request("GET", url + "/", "/system_stats", token=TOKEN, headers={"Origin": "https://ui.example"})
    assert answer.status == 200
    assert behaviour.seen == [("GET", "/system_stats", f"Bearer {TOKEN}", "https://ui.example")]


def test_a_prefix_stays_before_the_path() -> None:
    behaviour = Behaviour()
    with serve(behaviour) as url:
        request("GET", url + "/comfy/", "/system_stats?token=")
    assert behaviour.seen[0][1] == "/comfy/system_stats?token="


def test_redirects_are_returned_not_followed() -> None:
    behaviour = Behaviour(refusal=(302, "/login"))
    with serve(behaviour) as url:
        answer = request("GET", url)
    assert (answer.status, answer.headers["location"]) == (302, "/login")
    assert len(behaviour.seen) == 1


def test_a_body_is_cut_at_the_limit() -> None:
    with serve(Behaviour(check=False, body=b"x" * (BODY_LIMIT + 7))) as url:
        answer = request("GET", url)
    assert (len(answer.body), answer.truncated) == (BODY_LIMIT, True)


def test_environment_proxies_are_not_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    with serve(Behaviour()) as url:
        assert request("GET", url).status == 401


def test_over_a_unix_socket(tmp_path: Path) -> None:
    behaviour = Behaviour()
    with serve(behaviour, unix=tmp_path / "s") as url:
        assert request("GET", url, "/system_stats", token=TOKEN, unix_socket=str(tmp_path / "s")).status == 200
    error = failure("http://localhost", unix_socket=str(tmp_path / "gone"))
    assert (error.kind, str(error)) == ("unreachable", "No such file or directory")


def test_tls_is_checked_unless_switched_off(tls: ssl.SSLContext, certificate: Path, tmp_path: Path) -> None:
    with serve(Behaviour(), tls=tls) as url:
        assert request("GET", url, ca_path=str(certificate)).status == 401
        assert request("GET", url, verify=False).status == 401
        untrusted = failure(url)
        plain = failure(url.replace("https", "http"))
        misnamed = failure(url.replace("127.0.0.1", "localhost"), ca_path=str(certificate))
    assert untrusted.kind == "tls"
    assert "certificate is not trusted" in str(untrusted)
    assert plain.kind in ("unreachable", "protocol")
    assert "localhost" in str(misnamed)
    missing = failure("https://127.0.0.1:1", ca_path=str(tmp_path / "none.pem"))
    assert (missing.kind, str(missing).endswith("cannot be read as certificates (PEM file or directory)")) == (
        "address",
        True,
    )


def test_nobody_listens() -> None:
    error = failure("http://127.0.0.1:1")
    assert (error.kind, str(error)) == ("unreachable", "Connection refused")


def test_a_silent_server_is_a_timeout() -> None:
    done = threading.Event()
    with raw_server(lambda peer: void(done.wait(10))) as url:
        error = failure(url, timeout=0.1)
        done.set()
    assert (error.kind, str(error)) == ("timeout", "no complete answer within 0.1 s")


@pytest.mark.parametrize("start", [b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n", b"HTTP/1.1 200 OK\r\n", b""])
def test_a_server_that_drips_is_a_timeout(start: bytes) -> None:
    done = threading.Event()

    def drip(peer: socket.socket) -> None:
        peer.sendall(start)
        while not done.wait(0.05):
            peer.sendall(b"X")

    with raw_server(drip) as url:
        error = failure(url, timeout=0.3)
        done.set()
    assert (error.kind, str(error)) == ("timeout", "no complete answer within 0.3 s")


def test_what_is_not_http() -> None:
    with raw_server(lambda peer: peer.sendall(b"SSH-2.0-OpenSSH_9.2\r\n")) as url:
        error = failure(url)
    assert (error.kind, str(error)) == ("protocol", "the answer is not HTTP (BadStatusLine)")
    with raw_server(lambda peer: None) as url:
        error = failure(url)
    assert (error.kind, str(error)) == ("unreachable", "the connection was closed without an answer")


def test_a_token_that_cannot_be_a_header_is_not_quoted() -> None:
    for bad in (TOKEN + "\n", TOKEN + "\r\nX: y", TOKEN + "é"):
        with pytest.raises(
            HttpError, match="a request header would hold characters that HTTP does not allow"
        ) as caught:
            request("GET", "http://127.0.0.1:1", token=bad)
        assert TOKEN not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://host", "must start with http"),
        ("host:8188", "must start with http"),
        ("http://user:secret@host", "holds a user name or password"),
        ("http://host/?token=secret", "must be the server's base address"),
        ("http://host:99999", "cannot be understood"),
        ("http://", "has no usable host name"),
        ("http://ho st", "has no usable host name"),
    ],
)
def test_unusable_addresses(url: str, why: str) -> None:
    with pytest.raises(HttpError, match=why) as caught:
        check_url(url)
    assert caught.value.kind == "address"
    assert "secret" not in str(caught.value)
