"""One suite for every place of content: the Protocols of `oci.content`."""

from __future__ import annotations

import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest
from tests.registry import serving

from lamina.errors import Corrupt, NotFound
from lamina.oci import media_type, reference
from lamina.oci.content import Fetcher, Pusher, Resolver, Tagger
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.remote import hosts
from lamina.remote.repository import Repository
from lamina.remote.session import Session
from lamina.remote.transport import Transport
from lamina.store import Store
from lamina.store.memory import Memory

NAME = "docker.io/library/alpine:3.20"


class Place(Fetcher, Pusher, Resolver, Tagger):
    """All that a place can be."""


class OnDisk:
    """The two halves of a store as one place."""

    def __init__(self, store: Store) -> None:
        self.open = store.blobs.open
        self.has = store.blobs.has
        self.push = store.blobs.push
        self.resolve = store.names.resolve
        self.tag = store.names.tag


@contextmanager
def over_http() -> Iterator[Repository]:
    """A registry that keeps whatever it is given."""
    with serving() as registry:
        transport = Transport()
        endpoint = hosts.Endpoint(
            ("http",), "127.0.0.1", registry.port, "library/alpine", "docker.io"
        )
        session = Session(endpoint, transport, lambda host, path: None)
        yield Repository(reference.parse(NAME), [session])
        transport.close()


@pytest.fixture(params=["memory", "disk", "remote"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    if request.param == "memory":
        yield Memory()
        return
    if request.param == "remote":
        with over_http() as repository:
            yield repository
        return
    store = Store.open(tmp_path / "store")
    yield OnDisk(store)
    store.close()


def described(data: bytes) -> Descriptor:
    return Descriptor(media_type.OCI_MANIFEST, Digest.of(data), len(data))


def test_what_was_pushed_is_fetched(place: Place) -> None:
    data = b"some bytes" * 1000
    assert not place.has(Digest.of(data))
    place.push(described(data), io.BytesIO(data))
    assert place.has(Digest.of(data))
    with place.open(described(data)) as stream:
        assert stream.read() == data


def test_no_bytes_are_a_blob_too(place: Place) -> None:
    place.push(described(b""), io.BytesIO(b""))
    with place.open(described(b"")) as stream:
        assert stream.read() == b""


def test_pushing_again_changes_nothing(place: Place) -> None:
    for _ in range(2):
        place.push(described(b"x"), io.BytesIO(b"x"))
    with place.open(described(b"x")) as stream:
        assert stream.read() == b"x"


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_every_algorithm_is_known(place: Place, algorithm: str) -> None:
    descriptor = Descriptor(media_type.OCI_LAYER, Digest.of(b"x", algorithm), 1)
    place.push(descriptor, io.BytesIO(b"x"))
    assert place.has(descriptor.digest)


def test_a_stream_that_gives_little_at_a_time_is_read_to_its_end(place: Place) -> None:
    class Dripping(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(1)

    stream: BinaryIO = Dripping(b"drip")
    place.push(described(b"drip"), stream)
    assert place.has(Digest.of(b"drip"))


@pytest.mark.parametrize("data", [b"", b"xy", b"xyzz", b"abc"], ids=["none", "few", "many", "not"])
def test_bytes_that_are_not_as_described_are_corrupt(place: Place, data: bytes) -> None:
    with pytest.raises(Corrupt):
        place.push(described(b"xyz"), io.BytesIO(data))
    assert not place.has(Digest.of(b"xyz"))
    assert not place.has(Digest.of(data))


def test_what_is_not_there_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound):
        place.open(described(b"absent"))


def test_a_name_means_what_it_was_last_given_to(place: Place) -> None:
    for data in (b"one", b"two"):
        place.push(described(data), io.BytesIO(data))
        place.tag(NAME, described(data))
    assert place.resolve(NAME) == described(b"two")


def test_a_name_that_nobody_gave_is_not_found(place: Place) -> None:
    with pytest.raises(NotFound):
        place.resolve(NAME)


def test_only_what_is_there_can_be_named(place: Place) -> None:
    with pytest.raises(NotFound):
        place.tag(NAME, described(b"absent"))
    with pytest.raises(NotFound):
        place.resolve(NAME)
