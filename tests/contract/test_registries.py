"""One suite for whatever keeps a registry's metadata, and one for whatever keeps its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.registries import descriptor, index, manifest

from lamina.errors import NotFound
from lamina.oci import media_type as types
from lamina.oci.digest import Digest
from lamina.registry.blobs import Place
from lamina.registry.document import Document, read
from lamina.registry.failures import Changed, MissingContent
from lamina.registry.files import FileBlobs
from lamina.registry.metadata import Dead, Graph, Link, Metadata
from lamina.registry.sqlite import SQLite

A, B = "team/a", "team/b"
X, Y = Digest.of(b"x"), Digest.of(b"y", "sha512")


def root(tmp_path: Path) -> Path:
    for name in ("locks", "blobs/sha256", "blobs/sha512", "ingest", "trash", "uploads"):
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
    return tmp_path


@pytest.fixture(params=["sqlite"])
def metadata(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Metadata]:
    opened = SQLite(root(tmp_path))
    yield opened
    opened.close()


@pytest.fixture(params=["files"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    return FileBlobs(root(tmp_path))


def document(raw: bytes) -> Document:
    return read(raw, None, Digest.of(raw))


def keep(metadata: Metadata, name: str, raw: bytes, *tags: str, at: int = 1) -> Digest:
    found = document(raw)
    metadata.keep(name, found, tags, at=at, complete=False)
    return found.digest


def image(number: int, **fields: object) -> bytes:
    return manifest(b"{}", annotations={"n": str(number)}, **fields)


# -- versions


CHANGES: dict[str, Callable[[Metadata], object]] = {
    "link": lambda metadata: metadata.link(A, X, 7, at=1),
    "renew": lambda metadata: metadata.renew(A, X, at=2),
    "mount": lambda metadata: metadata.mount(B, X, [A], at=3),
    "keep": lambda metadata: keep(metadata, A, image(1), "v1"),
    "move": lambda metadata: keep(metadata, A, image(2), "v1"),
    "untag": lambda metadata: metadata.untag(A, "v1"),
    "drop": lambda metadata: metadata.drop(A, Digest.of(image(1))),
    "unlink": lambda metadata: metadata.unlink(A, X),
    "sweep": lambda metadata: metadata.sweep(A, lambda graph: Dead(graph.nodes, graph.links)),
}


@pytest.mark.parametrize("by", ["this", "another"])
def test_a_version_lasts_until_somebody_changes_something(
    metadata: Metadata, tmp_path: Path, by: str
) -> None:
    changer = metadata if by == "this" else SQLite(tmp_path)  # as another process has it open
    for name, change in CHANGES.items():
        before = metadata.version()
        change(changer)
        assert metadata.version() != before, name
        metadata.tags(A, after="", limit=9)
        assert metadata.version() == metadata.version()
    changer.close()


def test_versions_of_a_connection_that_was_closed_say_nothing(metadata: Metadata) -> None:
    keep(metadata, A, image(1), "v1")
    before = metadata.version()
    metadata.close()
    assert metadata.version() != before


# -- links


def test_a_blob_is_seen_by_who_was_told_of_it(metadata: Metadata) -> None:
    assert metadata.blob(A, X) is None
    metadata.link(A, X, 7, at=1)
    metadata.link(A, X, 7, at=5)
    assert metadata.blob(A, X) == Link(X, 7, 5)
    assert metadata.blob(B, X) is None
    assert metadata.holders(X) == [A]


def test_a_mount_takes_the_first_source_that_has_it(metadata: Metadata) -> None:
    metadata.link(A, X, 7, at=1)
    assert metadata.mount(B, X, [], at=2) is None
    assert metadata.mount(B, Y, [A], at=2) is None
    assert metadata.mount(B, X, ["no/body", A], at=2) == 7
    assert metadata.blob(B, X) == Link(X, 7, 2)
    assert metadata.holders(X) == [A, B]


def test_a_blob_that_is_let_go_of_is_gone_there(metadata: Metadata) -> None:
    metadata.link(A, X, 7, at=1)
    metadata.link(B, X, 7, at=1)
    assert metadata.unlink(A, X)
    assert not metadata.unlink(A, X)
    assert not metadata.renew(A, X, at=9)
    assert metadata.renew(B, X, at=9)
    assert metadata.blob(B, X) == Link(X, 7, 9)


# -- manifests


def test_a_manifest_is_found_by_digest_and_tags(metadata: Metadata) -> None:
    raw = image(1)
    digest = keep(metadata, A, raw, "x", "y")
    for found in (metadata.manifest(A, digest), metadata.tagged(A, "x"), metadata.tagged(A, "y")):
        assert found is not None
        assert (found.digest, found.size, found.media_type) == (
            digest,
            len(raw),
            types.OCI_MANIFEST,
        )
    assert metadata.manifest(B, digest) is None
    assert metadata.tagged(A, "z") is None


def test_a_tag_means_what_it_was_last_given_to(metadata: Metadata) -> None:
    first = keep(metadata, A, image(1), "x")
    second = keep(metadata, A, image(2), "x")
    found = metadata.tagged(A, "x")
    assert found is not None and found.digest == second
    assert metadata.manifest(A, first) is not None


def test_what_is_referred_to_must_be_there(metadata: Metadata) -> None:
    child = image(1)
    outer = document(index(child))
    inner = document(child)
    for each, missing in ((outer, Digest.of(child)), (inner, Digest.of(b"{}"))):
        with pytest.raises(MissingContent) as error:
            metadata.keep(A, each, ["x"], at=1)
        assert error.value.missing == (missing,)
        assert not metadata.knows(A)
    metadata.link(B, Digest.of(b"{}"), 2, at=1)
    with pytest.raises(MissingContent):
        metadata.keep(A, inner, [], at=1)
    metadata.link(A, Digest.of(b"{}"), 2, at=1)
    metadata.keep(A, inner, [], at=1)
    metadata.keep(A, outer, ["x"], at=1)


def test_a_condition_may_leave_all_as_it_was(metadata: Metadata) -> None:
    first = keep(metadata, A, image(1), "x")
    seen: list[tuple[str, Digest | None]] = []

    def refuse(tag: str, before: Digest | None) -> None:
        seen.append((tag, before))
        if tag == "y":
            raise Changed("no")

    other = document(image(2))
    with pytest.raises(Changed):
        metadata.keep(A, other, ["x", "y"], at=1, complete=False, condition=refuse)
    assert seen == [("x", first), ("y", None)]
    assert metadata.manifest(A, other.digest) is None
    found = metadata.tagged(A, "x")
    assert found is not None and found.digest == first


def test_dropping_takes_tags_along_and_untagging_does_not(metadata: Metadata) -> None:
    digest = keep(metadata, A, image(1), "x", "y")
    assert metadata.untag(A, "x")
    assert not metadata.untag(A, "x")
    assert metadata.manifest(A, digest) is not None
    assert metadata.drop(A, digest)
    assert not metadata.drop(A, digest)
    assert metadata.tagged(A, "y") is None


# -- lists


def test_repositories_are_those_with_a_manifest(metadata: Metadata) -> None:
    for name in ("b", "a", "a/c", "a-b"):
        keep(metadata, name, image(1), "x")
        keep(metadata, name, image(2), "y")
    metadata.link("blobs/only", X, 1, at=1)
    names = ["a", "a-b", "a/c", "b"]
    assert metadata.repositories(after="", limit=10) == names
    assert metadata.repositories(after="a-b", limit=1) == ["a/c"]
    assert metadata.knows("blobs/only")
    assert not metadata.knows("nobody")
    assert metadata.names() == [*names, "blobs/only"]


def test_tags_ignore_case_in_their_order(metadata: Metadata) -> None:
    tags = ["b", "A", "a", "B", "_", "1"]
    keep(metadata, A, image(1), *tags)
    found: list[str] = []
    while page := metadata.tags(A, after=found[-1] if found else "", limit=2):
        found += page
    assert found == sorted(tags, key=lambda tag: (tag.lower(), tag))


def test_referrers_are_found_by_subject_and_type(metadata: Metadata) -> None:
    subject = descriptor(b"s", types.OCI_MANIFEST)
    typed = keep(metadata, A, image(1, subject=subject, artifactType="application/x"))
    plain = keep(metadata, A, image(2, subject=subject))
    keep(metadata, B, image(3, subject=subject))
    keep(metadata, A, image(4))
    target = Digest.of(b"s")

    def listed(artifact_type: str | None = None, after: str = "", limit: int = 9) -> list[Digest]:
        found = metadata.referrers(A, target, artifact_type=artifact_type, after=after, limit=limit)
        return [digest for digest, _ in found]

    assert listed() == sorted([typed, plain])
    assert listed(after=min(typed, plain)) == [max(typed, plain)]
    assert listed(limit=1) == [min(typed, plain)]
    assert listed("application/x") == [typed]
    assert listed("application/y") == []


# -- gc


def test_a_graph_holds_all_of_a_repository(metadata: Metadata) -> None:
    child = image(1)
    subject = {"subject": descriptor(child, types.OCI_MANIFEST)}
    inner = keep(metadata, A, child, at=3)
    outer = keep(metadata, A, index(child), "x", at=4)
    referrer = keep(metadata, A, image(2, **subject), at=5)
    metadata.link(A, X, 7, at=6)
    found = metadata.graph(A)
    assert found.tags == {"x": outer}
    assert found.links == {X: Link(X, 7, 6)}
    assert set(found.nodes) == {inner, outer, referrer}
    assert found.nodes[outer].manifests == [inner]
    assert found.nodes[inner].blobs == [Digest.of(b"{}")]
    assert (found.nodes[referrer].subject, found.nodes[referrer].pushed) == (inner, 5)
    assert found.nodes[referrer].orphanable
    assert not metadata.graph(B).nodes


def test_a_referrer_remembers_that_its_subject_was_here(metadata: Metadata) -> None:
    late = image(1)
    referrer = keep(metadata, A, image(2, subject=descriptor(late, types.OCI_MANIFEST)))
    assert not metadata.graph(A).nodes[referrer].orphanable
    keep(metadata, A, late)
    metadata.drop(A, Digest.of(late))
    assert metadata.graph(A).nodes[referrer].orphanable


def test_a_sweep_takes_what_is_judged_dead(metadata: Metadata) -> None:
    gone, kept = keep(metadata, A, image(1)), keep(metadata, A, image(2), "x")
    for digest in (X, Y):
        metadata.link(A, digest, 1, at=1)
    metadata.link(B, X, 1, at=1)

    def judge(graph: Graph) -> Dead:
        assert set(graph.nodes) == {gone, kept}
        return Dead([gone], [X])

    assert metadata.sweep(A, judge) == Dead([gone], [X])
    assert set(metadata.graph(A).nodes) == {kept}
    assert set(metadata.graph(A).links) == {Y}
    assert [metadata.uses(digest) for digest in (gone, kept, X, Y)] == [0, 1, 1, 1]


# -- bytes


@pytest.mark.parametrize("digest", [X, Y], ids=["sha256", "sha512"])
def test_what_was_put_is_read(blobs: Place, digest: Digest) -> None:
    data = b"x" if digest == X else b"y"
    assert not blobs.has(digest)
    with pytest.raises(NotFound):
        blobs.open(digest)
    for _ in range(2):
        with blobs.kept():
            blobs.put(digest, data)
        blobs.settle({digest.algorithm, "blake3"})
    assert blobs.has(digest)
    with blobs.open(digest) as file:
        assert file.read() == data
    with blobs.open(digest, 1) as file:
        assert file.read() == b""


def test_only_what_is_old_and_not_needed_is_removed(blobs: Place) -> None:
    blobs.put(X, b"x")
    late = 1 << 62
    assert list(blobs.old(0)) == []
    assert list(blobs.old(late)) == [(X, 1)]
    assert not blobs.remove(X, 0, lambda digest: False)
    assert not blobs.remove(X, late, lambda digest: digest == X)
    assert blobs.has(X)
    assert blobs.remove(X, late, lambda digest: False)
    assert not blobs.remove(X, late, lambda digest: False)
    assert not blobs.has(X)
    assert blobs.leftovers(late, dry_run=False) == 0
