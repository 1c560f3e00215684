# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Documentation of the option ``consumers``, which is long enough for a file of its own."""

from __future__ import annotations


class ModuleDocFragment:
    """What :mod:`sync` says about its consumers."""

    DOCUMENTATION = r"""
options:
  consumers:
    description: The consumers of this host. Several may share one file, which is then written once.
    type: list
    elements: dict
    required: true
    suboptions:
      id:
        description: A name for the consumer, unique on the host.
        type: str
        required: true
      preset:
        description:
          - A tool whose way of keeping a token is known. It gives defaults for O(consumers[].codec),
            O(consumers[].key) and O(consumers[].field), and for V(vscode_mcp), V(cursor) and V(krita_ai_diffusion) for
            O(consumers[].path) below the home of O(consumers[].owner). What is given explicitly wins.
          - V(comfyui_login) is ComfyUI-Login's C(login/PASSWORD); V(jupyter_env) a C(.env) beside notebooks;
            V(compose_env), V(compose_raw_env) and V(compose_service) are a Compose project's C(.env), an C(env_file)
            with C(format) C(raw), and the Compose file (give the key); V(systemd_service) is an C(EnvironmentFile).
          - V(open_webui) is the variable C(COMFYUI_API_KEY). Open WebUI copies it to its database at its first start
            and looks there from then on, unless C(ENABLE_PERSISTENT_CONFIG) is C(False).
          - V(vscode_mcp), V(cursor), V(mcp_json) and V(claude_desktop) are MCP clients with a server named C(comfyui);
            the last passes C(COMFYUI_API_TOKEN) to the program that it starts, the others send a header.
          - V(krita_ai_diffusion) is the setting C(server_authorization) of the Krita plugin. Close Krita meanwhile, for
            it writes the whole file anew when a setting is changed.
          - V(curl) is a file for C(curl -K) with an C(Authorization) header.
        type: str
        choices:
          - claude_desktop
          - comfyui_login
          - compose_env
          - compose_raw_env
          - compose_service
          - curl
          - cursor
          - jupyter_env
          - krita_ai_diffusion
          - mcp_json
          - open_webui
          - systemd_service
          - vscode_mcp
      path:
        description:
          - Absolute path of the file. Required, unless O(consumers[].preset) knows it.
          - Refused are symbolic links, files with several names, mount points, and directories that are themselves
            symbolic links or that everybody may write to.
        type: path
      codec:
        description:
          - How the file spells values. Required, unless O(consumers[].preset) knows it. An unknown name is refused
            with a list of the known ones.
          - V(login_password) is ComfyUI-Login's own file C(login/PASSWORD), which holds token and user name.
          - V(dotenv) is a file that Compose, shells, systemd and C(dotenv) libraries read alike. It is written in
            single quotes.
          - V(dotenv_raw) is such a file for C(docker run --env-file) or Compose's C(format) C(raw), which keep quotes.
          - V(dotenv_expand) is one for dotenv-expand, Next.js or Vite, which expand in any quotes.
          - V(compose_env) is one that only Compose 2 or newer reads, where V($$) may stand for a dollar sign.
          - V(systemd_env) is a systemd C(EnvironmentFile).
          - V(shell) is a file that POSIX shells source, V(fish) one for fish, V(powershell) one for PowerShell. What is
            set in a block or conditionally is refused.
          - V(json) is JSON, with comments and trailing commas or without.
          - V(yaml) is YAML, one document of block mappings and lists. V(compose_yaml) is a Compose file, where each
            dollar sign is doubled.
          - V(toml) is TOML. V(ini) is what Python's configparser reads, V(ini_extended) the same with
            C(ExtendedInterpolation), where each dollar sign is doubled.
          - V(curl_config) is a file for C(curl -K), V(netrc) is C(.netrc).
          - V(htpasswd) is a password file of Apache or nginx, V(haproxy_map) a map or pattern file of HAProxy, and
            V(nginx_map) what an nginx C(map) includes.
          - V(line) is one line between two marker lines, V(raw) a file that holds the value and nothing else.
        type: str
      key:
        description:
          - Where in the file the value is. Nothing for V(login_password) and V(raw).
          - A variable's name for V(dotenv), V(dotenv_raw), V(dotenv_expand), V(compose_env), V(systemd_env), V(shell),
            V(fish) and V(powershell).
          - A JSON Pointer (RFC 6901), such as C(/servers/main/token), for V(json), V(yaml), V(compose_yaml) and
            V(toml); C(/section/key), or C(/key) before any section, for V(ini) and V(ini_extended). In a Compose file
            C(/services/web/environment/NAME) also finds C(- NAME=value) in a list.
          - An option such as C(oauth2-bearer) or a header such as C(header:Authorization) for V(curl_config); C(HOST),
            C(HOST/login) or C(HOST/account) for V(netrc).
          - The user for V(htpasswd), the word in the second column for V(haproxy_map) and V(nginx_map).
          - The text after C(BEGIN) and C(END) in the two markers for V(line).
          - A key that is missing is added, in structured files only to a collection that exists. Markers and machines
            of V(netrc) are not added.
        type: str
      credential:
        description: Name of the credential in O(credentials).
        type: str
        default: main
      field:
        description:
          - What of the credential the consumer holds. V(bearer) is the token after the word C(Bearer); V(url) is
            O(consumers[].url) with the token as its query parameter.
          - Leave it out for codec V(login_password), which holds two fields.
          - The default is that of O(consumers[].preset), and V(token) without one.
        type: str
        choices: [token, bearer, password, username, url]
      required:
        description:
          - Whether a rotation has to wait for this consumer.
          - When V(false), a missing directory, or a missing file with O(consumers[].create=false), is reported and is
            no failure.
        type: bool
        default: true
      owner:
        description: Owner of the file, a name or a number. When left out, a file keeps its owner.
        type: str
      group:
        description: Group of the file, a name or a number. When left out, a file keeps its group.
        type: str
      mode:
        description:
          - Permission bits of the file, octal and in quotes. Bits for others are refused.
        type: raw
        default: "0600"
      url:
        description: Address to which O(consumers[].field=url) adds the token. It must be http or https.
        type: str
      unknown:
        description:
          - What to do with a value that belongs to no known version of the credential.
          - V(refuse_token) refuses where it is a whole token, which may be newer than the truth, and replaces all else.
          - The default is V(refuse) for codec V(login_password) and V(replace) for all others.
        type: str
        choices: [replace, refuse, refuse_token]
      create:
        description: Whether the file may be created when it is missing. Directories are never created.
        type: bool
        default: true
      validate:
        description:
          - Who judges the new file before it takes the old one's place. When it is refused, the old file stays, and the
            module fails with the parser's message, without any value. A program that is not on the host is named in
            the record and is no failure. Nothing is asked in check mode.
          - V(true) asks the parser that belongs to the codec. V(compose_yaml), V(compose_env) and V(dotenv_raw) are
            read by Docker Compose 2, which also has to return the value; V(shell) by the script's own shell and V(fish)
            by fish, with their option C(-n); V(nginx_map) and V(haproxy_map) by C(nginx -t) and C(haproxy -c), in a
            configuration made for it. For the other codecs there is none that can judge one file by itself.
          - A name chooses one of these whatever the codec is, that is V(compose), V(compose_env), V(compose_raw_env),
            V(fish), V(haproxy_map), V(nginx_map), V(shell), and V(systemd_unit) for C(systemd-analyze verify) on a unit
            or a drop-in.
          - A list is a command without a shell. V(%s) in it stands for the file under its temporary name, in the same
            directory.
          - V(false) asks nobody.
        type: raw
        default: true
      reload:
        description:
          - What makes the consumer read its file again. It is done once for all consumers of the host that name the
            same, after all files are written.
          - It is due when what runs was started before the file was changed, whether this run changed it or another
            one. So a run that was interrupted is made good by the next. When it fails, the files stay, the module
            fails, and the next run tries again.
          - What does not run is left alone.
        type: dict
        suboptions:
          systemd:
            description: A unit. Its main process is compared with the file.
            type: str
          action:
            description: What to tell systemd. The default is V(restart).
            type: str
            choices: [restart, reload]
          compose:
            description: A service of a Docker Compose project. Its containers are made anew, without what they need.
            type: dict
            suboptions:
              project_dir:
                description: The project's directory.
                type: path
                required: true
              service:
                description: The service's name.
                type: str
                required: true
          command:
            description:
              - A command, without a shell. There is no process to compare with, so it is due unless it succeeded since
                the last change of the files.
            type: list
            elements: str
"""
