from __future__ import annotations

import io
import os

import pytest

from lamina.errors import Corrupt, NotFound
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store import Store

HELLO = Digest.of(b"hello")


def leftovers(store: Store) -> list[str]:
    return os.listdir(store.root / "ingest")


def test_a_blob_lies_under_its_digest_read_only(store: Store) -> None:
    store.blobs.put(b"hello")
    path = store.blobs.path(HELLO)
    assert path == store.root / "blobs" / "sha256" / HELLO.encoded
    assert path.stat().st_mode & 0o777 == 0o444


def test_a_blob_is_read_as_it_was_put(store: Store) -> None:
    assert store.blobs.read(store.blobs.put(b"hello")) == b"hello"
    assert store.blobs.size(HELLO) == 5


def test_putting_twice_keeps_one_file_and_the_same_one(store: Store) -> None:
    store.blobs.put(b"hello")
    inode = store.blobs.path(HELLO).stat().st_ino
    store.blobs.put(b"hello")
    assert store.blobs.path(HELLO).stat().st_ino == inode
    assert leftovers(store) == []


def test_a_blob_that_is_not_here_is_not_found(store: Store) -> None:
    assert not store.blobs.has(HELLO)
    with pytest.raises(NotFound):
        store.blobs.read(HELLO)
    with pytest.raises(NotFound):
        store.blobs.size(HELLO)
    with pytest.raises(NotFound):
        store.blobs.open(Descriptor("text/plain", HELLO, 5))


def test_a_blob_that_the_disk_changed_is_corrupt(store: Store) -> None:
    store.blobs.put(b"hello")
    store.blobs.path(HELLO).chmod(0o644)
    store.blobs.path(HELLO).write_bytes(b"jello")
    with pytest.raises(Corrupt, match="damaged"):
        store.blobs.read(HELLO)


def test_a_blob_that_a_power_cut_emptied_is_replaced_by_the_next_put(store: Store) -> None:
    store.blobs.put(b"hello")
    store.blobs.path(HELLO).chmod(0o644)
    store.blobs.path(HELLO).write_bytes(b"")
    store.blobs.put(b"hello")
    assert store.blobs.read(HELLO) == b"hello"


def test_other_algorithms_have_their_own_directory(store: Store) -> None:
    digest = Digest.of(b"hello", "sha512")
    store.blobs.push(Descriptor("text/plain", digest, 5), io.BytesIO(b"hello"))
    assert store.blobs.path(digest).parent.name == "sha512"
    assert store.blobs.read(digest) == b"hello"
    assert [found for found, _ in store.blobs.all()] == [digest]


def test_bytes_that_are_hashed_elsewhere_are_not_hashed_again(store: Store) -> None:
    with store.ingest(hashes=False) as ingest:
        ingest.write(b"hello")
        assert ingest.commit(HELLO, trusted=True) == (HELLO, 5)
    assert store.blobs.read(HELLO) == b"hello"


def test_bytes_that_were_not_hashed_are_at_commit(store: Store) -> None:
    with store.ingest(hashes=False) as ingest:
        ingest.write(b"hel")
        ingest.write(b"lo")
        assert ingest.commit() == (HELLO, 5)
    with pytest.raises(Corrupt), store.ingest(hashes=False) as ingest:
        ingest.write(b"jello")
        ingest.commit(HELLO)


def test_a_large_blob_is_written_in_parts(store: Store) -> None:
    part = bytes(range(256)) * (1 << 12)
    with store.ingest() as ingest:
        for _ in range(40):
            ingest.write(memoryview(part))
        digest, size = ingest.commit()
    assert size == 40 << 20
    assert digest == Digest.of(part * 40)


def test_the_wrong_digest_is_corrupt_and_leaves_nothing(store: Store) -> None:
    with pytest.raises(Corrupt, match="have the digest"), store.ingest() as ingest:
        ingest.write(b"jello")
        ingest.commit(HELLO)
    assert not store.blobs.has(HELLO)
    assert leftovers(store) == []


def test_what_is_not_committed_leaves_nothing(store: Store) -> None:
    with store.ingest() as ingest:
        ingest.write(b"hello")
        assert len(leftovers(store)) == 1
    assert leftovers(store) == []
    assert list(store.blobs.all()) == []


@pytest.mark.parametrize(
    ("data", "says"),
    [(b"hell", "has 4 bytes"), (b"hello!", "more than the 5"), (b"jello", "have the digest")],
    ids=["short", "long", "other"],
)
def test_a_push_that_breaks_its_promise_is_corrupt(store: Store, data: bytes, says: str) -> None:
    with pytest.raises(Corrupt, match=says):
        store.blobs.push(Descriptor("text/plain", HELLO, 5), io.BytesIO(data))
    assert not store.blobs.has(HELLO)
    assert leftovers(store) == []
