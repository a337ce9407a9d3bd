from __future__ import annotations

from pathlib import Path

from lamina.oci.digest import Digest
from lamina.registry import open_registry
from lamina.registry.gc import collect
from lamina.registry.indexes import Indexes

DIGEST = Digest.of(b"layer")


def test_what_was_put_is_found_again(tmp_path: Path) -> None:
    open_registry(tmp_path).close()
    indexes = Indexes(tmp_path)
    assert indexes.get(DIGEST) is None
    assert list(indexes.all()) == []
    indexes.put(DIGEST, b"index")
    assert indexes.get(DIGEST) == b"index"
    assert list(Indexes(tmp_path).all()) == [(DIGEST, 5)]
    assert list((tmp_path / "ingest").iterdir()) == []


def test_a_disk_that_cannot_be_written_is_no_failure(tmp_path: Path) -> None:
    (tmp_path / "indexes").write_text("a file is in the way")
    indexes = Indexes(tmp_path)
    indexes.put(DIGEST, b"index")
    assert indexes.get(DIGEST) is None
    assert list(indexes.all()) == []


def test_a_name_that_is_no_digest_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "indexes/sha256").mkdir(parents=True)
    (tmp_path / "indexes/sha256/notes").write_text("x")
    assert list(Indexes(tmp_path).all()) == []


def test_gc_takes_what_is_known_of_layers_that_are_gone(tmp_path: Path) -> None:
    registry = open_registry(tmp_path)
    assert registry.indexes is not None
    repository = registry.repository("app")
    data = b"layer"
    with repository.resume(repository.begin()) as upload:
        upload.append([data])
        repository.finish(upload, DIGEST)
    gone = Digest.of(b"gone")
    registry.indexes.put(DIGEST, b"kept")
    registry.indexes.put(gone, b"stale")
    assert collect(registry, dry_run=True).leftovers == 5
    assert registry.indexes.get(gone) == b"stale"
    assert collect(registry).leftovers == 5
    assert registry.indexes.get(gone) is None
    assert registry.indexes.get(DIGEST) == b"kept"
    registry.close()
