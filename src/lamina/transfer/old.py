"""Docker schema 1 on its way here: made into a schema 2 image, as Docker does when it pulls one.

Such a manifest says neither how large its layers are nor what is in them, so they come first.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import BinaryIO, Protocol

from lamina.errors import Unsupported
from lamina.image.fetch import read_at_most
from lamina.oci import media_type as types
from lamina.oci import schema1
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Manifest
from lamina.store import Store


class Source(Protocol):
    """Where the manifest is."""

    def open(self, descriptor: Descriptor) -> BinaryIO: ...

    def size(self, digest: Digest) -> int:
        """Bytes of a blob."""
        ...


def converted(
    store: Store,
    source: Source,
    root: Descriptor,
    bring: Callable[[Sequence[Descriptor]], None],
) -> Descriptor:
    """The schema 2 manifest, in the store, of the schema 1 manifest `root`.

    `bring` gets blobs into the store. The same manifest always gives the same image.
    """
    with source.open(root) as stream:
        raw = read_at_most(stream, root.size)
    if root.media_type == types.SCHEMA1_SIGNED:
        _verify(raw)
    found = schema1.read(raw)
    needed = {
        Digest.parse(blob)
        for blob, one in zip(found.fs_layers, found.history, strict=False)
        if not one.throwaway
    }
    layers = {
        digest: Descriptor(types.DOCKER_LAYER_GZIP, digest, source.size(digest))
        for digest in sorted(needed)
    }
    bring(list(layers.values()))
    config, blobs = schema1.to_image(found, lambda digest: _diff_id(store, layers[digest]))
    pointer = Descriptor(types.DOCKER_CONFIG, store.blobs.put(config.raw), len(config.raw))
    manifest = Manifest.make(
        pointer, tuple(layers[digest] for digest in blobs), media_type=types.DOCKER_MANIFEST
    )
    store.blobs.put(manifest.raw)
    return manifest.descriptor()


def _verify(raw: bytes) -> None:
    try:
        schema1.verify(raw)
    except (ImportError, Unsupported):
        # The signature proves nothing about who made the image, and its digest is checked anyway.
        return


def _diff_id(store: Store, descriptor: Descriptor) -> DiffID:
    """What the layer's blob holds; read now if nobody has read it before."""
    known = store.diff_ids.get(descriptor.digest)
    if known is not None:
        return known
    from lamina.layer.limits import DEFAULT
    from lamina.layer.pipe import Pipe

    with store.blobs.open(descriptor) as blob, Pipe(blob, DEFAULT) as pipe:
        pipe.drain()
    store.diff_ids.put(descriptor.digest, pipe.diff_id)
    return pipe.diff_id
