# Copyright (c) 2026 genai.comfyui contributors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A certificate authority of one's own, and a certificate for both addresses of the local hub."""

from __future__ import annotations

import datetime
import ipaddress
import ssl
import subprocess
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, text)])


def _signed(
    subject: str,
    issuer: str,
    key: ec.EllipticCurvePrivateKey,
    by: ec.EllipticCurvePrivateKey,
    *more: x509.ExtensionType,
) -> x509.Certificate:
    now = datetime.datetime.now(datetime.timezone.utc)
    built = x509.CertificateBuilder(_name(issuer), _name(subject), key.public_key(), x509.random_serial_number())
    built = built.not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=1))
    identity = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key())
    for one in (identity, signer, *more):
        built = built.add_extension(one, isinstance(one, (x509.BasicConstraints, x509.KeyUsage)))
    return built.sign(by, hashes.SHA256())


def make(folder: Path, name: str = "authority") -> tuple[Path, ssl.SSLContext]:
    """Return an authority's certificate as PEM, and the context of a server that has one of it."""
    root, leaf = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    may = dict.fromkeys(("content_commitment", "key_encipherment", "data_encipherment", "key_agreement"), False)
    may.update({"encipher_only": False, "decipher_only": False, "digital_signature": True})
    signs = x509.KeyUsage(key_cert_sign=True, crl_sign=True, **may)
    authority = _signed(name, name, root, root, x509.BasicConstraints(ca=True, path_length=None), signs)
    places = [x509.IPAddress(ipaddress.ip_address(one)) for one in ("127.0.0.1", "127.0.0.2")]
    limits = x509.BasicConstraints(ca=False, path_length=None)
    served = _signed("hub", name, leaf, root, limits, x509.SubjectAlternativeName(places))
    public, private = folder / f"{name}.pem", folder / f"{name}-server.pem"
    public.write_bytes(authority.public_bytes(serialization.Encoding.PEM))
    kind, locked = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    key = leaf.private_bytes(serialization.Encoding.PEM, kind, locked)
    private.write_bytes(served.public_bytes(serialization.Encoding.PEM) + key)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(private)
    return public, context


def directory(authority: Path, folder: Path) -> Path:
    """Return a directory with the authority under the name by which OpenSSL looks for it."""
    folder.mkdir()
    command = ["openssl", "x509", "-noout", "-subject_hash", "-in", str(authority)]
    found = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    (folder / f"{found}.0").write_bytes(authority.read_bytes())
    return folder
