# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Make and verify bcrypt hashes on the controller: the hash is the API token, so it is made once and stored for ever.

Never Ansible's ``password_hash`` or passlib: the same input gives another hash after an upgrade of ansible-core, and
passlib 1.7 fails with bcrypt 5. Both providers here get a complete salt string that we built, so they agree byte for
byte.
"""

from __future__ import annotations

import ctypes
import ctypes.util
import functools
import hmac
import math
import secrets
import string
from collections.abc import Callable

from ansible_collections.genai.comfyui.plugins.module_utils._bcrypt import is_token

# (password, salt or hash) -> 60 characters; both sides are bytes.
Provider = Callable[[bytes, bytes], bytes]

DEFAULT_COST = 12
MIN_COST = 4
MAX_COST = 31
MAX_PASSWORD_BYTES = 72
IDENTS = ("2a", "2b", "2y")

_BCRYPT64 = "./" + string.ascii_uppercase + string.ascii_lowercase + string.digits

# People read the password and type it into a web form, so the look-alikes 0 O 1 l I are left out. The rest needs no
# quoting in a URL, a shell or YAML, and a letter in front keeps it from looking like a number or an option.
_LETTERS = "".join(c for c in string.ascii_letters if c not in "OlI")
_ALPHABET = _LETTERS + "23456789"
PASSWORD_LENGTH = 32
PASSWORD_ENTROPY_BITS = math.log2(len(_LETTERS)) + (PASSWORD_LENGTH - 1) * math.log2(len(_ALPHABET))

# The second vector holds bytes above 0x7f: old implementations got exactly these wrong (sign extension).
_KNOWN_ANSWERS = (
    ("Correct-Horse-1", "$2b$04$.l67gbXnpq3SCr40InCJAuLvab/U6qEItVCjTuD27BclzAYPjDDXe"),
    ("Pässwörd-ÿ£", "$2b$04$abcdefghijklmnopqrstuuWCbhGnJoxXrFQPmrKumC6g4.mxm3PWG"),
)


class HashingError(Exception):
    """A password that cannot be used, or no working bcrypt on the controller. The message never holds a value."""


def check_password(password: str) -> bytes:
    """Return the password's bytes (UTF-8).

    :raises HashingError: empty, longer than 72 bytes, with NUL or other control characters, or not valid Unicode.
    """
    if not isinstance(password, str):
        raise HashingError(f"the password must be text, not {type(password).__name__}")
    if not password:
        raise HashingError("the password is empty")
    try:
        encoded = str.encode(password, "utf-8")
    except UnicodeEncodeError:
        raise HashingError("the password is not valid Unicode text") from None
    if len(encoded) > MAX_PASSWORD_BYTES:
        raise HashingError(
            f"the password has {len(encoded)} bytes in UTF-8; bcrypt uses only the first {MAX_PASSWORD_BYTES}, "
            "so a longer one is refused"
        )
    if "\0" in password:
        raise HashingError("the password holds a NUL character; some bcrypt implementations stop there")
    if any(ord(c) < 32 or ord(c) == 127 for c in password):
        raise HashingError("the password holds a line break or control character; a web form cannot send it")
    return encoded


def make_token(password: str, cost: int = DEFAULT_COST, ident: str = "2b") -> str:
    """Return a new bcrypt hash of the password: 60 characters, another one at each call.

    :param cost: 4 to 31; each step doubles the time (12 takes about a quarter of a second).
    :param ident: ``2b``, or ``2a`` / ``2y`` for software that knows only these.
    :raises HashingError: an unusable password, cost or ident, or no working bcrypt.
    """
    encoded = check_password(password)
    if isinstance(cost, bool) or not isinstance(cost, int) or not MIN_COST <= cost <= MAX_COST:
        raise HashingError(f"the bcrypt cost must be a number from {MIN_COST} to {MAX_COST}")
    if ident not in IDENTS:
        raise HashingError(f"the bcrypt ident must be one of {', '.join(IDENTS)}")
    salt = f"${ident}${cost:02d}${_salt64(secrets.token_bytes(16))}"
    token = provider()[1](encoded, salt.encode("ascii")).decode("ascii", "replace")
    if not is_token(token) or not token.startswith(salt):
        raise HashingError("the bcrypt library gave something that is not a bcrypt hash; nothing was stored")
    return token


def verify(password: str, token: str) -> bool:
    """Say whether the password belongs to the token.

    :raises HashingError: an unusable password, a token that is not strictly a bcrypt hash, or no working bcrypt.
    """
    encoded = check_password(password)
    if not is_token(token):
        raise HashingError("the token is not a bcrypt hash of exactly 60 characters")
    expected = str.encode(token, "ascii")
    return hmac.compare_digest(provider()[1](encoded, expected), expected)


def random_password() -> str:
    """Return 32 letters and digits, a letter first: 186 bits of entropy, safe in URLs, shells and YAML."""
    return secrets.choice(_LETTERS) + "".join(secrets.choice(_ALPHABET) for _index in range(PASSWORD_LENGTH - 1))


@functools.lru_cache(maxsize=1)
def provider() -> tuple[str, Provider]:
    """Return (name, function) of the first provider that gives the known answers; looked for once a process.

    :raises HashingError: none works; the message says why each was not used and what to install.
    """
    reasons = []
    for name, load in (("the Python package bcrypt", _load_bcrypt), ("libxcrypt", _load_libxcrypt)):
        try:
            function = load()
            for password, token in _KNOWN_ANSWERS:
                if function(password.encode("utf-8"), token[:29].encode("ascii")) != token.encode("ascii"):
                    raise HashingError("it fails the known-answer test")
        except Exception as error:  # a broken native library may raise anything
            reasons.append(f"{name}: {error or type(error).__name__}")
        else:
            return name, function
    raise HashingError(
        "no working bcrypt on the controller. Install the Python package 'bcrypt' (3.2 or newer) for the interpreter "
        f"that runs ansible. Tried {'; '.join(reasons)}"
    )


def _salt64(raw: bytes) -> str:
    """Return bcrypt's own base64 of 16 bytes: 22 characters, the last padded with zero bits."""
    bits = int.from_bytes(raw, "big") << 4
    return "".join(_BCRYPT64[(bits >> shift) & 63] for shift in range(126, -1, -6))


def _load_bcrypt() -> Provider:
    import bcrypt

    hashpw: Provider = bcrypt.hashpw
    return hashpw


class _CryptData(ctypes.Structure):
    # glibc's struct was 131,232 bytes, libxcrypt's is 32,768; the larger one serves both.
    _fields_ = [("opaque", ctypes.c_char * 131232)]


def _load_libxcrypt() -> Provider:
    # find_library needs ldconfig or a compiler, which minimal images lack. None: musl has crypt in its libc.
    names = [ctypes.util.find_library("crypt"), "libcrypt.so.2", "libcrypt.so.1", None]
    for name in dict.fromkeys(names):
        try:
            function = ctypes.CDLL(name).crypt_r
        except (OSError, AttributeError):
            continue
        function.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.POINTER(_CryptData)]
        function.restype = ctypes.c_char_p

        def crypt(password: bytes, salt: bytes, crypt_r: Callable[..., bytes | None] = function) -> bytes:
            data = _CryptData()
            try:
                # A copy is made before the buffer is wiped: ctypes converts c_char_p to bytes at the call.
                return crypt_r(password, salt, ctypes.byref(data)) or b""
            finally:
                ctypes.memset(ctypes.byref(data), 0, ctypes.sizeof(data))

        return crypt
    raise HashingError("not found")
