"""A place of content in memory: for tests, and for images that never need a disk."""

from __future__ import annotations

import io
import threading
from typing import BinaryIO

from lamina.errors import Corrupt, Invalid, NotFound
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store.names import NoImage


class Memory:
    """A Fetcher, Pusher, Resolver and Tagger of `oci.content`; safe for many threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._blobs: dict[Digest, bytes] = {}
        self._names: dict[str, Descriptor] = {}

    def has(self, digest: Digest) -> bool:
        return digest in self._blobs

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """The bytes as stored; NotFound if they are not here."""
        return io.BytesIO(self.read(descriptor.digest))

    def read(self, digest: Digest) -> bytes:
        try:
            return self._blobs[digest]
        except KeyError:
            raise NotFound(f'the blob "{digest}" is not in memory') from None

    def put(self, data: bytes) -> Digest:
        """Keep `data`; its digest."""
        digest = Digest.of(data)
        with self._lock:
            self._blobs[digest] = data
        return digest

    def push(self, descriptor: Descriptor, stream: BinaryIO) -> None:
        """Keep what `stream` yields; Corrupt unless it has the descriptor's digest and size."""
        digest = descriptor.digest
        data = bytearray()
        while chunk := stream.read(descriptor.size - len(data) + 1):
            data += chunk
            if len(data) > descriptor.size:
                raise Corrupt(f'"{digest}" has more than the {descriptor.size} bytes stated')
        if len(data) != descriptor.size:
            raise Corrupt(f'"{digest}" has {len(data)} bytes where {descriptor.size} are stated')
        found = Digest.of(data, digest.algorithm)
        if found != digest:
            raise Corrupt(f'the bytes of "{digest}" have the digest "{found}"')
        with self._lock:
            self._blobs[digest] = bytes(data)

    def resolve(self, name: str) -> Descriptor:
        """What `name` was last given to; NoImage if nothing."""
        try:
            return self._names[name]
        except KeyError:
            raise NoImage(f'no image "{name}" in memory') from None

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """Let `name` mean `descriptor`, whose blob is here."""
        if not name or any(character.isspace() for character in name):
            raise Invalid(f'"{name}" is not a name for an image')
        if not self.has(descriptor.digest):
            raise NotFound(f'"{descriptor.digest}" cannot be named: it is not in memory')
        with self._lock:
            self._names[name] = descriptor

    def names(self) -> list[str]:
        """Every name, sorted."""
        return sorted(self._names)
