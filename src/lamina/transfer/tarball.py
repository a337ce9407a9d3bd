"""A tar of a root file system made an image of one layer, in one pass over its bytes."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO, cast

from lamina.errors import Invalid
from lamina.image.edit import Assembly
from lamina.layer.crc import Crc
from lamina.oci import media_type as types
from lamina.oci.config import History, RunConfig
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID, Digest
from lamina.oci.platform import Platform
from lamina.values import dataclass

if TYPE_CHECKING:
    from lamina.layer.apply import Applied
    from lamina.layer.compress import Kind
    from lamina.layer.entry import Entry
    from lamina.snapshot.snapshotter import Snapshotter
    from lamina.store import Store
    from lamina.store.ingest import Ingest

_CHUNK = 1 << 20  # bytes
_HEAD = 512  # bytes by which a compression is known
_MEDIA_TYPES: dict[str, str] = {
    "none": types.OCI_LAYER,
    "gzip": types.OCI_LAYER_GZIP,
    "zstd": types.OCI_LAYER_ZSTD,
}


@dataclass(frozen=True, slots=True)
class Learnt:
    """What one pass over the blob has found."""

    digest: Digest
    size: int  # bytes, as stored
    diff_id: DiffID
    plain_size: int  # bytes of the plain tar
    entries: Sequence[Entry]


@dataclass(frozen=True, slots=True)
class Imported:
    """The new image, and what was learnt of its layer."""

    descriptor: Descriptor  # of the manifest
    id: Digest
    layer: Learnt


def import_tar(
    store: Store,
    stream: BinaryIO,
    *,
    platform: Platform,
    config: RunConfig,
    created: str,
    comment: str,
    snapshotter: Snapshotter | None = None,
) -> Imported:
    """Keep the tar as it is, compressed or not, as the one layer of a new image without a name.

    With a snapshotter its tree is unpacked in the same pass. The caller holds a lease and names
    the image. Corrupt or Invalid if it is no tar of a root file system; nothing stays then.
    """
    kind, stream = _recognised(stream)
    with ExitStack() as stack:
        ingest = stack.enter_context(store.ingest(hashes=False))
        kept = _Tee(stream, ingest)
        tee = cast("BinaryIO", kept)
        drawn = None
        if snapshotter is None:
            learnt = learn(tee, kind)
        elif (indexer := snapshotter.indexer()) is not None:
            from lamina.snapshot.drawing import draw

            drawn = draw(indexer, tee)
            stack.callback(drawn.discard)  # does nothing once it has landed
            learnt = _learnt(drawn.applied)
        else:
            learnt = _unpack(tee, snapshotter)
        if not learnt.entries and not (drawn and drawn.applied.leans):
            raise Invalid("the archive is empty", hint="expected a tar of a root file system")
        ingest.commit(learnt.digest, trusted=True)
        if kind == "none":
            store.crcs.put(learnt.digest, kept.crc)
        layer = Descriptor(_MEDIA_TYPES[kind], learnt.digest, learnt.size)
        if snapshotter is not None and drawn is not None:
            chain, path = ChainID(learnt.diff_id), store.blobs.path(learnt.digest)
            if not drawn.land(chain, None, blob=path):
                with store.blobs.open(layer) as blob:
                    learnt = _unpack(blob, snapshotter)
    history = History(created=created, created_by="", comment=comment)
    image = Assembly(platform=platform, config=config, created=created)
    manifest, made = image.append(layer, learnt.diff_id, history).make()
    store.blobs.put(made.raw)
    store.blobs.put(manifest.raw)
    return Imported(manifest.descriptor(), made.digest, learnt)


def _recognised(stream: BinaryIO) -> tuple[Kind, BinaryIO]:
    """How the tar is compressed, and all of it again.

    Expanded where no layer may be compressed like that (image-spec, layer.md, "Media Types").
    """
    from lamina.layer.compress import decompressed, sniff

    head = b""
    while len(head) < _HEAD and (data := stream.read(_HEAD - len(head))):
        head += data
    kind = sniff(head)
    whole = cast("BinaryIO", _Rejoined(head, stream))
    if kind in _MEDIA_TYPES:
        return kind, whole
    return "none", decompressed(whole, kind)


class _Rejoined:
    """A stream with its beginning, which was looked at, put back."""

    def __init__(self, head: bytes, stream: BinaryIO) -> None:
        self._head = head
        self._stream = stream

    def read(self, size: int = -1, /) -> bytes:
        head, self._head = self._head, b""
        return head or self._stream.read(_CHUNK if size < 0 else size)


class _Tee:
    """A stream each byte of which is kept on its way; hashed by who reads it."""

    def __init__(self, stream: BinaryIO, ingest: Ingest) -> None:
        self._stream = stream
        self._ingest = ingest
        self.crc = Crc()

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(_CHUNK if size < 0 else min(size, _CHUNK))
        self._ingest.write(data)
        self.crc = self.crc.plus(data)
        return data


class _Hashing:
    """A stream that hashes and counts what is read from it."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._hash = hashlib.sha256()
        self.size = 0  # bytes

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._hash.update(data)
        self.size += len(data)
        return data

    def finish(self) -> Digest:
        while self.read(_CHUNK):
            pass
        return Digest.done(self._hash)


def learn(stream: BinaryIO, kind: Kind | None = None) -> Learnt:
    """Read a layer's blob to its end, for its digests and entries; sniffed where `kind` is None."""
    from lamina.layer.compress import decompressed
    from lamina.layer.contents import read_index

    stored = _Hashing(stream)
    if kind == "none":
        entries = read_index(cast("BinaryIO", stored))
        digest = stored.finish()
        return Learnt(digest, stored.size, DiffID(digest), stored.size, entries)
    with decompressed(cast("BinaryIO", stored), kind) as inner:
        plain = _Hashing(inner)
        entries = read_index(cast("BinaryIO", plain))
        diff_id = plain.finish()
    return Learnt(stored.finish(), stored.size, DiffID(diff_id), plain.size, entries)


def _learnt(applied: Applied) -> Learnt:
    return Learnt(applied.digest, applied.size, applied.diff_id, applied.plain_size, applied.index)


def _unpack(tee: BinaryIO, snapshotter: Snapshotter) -> Learnt:
    """Read the tar, and unpack it into a snapshot on the way."""
    from lamina.fs import mounts
    from lamina.layer.apply import apply

    draft = snapshotter.prepare(f"import-{os.getpid()}-{os.urandom(8).hex()}", None)
    try:
        with mounts.opened(draft.plan) as root:
            applied = apply(tee, root)
        snapshotter.commit(draft, ChainID(applied.diff_id))
    except BaseException:
        snapshotter.discard(draft)
        raise
    return _learnt(applied)
