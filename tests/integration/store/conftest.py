"""A store in a temporary directory, and small images to put in it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from lamina.oci import media_type
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID, Digest, chain_ids
from lamina.store import Store


@dataclass(frozen=True)
class Image:
    """An image that was put into a store."""

    descriptor: Descriptor
    config: Digest
    layers: tuple[Digest, ...]
    diff_ids: tuple[DiffID, ...]

    @property
    def chains(self) -> list[ChainID]:
        return chain_ids(self.diff_ids)

    @property
    def blobs(self) -> set[Digest]:
        return {self.descriptor.digest, self.config, *self.layers}


def put_image(store: Store, *layers: bytes) -> Image:
    """Put an image of these layers (any bytes do) into the store, without naming it."""
    digests = [store.blobs.put(layer) for layer in layers]
    config = {
        "architecture": "amd64",
        "os": "linux",
        "rootfs": {"type": "layers", "diff_ids": digests},
    }
    config_bytes = json.dumps(config).encode()
    config_digest = store.blobs.put(config_bytes)
    manifest = {
        "schemaVersion": 2,
        "mediaType": media_type.OCI_MANIFEST,
        "config": {
            "mediaType": media_type.OCI_CONFIG,
            "digest": config_digest,
            "size": len(config_bytes),
        },
        "layers": [
            {"mediaType": media_type.OCI_LAYER, "digest": digest, "size": len(layer)}
            for digest, layer in zip(digests, layers, strict=True)
        ],
    }
    data = json.dumps(manifest).encode()
    descriptor = Descriptor(media_type.OCI_MANIFEST, store.blobs.put(data), len(data))
    diff_ids = tuple(DiffID(digest) for digest in digests)
    return Image(descriptor, config_digest, tuple(digests), diff_ids)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store.open(tmp_path / "store")
    yield opened
    opened.close()


@pytest.fixture
def put(store: Store) -> Callable[..., Image]:
    return lambda *layers: put_image(store, *layers)
