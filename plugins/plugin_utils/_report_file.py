# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A report as a document: its keys, the check that it holds no token, and the files it is written to."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import yaml

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import TOKEN_PATTERN, is_token
from ansible_collections.genai.comfyui.plugins.module_utils._fingerprint import fingerprint
from ansible_collections.genai.comfyui.plugins.plugin_utils._report_verdict import HostReport, Json

_TOKEN = re.compile(TOKEN_PATTERN)


class ReportError(Exception):
    """The report cannot be made or written; the text names place and mend, and holds no value."""


def document(
    kind: str,
    reports: Sequence[HostReport],
    reasons: Sequence[str],
    versions: Json,
    started: str | None,
    finished: datetime,
    credentials: Sequence[Json] = (),
) -> Json:
    """Return the report as plain JSON types. Times are UTC in ISO form, durations seconds.

    :param credentials: what :func:`ages` returns.
    """
    waited = [
        one["waited"] for report in reports for one in report.probes if isinstance(one.get("waited"), (int, float))
    ]
    durations: Json = {"probes_waited": round(sum(waited), 3), "longest_probe_waited": max(waited, default=0)}
    with suppress(ValueError, TypeError):
        begin = datetime.fromisoformat((started or "").replace("Z", "+00:00"))
        durations["run"] = round((finished - begin).total_seconds(), 3)
    return {
        "kind": kind,
        **({"started": started} if started else {}),
        "finished": finished.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "durations": durations,
        "versions": versions,
        **({"credentials": list(credentials)} if credentials else {}),
        "hosts": [
            {
                "host": report.host,
                "checked": report.checked,
                "consumers": report.consumers,
                "probes": report.probes,
                "instances": report.instances,
                **({} if report.scan is None else {"scan": report.scan}),
                "failure": report.failure,
            }
            for report in reports
        ],
        "not_checked": [
            {"host": one.host, "what": one.what, "reason": one.reason}
            for report in reports
            for one in report.not_checked
        ],
        "verdict": {"ok": not reasons, "reasons": list(reasons)},
    }


def ages(credentials: Any, now: datetime) -> list[Json]:
    """Return what may be shown of credentials, by name, as the lookup ``credential`` returns them; no values.

    Keys: ``name``, ``version``, ``fingerprint``, ``made``, ``age_days`` (None where unknown), ``pending`` and
    ``previous`` (``version``, ``fingerprint``), ``retired`` (list of these with ``retired``).
    """
    found = []
    for name, one in sorted(credentials.items()) if isinstance(credentials, Mapping) else ():
        if not isinstance(one, Mapping):
            continue
        item: Json = {"name": name, **_shown(one), "made": one.get("made"), "age_days": None}
        with suppress(KeyError, ValueError, TypeError):
            made = datetime.fromisoformat(str(one["made"]).replace("Z", "+00:00"))
            item["age_days"] = (now - made).days
        item.update(
            {label: _shown(one[label]) for label in ("pending", "previous") if isinstance(one.get(label), Mapping)}
        )
        retired = [old for old in one.get("retired") or [] if isinstance(old, Mapping)]
        item["retired"] = [{key: old.get(key) for key in ("version", "fingerprint", "retired")} for old in retired]
        found.append(item)
    return found


def _shown(version: Mapping[str, Any]) -> Json:
    token = version.get("token")
    return {"version": version.get("version"), "fingerprint": fingerprint(str(token)) if is_token(token) else None}


def refuse_tokens(value: Any, place: str = "") -> None:
    """Raise ReportError naming the key path, never the value, if a token is anywhere in *value*."""
    if isinstance(value, dict):
        for key, item in value.items():
            if _TOKEN.search(key):
                raise ReportError(f"the report is not written: a key of {place or 'the report'} holds a token")
            refuse_tokens(item, f"{place}.{key}" if place else key)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            refuse_tokens(item, f"{place}[{number}]")
    elif isinstance(value, str) and _TOKEN.search(value):
        raise ReportError(
            f"the report is neither written nor shown: {place} holds a token; whatever returned that result must not"
        )


def collection_version(root: Path) -> str:
    """Return this collection's version from its manifest, or, in a checkout, from galaxy.yml."""
    with suppress(OSError, ValueError, KeyError, TypeError):
        return str(json.loads((root / "MANIFEST.json").read_text(encoding="utf-8"))["collection_info"]["version"])
    with suppress(OSError, yaml.YAMLError, KeyError, TypeError):
        return str(yaml.safe_load((root / "galaxy.yml").read_text(encoding="utf-8"))["version"])
    return "unknown"


def write(directory: Path, report: Json, finished: datetime, page: str | None = None) -> Path:
    """Write the report under its time and as the latest one of its kind; return the first path.

    :param page: the same report as HTML, which is written beside it with the ending ``.html``.

    All files have mode 0600 and appear whole. A missing directory is made with mode 0750.

    :raises ReportError: not possible, with the reason.
    """
    stamp = finished.astimezone(timezone.utc).strftime("%Y%m%dT%H%M%S") + f".{finished.microsecond // 1000:03d}Z"
    path = directory / f"{report['kind']}-{stamp}.json"
    texts = {".json": json.dumps(report, indent=2, ensure_ascii=False).encode("utf-8", "replace") + b"\n"}
    if page is not None:
        texts[".html"] = page.encode("utf-8", "replace")
    try:
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        for ending, text in texts.items():
            for target in (path, directory / f"{report['kind']}-latest.json"):
                _replace(target.with_suffix(ending), text)
    except OSError as error:
        raise ReportError(
            f"{directory}: the report cannot be written ({error.strerror}); mend comfyui_report_dir"
        ) from None
    return path


def _replace(target: Path, text: bytes) -> None:
    temporary = target.with_name(f".{target.name}.{secrets.token_hex(8)}")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(text)
        os.replace(temporary, target)
    except BaseException:
        with suppress(OSError):
            os.unlink(temporary)
        raise
