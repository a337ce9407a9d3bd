"""What a selection adds to a cache key, and what is remembered of files that stand still."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from lamina.build.context import LocalContext, TreeContext
from lamina.build.copying import (
    Changed,
    CopySpec,
    FileRecord,
    HashCache,
    digests,
    select,
)
from lamina.oci.digest import Digest
from lamina.values import replace


def records(path: Path, *sources: str, cache: HashCache | None = None) -> tuple[FileRecord, ...]:
    return digests(select(LocalContext(path), CopySpec(sources or (".",), "/x/")), cache)


def age(path: Path) -> None:
    """Give everything times long past, as files have that nobody is writing."""
    for file in (path, *path.rglob("*")):
        os.utime(file, ns=(1, 1_000_000_000), follow_symlinks=False)


def test_names_types_modes_sizes_and_content_count(tmp_path: Path) -> None:
    (tmp_path / "d").mkdir(mode=0o750)
    (tmp_path / "d/f").write_text("text")
    (tmp_path / "d/f").chmod(0o640)
    (tmp_path / "l").symlink_to("d/f")
    assert records(tmp_path) == (
        FileRecord(".", "dir", 0, 0, 0, 0, None, "", None),
        FileRecord("d", "dir", 0o750, 0, 0, 0, None, "", None),
        FileRecord("d/f", "file", 0o640, 0, 0, 4, Digest.of(b"text"), "", None),
        FileRecord("l", "symlink", 0o777, 0, 0, 0, None, "d/f", None),
    )


def test_times_and_the_copied_directory_itself_do_not_count(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    before = records(tmp_path)
    age(tmp_path)
    tmp_path.chmod(0o711)
    assert records(tmp_path) == before


def test_a_single_file_is_known_by_the_name_that_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    (tmp_path / "l").symlink_to("f")
    assert [record.path for record in records(tmp_path, "f", "l")] == ["f", "l"]


def test_inline_files_count(tmp_path: Path) -> None:
    spec = CopySpec((), "/x/", inline=(("a", b"text"),))
    found = digests(select(LocalContext(tmp_path), spec))
    assert found == (FileRecord("a", "file", 0o644, 0, 0, 4, Digest.of(b"text"), "", None),)


@pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")
def test_owners_count_in_a_stage_and_not_in_a_clients_files(tmp_path: Path) -> None:
    @contextmanager
    def opener() -> Iterator[int]:
        fd = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)
        try:
            yield fd
        finally:
            os.close(fd)

    (tmp_path / "f").write_text("text")
    os.chown(tmp_path / "f", 5, 6)
    spec = CopySpec(("f",), "/x/")
    (stage,) = digests(select(TreeContext(opener, "stage"), spec))
    (client,) = digests(select(LocalContext(tmp_path), spec))
    assert ((stage.uid, stage.gid), (client.uid, client.gid)) == ((5, 6), (0, 0))


def test_extended_attributes_count(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    (before,) = records(tmp_path, "f")
    try:
        os.setxattr(tmp_path / "f", "user.a", b"1")
    except OSError:
        pytest.skip("this file system keeps no extended attributes")
    (after,) = records(tmp_path, "f")
    assert before.xattrs is None
    assert after.xattrs is not None
    assert replace(after, xattrs=None) == before


class _Refusing(HashCache):
    """Fails the test for a file that it would have to hash."""

    def keep(self, *args: object, **more: object) -> None:
        raise AssertionError("hashed again")


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file counts as at rest however young it is, for the tests cannot wait."""
    monkeypatch.setattr("lamina.build.hashing.FRESH", -(1 << 62))


@pytest.mark.usefixtures("still")
def test_an_unchanged_context_is_not_hashed_again(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    (tmp_path / "g").write_text("more")
    cache = HashCache()
    before = records(tmp_path, cache=cache)
    assert cache.changed
    known = _Refusing.load(cache.dump())
    assert records(tmp_path, cache=known) == before
    assert not known.changed


@pytest.mark.usefixtures("still")
def test_a_changed_file_is_hashed_again(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    cache = HashCache()
    records(tmp_path, cache=cache)
    (tmp_path / "f").write_text("TEXT")
    os.utime(tmp_path / "f", ns=(1, 1))
    (record,) = records(tmp_path, "f", cache=cache)
    assert record.digest == Digest.of(b"TEXT")


def test_a_file_that_was_just_written_is_not_remembered(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    cache = HashCache()
    records(tmp_path, cache=cache)
    assert not cache.changed


@pytest.mark.parametrize("blob", [None, b"", b"nonsense", b"lamina hashes 1\nshort"])
def test_a_damaged_memory_is_an_empty_one(tmp_path: Path, blob: bytes | None) -> None:
    (tmp_path / "f").write_text("text")
    assert records(tmp_path, cache=HashCache.load(blob)) == records(tmp_path)


def test_a_file_that_changes_before_it_is_hashed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    selection = select(LocalContext(tmp_path), CopySpec(("f",), "/x/"))
    (tmp_path / "f").write_text("longer text")
    with pytest.raises(Changed, match='"f" changed'):
        digests(selection)


def test_a_file_that_is_gone_before_it_is_hashed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("text")
    selection = select(LocalContext(tmp_path), CopySpec(("f",), "/x/"))
    (tmp_path / "f").unlink()
    with pytest.raises(Changed, match='"f" cannot be read'):
        digests(selection)
