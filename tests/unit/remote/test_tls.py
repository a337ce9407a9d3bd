"""TLS: who is trusted, who proves itself, and what plain HTTP may not have."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from tests.registry import Registry, serving, status, times

from lamina.errors import Denied, Invalid
from lamina.remote.hosts import Endpoint, Tls
from lamina.remote.session import Session
from lamina.remote.transport import BadCertificate, Broken, Request, Transport

x509 = pytest.importorskip("cryptography.x509")


def certificate(directory: Path, name: str = "127.0.0.1") -> tuple[Path, Path]:
    """A certificate that signs itself, and its key."""
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address(name))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    pair = directory / f"{name}.crt", directory / f"{name}.key"
    pair[0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pair[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return pair


@pytest.fixture
def pair(tmp_path: Path) -> tuple[Path, Path]:
    return certificate(tmp_path)


@pytest.fixture
def secure(pair: tuple[Path, Path]) -> Iterator[Registry]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    with serving(tls=context) as registry:
        yield registry


def ask(transport: Transport, registry: Registry, tls: Tls) -> int:
    return transport.send(Request("GET", f"{registry.url}/v2/", tls=tls)).status


def test_a_stranger_is_not_trusted(secure: Registry, transport: Transport) -> None:
    with pytest.raises(BadCertificate, match="is not trusted") as caught:
        ask(transport, secure, Tls())
    assert "certs.d" in str(caught.value.hint)
    assert secure.seen == []


@pytest.mark.parametrize("how", ["ca", "bundle", "no look"])
def test_who_is_known_is_trusted(
    secure: Registry, transport: Transport, pair: tuple[Path, Path], how: str
) -> None:
    tls = {
        "ca": Tls(ca_files=(pair[0],)),
        "bundle": Tls(bundle=(pair[0],)),
        "no look": Tls(verify=False),
    }[how]
    assert ask(transport, secure, tls) == 200


def test_a_bundle_stands_for_the_machines_own(
    secure: Registry, transport: Transport, tmp_path: Path
) -> None:
    other = certificate(tmp_path, "127.0.0.2")
    with pytest.raises(BadCertificate):
        ask(transport, secure, Tls(bundle=(other[0],)))


def test_a_client_proves_itself(pair: tuple[Path, Path], transport: Transport) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*pair)
    context.load_verify_locations(pair[0])
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(tls=context) as registry:
        assert ask(transport, registry, Tls(ca_files=(pair[0],), pairs=(pair,))) == 200
        with pytest.raises(Broken):
            ask(transport, registry, Tls(ca_files=(pair[0],)))


def test_a_certificate_that_cannot_be_read_is_named(
    secure: Registry, transport: Transport, tmp_path: Path
) -> None:
    with pytest.raises(Invalid, match="cannot be read"):
        ask(transport, secure, Tls(ca_files=(tmp_path / "absent.crt",)))


def test_nothing_is_followed_from_tls_to_plain(
    secure: Registry, transport: Transport, registry: Registry
) -> None:
    secure.faults.append(times(1, "/v2/", "GET", status(307, Location=f"{registry.url}/v2/")))
    with pytest.raises(Denied, match="from https"):
        ask(transport, secure, Tls(verify=False))
    assert registry.seen == []


def endpoint(registry: Registry, *schemes: str, tls: Tls) -> Endpoint:
    return Endpoint(schemes, "127.0.0.1", registry.port, "x", registry.host, tls)


def test_where_plain_http_is_allowed_tls_is_tried_first(
    secure: Registry, registry: Registry, transport: Transport
) -> None:
    for there in (secure, registry):
        place = endpoint(there, "https", "http", tls=Tls(verify=False))
        Session(place, transport, lambda host, path: None).send("GET", "/v2/").close()
        assert there.seen


def test_where_it_is_not_allowed_it_is_not_tried(registry: Registry, transport: Transport) -> None:
    place = endpoint(registry, "https", tls=Tls())
    with pytest.raises(Broken):
        Session(place, transport, lambda host, path: None).send("GET", "/v2/")
    assert registry.seen == []
