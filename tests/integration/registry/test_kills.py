"""A kill -9 at every step that a registry can be seen to take loses nothing that was promised."""

from __future__ import annotations

import os
from pathlib import Path

from tests.contract.killing import every_kill
from tests.registries import index, manifest

from lamina.oci.digest import Digest
from lamina.registry import Registry, Repository, open_registry
from lamina.registry.failures import NoBlob, NoManifest, NoUpload
from lamina.registry.gc import collect

NAME = "team/app"
DATA = os.urandom(50_000)
DIGEST = Digest.of(DATA)


def at(root: Path) -> Repository:
    return open_registry(root, grace=0).repository(NAME)


def put(repository: Repository, data: bytes) -> Digest:
    digest = Digest.of(data)
    with repository.resume(repository.begin()) as upload:
        upload.append([data])
        repository.finish(upload, digest)
    return digest


def files(root: Path) -> int:
    return sum(1 for _ in (root / "blobs").glob("*/*"))


def test_killed_while_an_upload_ends(tmp_path: Path) -> None:
    sessions = [""]

    def begin() -> None:
        sessions[0] = at(tmp_path).begin()
        with at(tmp_path).resume(sessions[0]) as upload:
            upload.append([DATA])

    def work() -> None:
        repository = at(tmp_path)
        with repository.resume(sessions[0]) as upload:
            repository.finish(upload, DIGEST)

    def check() -> None:
        repository = at(tmp_path)
        try:
            link = repository.blob(DIGEST)
        except NoBlob:
            # Nobody was told that it is there; either it goes on, or the client begins again.
            try:
                with repository.resume(sessions[0]) as upload:
                    assert upload.offset == len(DATA)
                    repository.finish(upload, DIGEST)
            except NoUpload:
                put(repository, DATA)
            link = repository.blob(DIGEST)
        with repository.open(link.digest) as file:
            assert file.read() == DATA
        collect(open_registry(tmp_path, grace=0), upload_expiry=0)
        assert files(tmp_path) == 0
        assert os.listdir(tmp_path / "uploads") == []
        begin()

    begin()
    assert every_kill(work, check) > 5


def test_killed_while_a_manifest_is_kept(tmp_path: Path) -> None:
    repository = at(tmp_path)
    put(repository, b"{}")
    old, new = manifest(b"{}"), manifest(b"{}", annotations={"a": "new"})
    repository.put_manifest(old, None, tags=["x"])
    outcomes = set()

    def check() -> None:
        again = at(tmp_path)
        entry = again.manifest("x")
        assert again.read(entry) in (old, new)
        outcomes.add(entry.digest)
        assert again.blob(Digest.of(b"{}")).size == 2
        again.put_manifest(old, None, tags=["x"])
        try:
            again.delete_manifest(Digest.of(new))
        except NoManifest:
            pass
        collect(open_registry(tmp_path, grace=0))
        assert files(tmp_path) == 2

    assert every_kill(lambda: at(tmp_path).put_manifest(new, None, tags=["x"]), check) > 8
    assert outcomes == {Digest.of(old), Digest.of(new)}


def test_killed_while_gc_sweeps(tmp_path: Path) -> None:
    def fill() -> Registry:
        registry = open_registry(tmp_path, grace=0)
        repository = registry.repository(NAME)
        for data in (b"{}", b"kept", b"gone", b"gone too"):
            put(repository, data)
        image = manifest(b"{}", b"kept")
        repository.put_manifest(image, None)
        repository.put_manifest(index(image), None, tags=["x"])
        repository.put_manifest(manifest(b"{}", b"gone"), None)
        return registry

    def check() -> None:
        registry = open_registry(tmp_path, grace=0)
        repository = registry.repository(NAME)
        raw = repository.read(repository.manifest("x"))
        assert raw == index(manifest(b"{}", b"kept"))
        for data in (b"{}", b"kept"):
            with repository.open(repository.blob(Digest.of(data)).digest) as file:
                assert file.read() == data
        collect(registry, delete_untagged=True)
        assert files(tmp_path) == 4
        assert os.listdir(tmp_path / "trash") == []
        fill()

    fill()

    def work() -> None:
        collect(open_registry(tmp_path, grace=0), delete_untagged=True)

    assert every_kill(work, check) > 10


def test_killed_while_a_registry_is_made(tmp_path: Path) -> None:
    rounds = iter(range(1000))
    place = [tmp_path / "0"]

    def work() -> None:
        put(at(place[0]), b"x")

    def check() -> None:
        put(at(place[0]), b"works")
        place[0] = tmp_path / f"n{next(rounds)}"

    assert every_kill(work, check) > 8
