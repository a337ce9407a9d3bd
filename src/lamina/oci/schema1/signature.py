"""JSON signatures of libtrust, as schema 1 manifests carry them ("Signed Manifests").

What was signed, the payload, is the document without its signatures, byte for byte. Each signature
says in its protected header how to get it back:

    formatLength    so many bytes of the document, up to what the signatures follow
    formatTail      and then these, in base64url

A signature is of `protected + "." + base64url(payload)` (RFC 7515, section 5.1), by the key that
stands beside it: that proves only that whoever holds the key signed these bytes. The digest of a
signed manifest is the digest of its payload.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Protocol

from lamina.errors import Corrupt, Invalid
from lamina.late import json
from lamina.oci import document
from lamina.oci.digest import Digest
from lamina.oci.document import BadDocument, Fields
from lamina.values import dataclass

_FIELD = "signatures"
_COUNT_LIMIT = 100  # signatures; each costs a verification


class BadSignature(Corrupt):
    """A signature is damaged, or is not of these bytes; `index` is which one, from 0."""

    def __init__(self, message: str, index: int | None = None) -> None:
        super().__init__(message)
        self.index = index


@dataclass(frozen=True, slots=True)
class Key:
    """Who signed: nothing is known of a key but itself."""

    id: str  # twelve groups of four characters
    type: str  # "EC" or "RSA"


@dataclass(frozen=True, slots=True)
class _Signature:
    header: Fields
    signature: str
    protected: str
    length: int
    tail: bytes


class Signer(Protocol):
    """A private key."""

    algorithm: str  # as in JWS: "ES256"

    def jwk(self) -> dict[str, str]:
        """The public key (RFC 7517), with its ID."""
        ...

    def sign(self, data: bytes) -> bytes: ...


def payload(raw: bytes) -> bytes:
    """The bytes that were signed; nothing is verified. BadSignature if that cannot be told."""
    return _payload(raw, _signatures(raw))


def digest(raw: bytes) -> Digest:
    """The digest by which a schema 1 manifest goes: of its payload where it is signed."""
    if _FIELD not in document.load(raw, "manifest"):
        return Digest.of(raw)
    return Digest.of(payload(raw))


def verify(raw: bytes) -> tuple[Key, ...]:
    """The keys that signed, in the order of their signatures.

    BadSignature at the first that is damaged or forged, also where there is none at all.
    Unsupported where the library for it is not installed.
    """
    from lamina.oci.schema1 import keys

    signatures = _signatures(raw)
    encoded = encode(_payload(raw, signatures))
    found: list[Key] = []
    for index, one in enumerate(signatures):
        with _naming(index):
            key = keys.public_key(one.header)
            signed = f"{one.protected}.{encoded}".encode()
            keys.check(key, one.header.text("alg"), signed, decode(one.signature))
        found.append(Key(keys.key_id(key), keys.key_type(key)))
    return tuple(found)


def sign(body: bytes, key: Signer, *, time: str) -> bytes:
    """The JSON object `body` with one signature by `key`, laid out as libtrust does.

    `body` is indented by three blanks; `time` is RFC 3339.
    """
    tail = b"\n}"
    if not body.endswith(tail) or len(body) < 4:
        raise ValueError("the document is not an indented object")
    length = len(body) - len(tail)
    protected = encode(
        json.dumps(
            {"formatLength": length, "formatTail": encode(tail), "time": time},
            separators=(",", ":"),
        ).encode()
    )
    block = {
        "header": {"jwk": key.jwk(), "alg": key.algorithm},
        "signature": encode(key.sign(f"{protected}.{encode(body)}".encode())),
        "protected": protected,
    }
    text = json.dumps([block], indent=3).replace("\n", "\n   ")
    return body[:length] + f',\n   "{_FIELD}": {text}\n}}'.encode()


def encode(data: bytes) -> str:
    """Base64url without padding, as JWS has it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def decode(text: str) -> bytes:
    """The inverse of `encode`; Invalid if `text` is not base64url."""
    try:
        # libtrust lets blanks and line ends pass.
        plain = text.replace("\n", "").replace(" ", "").rstrip("=")
        if "+" in plain or "/" in plain:
            raise ValueError("base64, but not base64url")
        return base64.b64decode(plain + "=" * (-len(plain) % 4), altchars="-_", validate=True)
    except (binascii.Error, ValueError):
        raise Invalid("is not base64url") from None


def _signatures(raw: bytes) -> list[_Signature]:
    found = document.load(raw, "manifest")
    if _FIELD not in found:
        raise BadSignature("the manifest is not signed")
    blocks = found[_FIELD]
    if not isinstance(blocks, list) or not blocks:
        raise BadSignature(f'"{_FIELD}" of the manifest is not a list of signatures')
    if len(blocks) > _COUNT_LIMIT:
        raise BadSignature(f"the manifest has {len(blocks)} signatures: at most {_COUNT_LIMIT}")
    signatures: list[_Signature] = []
    for index, block in enumerate(blocks):
        with _naming(index):
            signatures.append(_read(block))
    return signatures


@contextmanager
def _naming(index: int) -> Iterator[None]:
    """Say of what goes wrong within which signature it is of."""
    try:
        yield
    except BadDocument as error:
        reason = f"is damaged: {error.message}"
    except Invalid as error:
        reason = error.message
    else:
        return
    raise BadSignature(f"signature {index} of the manifest {reason}", index)


def _read(block: object) -> _Signature:
    fields = Fields(block, "")
    protected = fields.need_text("protected")
    inside = Fields(document.load(decode(protected), "its protected header"), "protected")
    length = inside.need_integer("formatLength")
    if length < 0:
        raise inside.refuse("formatLength", length, "a length")
    header = fields.inner("header")
    if header is None:
        raise fields.missing("header", "an object")
    return _Signature(
        header,
        fields.need_text("signature"),
        protected,
        length,
        decode(inside.need_text("formatTail")),
    )


def _payload(raw: bytes, signatures: list[_Signature]) -> bytes:
    first = signatures[0]
    for index, one in enumerate(signatures):
        if (one.length, one.tail) != (first.length, first.tail):
            raise BadSignature(f"signature {index} of the manifest is of another payload", index)
        if one.length > len(raw):
            raise BadSignature(f"signature {index} of the manifest is of a longer payload", index)
    return raw[: first.length] + first.tail
