"""Beginnings of blobs: kept, gone on with, made blobs, and swept when they are old."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store import Store
from lamina.store.partial import KEPT_NS

DATA = b"all of it"
DIGEST = Digest.of(DATA)


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store.open(tmp_path / "store")


def begin(store: Store, data: bytes = DATA[:4]) -> Path:
    with store.partial(DIGEST) as partial:
        partial.write(data)
    return store.root / "partial" / f"sha256-{DIGEST.encoded}"


def test_what_was_begun_is_gone_on_with(store: Store) -> None:
    begin(store)
    with store.partial(DIGEST) as partial:
        assert partial.size == 4
        with partial.reader() as reader:
            assert reader.read() == DATA[:4]
        partial.write(DATA[4:])
        partial.commit()
    assert store.blobs.read(DIGEST) == DATA
    assert list((store.root / "partial").iterdir()) == []


def test_nothing_is_no_beginning(store: Store) -> None:
    assert not begin(store, b"").exists()


def test_it_can_be_begun_anew(store: Store) -> None:
    begin(store, b"wrong")
    with store.partial(DIGEST) as partial:
        partial.restart()
        partial.write(DATA)
        partial.commit()
    assert store.blobs.read(DIGEST) == DATA


def test_a_second_one_finds_what_the_first_has_made(store: Store) -> None:
    import threading

    found = []

    def second() -> None:
        with store.partial(DIGEST) as partial:
            found.append((partial.size, store.blobs.has(DIGEST)))

    with store.partial(DIGEST) as partial:
        waiting = threading.Thread(target=second)
        waiting.start()
        partial.write(DATA)
        partial.commit()
    waiting.join()
    assert found == [(0, True)]
    with store.blobs.open(Descriptor("x/y", DIGEST, len(DATA))) as blob:
        assert blob.read() == DATA


def test_gc_leaves_what_is_young_or_at_work(store: Store) -> None:
    path = begin(store)
    assert store.gc().leftovers == 0
    os.utime(path, ns=(0, 0))
    with store.partial(DIGEST):
        os.utime(path, ns=(0, 0))
        assert store.gc().leftovers == 0
    assert path.exists()


def test_gc_takes_what_is_old(store: Store) -> None:
    path = begin(store)
    age = os.stat(path).st_mtime_ns - KEPT_NS - 1
    os.utime(path, ns=(age, age))
    assert store.gc(dry_run=True).leftovers == 4
    assert path.exists()
    assert store.gc().leftovers == 4
    assert not path.exists()
