from __future__ import annotations

import threading

import pytest

from lamina.oci.digest import DiffID, Digest
from lamina.store import Store


def test_a_record_is_given_back(store: Store) -> None:
    store.records.put("build", "key", b"\x00value", now=1)
    assert store.records.get("build", "key") == b"\x00value"
    assert store.records.get("build", "other") is None
    assert store.records.get("other", "key") is None


def test_putting_again_replaces_value_and_references(store: Store) -> None:
    one, two = Digest.of(b"1"), Digest.of(b"2")
    store.records.put("build", "key", b"old", now=1, refs=[one])
    store.records.put("build", "key", b"new", now=2, refs=[two, two])
    (record,) = store.records.items("build")
    assert (record.value, record.created, record.refs) == (b"new", 2, (two,))


def test_a_record_is_forgotten_once(store: Store) -> None:
    store.records.put("build", "key", b"", now=1, refs=[Digest.of(b"1")])
    assert store.records.delete("build", "key") is True
    assert store.records.delete("build", "key") is False
    assert store.records.items("build") == []


def test_records_come_by_key(store: Store) -> None:
    for key in ("b", "a", "c"):
        store.records.put("build", key, key.encode(), now=1)
    assert [record.key for record in store.records.items("build")] == ["a", "b", "c"]
    assert store.records.kinds() == ["build"]


def test_prune_takes_the_expired_and_the_unused(store: Store) -> None:
    store.records.put("build", "expired", b"", now=100, expires=150)
    store.records.put("build", "unused", b"", now=10)
    store.records.put("build", "touched", b"", now=10)
    store.records.touch("build", "touched", now=190)
    assert store.records.prune("build", now=200) == ["expired"]
    assert store.records.prune("build", now=200, unused_ns=50) == ["unused"]
    assert [record.key for record in store.records.items("build")] == ["touched"]


def test_a_batch_is_all_or_nothing(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.records.batch():
        store.records.put("build", "key", b"", now=1)
        _ = 1 // 0
    assert store.records.get("build", "key") is None
    with store.records.batch():
        store.records.put("build", "a", b"", now=1)
        store.records.put("build", "b", b"", now=1)
    assert len(store.records.items("build")) == 2


def test_threads_have_connections_of_their_own(store: Store) -> None:
    faults: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for turn in range(20):
                store.records.put("build", f"{number}-{turn}", b"x", now=1)
        except BaseException as error:
            faults.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert faults == []
    assert len(store.records.items("build")) == 80


def test_an_index_belongs_to_a_diff_id(store: Store) -> None:
    diff_id = DiffID(Digest.of(b"tar"))
    assert store.indexes.get(diff_id) is None
    assert not store.indexes.has(diff_id)
    store.indexes.put(diff_id, b"index")
    assert store.indexes.get(diff_id) == b"index"
    assert store.indexes.has(diff_id)


def test_several_blobs_may_hold_one_layer(store: Store) -> None:
    diff_id = DiffID(Digest.of(b"tar"))
    blobs = sorted(Digest.of(kind) for kind in (b"gzip", b"zstd"))
    for blob in blobs:
        store.diff_ids.put(blob, diff_id)
    assert store.diff_ids.get(blobs[0]) == diff_id
    assert store.diff_ids.get(Digest.of(b"?")) is None
    assert store.diff_ids.blobs(diff_id) == blobs


def test_a_kind_can_be_limited_to_what_came_last(store: Store) -> None:
    for when, key in enumerate("cab"):
        store.records.put("build", key, b"", now=when)
    store.records.put("other", "x", b"", now=0)
    store.records.limit("build", 2)
    assert [record.key for record in store.records.items("build")] == ["a", "b"]
    assert len(store.records.items("other")) == 1
