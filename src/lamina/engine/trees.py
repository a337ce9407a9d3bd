"""Layers of the store into snapshots: the store and the snapshotter meet here."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.errors import Corrupt
from lamina.fs import lock
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID, chain_ids
from lamina.snapshot import unpack as unpack_snapshot

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layer.apply import Applied
    from lamina.snapshot.snapshotter import Snapshotter
    from lamina.store import Store


def unpack(
    store: Store,
    snapshotter: Snapshotter,
    layers: Sequence[tuple[Descriptor, DiffID]],
    *,
    locks: Path | str,
) -> ChainID | None:
    """See that the tree of these layers, bottom first, is a snapshot here, and name it.

    None for no layers. Corrupt if a blob is not what its descriptor or the config says it is;
    what was sound below it stays. Several may ask at once: one does the work.
    """
    chains = chain_ids([diff_id for _, diff_id in layers])
    if not chains or snapshotter.has(chains[-1]):
        return chains[-1] if chains else None
    with lock.exclusive(f"{locks}/unpack"):
        parent: ChainID | None = None
        for (descriptor, diff_id), chain in zip(layers, chains, strict=True):
            if not snapshotter.has(chain):
                _unpack_one(store, snapshotter, descriptor, diff_id, chain, parent)
            parent = chain
    return parent


def _unpack_one(
    store: Store,
    snapshotter: Snapshotter,
    descriptor: Descriptor,
    diff_id: DiffID,
    chain: ChainID,
    parent: ChainID | None,
) -> None:
    # Here, for most of the time there is nothing to unpack.
    from lamina.engine.layers import keep
    from lamina.layer.apply import apply
    from lamina.snapshot.drawing import draw

    indexer = snapshotter.indexer()
    if indexer is not None:
        with store.blobs.open(descriptor) as blob:
            drawn = draw(indexer, blob)
        try:
            _check(drawn.applied, descriptor, diff_id)
        except BaseException:
            drawn.discard()
            raise
        if drawn.land(chain, parent, blob=store.blobs.path(descriptor.digest)):
            applied = drawn.applied
            keep(store, applied.digest, applied.diff_id, applied.index, applied.plain_size)
            return

    def extract(root_fd: int) -> Applied:
        with store.blobs.open(descriptor) as blob:
            applied = apply(blob, root_fd)
        _check(applied, descriptor, diff_id)
        return applied

    applied = unpack_snapshot(snapshotter, chain, parent, extract)
    keep(store, applied.digest, applied.diff_id, applied.index, applied.plain_size)


def _check(applied: Applied, descriptor: Descriptor, diff_id: DiffID) -> None:
    if applied.digest != descriptor.digest:
        raise Corrupt(
            f'blob "{descriptor.digest}" has the digest "{applied.digest}"',
            hint="remove the image and load or build it again",
        )
    if applied.size != descriptor.size:
        raise Corrupt(
            f'blob "{descriptor.digest}" has {applied.size} bytes, expected {descriptor.size}'
        )
    if applied.diff_id != diff_id:
        raise Corrupt(
            f'layer "{descriptor.digest}" unpacks to "{applied.diff_id}",'
            f' but the config says "{diff_id}"',
            hint="the image is broken: nothing can be built or run from it",
        )
