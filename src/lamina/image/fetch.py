"""Reading whole documents from a place of content, bounded and verified."""

from __future__ import annotations

from lamina.errors import Corrupt, Invalid
from lamina.oci.content import Fetcher
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import CONFIG_LIMIT, MANIFEST_LIMIT
from lamina.oci.manifest import Index, Manifest
from lamina.oci.manifest import parse as parse_manifest

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

CHUNK = 1 << 20  # bytes


class WrongSize(Corrupt):
    """Content is not as long as its descriptor says."""


class WrongDigest(Corrupt):
    """Content has another digest than its descriptor says."""


def document(fetcher: Fetcher, descriptor: Descriptor, *, limit: int = CONFIG_LIMIT) -> bytes:
    """The bytes that `descriptor` points at.

    Invalid if they would be more than `limit`, NotFound if they are not there, WrongSize or
    WrongDigest if they are not what was pointed at.
    """
    if descriptor.size > limit:
        raise Invalid(
            f'"{descriptor.digest}" would be {descriptor.size} bytes long: expected a document of'
            f" at most {limit}"
        )
    with fetcher.open(descriptor) as stream:
        raw = read_at_most(stream, descriptor.size + 1)
    if len(raw) != descriptor.size:
        more = "more than " if len(raw) > descriptor.size else ""
        raise WrongSize(
            f'"{descriptor.digest}" has {more}{min(len(raw), descriptor.size)} bytes:'
            f" expected {descriptor.size}"
        )
    found = Digest.of(raw, descriptor.digest.algorithm)
    if found != descriptor.digest:
        raise WrongDigest(f'"{descriptor.digest}" has the digest "{found}"')
    return raw


def manifest(fetcher: Fetcher, descriptor: Descriptor) -> Manifest | Index:
    """The manifest or index that `descriptor` points at."""
    raw = document(fetcher, descriptor, limit=MANIFEST_LIMIT)
    return parse_manifest(raw, descriptor.media_type)


def read_at_most(stream: BinaryIO, limit: int) -> bytes:
    """What `stream` still yields, up to `limit` bytes, however short its reads are."""
    parts: list[bytes] = []
    while limit > 0 and (part := stream.read(min(limit, CHUNK))):
        parts.append(part)
        limit -= len(part)
    return b"".join(parts)
