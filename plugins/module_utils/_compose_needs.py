# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What would keep a container from starting, seen before the one that runs is replaced: ports, addresses, files.

Private to the collection. Standard library only.
"""

from __future__ import annotations

import errno
import os
import re
import socket
from collections.abc import Iterator, Sequence
from pathlib import Path

_UNIT = re.compile(r"/comfyui@[^/]+\.service")
_LISTENS = "0A"


def conflicts(addresses: Sequence[str], files: Sequence[str], published: Sequence[int]) -> list[str]:
    """Return a sentence with its mend for all that is in the way; empty where nothing is.

    :param addresses: what is to be published, as ``127.0.0.1:8188`` or ``[::1]:8188``
    :param files: files that are to be mounted
    :param published: ports that running containers of ours publish
    """
    found = [f"{path} is not there or no file; mend comfyui_launch_args" for path in files if not os.path.isfile(path)]
    for address in addresses:
        host, _colon, number = address.rpartition(":")
        why = _refused(host.strip("[]"), int(number))
        if why == errno.EADDRNOTAVAIL:
            found.append(f"this host has no address {host}; mend comfyui_listen")
        elif why == errno.EADDRINUSE and int(number) not in published and not _ours(int(number)):
            found.append(f"{address} is taken by something else; free it or choose another port in comfyui_instances")
    return found


def _refused(host: str, port: int) -> int:
    """Return why nothing can listen there, as an errno; 0 where something could, or where that cannot be known."""
    try:
        family, kind, proto, _name, place = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_PASSIVE
        )[0]
        with socket.socket(family, kind, proto) as sock:
            # Without it, connections that ended a minute ago would count.
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind(place)
    except socket.gaierror:
        return errno.EADDRNOTAVAIL
    except OSError as error:
        return error.errno or 0
    return 0


def _ours(port: int) -> bool:
    """Tell whether a process of one of our units listens on a port, as before a change of the deployment."""
    sockets = set(_sockets(port))
    if not sockets:
        return False
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if not _UNIT.search((process / "cgroup").read_text(encoding="utf-8", errors="replace")):
                continue
            if not sockets.isdisjoint(os.readlink(one) for one in (process / "fd").iterdir()):
                return True
        except OSError:
            # It ended meanwhile.
            continue
    return False


def _sockets(port: int) -> Iterator[str]:
    """Yield the sockets that listen on a port, as links of /proc name them."""
    for table in ("tcp", "tcp6"):
        try:
            lines = Path("/proc/net", table).read_text(encoding="ascii").splitlines()[1:]
        except OSError:
            continue
        for words in map(str.split, lines):
            if words[3] == _LISTENS and int(words[1].rpartition(":")[2], 16) == port:
                yield f"socket:[{words[9]}]"
