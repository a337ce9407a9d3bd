from __future__ import annotations

import socket
import ssl
import time
from pathlib import Path
from typing import Any

import pytest
import urllib3

from lamina.errors import Invalid, Unavailable
from lamina.serve.server import TLS, Address, Running, listen


async def hello(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": scope["scheme"].encode()})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:5000", Address("127.0.0.1", 5000)),
        ("[::1]:0", Address("::1", 0)),
        (":80", Address("0.0.0.0", 80)),
        ("registry.test:443", Address("registry.test", 443)),
    ],
)
def test_an_address_is_host_and_port(text: str, expected: Address) -> None:
    assert Address.parse(text) == expected


@pytest.mark.parametrize("text", ["", "x", "x:", "x:y", "x:70000", "x:-1", "x:٣"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(Invalid):
        Address.parse(text)


def test_an_address_that_is_taken_is_said() -> None:
    with listen(Address("127.0.0.1", 0)) as first:
        with pytest.raises(Unavailable, match="in use"):
            listen(Address("127.0.0.1", first.getsockname()[1]))
    with pytest.raises(Invalid):
        listen(Address("no such host.", 1))


def test_a_server_is_up_at_once_and_gone_after_its_block() -> None:
    began = time.process_time()
    with Running(hello) as server:
        assert urllib3.request("GET", server.url).data == b"http"
        with Running(hello) as other:
            assert other.port != server.port
            assert urllib3.request("GET", other.url).status == 200
    assert time.process_time() - began < 1
    with pytest.raises(OSError):
        socket.create_connection(("127.0.0.1", server.port), timeout=1)


def certificate(directory: Path) -> TLS:
    """A certificate for 127.0.0.1, signed by itself."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(key, hashes.SHA256())
    )
    found = TLS(directory / "cert.pem", directory / "key.pem")
    found.certificate.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    found.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return found


def test_tls_is_spoken_with_the_given_certificate(tmp_path: Path) -> None:
    tls = certificate(tmp_path)
    with Running(hello, tls=tls) as server:
        assert server.url.startswith("https://")
        with urllib3.PoolManager(ca_certs=str(tls.certificate)) as pool:
            assert pool.request("GET", server.url).data == b"https"
        context = ssl.create_default_context()
        with pytest.raises(urllib3.exceptions.MaxRetryError):
            urllib3.PoolManager(ssl_context=context).request("GET", server.url, retries=0)


def test_a_certificate_that_is_none_is_said_at_the_start(tmp_path: Path) -> None:
    bad = TLS(tmp_path / "cert.pem", tmp_path / "key.pem")
    with pytest.raises(Invalid, match="certificate"):
        Running(hello, tls=bad).__enter__()
    for path in (bad.certificate, bad.key):
        path.write_text("x")
    with pytest.raises(Invalid, match="certificate"):
        Running(hello, tls=bad).__enter__()
