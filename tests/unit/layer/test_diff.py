"""Changes become a layer: the same bytes for the same tree, and the tree again from the bytes."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from lamina.errors import Conflict, Invalid
from lamina.layer.apply import apply
from lamina.layer.changes import Change, Kind, tree_changes
from lamina.layer.crc import Crc
from lamina.layer.diff import Packed, pack
from lamina.layer.tar import DIR, FILE, Entry, read_index
from lamina.oci.digest import Digest


def packed(changes: object, *, clamp: int | None = None) -> tuple[Packed, bytes]:
    out = io.BytesIO()
    made = pack(changes, out, clamp=clamp)
    assert made.diff_id == Digest.of(out.getvalue())
    assert made.size == len(out.getvalue())
    assert made.crc == Crc().plus(out.getvalue())
    found = read_index(io.BytesIO(out.getvalue()))
    for mine, theirs in zip(made.index, found, strict=True):
        theirs.digest = mine.digest
        assert mine == theirs
    return made, out.getvalue()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    tree = tmp_path / "tree"
    (tree / "d").mkdir(parents=True)
    (tree / "d/f").write_bytes(b"content")
    (tree / "d/empty").touch()
    (tree / "large").write_bytes(os.urandom(3_000_000))
    (tree / "link").symlink_to("d/f")
    os.link(tree / "d/f", tree / "hard")
    for path in (tree / "d/f", tree / "d/empty", tree / "large", tree / "d"):
        os.utime(path, ns=(0, 1_700_000_000_123_456_789))
    return tree


def test_times_are_cut_to_seconds_and_clamped(tree: Path) -> None:
    index = packed(tree_changes(None, tree))[0].index
    assert {entry.mtime for entry in index if entry.path.startswith("d")} == {
        1_700_000_000_000_000_000
    }
    index = packed(tree_changes(None, tree), clamp=1_000_000_000)[0].index
    assert {entry.mtime for entry in index} == {1_000_000_000_000_000_000}
    index = packed(tree_changes(None, tree), clamp=1_800_000_000)[0].index
    assert index[0].mtime == 1_700_000_000_000_000_000


def test_the_same_tree_gives_the_same_bytes(tree: Path, tmp_path: Path) -> None:
    one = packed(tree_changes(None, tree), clamp=5)[1]
    copy = tmp_path / "copy"
    copy.mkdir()
    fd = os.open(copy, os.O_RDONLY)
    apply(io.BytesIO(one), fd)
    os.close(fd)
    assert packed(tree_changes(None, copy), clamp=5)[1] == one


def test_deletions_become_whiteouts() -> None:
    changes = [
        Change(Kind.DELETED, Entry("a", DIR)),
        Change(Kind.MODIFIED, Entry("d", DIR, 0o755)),
        Change(Kind.OPAQUE, Entry("d", DIR)),
        Change(Kind.DELETED, Entry("d/x", FILE)),
        Change(Kind.OPAQUE, Entry(".", DIR)),
    ]
    index = packed(changes)[0].index
    assert [entry.path for entry in index] == [
        ".wh.a",
        "d",
        "d/.wh..wh..opq",
        "d/.wh.x",
        ".wh..wh..opq",
    ]
    assert {entry.mtime for entry in index} == {0}


def test_files_with_a_whiteouts_name_are_refused(tmp_path: Path) -> None:
    (tmp_path / ".wh.x").touch()
    with pytest.raises(Invalid, match=r"\.wh\."):
        packed(tree_changes(None, tmp_path))


def test_holes_are_kept_where_they_are_worth_it(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    with (tmp_path / "big").open("wb") as file:
        file.seek(100 << 20)
        file.write(b"end")
    with (tmp_path / "small").open("wb") as file:
        file.truncate(500_000)
    made, data = packed(tree_changes(None, tmp_path))
    big, small = made.index
    assert big.sparse is not None and big.stored < 1 << 20
    assert small.sparse is None and small.stored == 500_000
    assert len(data) < 2_000_000
    whole = bytes(100 << 20) + b"end"
    assert read_index(io.BytesIO(data))[0].digest == Digest.of(whole)


def test_a_file_that_shrinks_is_filled(tree: Path) -> None:
    changes = list(tree_changes(None, tree))
    os.truncate(tree / "d/f", 3)
    os.truncate(tree / "large", 2_000_000)
    made, data = packed(changes)
    index = {entry.path: entry for entry in made.index}
    found = index["d/f"]
    assert data[found.offset :][: found.size] == b"con\0\0\0\0"
    assert index["large"].size == 3_000_000


def test_a_file_that_vanishes_is_a_conflict(tree: Path) -> None:
    changes = list(tree_changes(None, tree))
    (tree / "d/f").unlink()
    with pytest.raises(Conflict, match="changed"):
        packed(changes)


def test_errors_of_the_sink_come_through(tree: Path) -> None:
    class Full:
        def write(self, _data: bytes) -> None:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        pack(tree_changes(None, tree), Full())


def test_errors_of_the_changes_end_the_thread(tree: Path) -> None:
    def broken() -> object:
        yield from tree_changes(None, tree)
        raise KeyError

    with pytest.raises(KeyError):
        pack(broken(), io.BytesIO())


def test_nothing_is_an_archive_too() -> None:
    made, data = packed([])
    assert data == bytes(1024) and len(made.index) == 0
