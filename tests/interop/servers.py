"""Registries to speak to: ours, and Debian's, open or closed, over TLS or not.

`trusted` beside a server's key holds nothing but what clients are to trust: some take every file
of such a directory for a certificate of theirs.
"""

from __future__ import annotations

import datetime
import ipaddress
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import bcrypt
import pytest

from lamina.serve.server import TLS
from lamina.testing.registry import TestRegistry

USER, PASSWORD = "me", "pass word:1"


@dataclass(frozen=True)
class Server:
    """A registry that runs; `certificate` is the authority to trust, if it speaks TLS."""

    address: str
    login: str  # open, basic or token
    certificate: Path | None


def certified(place: Path) -> TLS:
    """A certificate for 127.0.0.1 that vouches for itself, and its key."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=2))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), True)
        .sign(key, hashes.SHA256())
    )
    place.mkdir(parents=True, exist_ok=True)
    (place / "trusted").mkdir()
    (place / "trusted/ca.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (place / "server.key").write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return TLS(place / "trusted/ca.crt", place / "server.key")


@contextmanager
def ours(place: Path, *, login: str, tls: bool) -> Iterator[Server]:
    """Our own registry; `login` is open, basic or token."""
    pair = certified(place / "certificates") if tls else None
    users = None if login == "open" else {USER: PASSWORD}
    with TestRegistry(place / "ours", users=users, tokens=login == "token", tls=pair) as registry:
        yield Server(registry.address, login, pair.certificate if pair else None)


@contextmanager
def debian(place: Path, *, login: str, tls: bool) -> Iterator[Server]:
    """Debian's docker-registry; `login` is open or basic."""
    program = shutil.which("docker-registry", path="/usr/bin:/usr/sbin")
    if program is None:
        pytest.skip("docker-registry is not installed")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    pair = certified(place / "certificates") if tls else None
    lines = [
        "version: 0.1",
        "log: {level: error, accesslog: {disabled: true}}",
        f"storage: {{filesystem: {{rootdirectory: {place}/debian}}, delete: {{enabled: true}}}}",
        "http:",
        f"  addr: 127.0.0.1:{port}",
    ]
    if pair is not None:
        lines.append(f"  tls: {{certificate: {pair.certificate}, key: {pair.key}}}")
    if login == "basic":
        hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
        (place / "htpasswd").write_text(f"{USER}:{hashed}\n")
        lines.append(f"auth: {{htpasswd: {{realm: here, path: {place}/htpasswd}}}}")
    (place / "registry.yml").write_text("\n".join(lines) + "\n")
    command = [program, "serve", str(place / "registry.yml")]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            deadline = time.monotonic() + 20
            while True:
                try:
                    socket.create_connection(("127.0.0.1", port)).close()
                    break
                except OSError:
                    if process.poll() is not None or time.monotonic() > deadline:
                        pytest.skip("docker-registry does not start here")
                    time.sleep(0.01)
            certificate = pair.certificate if pair else None
            yield Server(f"127.0.0.1:{port}", login, certificate)
        finally:
            process.terminate()
