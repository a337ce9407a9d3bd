from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.oci.digest import Digest
from lamina.registry import Registry, open_registry
from lamina.registry.failures import NoUpload, UploadBusy, WrongDigest

NAME = "team/app"


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(tmp_path)


@pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
def test_an_upload_goes_on_where_it_stands_in_any_process(tmp_path: Path, algorithm: str) -> None:
    data = os.urandom(3_000_000)
    session = open_registry(tmp_path).uploads.begin(NAME, "sha256")
    for at in range(0, len(data), 1_000_000):
        mine = open_registry(tmp_path)  # knows nothing of what went before
        with mine.uploads.resume(NAME, session) as upload:
            assert upload.offset == at
            upload.append([data[at : at + 500_000], data[at + 500_000 : at + 1_000_000]])
        assert mine.uploads.offset(NAME, session) == at + 1_000_000
    last = open_registry(tmp_path)
    digest = Digest.of(data, algorithm)
    with last.uploads.resume(NAME, session) as upload:
        assert upload.commit(digest) == len(data)
    with last.blobs.open(digest) as file:
        assert file.read() == data
    assert list((tmp_path / "uploads").iterdir()) == []


def test_what_a_remembered_hash_has_not_seen_is_read(registry: Registry, tmp_path: Path) -> None:
    session = registry.uploads.begin(NAME, "sha256")
    with registry.uploads.resume(NAME, session) as upload:
        upload.append([b"mine"])
    with open_registry(tmp_path).uploads.resume(NAME, session) as upload:
        upload.append([b" theirs"])
    with registry.uploads.resume(NAME, session) as upload:
        upload.append([b" mine"])
        upload.commit(Digest.of(b"mine theirs mine"))


def test_one_writes_at_a_time(registry: Registry, tmp_path: Path) -> None:
    session = registry.uploads.begin(NAME, "sha256")
    with registry.uploads.resume(NAME, session):
        for other in (registry, open_registry(tmp_path)):
            with pytest.raises(UploadBusy):
                other.uploads.resume(NAME, session)
    with registry.uploads.resume(NAME, session):
        pass


def test_what_is_truncated_never_was(registry: Registry) -> None:
    session = registry.uploads.begin(NAME, "sha256")
    with registry.uploads.resume(NAME, session) as upload:
        upload.append([b"good bad"])
        upload.truncate(5)
        upload.append([b"end"])
        upload.commit(Digest.of(b"good end"))


def test_a_wrong_digest_changes_nothing(registry: Registry) -> None:
    session = registry.uploads.begin(NAME, "sha256")
    with registry.uploads.resume(NAME, session) as upload:
        upload.append([b"data"])
        with pytest.raises(WrongDigest):
            upload.commit(Digest.of(b"other"))
    assert registry.uploads.offset(NAME, session) == 4


@pytest.mark.parametrize(
    "session",
    ["", "x", "../../registry.db", "a.b.c", "00000000-0000-0000-0000-000000000000.x.sha256"],
)
def test_a_session_that_never_was(registry: Registry, session: str) -> None:
    for call in (registry.uploads.offset, registry.uploads.resume):
        with pytest.raises(NoUpload):
            call(NAME, session)


def test_a_session_is_of_its_repository(registry: Registry) -> None:
    session = registry.uploads.begin(NAME, "sha256")
    with pytest.raises(NoUpload):
        registry.uploads.resume("team/other", session)


def test_uploads_that_nobody_goes_on_with_end(registry: Registry, tmp_path: Path) -> None:
    old, new, held = (registry.uploads.begin(NAME, "sha256") for _ in range(3))
    for session in (old, held):
        with registry.uploads.resume(NAME, session) as upload:
            upload.append([b"12345"])
        os.utime(tmp_path / "uploads" / session, ns=(0, 1000))
    with registry.uploads.resume(NAME, held):
        assert registry.blobs.leftovers(2000, dry_run=True) == 5
        assert registry.blobs.leftovers(2000, dry_run=False) == 5
        assert registry.blobs.leftovers(2000, dry_run=False) == 0
    assert sorted(path.name for path in (tmp_path / "uploads").iterdir()) == sorted([new, held])
