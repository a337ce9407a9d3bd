"""JSON signatures: what was signed, by whom, and what is forged."""

from __future__ import annotations

import base64
import datetime
import json
import subprocess
import sys
from collections.abc import Callable

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils

from lamina.errors import Invalid
from lamina.oci.digest import Digest
from lamina.oci.schema1 import BadSignature, digest, payload, signature, verify
from lamina.oci.schema1.keys import SigningKey
from lamina.oci.schema1.signature import decode, encode

BODY = b'{\n   "schemaVersion": 1,\n   "name": "a",\n   "fsLayers": []\n}'
TIME = "2020-01-01T00:00:00Z"
KEY = SigningKey.generate()
RSA = rsa.generate_private_key(65537, 2048)


def signed(change: Callable[[dict], object] | None = None, *, copies: int = 1) -> bytes:
    """BODY signed by KEY, its first signature changed afterwards."""
    document = json.loads(signature.sign(BODY, KEY, time=TIME))
    blocks = document["signatures"] * copies
    if change is not None:
        blocks = json.loads(json.dumps(blocks))
        change(blocks[0])
    return BODY[:-2] + b',\n   "signatures": ' + json.dumps(blocks).encode() + b"\n}"


def block(header: dict, sign: Callable[[bytes], bytes]) -> dict:
    protected = encode(json.dumps({"formatLength": len(BODY) - 2, "formatTail": "Cn0"}).encode())
    data = f"{protected}.{encode(BODY)}".encode()
    return {"header": header, "signature": encode(sign(data)), "protected": protected}


def test_what_was_signed_comes_back_byte_for_byte() -> None:
    raw = signature.sign(BODY, KEY, time=TIME)
    assert payload(raw) == BODY
    assert digest(raw) == Digest.of(BODY)
    assert json.loads(raw)["name"] == "a"
    (key,) = verify(raw)
    assert (key.id, key.type) == (KEY.id, "EC")


def test_a_document_without_signatures_goes_by_its_own_digest() -> None:
    assert digest(BODY) == Digest.of(BODY)
    with pytest.raises(BadSignature, match="is not signed"):
        verify(BODY)


@pytest.mark.parametrize(
    ("curve", "algorithm", "name"),
    [
        (ec.SECP256R1(), "ES256", "P-256"),
        (ec.SECP384R1(), "ES384", "P-384"),
        (ec.SECP521R1(), "ES512", "P-521"),
    ],
    ids=["ES256", "ES384", "ES512"],
)
def test_every_curve_verifies(curve: ec.EllipticCurve, algorithm: str, name: str) -> None:
    private = ec.generate_private_key(curve)
    width = (curve.key_size + 7) // 8
    hasher = {"ES256": hashes.SHA256, "ES384": hashes.SHA384, "ES512": hashes.SHA512}[algorithm]()

    def sign(data: bytes) -> bytes:
        r, s = utils.decode_dss_signature(private.sign(data, ec.ECDSA(hasher)))
        return r.to_bytes(width) + s.to_bytes(width)

    numbers = private.public_key().public_numbers()
    point = {"x": encode(numbers.x.to_bytes(width)), "y": encode(numbers.y.to_bytes(width))}
    header = {"alg": algorithm, "jwk": {"kty": "EC", "crv": name, **point}}
    assert verify(document(block(header, sign)))[0].type == "EC"


def document(*blocks: dict) -> bytes:
    return BODY[:-2] + b',\n   "signatures": ' + json.dumps(list(blocks)).encode() + b"\n}"


@pytest.mark.parametrize("bits", ["256", "384", "512"])
def test_rsa_verifies_with_every_hash(bits: str) -> None:
    hasher = {"256": hashes.SHA256, "384": hashes.SHA384, "512": hashes.SHA512}[bits]()
    numbers = RSA.public_key().public_numbers()
    jwk = {"kty": "RSA", "e": "AQAB", "n": encode(numbers.n.to_bytes(256))}
    one = block(
        {"alg": f"RS{bits}", "jwk": jwk}, lambda data: RSA.sign(data, padding.PKCS1v15(), hasher)
    )
    assert verify(document(one))[0].type == "RSA"


def test_a_chain_of_certificates_gives_the_key() -> None:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "signer")])
    start = datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(RSA.public_key())
        .serial_number(1)
        .not_valid_before(start)
        .not_valid_after(start + datetime.timedelta(days=1))
        .sign(RSA, hashes.SHA256())
    )
    der = base64.b64encode(certificate.public_bytes(serialization.Encoding.DER)).decode()

    def sign(data: bytes) -> bytes:
        return RSA.sign(data, padding.PKCS1v15(), hashes.SHA256())

    assert verify(document(block({"alg": "RS256", "x5c": [der]}, sign)))[0].type == "RSA"
    with pytest.raises(BadSignature, match=r"signature 0 .* a certificate that is damaged"):
        verify(document(block({"alg": "RS256", "x5c": [der, "AAAA"]}, sign)))


def test_one_changed_byte_is_told_with_its_signature() -> None:
    good = signature.sign(BODY, KEY, time=TIME)
    with pytest.raises(BadSignature, match=r"signature 0 .* changed, or forged"):
        verify(good.replace(b'"name": "a"', b'"name": "b"'))


def test_the_second_of_two_is_named() -> None:
    blocks = json.loads(signed(copies=2))["signatures"]
    blocks[1]["signature"] = encode(bytes(64))
    with pytest.raises(BadSignature, match="signature 1") as caught:
        verify(document(*blocks))
    assert caught.value.index == 1


def put(*path: str, value: object) -> Callable[[dict], object]:
    def change(one: dict) -> None:
        for key in path[:-1]:
            one = one[key]
        if value is None:
            del one[path[-1]]
        else:
            one[path[-1]] = value

    return change


def protected(**changes: object) -> str:
    found = {"formatLength": len(BODY) - 2, "formatTail": "Cn0"} | changes
    return encode(json.dumps(found).encode())


@pytest.mark.parametrize(
    "change",
    [
        put("header", "jwk", "kid", value="AAAA:BBBB"),
        put("header", "jwk", "kty", value="oct"),
        put("header", "jwk", "kty", value=None),
        put("header", "jwk", "crv", value="P-384"),
        put("header", "jwk", "crv", value="secp256k1"),
        put("header", "jwk", "x", value="AAAA"),
        put("header", "jwk", "x", value="A" * 10_000),
        put("header", "jwk", value=None),
        put("header", "alg", value="ES384"),
        put("header", "alg", value="RS256"),
        put("header", "alg", value="none"),
        put("header", "alg", value=None),
        put("header", value=None),
        put("signature", value="AAAA"),
        put("signature", value="!"),
        put("signature", value=None),
        put("protected", value="!"),
        put("protected", value=encode(b"[]")),
        put("protected", value=protected(formatLength=-1)),
        put("protected", value=protected(formatLength=10**9)),
        put("protected", value=protected(formatLength="1")),
        put("protected", value=protected(formatTail=1)),
        put("protected", value=protected(formatTail="e30")),
    ],
)
def test_damage_is_told_with_its_signature(change: Callable[[dict], object]) -> None:
    with pytest.raises(BadSignature, match="signature 0"):
        verify(signed(change))


def test_signatures_of_two_payloads_are_refused() -> None:
    blocks = json.loads(signed(copies=2))["signatures"]
    blocks[1]["protected"] = protected(formatLength=3)
    with pytest.raises(BadSignature, match=r"signature 1 .* another payload"):
        payload(document(*blocks))


@pytest.mark.parametrize("value", ["[]", "1", '{"0": 1}', "null", "[1]"])
def test_signatures_that_are_none_are_refused(value: str) -> None:
    with pytest.raises(BadSignature):
        payload(BODY[:-2] + b',\n"signatures": ' + value.encode() + b"\n}")


def test_a_flood_of_signatures_is_refused() -> None:
    with pytest.raises(BadSignature, match="101 signatures"):
        verify(signed(copies=101))


def test_base64url_is_read_as_libtrust_reads_it() -> None:
    assert decode("Cn0") == decode("Cn0=") == decode("C\nn0") == b"\n}"
    for bad in ("C+0", "C", "Ü"):
        with pytest.raises(Invalid):
            decode(bad)


def test_without_the_library_it_is_refused_by_name() -> None:
    script = (
        "import sys; sys.modules['cryptography'] = None\n"
        "from lamina.errors import Unsupported\n"
        "from lamina.oci import schema1\n"
        f"raw = {signed()!r}\n"
        "assert schema1.digest(raw)\n"
        "try: schema1.verify(raw)\n"
        "except Unsupported as error: print(error, error.hint)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert '"cryptography"' in done.stdout
    assert "lamina[serve]" in done.stdout
