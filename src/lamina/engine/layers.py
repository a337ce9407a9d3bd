"""What is known of layers here: their entries and sizes.

A layer is read once; what was learnt is kept beside the store.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence

from lamina.errors import Corrupt, Denied
from lamina.late import json
from lamina.oci.digest import DiffID, Digest
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.image.view import Layer
    from lamina.layer.entry import Entry
    from lamina.oci.descriptor import Descriptor
    from lamina.store import Store

SIZES = "layer-sizes"  # kind of record: diff ID -> plain size, and content once it is counted


class WrongLayer(Corrupt):
    """A layer's bytes are not those that the config names."""


@dataclass(frozen=True, slots=True)
class Sizes:
    """How large a layer is, in bytes."""

    plain: int  # the uncompressed tar
    content: int  # its files, as read

    @classmethod
    def of(cls, plain: int, entries: Iterable[Entry]) -> Sizes:
        return cls(plain, sum(entry.size for entry in entries if entry.type == "file"))


def entries(store: Store, layer: Layer) -> Sequence[Entry]:
    """The layer's tar, entry by entry; read now if nobody has read it before.

    NotFound if the blob is not here; WrongLayer if it is not what the config names.
    """
    from lamina.layer import index

    known = store.indexes.get(layer.diff_id)
    if known is not None:
        try:
            return index.decode(known)
        except Corrupt:
            pass  # of an older form, or damaged: the layer itself has the truth
    return _learn(store, layer)[0]


def digested(store: Store, layer: Layer) -> Sequence[Entry]:
    """The layer's entries with the digests of their files, but of those with GiBs of holes.

    Nobody takes them on the way, for they cost as much as the layer's own: the first who asks
    has the layer read, and they are kept. Raises as `entries`.
    """
    found = entries(store, layer)
    if all(one.digest or one.type != "file" or one.sparse is not None for one in found):
        return found
    from lamina.layer import index

    learnt, _ = _learn(store, layer)
    try:
        store.indexes.put(layer.diff_id, index.encode(learnt))
    except Denied:
        pass  # as in `_learn`
    return learnt


def sizes(store: Store, layer: Layer) -> Sizes:
    """How large the layer is; read now if nobody has read it before. Raises as `entries`."""
    known = store.records.get(SIZES, layer.diff_id)
    plain, content = json.loads(known) if known is not None else (None, None)
    if plain is not None and content is not None:
        return Sizes(plain, content)
    if plain is None and layer.descriptor.digest == layer.diff_id:
        plain = layer.descriptor.size
    if plain is not None and store.indexes.has(layer.diff_id):
        found = Sizes.of(plain, entries(store, layer))
    else:
        found = _learn(store, layer)[1]
    _keep_sizes(store, layer.diff_id, found.plain, found.content)
    return found


def plain_size(store: Store, layer: Layer) -> int | None:
    """Bytes of the layer's uncompressed tar; None if nobody has read it."""
    known = store.records.get(SIZES, layer.diff_id)
    return json.loads(known)[0] if known is not None else None


def _learn(store: Store, layer: Layer) -> tuple[Sequence[Entry], Sizes]:
    """Read a layer from end to end, and keep what is in it."""
    from lamina.transfer.tarball import learn

    with store.blobs.open(layer.descriptor) as stream:
        learnt = learn(stream)
    check(layer.diff_id, learnt.diff_id, layer.descriptor)
    digest, plain = layer.descriptor.digest, learnt.plain_size
    try:
        keep(store, digest, layer.diff_id, learnt.entries, plain)
    except Denied:
        pass  # looking into somebody else's store is fine, only slower
    return learnt.entries, Sizes.of(plain, learnt.entries)


def check(expected: DiffID, found: Digest, descriptor: Descriptor) -> None:
    """Refuse a layer whose plain tar is not the one that the config names."""
    if expected != found:
        raise WrongLayer(
            f'layer "{descriptor.digest}" has the diff ID "{found}", not "{expected}"',
            hint="the image is damaged or forged: fetch or build it again",
        )


def keep(
    store: Store, digest: Digest, diff_id: DiffID, found: Iterable[Entry], plain_size: int
) -> None:
    """Remember what was learnt of a layer in one pass over it; the content is counted later."""
    from lamina.layer import index

    with store.database.transaction():
        # Another one may know the digests of the files as well.
        if not store.indexes.has(diff_id):
            data = found.to_bytes() if isinstance(found, index.Index) else index.encode(found)
            store.indexes.put(diff_id, data)
        store.diff_ids.put(digest, diff_id)
        if store.records.get(SIZES, diff_id) is None:
            _keep_sizes(store, diff_id, plain_size, None)


def _keep_sizes(store: Store, diff_id: DiffID, plain: int, content: int | None) -> None:
    value = json.dumps([plain, content]).encode()
    try:
        store.records.put(SIZES, diff_id, value, now=time.time_ns())
    except Denied:
        pass  # as in `_learn`


def forget_sizes(store: Store) -> None:
    """Drop the sizes of layers that are gone; after a gc."""
    with store.records.batch():
        for record in store.records.items(SIZES):
            if not store.indexes.has(DiffID(Digest(record.key))):
                store.records.delete(SIZES, record.key)
