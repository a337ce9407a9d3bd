from __future__ import annotations

import io
from pathlib import Path

import pytest

from lamina.errors import Corrupt, NotFound
from lamina.image.edit import Assembly
from lamina.oci.config import History
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Index
from lamina.oci.media_type import OCI_LAYER
from lamina.oci.platform import Platform
from lamina.store import Store
from lamina.transfer.copy import Event, Outcome, copy

LAYER = b"layer" * 100


def image(store: Store, architecture: str, *, with_layer: bool = True) -> Descriptor:
    layer = Descriptor(OCI_LAYER, Digest.of(LAYER), len(LAYER))
    if with_layer:
        store.blobs.put(LAYER)
    assembly = Assembly(platform=Platform("linux", architecture))
    manifest, config = assembly.append(layer, DiffID(layer.digest), History()).make()
    store.blobs.put(config.raw)
    store.blobs.put(manifest.raw)
    return manifest.descriptor()


@pytest.fixture
def source(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "source")


@pytest.fixture
def target(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "target")


class Ordered:
    """A pusher that refuses a document whose children are not there."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.order: list[Digest] = []

    def has(self, digest: Digest) -> bool:
        return self.store.blobs.has(digest)

    def push(self, descriptor: Descriptor, stream: io.BufferedIOBase) -> None:
        self.order.append(descriptor.digest)
        self.store.blobs.push(descriptor, stream)  # type: ignore[arg-type]


def test_children_go_first_and_the_shared_once(source: Store, target: Store) -> None:
    children = (image(source, "amd64"), image(source, "arm64"))
    index = Index.make(children)
    source.blobs.put(index.raw)
    pusher = Ordered(target)
    copied = copy(source.blobs, pusher, index.descriptor())
    assert pusher.order[-1] == index.digest
    assert pusher.order.count(Digest.of(LAYER)) == 1
    assert (copied.moved, copied.present) == (6, 0)


def test_what_is_there_is_not_copied_again(source: Store, target: Store) -> None:
    root = image(source, "amd64")
    copy(source.blobs, target.blobs, root)
    again = copy(source.blobs, target.blobs, root)
    assert (again.moved, again.bytes, again.present) == (0, 0, 3)


def test_a_copy_tells_of_its_progress(source: Store, target: Store) -> None:
    told: list[Event] = []
    root = image(source, "amd64")
    copied = copy(source.blobs, target.blobs, root, tell=told.append)
    done = [event for event in told if event.outcome is Outcome.DONE]
    assert sum(event.done for event in done) == copied.bytes
    assert {event.outcome for event in told} == {Outcome.MOVING, Outcome.DONE}


def test_missing_content_is_not_pointed_at(source: Store, target: Store) -> None:
    root = image(source, "amd64", with_layer=False)
    with pytest.raises(NotFound):
        copy(source.blobs, target.blobs, root)
    assert not target.blobs.has(root.digest)


def test_an_index_may_be_copied_in_part(source: Store, target: Store) -> None:
    here = image(source, "amd64")
    gone = Descriptor(here.media_type, Digest.of(b"gone"), 4, platform=Platform("linux", "s390x"))
    index = Index.make((here, gone))
    source.blobs.put(index.raw)
    with pytest.raises(NotFound):
        copy(source.blobs, target.blobs, index.descriptor())
    copied = copy(
        source.blobs, target.blobs, index.descriptor(), choose=lambda index: index.manifests[:1]
    )
    assert copied.present == 3
    assert target.blobs.has(index.digest)


def test_damaged_content_is_refused(source: Store, target: Store) -> None:
    root = image(source, "amd64")
    path = source.blobs.path(Digest.of(LAYER))
    path.chmod(0o644)
    path.write_bytes(LAYER[::-1])
    with pytest.raises(Corrupt):
        copy(source.blobs, target.blobs, root)
    assert not target.blobs.has(Digest.of(LAYER))
