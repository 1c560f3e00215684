# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Docker's daemon.json: put a few keys in, take exactly these out again, keep everything else.

Private to the collection. Standard library only. Text to text, no I/O.
"""

from __future__ import annotations

import json
import re
import typing as t

Json = dict[str, t.Any]
RUNTIME = {"path": "nvidia-container-runtime", "args": []}


class ConfigError(ValueError):
    """The file cannot be changed safely; the message says why, and where."""


def parse(text: str) -> Json:
    """Return the document; an empty text stands for an empty one, as Docker has it.

    :raises ConfigError: no JSON, not an object, or a key twice
    """
    if not text.strip().lstrip("\ufeff"):
        return {}
    if text.startswith("\ufeff"):
        raise ConfigError("it begins with a byte order mark, which Docker refuses; remove that")

    def unique(pairs: list[tuple[str, t.Any]]) -> Json:
        found: Json = {}
        for key, value in pairs:
            if key in found:
                raise ConfigError(f"the key {key!r} stands in it twice; which one counts is for you to say")
            found[key] = value
        return found

    def number(word: str) -> t.Any:
        raise ConfigError(f"{word} is no JSON")

    try:
        document = json.loads(text, object_pairs_hook=unique, parse_constant=number)
    except json.JSONDecodeError as error:
        raise ConfigError(f"it is no valid JSON: {error.msg}, line {error.lineno} column {error.colno}") from None
    except RecursionError:
        raise ConfigError("it is nested too deeply") from None
    if not isinstance(document, dict):
        raise ConfigError("it holds no JSON object")
    return document


def merge(document: Json, wanted: Json, where: str = "") -> Json:
    """Return *document* with the values of *wanted* put in; objects are merged, all else is replaced.

    :raises ConfigError: an object is wanted where something else stands
    """
    merged = dict(document)
    for key, value in wanted.items():
        path = f"{where}{key}"
        if isinstance(value, dict) and value:
            old = merged.get(key)
            if old is not None and not isinstance(old, dict):
                raise ConfigError(f"{path} is no object there, so nothing can be added to it")
            merged[key] = merge(old or {}, value, f"{path}.")
        else:
            merged[key] = value
    return merged


def added(document: Json, wanted: Json) -> list[list[str]]:
    """Return the paths of the keys that *wanted* brings and *document* lacks: what may be removed again."""
    found: list[list[str]] = []
    for key, value in wanted.items():
        if key not in document or document[key] is None:
            found.append([key])
        elif isinstance(value, dict) and isinstance(document[key], dict):
            found += [[key, *rest] for rest in added(document[key], value)]
    return found


def without(document: Json, paths: t.Sequence[t.Sequence[str]], expected: Json) -> Json:
    """Return *document* without the keys at *paths*; what others added below or changed since stays."""
    trimmed = dict(document)
    for path in paths:
        key = path[0]
        if key not in trimmed:
            continue
        want = expected.get(key)
        if len(path) > 1:
            if isinstance(trimmed[key], dict):
                trimmed[key] = without(trimmed[key], [path[1:]], want if isinstance(want, dict) else {})
        elif isinstance(trimmed[key], dict) and isinstance(want, dict) and want:
            # Ours was the object; another one's keys may be in it by now.
            rest = without(trimmed[key], [[inner] for inner in want], want)
            if rest:
                trimmed[key] = rest
            else:
                del trimmed[key]
        elif trimmed[key] == want:
            del trimmed[key]
    return trimmed


def indent(text: str) -> int | str:
    """Return the indentation that a file already has; 4 blanks otherwise."""
    match = re.search(r"\{\s*\n([ \t]+)\"", text)
    if not match:
        return 4
    return "\t" if match[1].startswith("\t") else len(match[1])


def spell(document: Json, like: str = "") -> str:
    """Return a document as text, indented as *like* is."""
    return json.dumps(document, indent=indent(like), ensure_ascii=False) + "\n"


def wanted_keys(runtime: bool, default_runtime: bool, cdi: bool) -> Json:
    """Return the keys that let Docker use GPUs."""
    keys: Json = {}
    if runtime:
        keys["runtimes"] = {"nvidia": dict(RUNTIME)}
    if default_runtime:
        keys["default-runtime"] = "nvidia"
    if cdi:
        keys["features"] = {"cdi": True}
    return keys


def missing(document: Json, wanted: Json) -> Json:
    """Return the part of *wanted* that is not there; a runtime at another path of the same program counts as there."""
    lacks: Json = {}
    for key, value in wanted.items():
        have = document.get(key)
        if isinstance(value, dict) and value:
            rest = missing(have, value) if isinstance(have, dict) else value
            if rest:
                lacks[key] = rest
        elif key == "path" and isinstance(have, str) and have.rsplit("/", 1)[-1] == value.rsplit("/", 1)[-1]:
            continue
        elif have != value and not (key == "args" and have in (None, [])):
            lacks[key] = value
    return lacks


def says_no_cdi(document: Json) -> bool:
    """Tell whether somebody wrote ``features.cdi: false``, which is a decision and not an omission."""
    features = document.get("features")
    return isinstance(features, dict) and features.get("cdi") is False


def replaced(document: Json, lacks: Json, where: t.Sequence[str] = ()) -> list[Json]:
    """Return what *lacks* would take the place of, as records with ``path`` and ``value``: put back at the end."""
    found: list[Json] = []
    for key, value in lacks.items():
        have, path = document.get(key), [*where, key]
        if isinstance(value, dict) and value and isinstance(have, dict):
            found += replaced(have, value, path)
        elif have is not None:
            found.append({"path": path, "value": have})
    return found


def put_back(document: Json, records: t.Sequence[Json], expected: Json) -> Json:
    """Return *document* with the values that ours took the place of; one that somebody changed since stays."""
    trimmed: Json = json.loads(json.dumps(document))
    for record in records:
        *outer, last = record["path"]
        place, want = trimmed, expected
        for key in outer:
            inner, wish = place.get(key), want.get(key)
            place, want = inner if isinstance(inner, dict) else {}, wish if isinstance(wish, dict) else {}
        if last in place and place[last] == want.get(last):
            place[last] = record["value"]
    return trimmed


def put_in(document: Json, wanted: Json, record: Json) -> tuple[Json, Json]:
    """Return the document with all of *wanted*, and the record with what came by us.

    :param record: ``added`` (paths of our keys), ``replaced`` (what stood in their place) and ``wanted`` (what was put
        in) of an earlier run; may be empty
    :raises ConfigError: see :func:`merge`
    """
    same = record.get("wanted", {}) == wanted
    base = document if same else take_out(document, record)
    lacks = missing(base, wanted)
    ours = (record.get("added", []) if same else []) + added(base, lacks)
    unique = [path for number, path in enumerate(ours) if path not in ours[:number]]
    theirs = replaced(base, lacks)
    taken = [one["path"] for one in theirs]
    theirs += [one for one in (record.get("replaced", []) if same else []) if one["path"] not in taken]
    return merge(base, lacks), {**record, "added": unique, "replaced": theirs, "wanted": wanted}


def take_out(document: Json, record: Json) -> Json:
    """Return the document without what came by us, and with what stood in its place."""
    wanted = record.get("wanted", {})
    return put_back(without(document, record.get("added", []), wanted), record.get("replaced", []), wanted)
