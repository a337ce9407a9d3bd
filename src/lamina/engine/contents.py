"""The entries of layers for somebody who waits for a page: as they are read.

Who takes them says when it is enough.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from lamina.errors import Corrupt
from lamina.layer.compress import decompressed, zstd_module
from lamina.layer.index import Index, decode
from lamina.layer.limits import TooMuch
from lamina.layer.reader import Reader
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.image.view import Layer
    from lamina.layer.entry import Entry
    from lamina.layer.limits import Limits
    from lamina.oci.content import Fetcher
    from lamina.registry.indexes import Indexes
    from lamina.store import Store

_CHUNK = 1 << 20  # bytes


def kept(store: Store, layer: Layer, limits: Limits) -> Iterable[Entry]:
    """The entries of a layer of the store: from its index, or from the layer if there is none."""
    known = store.indexes.get(layer.diff_id)
    if known is not None:
        try:
            return _whole(Index.from_bytes(known))
        except Corrupt:
            pass  # of an older form: the layer itself has the truth
    return read(store.blobs, layer, limits)


def _whole(entries: Iterable[Entry]) -> Iterator[Entry]:
    """The entries; Corrupt where the index that they come from is damaged."""
    try:
        yield from entries
    except (zstd_module().ZstdError, ValueError, KeyError, TypeError) as error:
        raise Corrupt("a layer's index is damaged", hint="pull or build the image again") from error


def remembered(
    indexes: Indexes | None, place: Fetcher, layer: Layer, limits: Limits
) -> Iterator[Entry]:
    """As `read`, and the next time without reading."""
    digest = layer.descriptor.digest
    known = indexes.get(digest) if indexes is not None else None
    if known is not None:
        place.open(layer.descriptor).close()  # an index is no layer: its files are to be read, too
        try:
            yield from decode(known)
            return
        except Corrupt:
            pass  # of an older form, or damaged
    found = Index()
    for entry in read(place, layer, limits):
        found.append(entry)
        yield entry
    if indexes is not None:
        indexes.put(digest, found.to_bytes())


def read(place: Fetcher, layer: Layer, limits: Limits) -> Iterator[Entry]:
    """The entries of a layer as they are read; Corrupt at the end if its bytes have changed.

    Whether the plain tar is what the config names is left to whoever unpacks it: to hash that too
    takes a third longer.
    """
    digest = layer.descriptor.digest
    with place.open(layer.descriptor) as stream:
        stored = _Watched(stream, digest.hasher(), layer.descriptor.size)
        with decompressed(cast("BinaryIO", stored)) as inner:
            tar = _Watched(inner, None, limits.plain_size)
            yield from Reader(tar.read, limits)
            while tar.read(_CHUNK):
                pass
        while stored.read(_CHUNK):
            pass
        if Digest.done(stored.hasher) != digest:
            raise Corrupt(f'layer "{digest}" is damaged', hint="fetch, build or push it again")


class _Watched:
    """A stream that is hashed and may not be longer than `most`."""

    def __init__(self, stream: BinaryIO, hasher: Any, most: int) -> None:
        self.hasher = hasher
        self._stream = stream
        self._left = most

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        if self.hasher is not None:
            self.hasher.update(data)
        self._left -= len(data)
        if self._left < 0:
            raise TooMuch("a layer is longer than it may be")
        return data
