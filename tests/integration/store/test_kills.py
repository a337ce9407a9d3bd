"""A kill -9 at every step that a process can be seen to take loses nothing that was committed."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.contract.killing import every_kill

from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store import Store

ALPINE = "docker.io/library/alpine:3.20"
Put = Callable[..., Any]


def shown(root: Path) -> set[str]:
    document = json.loads((root / "index.json").read_bytes())
    return {entry["digest"] for entry in document["manifests"]}


def test_killed_while_a_store_is_made(tmp_path: Path) -> None:
    rounds = iter(range(1000))
    place = [tmp_path / "0"]

    def check() -> None:
        store = Store.open(place[0])
        store.blobs.put(b"works")
        store.records.put("kind", "key", b"", now=1)
        store.close()
        place[0] = tmp_path / f"n{next(rounds)}"

    def make() -> None:
        Store.open(place[0]).records.put("kind", "key", b"", now=1)

    assert every_kill(make, check) > 8


def test_killed_while_a_blob_is_written(store: Store) -> None:
    data = b"x" * 100_000
    digest = Digest.of(data)

    def check() -> None:
        assert not store.blobs.has(digest) or store.blobs.read(digest) == data
        store.gc()
        assert not store.blobs.has(digest)
        assert os.listdir(store.root / "ingest") == []
        store.blobs.put(b"the next one")

    assert every_kill(lambda: Store.open(store.root).blobs.put(data), check) > 4


def test_killed_while_a_name_is_given(store: Store, put: Put) -> None:
    old, new = put(b"old"), put(b"new")
    store.names.tag(ALPINE, old.descriptor)
    store.names.keep(new.descriptor)
    outcomes = set()

    def check() -> None:
        meant = store.names.resolve(ALPINE)
        outcomes.add(meant.digest)
        assert shown(store.root) == {old.descriptor.digest, new.descriptor.digest}
        named = {named.name: named.descriptor for named in store.names.list()}
        other = new if meant == old.descriptor else old
        assert named == {ALPINE: meant, None: other.descriptor}
        store.names.tag(ALPINE, old.descriptor)
        store.gc()
        assert store.blobs.has(new.layers[0])
        assert not list(store.root.glob(".*.aside"))

    def work() -> None:
        Store.open(store.root).names.tag(ALPINE, new.descriptor)

    assert every_kill(work, check) > 8
    assert outcomes == {old.descriptor.digest, new.descriptor.digest}


def test_killed_while_gc_sweeps(store: Store, put: Put) -> None:
    kept = put(b"kept")
    store.names.tag(ALPINE, kept.descriptor)
    put(b"gone")

    def check() -> None:
        for digest in kept.blobs:
            store.blobs.read(digest)
        store.gc()
        assert {digest for digest, _ in store.blobs.all()} == kept.blobs
        assert os.listdir(store.root / "trash") == []
        put(b"gone")

    assert every_kill(lambda: Store.open(store.root).gc(), check) > 10


def test_two_processes_name_at_once(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.keep(image.descriptor)
    rounds, children = 15, []
    for worker in range(3):
        child = os.fork()
        if child == 0:
            try:
                mine = Store.open(store.root)
                for turn in range(rounds):
                    mine.names.tag(f"docker.io/library/w{worker}:{turn}", image.descriptor)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(store.names.list()) == 3 * rounds
    document = json.loads((store.root / "index.json").read_bytes())
    assert len(document["manifests"]) == 3 * rounds


def test_a_new_store_is_made_by_several_processes_at_once(tmp_path: Path) -> None:
    children = []
    for worker in range(4):
        child = os.fork()
        if child == 0:
            try:
                Store.open(tmp_path / "store").records.put("kind", str(worker), b"", now=1)
                os._exit(0)
            finally:
                os._exit(1)
        children.append(child)
    for child in children:
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert len(Store.open(tmp_path / "store").records.items("kind")) == 4


def test_gc_beside_writers_takes_nothing_of_theirs(store: Store, put: Put) -> None:
    child = os.fork()
    if child == 0:
        try:
            mine = Store.open(store.root)
            for turn in range(20):
                with mine.lease("test"):
                    digest = mine.blobs.put(b"blob %d" % (turn % 3))
                    mine.names.tag(f"docker.io/library/n{turn}:1", _described(mine, digest))
                    mine.blobs.read(digest)
                mine.names.untag(f"docker.io/library/n{turn}:1")
            os._exit(0)
        finally:
            os._exit(1)
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            break
        store.gc()
    assert os.waitstatus_to_exitcode(status) == 0
    store.gc()
    assert list(store.blobs.all()) == []


def _described(store: Store, digest: Digest) -> Descriptor:
    return Descriptor("application/octet-stream", digest, store.blobs.size(digest))
