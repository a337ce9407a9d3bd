"""What is taken away, what a kill leaves, and what is trusted after a boot."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
from tests.contract.killing import every_kill

from lamina.errors import NotFound
from lamina.oci.digest import ChainID, Digest
from lamina.snapshot import (
    Snapshotter,
)
from shelves import A, B, furnish, layer, picture, reading, root_only, writing


def orphan(shelf: Snapshotter, key: str, parent: ChainID | None) -> None:
    """A draft whose owner is dead."""
    child = os.fork()
    if child == 0:
        try:
            shelf.prepare(key, parent)
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_retire_takes_what_nothing_stands_on(shelf: Snapshotter) -> None:
    chains = [ChainID(Digest.of(b"%d" % number)) for number in range(6)]
    parent = None
    for chain in chains[:4]:
        parent = layer(shelf, chain, parent)
    layer(shelf, chains[4], chains[0])
    layer(shelf, chains[5])
    orphan(shelf, "orphan", chains[5])
    orphan(shelf, "container-1", chains[4])
    mine = shelf.prepare("mine", chains[2])

    def retire(live: list[ChainID], *, dry_run: bool) -> set[str]:
        found = shelf.retire(live, kept=lambda key: key == "container-1", dry_run=dry_run)
        assert all(size >= 0 for size in found.values())
        return set(found)

    for dry_run in (True, False):
        assert retire([chains[1]], dry_run=dry_run) == {chains[3], chains[5], "orphan"}
    shelf.purge()
    assert shelf.chains() == sorted([*chains[:3], chains[4]])
    assert shelf.drafts() == ["container-1", "mine"]
    shelf.discard(mine)
    assert retire([], dry_run=False) == {chains[1], chains[2]}


def test_retire_spares_what_is_newer_than_a_lease(shelf: Snapshotter) -> None:
    layer(shelf, A)
    when = os.stat(shelf.view(A).source).st_ctime_ns - 10**9  # type: ignore[union-attr]
    assert shelf.retire([], kept=lambda key: False, since=when) == {}
    assert list(shelf.retire([], kept=lambda key: False, since=when + 10**12)) == [A]


def test_a_snapshot_of_an_earlier_boot_is_trusted_only_if_settled(
    shelf: Snapshotter, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lamina.snapshot import meta

    layer(shelf, A, file=b"settled")
    shelf.settle()
    layer(shelf, B, A, other=b"not settled")
    here = meta.this_boot()
    try:
        monkeypatch.setattr(meta, "boot", lambda: "another boot")
        meta.this_boot.cache_clear()
        assert shelf.has(A)
        assert not shelf.has(B)
        layer(shelf, B, A, other=b"made again")
        assert shelf.has(B)
        with reading(shelf, B) as root:
            assert (root / "other").read_bytes() == b"made again"
    finally:
        monkeypatch.undo()
        meta.this_boot.cache_clear()
    assert meta.this_boot() == here


def whole(shelf: Snapshotter) -> None:
    """After a kill: all that is listed can be used, and the leftovers can be collected."""
    for chain in shelf.chains():
        with reading(shelf, chain) as root:
            picture(root)
    for key in shelf.drafts():
        with writing(shelf.open_draft(key)) as root:
            picture(root)
    shelf.retire([A], kept=lambda key: False)
    shelf.purge()
    assert shelf.chains() == [A]
    assert shelf.drafts() == []
    kept = [Path(shelf.view(A).source).parent]  # type: ignore[union-attr]
    for place in ("new", "trash", "drafts", "chains"):
        left = list((kept[0].parent.parent / place).iterdir())
        assert left == (kept if place == "chains" else [])


def test_killed_at_every_step(shelf: Snapshotter) -> None:
    draft = shelf.prepare("base", None)
    with writing(draft) as root:
        furnish(root)
    shelf.commit(draft, A)
    with reading(shelf, A) as root:
        before = picture(root)

    def live() -> None:
        layer(shelf, B, A, file=b"x")
        draft = shelf.prepare("other", B)
        shelf.discard(draft)
        shelf.remove(B)

    def check() -> None:
        whole(shelf)
        with reading(shelf, A) as root:
            assert picture(root) == before

    assert every_kill(live, check) > 15


@root_only
def test_a_graft_killed_at_any_step_is_there_or_not(shelf: Snapshotter) -> None:
    grafter = shelf.grafter()
    if grafter is None:
        pytest.skip("this snapshotter unpacks in order")
    layer(shelf, A, below=b"1")

    def graft() -> None:
        draft = shelf.prepare(f"graft-{os.getpid()}", None)
        with writing(draft) as root:
            (root / "above").write_bytes(b"2")
            os.mknod(root / "nothing", stat.S_IFCHR, 0)
        grafter.graft(draft, B, A, whiteouts={"nothing"}, has_root=False)

    def check() -> None:
        if shelf.has(B):
            assert shelf.parent(B) == A
            with reading(shelf, B) as root:
                assert sorted(os.listdir(root)) == ["above", "below"]
            shelf.remove(B)
        shelf.retire({A}, kept=lambda key: False)
        shelf.purge()
        assert shelf.drafts() == []
        assert shelf.chains() == [A]

    assert every_kill(graft, check) > 5


def test_a_graft_on_nothing_is_refused(shelf: Snapshotter) -> None:
    grafter = shelf.grafter()
    if grafter is None:
        pytest.skip("this snapshotter unpacks in order")
    draft = shelf.prepare("graft", None)
    with pytest.raises(NotFound):
        grafter.graft(draft, B, A, whiteouts=(), has_root=True)
    assert not shelf.has(B)
