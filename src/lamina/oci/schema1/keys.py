"""Keys of JSON signatures; the only module here that needs `cryptography`.

ES256, ES384 and ES512 go with the curves P-256, P-384 and P-521; RS256, RS384 and RS512 with RSA
(RFC 7518, section 3.1). A key's ID is the base32 of the first 30 bytes of the SHA-256 of its DER,
in twelve groups of four (libtrust, "Key IDs").
"""

from __future__ import annotations

import base64
import binascii
import hashlib

from lamina.errors import Invalid, Unsupported
from lamina.oci.document import Fields
from lamina.oci.schema1.signature import decode, encode

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    PublicKey = EllipticCurvePublicKey | RSAPublicKey

try:
    from cryptography import x509
    from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa, utils
except ImportError:
    raise Unsupported(
        'signatures of schema 1 manifests need the library "cryptography"',
        hint='install it with: pip install "lamina[serve]"',
    ) from None

_CURVES: dict[str, ec.EllipticCurve] = {
    "P-256": ec.SECP256R1(),
    "P-384": ec.SECP384R1(),
    "P-521": ec.SECP521R1(),
}
_EC = {"ES256": "secp256r1", "ES384": "secp384r1", "ES512": "secp521r1"}  # to OpenSSL's names
_HASHES: dict[str, hashes.HashAlgorithm] = {
    "256": hashes.SHA256(),
    "384": hashes.SHA384(),
    "512": hashes.SHA512(),
}
_RSA_BITS = range(1024, 16384 + 1)  # verifying with a larger one takes long
_NUMBER_LIMIT = 4096  # characters


def public_key(header: Fields) -> PublicKey:
    """The key beside a signature: of the first certificate of its chain, or its JWK.

    Messages continue "signature N of the manifest …". Who issued the chain is not asked.
    """
    chain = header.texts("x5c")
    if chain:
        first, *_ = [_certificate_key(text) for text in chain]
        return _accepted(first)
    jwk = header.inner("jwk")
    if jwk is None:
        raise Invalid("comes without its key")
    key = _accepted(_jwk_key(jwk))
    kid = jwk.optional_text("kid")
    if kid is not None and kid != key_id(key):
        raise Invalid(f'comes with a key called "{kid}", whose ID is "{key_id(key)}"')
    return key


def check(key: PublicKey, algorithm: str, data: bytes, signature: bytes) -> None:
    """Invalid unless `signature` is of `data` and by `key`."""
    hasher = _HASHES.get(algorithm[2:])
    try:
        if isinstance(key, ec.EllipticCurvePublicKey):
            if hasher is None or _EC.get(algorithm) != key.curve.name:
                raise Invalid(f'has algorithm "{algorithm}", which its key is not for')
            width = (key.curve.key_size + 7) // 8
            if len(signature) != 2 * width:
                raise Invalid(f"has {len(signature)} bytes: expected {2 * width}")
            r, s = (int.from_bytes(half) for half in (signature[:width], signature[width:]))
            key.verify(utils.encode_dss_signature(r, s), data, ec.ECDSA(hasher))
        else:
            if hasher is None or not algorithm.startswith("RS"):
                raise Invalid(f'has algorithm "{algorithm}", which its key is not for')
            key.verify(signature, data, padding.PKCS1v15(), hasher)
    except InvalidSignature:
        raise Invalid("is not of this manifest by this key: it was changed, or forged") from None


def key_type(key: PublicKey) -> str:
    """The type of a key, as JWK has it (RFC 7518, section 6.1)."""
    return "EC" if isinstance(key, ec.EllipticCurvePublicKey) else "RSA"


def key_id(key: PublicKey) -> str:
    """The ID of a key, as libtrust spells it."""
    der = key.public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    text = base64.b32encode(hashlib.sha256(der).digest()[:30]).decode()
    return ":".join(text[at : at + 4] for at in range(0, len(text), 4))


class SigningKey:
    """A private key on the curve P-256; a `Signer`."""

    algorithm = "ES256"

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key = key

    @classmethod
    def generate(cls) -> SigningKey:
        """A new key, which is kept nowhere."""
        return cls(ec.generate_private_key(ec.SECP256R1()))

    @classmethod
    def from_pem(cls, data: bytes) -> SigningKey:
        """The key that `to_pem` wrote; Invalid if it is none of this kind."""
        try:
            key = serialization.load_pem_private_key(data, None)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            key = None
        if not isinstance(key, ec.EllipticCurvePrivateKey) or key.curve.name != "secp256r1":
            raise Invalid("the key is not a private key on the curve P-256, in PEM")
        return cls(key)

    def to_pem(self) -> bytes:
        """The private key itself (RFC 5958), for a file that nobody else may read."""
        return self._key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )

    @property
    def id(self) -> str:
        return key_id(self._key.public_key())

    def jwk(self) -> dict[str, str]:
        """The public key (RFC 7517), with its ID."""
        numbers = self._key.public_key().public_numbers()
        return {
            "crv": "P-256",
            "kid": self.id,
            "kty": "EC",
            "x": encode(numbers.x.to_bytes(32)),
            "y": encode(numbers.y.to_bytes(32)),
        }

    def sign(self, data: bytes) -> bytes:
        """The two numbers of the signature beside one another (RFC 7518, section 3.4)."""
        r, s = utils.decode_dss_signature(self._key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(32) + s.to_bytes(32)


def _jwk_key(jwk: Fields) -> object:
    kind = jwk.need_text("kty")
    try:
        if kind == "EC":
            curve = _CURVES.get(jwk.need_text("crv"))
            if curve is None:
                raise Invalid(f'comes with a key on the curve "{jwk.text("crv")}"')
            return ec.EllipticCurvePublicNumbers(
                _number(jwk, "x"), _number(jwk, "y"), curve
            ).public_key()
        if kind == "RSA":
            return rsa.RSAPublicNumbers(_number(jwk, "e"), _number(jwk, "n")).public_key()
    except (ValueError, UnsupportedAlgorithm):
        raise Invalid("comes with a key that is none: its numbers do not fit") from None
    raise Invalid(f'comes with a key of type "{kind}": expected EC or RSA')


def _certificate_key(text: str) -> object:
    try:
        der = base64.b64decode(text, validate=True)
        return x509.load_der_x509_certificate(der).public_key()
    except (binascii.Error, ValueError, UnsupportedAlgorithm):
        raise Invalid("comes with a certificate that is damaged") from None


def _accepted(key: object) -> PublicKey:
    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _EC.values():
        return key
    if isinstance(key, rsa.RSAPublicKey):
        if key.key_size not in _RSA_BITS:
            raise Invalid(f"comes with an RSA key of {key.key_size} bits")
        return key
    raise Invalid("comes with a key that is neither of a known curve nor of RSA")


def _number(jwk: Fields, name: str) -> int:
    text = jwk.need_text(name)
    if len(text) > _NUMBER_LIMIT:
        raise Invalid("comes with a key that is too long")
    return int.from_bytes(decode(text))
