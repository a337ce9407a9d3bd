from __future__ import annotations

import os

import pytest

from lamina.errors import Corrupt, Denied
from lamina.store import Store


def test_a_child_opens_the_database_anew(store: Store) -> None:
    store.records.put("kind", "parent", b"", now=1)
    child = os.fork()
    if child == 0:
        try:
            store.records.put("kind", "child", b"", now=1)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    store.records.put("kind", "parent again", b"", now=1)
    assert len(store.records.items("kind")) == 3


def test_a_fork_does_not_carry_the_open_file(store: Store) -> None:
    store.records.put("kind", "key", b"", now=1)
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        try:
            names = (os.path.realpath(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd"))
            os.write(writing, b"\n".join(os.fsencode(name) for name in names))
        finally:
            os._exit(0)
    os.close(writing)
    os.waitpid(child, 0)
    with os.fdopen(reading, "rb") as pipe:
        found = pipe.read().split(b"\n")
    root = os.fsencode(store.root)
    assert [name for name in found if name.startswith(root)] == []


def test_a_damaged_database_is_corrupt(store: Store) -> None:
    (store.root / "lamina.db").write_bytes(b"not a database at all, but long enough" * 100)
    with pytest.raises(Corrupt, match="damaged"):
        store.names.list()


def test_a_database_that_cannot_be_opened_is_denied(store: Store) -> None:
    (store.root / "lamina.db").mkdir()
    with pytest.raises(Denied):
        store.names.list()


def test_nested_transactions_are_one(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), store.database.transaction():
        store.records.put("kind", "key", b"", now=1)
        with store.database.transaction() as inner:
            inner.execute("SELECT 1")
        _ = 1 // 0
    assert store.records.items("kind") == []


def test_a_short_log_is_left_to_the_next_reader(store: Store) -> None:
    store.records.put("kind", "key", b"value", now=1)
    store.leave()
    assert (store.root / "lamina.db-wal").exists()
    assert Store(store.root).records.get("kind", "key") == b"value"


def test_a_long_log_is_brought_into_the_database(store: Store) -> None:
    store.records.put("kind", "key", bytes(2 << 20), now=1)
    store.leave()
    assert not (store.root / "lamina.db-wal").exists()


def test_nothing_is_left_where_nothing_was_opened(store: Store) -> None:
    store.leave()
    assert not (store.root / "lamina.db").exists()
