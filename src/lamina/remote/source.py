"""What is sent to a registry: read once more where need be, and checked before its last byte."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lamina.errors import Corrupt, Invalid
from lamina.oci import media_type as types
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest

_PIECE = 1 << 18  # bytes sent at a time


def checked(raw: bytes, descriptor: Descriptor) -> bytes:
    digest = digest_of(raw, descriptor.media_type, descriptor.digest.algorithm)
    if len(raw) != descriptor.size or digest != descriptor.digest:
        raise Corrupt(
            f'"{descriptor.digest}" came as {len(raw)} bytes with the digest "{digest}"',
            hint="the registry, or somebody on the way to it, sends something else",
        )
    return raw


def digest_of(raw: bytes, media_type: str, algorithm: str) -> Digest:
    """The digest that registries call the document by: of a signed one, what was signed."""
    if media_type == types.SCHEMA1_SIGNED:
        from lamina.oci import schema1

        return schema1.digest(raw)
    return Digest.of(raw, algorithm)


def read_checked(stream: BinaryIO, descriptor: Descriptor, limit: int) -> bytes:
    """All that the stream has, checked; Invalid if it is to be more than `limit`."""
    if descriptor.size > limit:
        raise Invalid(
            f'"{descriptor.digest}" has {descriptor.size} bytes: expected at most {limit}'
        )
    data = bytearray()
    while len(data) <= descriptor.size and (piece := stream.read(_PIECE)):
        data += piece
    return checked(bytes(data), descriptor)


class StreamSource:
    """A stream as a source of an upload, its digest checked as it is read."""

    def __init__(self, stream: BinaryIO, descriptor: Descriptor) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self._start = stream.tell() if _seekable(stream) else None
        self._hash = descriptor.digest.hasher()
        self._at = 0

    def __call__(self, offset: int) -> Iterator[bytes]:
        if offset != self._at:
            self._go_back(offset)
        size = self._descriptor.size
        while self._at < size:
            piece = self._stream.read(min(_PIECE, size - self._at))
            if not piece:
                raise self._wrong(f"only {self._at} bytes")
            self._hash.update(piece)
            self._at += len(piece)
            if self._at == size:
                # The last bytes are held back until all are known to be right.
                self._check()
            yield piece

    def _check(self) -> None:
        if self._stream.read(1):
            raise self._wrong("more bytes")
        if Digest.done(self._hash) != self._descriptor.digest:
            raise self._wrong(f'the digest "{Digest.done(self._hash)}"')

    def _wrong(self, what: str) -> Corrupt:
        return Corrupt(f'"{self._descriptor.digest}" of {self._descriptor.size} bytes has {what}')

    def _go_back(self, offset: int) -> None:
        if self._start is None:
            raise Invalid(f'"{self._descriptor.digest}" cannot be read a second time')
        self._stream.seek(self._start)
        self._hash = self._descriptor.digest.hasher()
        left = offset
        while left:
            piece = self._stream.read(min(_PIECE, left))
            if not piece:
                raise self._wrong(f"only {offset - left} bytes")
            self._hash.update(piece)
            left -= len(piece)
        self._at = offset


def _seekable(stream: BinaryIO) -> bool:
    seekable = getattr(stream, "seekable", None)
    return bool(seekable and seekable())
