"""Lists of files in a key: one digest, remembered while every file stands still."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.build.context import LocalContext
from lamina.build.copying import CopySpec, HashCache, select
from lamina.build.files import NO_FILES, Files, ListCache, files_of


def found(
    path: Path, lists: ListCache | None = None, hashes: HashCache | None = None, *sources: str
) -> Files:
    cache = HashCache() if hashes is None else hashes
    return files_of(
        select(LocalContext(path), CopySpec(sources or (".",), "/x/")), lambda: cache, lists
    )


@pytest.fixture
def still(monkeypatch: pytest.MonkeyPatch) -> None:
    """A file counts as at rest however young it is, for the tests cannot wait."""
    monkeypatch.setattr("lamina.build.files.FRESH", -(1 << 62))


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "d").mkdir()
    (tmp_path / "d/f").write_text("text")
    (tmp_path / "l").symlink_to("d/f")
    return tmp_path


class _Refusing(HashCache):
    """Fails the test for a file that is asked for."""

    def find(self, info: os.stat_result) -> tuple[bytes, bytes] | None:
        raise AssertionError("the list was made again")


@pytest.mark.usefixtures("still")
def test_a_list_that_stands_still_is_not_made_again(tree: Path) -> None:
    lists = ListCache()
    before = found(tree, lists)
    assert lists.changed
    again = ListCache.load(lists.dump())
    assert found(tree, again, _Refusing()).digest == before.digest
    assert not again.changed


@pytest.mark.usefixtures("still")
def test_the_list_can_still_be_read(tree: Path) -> None:
    lists = ListCache()
    rows = found(tree, lists).rows
    assert [path for path, _ in rows] == [".", "d", "d/f", "l"]
    assert found(tree, lists).rows == rows == found(tree).rows


def write(path: Path) -> None:
    (path / "d/f").write_text("TEXT")
    os.utime(path / "d/f", ns=(1, 1))


@pytest.mark.usefixtures("still")
@pytest.mark.parametrize(
    "change",
    [
        write,
        lambda path: (path / "d/f").chmod(0o600),
        lambda path: (path / "d/f").rename(path / "d/g"),
        lambda path: (path / "d/more").write_text(""),
        lambda path: (path / "l").unlink(),
        lambda path: (path / "d").chmod(0o700),
        lambda path: ((path / "l").unlink(), (path / "l").symlink_to("d")),
    ],
    ids=["content", "mode", "name", "added", "gone", "directory", "link"],
)
def test_a_change_is_seen(tree: Path, change: object) -> None:
    lists = ListCache()
    before = found(tree, lists).digest
    assert callable(change)
    change(tree)
    assert found(tree, lists).digest == found(tree).digest != before


@pytest.mark.usefixtures("still")
def test_which_of_the_files_are_copied_counts(tree: Path) -> None:
    lists = ListCache()
    digests = {found(tree, lists, None, *names).digest for names in ((".",), ("d",), ("d/f",))}
    assert len(digests) == 3
    assert found(tree, lists, None, "l").digest == found(tree, None, None, "l").digest


def test_a_list_with_a_file_just_written_is_not_remembered(tree: Path) -> None:
    lists = ListCache()
    found(tree, lists)
    assert not lists.changed


@pytest.mark.parametrize("blob", [None, b"", b"nonsense", b"lamina lists 1\nshort"])
def test_a_damaged_memory_is_an_empty_one(tree: Path, blob: bytes | None) -> None:
    assert found(tree, ListCache.load(blob)) == found(tree)


def test_few_lists_are_kept() -> None:
    lists = ListCache()
    for number in range(100):
        lists.keep(b"%032d" % number, bytes(32))
    again = ListCache.load(lists.dump())
    assert again.find(b"%032d" % 99) is not None
    assert again.find(b"%032d" % 0) is None


def test_lists_are_framed() -> None:
    assert Files(lambda: [("a", "bc")]) != Files(lambda: [("ab", "c")])
    assert Files(lambda: [("\udcff", "")]) != Files(lambda: [("\udcfe", "")])
    assert Files(lambda: ()) == NO_FILES
