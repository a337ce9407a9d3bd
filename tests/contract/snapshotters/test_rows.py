"""Drafts on top of drafts: what stands on a tree that has no name yet."""

from __future__ import annotations

import os
import shutil

import pytest

from lamina.errors import Conflict, NotFound
from lamina.oci.digest import ChainID
from lamina.snapshot import Draft, Snapshotter
from shelves import A, B, C, layer, picture, reading, said, writing


def _row(shelf: Snapshotter, base: ChainID | None) -> list[Draft]:
    """Three drafts, each on the one before, the lowest on `base`."""
    first = shelf.prepare("first", base)
    with writing(first) as root:
        (root / "dir").mkdir()
        for name in ("kept", "gone", "changed"):
            (root / "dir" / name).write_bytes(b"first")
        os.chmod(root, 0o1755)
    second = shelf.prepare_on("second", first)
    with writing(second) as root:
        assert sorted(os.listdir(root / "dir")) == ["changed", "gone", "kept"]
        os.unlink(root / "dir" / "gone")
        (root / "dir" / "changed").write_bytes(b"second")
        (root / "new").write_bytes(b"")
    third = shelf.prepare_on("third", second)
    with writing(third) as root:
        assert sorted(os.listdir(root / "dir")) == ["changed", "kept"]
        shutil.rmtree(root / "dir")
        (root / "dir").mkdir()
        (root / "dir" / "last").write_bytes(b"third")
    return [first, second, third]


@pytest.mark.parametrize("has_base", [True, False], ids=["on a snapshot", "on nothing"])
def test_each_is_told_from_the_one_below(shelf: Snapshotter, has_base: bool) -> None:
    base = layer(shelf, A, base=b"base") if has_base else None
    first, second, third = _row(shelf, base)
    assert ("added", "dir/gone") in said(shelf, first)
    assert set(said(shelf, second)) - {("modified", "dir")} == {
        ("modified", "dir/changed"),
        ("deleted", "dir/gone"),
        ("added", "new"),
    }
    told = set(said(shelf, third)) - {("modified", "dir")}
    assert told - {("opaque", "dir"), ("deleted", "dir/changed"), ("deleted", "dir/kept")} == {
        ("added", "dir/last")
    }
    assert len(told) > 1


def test_committed_in_turn_they_are_as_if_each_had_waited(shelf: Snapshotter) -> None:
    first, second, third = _row(shelf, None)
    with writing(third) as root:
        before = picture(root)
    shelf.commit(first, A)
    second = shelf.stand(second, A)
    assert (second.parent, second.below) == (A, None)
    assert ("deleted", "dir/gone") in said(shelf, second)
    shelf.commit(second, B)
    shelf.commit(shelf.stand(third, B), C)
    assert shelf.drafts() == []
    assert [shelf.parent(chain) for chain in (A, B, C)] == [None, A, B]
    with reading(shelf, C) as root:
        assert picture(root) == before
        assert os.listdir(root / "dir") == ["last"]
    with reading(shelf, B) as root:
        assert sorted(os.listdir(root / "dir")) == ["changed", "kept"]
    with pytest.raises(Conflict):
        shelf.remove(B)


def test_one_is_discarded_and_those_below_stay(shelf: Snapshotter) -> None:
    first, second, third = _row(shelf, None)
    shelf.discard(third)
    shelf.commit(first, A)
    shelf.discard(second)
    assert (shelf.chains(), shelf.drafts()) == ([A], [])


def test_what_was_there_already_takes_the_place_of_the_lower_one(shelf: Snapshotter) -> None:
    layer(shelf, A, other=b"made by somebody else")
    first, second, _ = _row(shelf, None)
    shelf.commit(first, A)
    shelf.commit(shelf.stand(second, A), B)
    assert shelf.parent(B) == A
    with reading(shelf, B) as root:
        assert (root / "new").exists()
    with reading(shelf, A) as root:
        assert os.listdir(root) == ["other"]


def test_nothing_of_a_row_is_retired_while_its_owner_lives(shelf: Snapshotter) -> None:
    layer(shelf, A, base=b"base")
    _row(shelf, A)
    assert shelf.retire((), kept=lambda key: False) == {}
    assert (shelf.chains(), shelf.drafts()) == ([A], ["first", "second", "third"])


def test_it_stands_on_no_snapshot_that_is_not_here(shelf: Snapshotter) -> None:
    first, second, _ = _row(shelf, None)
    with pytest.raises(NotFound):
        shelf.stand(second, B)
    shelf.discard(second)
    with pytest.raises(NotFound):
        shelf.prepare_on("fourth", second)
    with writing(first) as root:
        assert sorted(os.listdir(root / "dir")) == ["changed", "gone", "kept"]
