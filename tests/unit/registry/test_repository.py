from __future__ import annotations

import os
from pathlib import Path

import pytest
from tests.registries import descriptor, index, manifest

from lamina.errors import Corrupt
from lamina.oci import media_type as types
from lamina.oci.digest import Digest
from lamina.oci.distribution.endpoint import BadName
from lamina.registry import Registry, Repository, open_registry
from lamina.registry.failures import MissingContent, NoBlob, NoManifest
from lamina.registry.gc import collect, why_kept

SECOND = 1_000_000_000


class Clock:
    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now


@pytest.fixture
def clock() -> Clock:
    import time

    clock = Clock()
    clock.now = time.time_ns()
    return clock


@pytest.fixture
def registry(tmp_path: Path, clock: Clock) -> Registry:
    return open_registry(tmp_path, grace=100 * SECOND, now=clock)


@pytest.fixture
def app(registry: Registry) -> Repository:
    return registry.repository("team/app")


def put(repository: Repository, data: bytes) -> Digest:
    digest = Digest.of(data)
    with repository.resume(repository.begin()) as upload:
        upload.append([data])
        repository.finish(upload, digest)
    return digest


def push(repository: Repository, raw: bytes, *tags: str) -> Digest:
    return repository.put_manifest(raw, None, tags=tags).digest


def files(root: Path) -> set[str]:
    return {path.name for path in (root / "blobs").glob("*/*")}


@pytest.mark.parametrize("name", ["", "A", "a/", "/a", "a//b", "../a", "a" * 256])
def test_a_name_that_is_none_is_refused(registry: Registry, name: str) -> None:
    with pytest.raises(BadName):
        registry.repository(name)


def test_a_manifest_that_is_refused_leaves_nothing(app: Repository) -> None:
    put(app, b"{}")
    raw = manifest(b"{}", b"absent")
    with pytest.raises(MissingContent) as error:
        push(app, raw, "x")
    assert error.value.missing == (Digest.of(b"absent"),)
    with pytest.raises(NoManifest):
        app.manifest(Digest.of(raw))
    assert app.tags(limit=10) == []


def test_a_registry_may_take_manifests_before_their_content(tmp_path: Path) -> None:
    sparse = open_registry(tmp_path, complete=False).repository("a")
    raw = manifest(b"{}", b"absent")
    push(sparse, raw, "x")
    assert sparse.read(sparse.manifest("x")) == raw


def test_gc_takes_what_nothing_refers_to_once_it_is_old(
    app: Repository, registry: Registry, clock: Clock, tmp_path: Path
) -> None:
    kept, lost = put(app, b"{}"), put(app, b"lost")
    raw = manifest(b"{}")
    push(app, raw, "x")
    assert collect(registry).bytes == 0
    clock.now += 200 * SECOND
    told = collect(registry, dry_run=True)
    assert files(tmp_path) == {kept.encoded, lost.encoded, Digest.of(raw).encoded}
    done = collect(registry)
    assert told == done
    assert (done.bytes, done.blobs, done.links) == (4, {lost: 4}, {"team/app": (lost,)})
    assert files(tmp_path) == {kept.encoded, Digest.of(raw).encoded}
    with pytest.raises(NoBlob):
        app.blob(lost)
    assert collect(registry).bytes == 0


def test_gc_takes_a_file_only_when_no_repository_needs_it(
    app: Repository, registry: Registry, clock: Clock
) -> None:
    other = registry.repository("team/other")
    digest = put(app, b"{}")
    push(app, manifest(b"{}"), "x")
    assert other.mount(digest, "team/app", lambda name: True)
    app.delete_tag("x")
    clock.now += 200 * SECOND
    first = collect(registry, delete_untagged=True)
    assert digest in first.blobs
    assert set(first.links) == {"team/app", "team/other"}
    assert registry.repositories(limit=10) == []


def test_a_blob_that_was_asked_for_is_new_again(
    app: Repository, registry: Registry, clock: Clock
) -> None:
    digest = put(app, b"{}")
    clock.now += 99 * SECOND
    link = app.blob(digest)
    assert app.is_aging(link)
    app.renew(link)
    clock.now += 99 * SECOND
    assert collect(registry).bytes == 0
    push(app, manifest(b"{}"), "x")


def test_a_blob_that_is_gone_cannot_be_renewed(
    app: Repository, registry: Registry, clock: Clock
) -> None:
    link = app.blob(put(app, b"{}"))
    clock.now += 200 * SECOND
    collect(registry)
    with pytest.raises(NoBlob):
        app.renew(link)
    assert app.mount(link.digest, None, lambda name: True) is None


def test_referrers_go_with_their_subject(app: Repository, registry: Registry, clock: Clock) -> None:
    put(app, b"{}")
    image = manifest(b"{}", annotations={"a": "image"})
    subject = push(app, image, "x")
    about = descriptor(image, types.OCI_MANIFEST)
    signature = push(app, manifest(b"{}", subject=about))
    clock.now += 200 * SECOND
    assert collect(registry, delete_untagged=True).bytes == 0
    steps = why_kept(registry, signature, delete_untagged=True)["team/app"]
    assert [digest for digest, _ in steps] == [subject, signature]
    app.delete_manifest(subject)
    assert signature in collect(registry).manifests["team/app"]
    assert why_kept(registry, signature) == {}


def test_children_of_a_tagged_index_are_never_taken(
    app: Repository, registry: Registry, clock: Clock
) -> None:
    put(app, b"{}")
    child = manifest(b"{}")
    push(app, child)
    push(app, index(child), "x")
    clock.now += 200 * SECOND
    assert collect(registry, delete_untagged=True).bytes == 0


def test_a_file_that_nobody_knows_of_goes_when_it_is_old(
    registry: Registry, clock: Clock, tmp_path: Path
) -> None:
    registry.blobs.put(Digest.of(b"stray"), b"stray")
    assert collect(registry).bytes == 0
    clock.now += 200 * SECOND
    assert collect(registry, dry_run=True).bytes == 5
    assert collect(registry).bytes == 5
    assert files(tmp_path) == set()
    assert os.listdir(tmp_path / "trash") == []


def test_a_damaged_manifest_is_not_served(app: Repository, tmp_path: Path) -> None:
    put(app, b"{}")
    digest = push(app, manifest(b"{}"), "x")
    path = tmp_path / "blobs" / "sha256" / digest.encoded
    path.chmod(0o644)
    path.write_bytes(path.read_bytes().replace(b"2", b"3", 1))
    again = open_registry(tmp_path).repository("team/app")
    with pytest.raises(Corrupt):
        again.read(again.manifest("x"))
