from __future__ import annotations

import os
from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any

from lamina.fs.owner import Owner
from lamina.oci.digest import ChainID, Digest
from lamina.store import Store

ALPINE = "docker.io/library/alpine:3.20"
DEAD = Owner(4194303, 1)  # above every pid that the kernel gives (proc_sys_kernel(5), pid_max)
Put = Callable[..., Any]


def here(store: Store) -> set[Digest]:
    return {digest for digest, _ in store.blobs.all()}


def test_a_store_without_waste_loses_nothing(store: Store, put: Put) -> None:
    image = put(b"one", b"two")
    store.names.tag(ALPINE, image.descriptor)
    assert store.gc().bytes == 0
    assert here(store) == image.blobs


def test_what_nobody_names_goes(store: Store, put: Put) -> None:
    kept, gone = put(b"shared", b"kept"), put(b"shared", b"gone")
    store.names.tag(ALPINE, kept.descriptor)
    report = store.gc()
    assert set(report.digests) == gone.blobs - kept.blobs
    assert report.bytes > 0
    assert here(store) == kept.blobs
    assert os.listdir(store.root / "trash") == []


def test_a_dry_run_says_the_same_and_does_nothing(store: Store, put: Put) -> None:
    image = put(b"gone")
    planned = store.gc(dry_run=True)
    assert here(store) == image.blobs
    assert store.gc() == planned


def test_an_image_without_a_name_stays(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.keep(image.descriptor)
    store.gc()
    assert here(store) == image.blobs


def test_roots_pins_and_records_keep_what_they_lead_to(store: Store, put: Put) -> None:
    root, pinned, recorded = put(b"root"), put(b"pinned"), put(b"recorded")
    store.leases.pin("container-1", [pinned.descriptor.digest])
    store.records.put("build", "key", b"", now=1, refs=[recorded.layers[0]])
    store.gc(roots=[root.descriptor.digest])
    assert here(store) == root.blobs | pinned.blobs | set(recorded.layers)
    store.leases.unpin("container-1")
    store.records.delete("build", "key")
    store.gc()
    assert here(store) == set()


def test_pins_are_listed_and_replaced(store: Store) -> None:
    one, two = Digest.of(b"1"), Digest.of(b"2")
    store.leases.pin("c", [one])
    store.leases.pin("c", [two])
    assert store.leases.pins() == {"c": (two,)}


def test_a_lease_keeps_what_was_written_and_asked_for_since(store: Store, put: Put) -> None:
    old = put(b"old")
    for digest in old.blobs:
        os.utime(store.blobs.path(digest), (1, 1))
    with store.lease("build"):
        new = put(b"new")
        assert store.blobs.has(old.layers[0])
        store.gc()
        assert here(store) == new.blobs | {old.layers[0]}
    store.gc()
    assert here(store) == set()


def test_a_lease_keeps_what_is_added(store: Store, put: Put) -> None:
    old = put(b"old")
    for digest in old.blobs:
        os.utime(store.blobs.path(digest), (1, 1))
    with store.lease("push") as lease:
        lease.add(old.descriptor.digest)
        store.gc()
        assert here(store) == old.blobs


def test_the_lease_of_a_dead_process_keeps_nothing(store: Store, put: Put) -> None:
    put(b"old")
    child = os.fork()
    if child == 0:
        try:
            lease = Store.open(store.root).lease("build")
            lease.__enter__()
        finally:
            os._exit(0)  # as a kill does: the lease is not ended
    os.waitpid(child, 0)
    assert store.leases.horizon() is not None
    store.gc()
    assert store.leases.horizon() is None
    assert here(store) == set()


def test_what_the_dead_left_in_ingest_goes_and_the_living_keep_theirs(store: Store) -> None:
    (store.root / "ingest" / DEAD.fresh_name()).write_bytes(b"12345")
    (store.root / "trash" / DEAD.fresh_name()).write_bytes(b"678")
    (store.root / f".index.json.{DEAD.pid}.0.aside").write_bytes(b"9")
    with store.ingest() as ingest:
        ingest.write(b"mine")
        assert store.gc(dry_run=True).leftovers == 9
        assert store.gc().leftovers == 9
        digest, _ = ingest.commit()
    assert store.blobs.read(digest) == b"mine"
    assert os.listdir(store.root / "ingest") == []
    assert not list(store.root.glob(".*.aside"))


def test_what_is_known_of_a_layer_goes_with_it(store: Store, put: Put) -> None:
    kept, gone = put(b"kept"), put(b"gone")
    store.names.tag(ALPINE, kept.descriptor)
    for image in (kept, gone):
        store.indexes.put(image.diff_ids[0], b"index")
        store.diff_ids.put(image.layers[0], image.diff_ids[0])
    compressed = Digest.of(b"a compressed form that was removed")
    store.diff_ids.put(compressed, kept.diff_ids[0])
    assert store.gc().rows == 2
    assert store.indexes.get(gone.diff_ids[0]) is None
    assert store.diff_ids.get(gone.layers[0]) is None
    assert store.indexes.get(kept.diff_ids[0]) == b"index"
    # The layer is needed, so it stays known under which names it had been.
    assert store.diff_ids.get(compressed) == kept.diff_ids[0]


class Trees:
    """What gc asks of a snapshotter, written down."""

    def __init__(self, *chains: ChainID) -> None:
        self.here = set(chains)
        self.purged = 0

    def retire(
        self,
        live: Collection[ChainID],
        *,
        kept: Callable[[str], bool],
        since: int | None = None,
        dry_run: bool = False,
    ) -> dict[str, int]:
        gone = sorted(self.here - set(live))
        if not dry_run:
            self.here -= set(gone)
        return {str(chain): 10 for chain in gone}

    def purge(self) -> None:
        self.purged += 1


def test_trees_of_no_image_go(store: Store, put: Put) -> None:
    kept, gone = put(b"one", b"two"), put(b"one", b"three")
    store.names.tag(ALPINE, kept.descriptor)
    trees = Trees(*kept.chains, *gone.chains)
    assert list(store.gc(trees=trees, dry_run=True).trees) == [gone.chains[1]]
    assert trees.purged == 0
    report = store.gc(trees=trees)
    assert report.trees == {gone.chains[1]: 10}
    assert trees.here == set(kept.chains)
    assert trees.purged == 1


def test_damaged_documents_lead_nowhere_and_stop_nobody(store: Store, put: Put) -> None:
    image = put(b"layer")
    store.names.tag(ALPINE, image.descriptor)
    for bad in (b"{", b'{"config": 3, "layers": [1, {}], "rootfs": {"diff_ids": ["x"]}}'):
        store.records.put("build", bad.decode(), b"", now=1, refs=[store.blobs.put(bad)])
    store.blobs.path(image.config).chmod(0o644)
    store.blobs.path(image.config).write_bytes(b"{}")
    assert store.gc().blobs == {}


def test_files_that_are_no_blobs_are_swept_as_blobs_are(store: Store, tmp_path: Path) -> None:
    (store.root / "blobs" / "sha256" / "stranger").write_bytes(b"x")
    assert len(store.gc().blobs) == 1


def test_a_layer_that_looks_like_a_manifest_keeps_nothing_alive(store: Store, put: Put) -> None:
    inner = put(b"inner")
    outer = put(store.blobs.read(inner.descriptor.digest))
    store.names.tag(ALPINE, outer.descriptor)
    store.gc()
    assert here(store) == outer.blobs
