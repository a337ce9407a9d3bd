"""Digests: names of bytes (image-spec, descriptor.md, "Digests").

digest     names bytes as stored, perhaps compressed
diff ID    names a layer's uncompressed tar (config.md, "Layer DiffID")
chain ID   names the tree that a stack of layers makes (config.md, "Layer ChainID")
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache

from lamina.errors import Invalid, Unsupported
from lamina.late import re

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import hashlib
    from typing import NewType

_GRAMMAR = r"[a-z0-9]+(?:[+._-][a-z0-9]+)*:[a-zA-Z0-9=_-]+"
_SMALL = 1 << 16  # bytes; beyond that OpenSSL wins
_HEX = frozenset("0123456789abcdef")
_HEX_LENGTHS = {"sha256": 64, "sha384": 96, "sha512": 128}


class Digest(str):
    """`algorithm:encoded`, checked when parsed; equal to the string that it prints as."""

    __slots__ = ()

    @classmethod
    def parse(cls, text: str) -> Digest:
        """The digest that `text` spells; Invalid if malformed or of an algorithm not known here."""
        if isinstance(text, str) and text[:7] == "sha256:" and len(text) == 71:  # noqa: SIM102
            if _HEX.issuperset(text[7:]):
                return cls(text)  # nearly all of them are so, and need no regular expression
        if not isinstance(text, str) or not re.fullmatch(_GRAMMAR, text):
            raise Invalid(
                f'"{text}" is not a digest', hint='expected "sha256:" and 64 hexadecimal digits'
            )
        algorithm, _, encoded = text.partition(":")
        length = _HEX_LENGTHS.get(algorithm)
        if length is None:
            raise Invalid(
                f'digest algorithm "{algorithm}" is not supported',
                hint="use sha256, sha384 or sha512",
            )
        if len(encoded) != length or not re.fullmatch("[a-f0-9]+", encoded):
            raise Invalid(f'"{text}" is not a digest: expected {length} lower-case hex digits')
        return cls(text)

    @classmethod
    def opaque(cls, text: str) -> Digest:
        """Like `parse`, but an algorithm not known here is kept (descriptor.md, "Digests").

        Such a digest can be passed on, but nothing can be verified by it.
        """
        is_known = str(text).partition(":")[0] in _HEX_LENGTHS
        if isinstance(text, str) and not is_known and re.fullmatch(_GRAMMAR, text):
            return cls(text)
        return cls.parse(text)

    @classmethod
    def of(cls, data: bytes | bytearray | memoryview, algorithm: str = "sha256") -> Digest:
        """The digest of `data`; Unsupported if the algorithm is not known here."""
        if algorithm == "sha256" and len(data) <= _SMALL:
            return cls(f"sha256:{light_sha256()(data).hexdigest()}")
        hasher = _hasher(algorithm)
        hasher.update(data)
        return cls.done(hasher)

    @classmethod
    def done(cls, hasher: hashlib._Hash) -> Digest:
        """The digest that `hasher` has come to."""
        return cls(f"{hasher.name}:{hasher.hexdigest()}")

    def hasher(self) -> hashlib._Hash:
        """A fresh hash object of this algorithm; Unsupported if it is not known here."""
        return _hasher(self.algorithm)

    @property
    def algorithm(self) -> str:
        return self.partition(":")[0]

    @property
    def encoded(self) -> str:
        return self.partition(":")[2]

    @property
    def short(self) -> str:
        """The first twelve digits, as Docker prints an ID."""
        return self.encoded[:12]


if TYPE_CHECKING:
    DiffID = NewType("DiffID", Digest)
    ChainID = NewType("ChainID", Digest)
else:
    DiffID = ChainID = Digest


def _hasher(algorithm: str) -> hashlib._Hash:
    if algorithm not in _HEX_LENGTHS:
        raise Unsupported(
            f'digest algorithm "{algorithm}" is not supported',
            hint="use sha256, sha384 or sha512",
        )
    import hashlib

    return hashlib.new(algorithm)


@cache
def light_sha256() -> Callable[..., hashlib._Hash]:
    """SHA-256 for small data, without OpenSSL: to load that takes as long as a hundred digests.

    The standard library's `random` does the same.
    """
    for name in ("_sha2", "_sha256"):  # from Python 3.12 on, and before
        try:
            found: Callable[..., hashlib._Hash] = __import__(name).sha256
            return found
        except ImportError:
            continue
    import hashlib

    return hashlib.sha256


class Sha256:
    """SHA-256 of bytes that come in pieces: light for few, OpenSSL's for many."""

    name = "sha256"

    def __init__(self) -> None:
        self._few: list[bytes] = []
        self._size = 0
        self._many: hashlib._Hash | None = None

    def update(self, data: bytes | bytearray | memoryview) -> None:
        if self._many is None:
            self._size += len(data) if not isinstance(data, memoryview) else data.nbytes
            if self._size <= _SMALL:
                self._few.append(bytes(data))
                return
            import hashlib

            self._many = hashlib.sha256(b"".join(self._few))
            self._few.clear()
        self._many.update(data)

    def digest(self) -> bytes:
        return self._hash().digest()

    def hexdigest(self) -> str:
        return self._hash().hexdigest()

    def _hash(self) -> hashlib._Hash:
        return self._many or light_sha256()(b"".join(self._few))


def chain_ids(diff_ids: Iterable[DiffID]) -> list[ChainID]:
    """The chain ID of each layer, bottom first (config.md, "Layer ChainID")."""
    chain: list[ChainID] = []
    for diff_id in diff_ids:
        if chain:
            chain.append(ChainID(Digest.of(f"{chain[-1]} {diff_id}".encode())))
        else:
            chain.append(ChainID(diff_id))
    return chain
