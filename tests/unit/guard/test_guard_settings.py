# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml
from guarded_package import load
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils import _guard

settings, redact = load("settings"), load("redact")
ROOT = Path(__file__).resolve().parents[3]
NAMES = [one.name for one in dataclasses.fields(settings.Settings)]
VALUES: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["Lax", "10.0.0.0/8"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)

BAD: list[tuple[Any, str]] = [
    ([], "the settings are not an object"),
    ({"guest": True}, "'guest' is not a setting"),
    ({"guests": 1}, "guests must be true or false"),
    ({"cookie_secure": "yes"}, "cookie_secure must be true or false"),
    ({"session_lifetime": 59}, "session_lifetime must be whole seconds from 60 to 31536000"),
    ({"session_lifetime": "3600"}, "session_lifetime must be whole seconds"),
    ({"session_lifetime": True}, "session_lifetime must be whole seconds"),
    ({"session_idle": -1}, "session_idle must be whole seconds from 0 to 31536000"),
    ({"session_lifetime": 60, "session_idle": 61}, "session_idle must not be longer than session_lifetime"),
    ({"cookie_max_age": 1.5}, "cookie_max_age must be whole seconds"),
    ({"form_timeout": 0}, "form_timeout must be whole seconds from 1 to 60"),
    ({"cookie_samesite": "lax"}, "cookie_samesite must be one of Lax, Strict, None"),
    ({"cookie_samesite": "None"}, "cookie_samesite None needs cookie_secure true"),
    ({"trusted_proxies": "10.0.0.1"}, "trusted_proxies must be a list of addresses or networks"),
    ({"trusted_proxies": ["proxy.example"]}, "trusted_proxies: each must be an address or a network"),
    ({"trusted_proxies": [1]}, "trusted_proxies: each must be an address or a network"),
    ({"trusted_proxies": ["10.0.0.1/8"]}, "trusted_proxies: each must be an address or a network"),
    ({"trusted_proxies": ["0.0.0.0/0"]}, "trusted_proxies: 0.0.0.0/0 would believe everybody"),
    ({"trusted_proxies": ["::/0"]}, "trusted_proxies: ::/0 would believe everybody"),
]


@pytest.mark.parametrize(("values", "said"), BAD)
def test_a_bad_setting_is_named_by_the_guard_and_by_the_role(values: Any, said: str) -> None:
    with pytest.raises(settings.BadSetting, match="^" + said):
        settings.read(values)
    if isinstance(values, dict):
        with pytest.raises(_guard.GuardSettingError, match="^comfyui_login_" + said):
            _guard.guard_settings(values)


@given(VALUES | st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3))
def test_nothing_else_is_raised_and_what_is_taken_is_complete(values: Any) -> None:
    try:
        whole = settings.complete(values)
    except settings.BadSetting:
        return
    assert list(whole) == NAMES
    assert settings.complete(whole) == whole


def test_the_roles_defaults_are_the_guards() -> None:
    role = ROOT / "roles" / "comfyui_login"
    variables = yaml.safe_load((role / "defaults" / "main.yml").read_text())
    options = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())["argument_specs"]["main"]["options"]
    for name, value in settings.complete({}).items():
        if name != "guests":
            assert variables[f"comfyui_login_{name}"] == options[f"comfyui_login_{name}"]["default"] == value


def test_all_settings_reach_the_file() -> None:
    wanted = {"session_lifetime": 3600, "session_idle": 0, "trusted_proxies": ["10.0.0.0/8"], "cookie_secure": True}
    found = _guard.guard_settings(wanted)
    assert {name: found[name] for name in wanted} == wanted
    assert settings.read(found).proxies[0].num_addresses == 1 << 24


def test_what_stands_twice_is_the_same() -> None:
    token = "$2b$04$C64.0QdE5dDvyZNUqRt0W.eckRV6ouBeTsiqFmlKzw5ioRfp1OCbK"
    assert redact.fingerprint(token) == fingerprint(token)
    setup = (_guard.FOLDER / "setup.py").read_text()
    assert f'VERSION = "{yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"]}"' in setup
    prestartup = (_guard.FOLDER / "prestartup_script.py").read_text()
    latch = (_guard.FOLDER / "latch.py").read_text()
    assert 'f"comfyui_login_guard_{_name}"' in prestartup
    assert redact.NAME == "comfyui_login_guard_redact"
    assert 'NAME = "comfyui_login_guard_latch"' in latch
    assert 'LATCH = "comfyui_login_guard_latch"' in setup


def test_without_the_guard_each_hole_is_named() -> None:
    said = _guard.open_without_guard([{"name": "a"}, {"name": "b"}])
    assert said[0] == "comfyui_login_guard is false. On a, b this stays open:"
    for word in ("fails to import", ".js", "POST /login", "?token=", "Authorization", "guests", "sessions", "passwords",
                 "log:", "rotation", "health"):  # fmt: skip
        assert any(word in line for line in said[1:]), word
    assert all("\n" not in line for line in said)
