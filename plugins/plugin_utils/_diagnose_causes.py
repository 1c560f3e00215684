# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The causes that a diagnosis can name: for each its sentence, and what mends it. docs/diagnose.md lists the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class Kind(NamedTuple):
    """One cause. ``sentence`` and ``mend`` are templates; ``sure`` is False where another cause would look the same.

    ``symptom`` marks what something else may be behind: it is named only when nothing deeper was found.
    """

    sentence: str
    mend: str
    sure: bool = True
    symptom: bool = False


_SITE = "{play} genai.comfyui.site"
_STATUS = "ansible {server} -b -m ansible.builtin.command -a 'journalctl -u {unit} -n 50 --no-pager'"
_URL = "set url of consumer {id}, or comfyui_client_url, to {right_url}, then {play} genai.comfyui.validate"
_RESTART = "ansible {server} -b -m ansible.builtin.systemd_service -a 'name={unit} state=restarted'"
_STOP = "ansible {server} -b -m ansible.builtin.systemd_service -a 'name={unit} state=stopped', then " + _SITE

CAUSES: Mapping[str, Kind] = {
    # --- the truth and the hosts ---
    "host_unreachable": Kind(
        "{host} cannot be reached by Ansible: {detail}", "ansible {host} -m ansible.builtin.ping -vvv"
    ),
    "credential_missing": Kind(
        "the truth has no credential {credential}, which the inventory names",
        _SITE + " -e comfyui_credential_create=true",
    ),
    # --- the client's file ---
    "file_missing": Kind("{path} does not exist", _SITE),
    "file_unreadable": Kind("{path} cannot be read by who needs it: {detail}", _SITE),
    "file_linked": Kind(
        "{path} is a link, which is not written through: {detail}",
        "name the real file as path of {id} in the inventory, then " + _SITE,
    ),
    "key_missing": Kind("{path} has no {key}", _SITE),
    "key_twice": Kind(
        "{path} has {key} more than once, and readers take different ones: {detail}",
        "remove all but one, then " + _SITE,
    ),
    "file_not_understood": Kind("{path} cannot be read as {codec}: {detail}", "mend that line, then " + _SITE),
    "value_empty": Kind("{key} in {path} is empty", _SITE),
    "token_eaten": Kind("the token in {path} lost a part of it, because somebody expanded its $: {detail}", _SITE),
    "token_expands": Kind("{path} holds the right token in a spelling that its reader changes: {detail}", _SITE),
    "token_cr": Kind("the token in {path} ends in a carriage return (a file with Windows line ends)", _SITE),
    "token_blanks": Kind(
        "the token in {path} has blanks, a line break or invisible characters with it: {detail}", _SITE
    ),
    "token_quotes": Kind("the quotes around the token in {path} have become part of it", _SITE),
    "token_doubled": Kind("each $ of the token in {path} stands twice, and its reader does not fold them", _SITE),
    "token_backslashes": Kind("the token in {path} has backslashes that its reader keeps", _SITE),
    "token_encoded": Kind("the token in {path} is in the spelling of another format: {detail}", _SITE),
    "token_damaged": Kind("the token in {path} is damaged: {detail}", _SITE),
    "password_as_token": Kind("{path} holds the password; the token is the bcrypt hash", _SITE),
    "username_as_token": Kind("{path} holds the user name in place of the token", _SITE),
    "fingerprint_as_token": Kind("{path} holds the token's fingerprint, which opens nothing", _SITE),
    "bearer_missing": Kind("the header in {path} lacks the word Bearer before the token", _SITE),
    "bearer_twice": Kind("{path} holds the word Bearer, which its program adds a second time", _SITE),
    "old_version": Kind("{path} holds an old token: {detail}", _SITE),
    "token_unknown": Kind("{path} holds a token that the truth does not know", _SITE),
    "pending_not_accepted": Kind(
        "{path} holds the token of a rotation, which the server does not accept yet", _SITE, False
    ),
    "process_holds_old": Kind(
        "{path} is right, but process {pid} ({process}) was started with another value: {detail}",
        "ansible {host} -b -m {restart}",
    ),
    # --- the way to the server ---
    "url_unusable": Kind("the address of {id} cannot be used: {detail}", _URL),
    "name_unresolved": Kind("{host} cannot resolve the name in {url}", _URL),
    "no_route": Kind(
        "{host} has no route to {url}", "ansible {host} -m ansible.builtin.command -a 'ip route get {address}'"
    ),
    "timeout": Kind(
        "{url} does not answer {host} but its own host does: a firewall drops the packets",
        "on {server}: ufw allow proto tcp from {client_address} to any port {port}",
    ),
    "connection_refused": Kind("nothing listens at {url}", _SITE, True, True),
    "listens_on_loopback": Kind(
        "ComfyUI on {server} listens on loopback only, so {host} cannot reach it",
        "put a proxy with TLS before it, or set comfyui_listen for {server}, then " + _SITE,
    ),
    "wrong_port": Kind("nothing listens on port {port} of {server}; the instance's port is {right_port}", _URL),
    "http_to_tls": Kind("{url} says http, but that port speaks TLS", _URL),
    "https_to_plain": Kind("{url} says https, but that port speaks plain HTTP", _URL),
    "certificate_untrusted": Kind(
        "{host} does not trust the certificate at {url}: {detail}",
        "install the certificate's authority on {host}, or renew the certificate",
        True,
    ),
    "clock_wrong": Kind(
        "the clocks of {host} and the server differ by {seconds} s, so certificates seem invalid",
        "ansible {host} -b -m ansible.builtin.command -a 'timedatectl set-ntp true'",
    ),
    "gateway_error": Kind("a proxy at {url} answers {status}: it does not reach ComfyUI", _STATUS, True, True),
    "proxy_wants_password": Kind(
        "a proxy at {url} asks for {challenge} authentication, which needs the token's header",
        "take the proxy's own password away from {url}; the token protects ComfyUI",
    ),
    "other_service": Kind("something else than ComfyUI answers at {url} (status {status}, {what})", _URL),
    "wrong_server": Kind("{url} leads to another ComfyUI than {id} is declared for: {detail}", _URL, False),
    "authorization_stripped": Kind(
        "the server accepts this token, but not by way of {url}: a proxy ({what}) drops the header",
        "let the proxy pass Authorization on (nginx: proxy_set_header)",
        False,
    ),
    "cors_origin": Kind(
        "started with --enable-cors-header {origin}, ComfyUI refuses tokens without that Origin",
        "remove cors_origin of instance {instance} (do CORS in a proxy), then " + _SITE,
    ),
    # --- who serves ---
    "node_missing": Kind("the login node is not in {node}, so ComfyUI has no login", _SITE),
    "node_disabled": Kind("the login node's folder was renamed to .disabled, so ComfyUI skips it", _SITE),
    "node_import_failed": Kind("the login node failed to load, so ComfyUI has no login: {detail}", _SITE),
    "nodes_switched_off": Kind(
        "ComfyUI runs with --disable-all-custom-nodes, which switches the login off",
        "remove the argument (systemctl cat {unit} shows where it comes from), then " + _SITE,
    ),
    "session_key_broken": Kind(
        "the session key beside the login node is unusable, and the node fails to load: {detail}", _SITE
    ),
    "guests_allowed": Kind(
        "login/GUEST_MODE lets guests in, who can read the token", "remove that file on {server}, then " + _SITE
    ),
    "server_open": Kind("strangers are let in at {url}: {detail}", _STOP, True, True),
    "unit_missing": Kind("there is no unit {unit} on {server}", _SITE),
    "unit_stopped": Kind("{unit} on {server} does not run", _SITE, True, True),
    "unit_failed": Kind("{unit} on {server} failed: {detail}", _STATUS, True, True),
    "port_taken": Kind(
        "port {port} of {server} belongs to {process} (process {pid}), not to {unit}",
        "stop that program or set another port for instance {instance}, then " + _SITE,
    ),
    "server_stuck": Kind("ComfyUI on {server} takes connections and does not answer", _RESTART, False),
    "accept_broken": Kind(
        "the guard's login/ACCEPT.json is unusable, and ComfyUI does not start with it: {detail}", _SITE
    ),
    "accept_lacks_token": Kind("the guard's login/ACCEPT.json does not list the current token", _SITE),
    "process_older_than_password": Kind(
        "login/PASSWORD changed after ComfyUI started, which still holds the token from before", _SITE
    ),
    "process_holds_other": Kind(
        "the process on {server} holds another token than the truth: {detail}", _SITE, False, True
    ),
    "server_odd": Kind("{url} answers neither as locked nor as open: {detail}", _STATUS, False, True),
    # --- login/PASSWORD ---
    "password_missing": Kind("{password_file} does not exist", _SITE),
    "password_empty": Kind("{password_file} is empty, and an empty token lets everybody in", _SITE),
    "password_directory": Kind(
        "{password_file} is a directory (a container's mount of a missing file makes one)",
        "remove that directory on {server}, then " + _SITE,
    ),
    "password_linked": Kind(
        "{password_file} is a symbolic link", "replace it by the file itself on {server}, then " + _SITE
    ),
    "password_unreadable": Kind("{password_file} cannot be read by the service: {detail}", _SITE),
    "password_too_open": Kind(
        "{password_file} is open to everybody on the host ({detail}), so ComfyUI is not started", _SITE
    ),
    "password_bom": Kind("{password_file} begins with a byte order mark, so no token fits", _SITE),
    "password_crlf": Kind("{password_file} has CR line ends, with which the web form refuses every password", _SITE),
    "password_no_hash": Kind(
        "line 1 of {password_file} is no bcrypt hash", "move that file away on {server}, then " + _SITE
    ),
    "password_no_username": Kind(
        "{password_file} has no user name in line 2, and the login node would empty it", _SITE
    ),
    "password_old": Kind("{password_file} holds an old token: {detail}", _SITE),
    "password_unknown": Kind(
        "{password_file} holds a token that the truth does not know",
        "adopt it (module genai.comfyui.credential) or move it away on {server}, then " + _SITE,
    ),
    "password_legacy": Kind(
        "the old place {legacy} exists, and the login node would move it over login/PASSWORD",
        "remove that file on {server}, then " + _SITE,
    ),
}
"""Code -> cause."""
