"""One suite for every snapshotter: the same drafts give the same trees and the same changes."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.contract.killing import every_kill

from lamina.errors import Conflict, Invalid, NotFound
from lamina.fs import mounts
from lamina.oci.digest import ChainID, Digest
from lamina.snapshot import (
    CopyingSnapshotter,
    Draft,
    ErofsSnapshotter,
    OverlaySnapshotter,
    Snapshotter,
    erofs_fault,
    overlay_fault,
    unpack,
)

A, B, C = (ChainID(Digest.of(name)) for name in (b"a", b"b", b"c"))
ODD = os.fsdecode(b"caf\xe9 \xff\n")  # not UTF-8, and not a word
root_only = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, devices, mounts")


@pytest.fixture(params=["overlay", "copying", "erofs", "erofs by loop"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshotter:
    if request.param == "copying":
        return CopyingSnapshotter(tmp_path / "copying")
    fault = overlay_fault(tmp_path)
    if fault is not None:
        pytest.skip(f"overlay does not work here: {fault}")
    if request.param == "overlay":
        return OverlaySnapshotter(tmp_path / "overlay")
    by_loop = request.param == "erofs by loop"
    fault = erofs_fault(tmp_path, by_loop=by_loop)
    if fault is not None:
        pytest.skip(f"EROFS does not work here: {fault}")
    return ErofsSnapshotter(tmp_path / "erofs", by_loop=by_loop)


@contextmanager
def writing(draft: Draft) -> Iterator[Path]:
    """The draft's tree as a path, while it is open."""
    with mounts.opened(draft.plan) as root:
        yield Path(f"/proc/self/fd/{root}")


@contextmanager
def reading(shelf: Snapshotter, chain: ChainID | None) -> Iterator[Path]:
    with mounts.opened(shelf.view(chain)) as root:
        yield Path(f"/proc/self/fd/{root}")


def layer(
    shelf: Snapshotter, chain: ChainID, parent: ChainID | None = None, **files: bytes
) -> ChainID:
    """A snapshot on top of `parent` with these files."""
    draft = shelf.prepare(f"make-{chain.short}", parent)
    with writing(draft) as root:
        for name, data in files.items():
            (root / name).write_bytes(data)
    shelf.commit(draft, chain)
    return chain


def picture(root: Path) -> dict[str, tuple[object, ...]]:
    """All that can be seen of a tree, by path."""
    found: dict[str, tuple[object, ...]] = {}
    names: dict[tuple[int, int], str] = {}
    waiting = ["."]
    while waiting:
        path = waiting.pop()
        full = f"{root}/{path}"  # not by Path, which would take "/." for the link to the tree
        seen = os.lstat(full)
        kind = stat.S_IFMT(seen.st_mode)
        content: object = None
        if kind == stat.S_IFREG:
            content = Path(full).read_bytes()
        elif kind == stat.S_IFLNK:
            content = os.readlink(full)
        elif kind == stat.S_IFDIR:
            waiting += sorted((f"{path}/{name}" for name in os.listdir(full)), reverse=True)
        elif kind in (stat.S_IFCHR, stat.S_IFBLK):
            content = seen.st_rdev
        first = names.setdefault((seen.st_dev, seen.st_ino), path) if kind != stat.S_IFDIR else path
        attributes = {
            name: os.getxattr(full, name, follow_symlinks=False)
            for name in os.listxattr(full, follow_symlinks=False)
        }
        times = None if path == "." else seen.st_mtime_ns
        found[path] = (
            oct(seen.st_mode),
            seen.st_uid,
            seen.st_gid,
            content,
            first,
            attributes,
            times,
        )
    return found


def said(shelf: Snapshotter, draft: Draft) -> list[tuple[str, str]]:
    """The changes of a draft, but for the directories that only hold them."""
    return [
        (change.kind.value, change.path) for change in shelf.changes(draft) if change.path != "."
    ]


def test_an_empty_tree_is_empty(shelf: Snapshotter) -> None:
    with reading(shelf, None) as root:
        assert os.listdir(root) == []


def test_what_is_committed_is_seen_and_stays(shelf: Snapshotter) -> None:
    assert not shelf.has(A)
    layer(shelf, A, file=b"one")
    assert shelf.has(A)
    assert (shelf.chains(), shelf.drafts(), shelf.parent(A)) == ([A], [], None)
    layer(shelf, B, A, other=b"two")
    assert shelf.parent(B) == A
    with reading(shelf, B) as root:
        assert {path.name: path.read_bytes() for path in root.iterdir()} == {
            "file": b"one",
            "other": b"two",
        }
    with reading(shelf, A) as root:
        assert os.listdir(root) == ["file"]


@root_only
def test_a_view_cannot_be_written(shelf: Snapshotter) -> None:
    layer(shelf, A, file=b"one")
    layer(shelf, B, A)
    for chain in (None, A, B):
        with reading(shelf, chain) as root, pytest.raises(OSError, match="Read-only"):
            (root / "new").write_bytes(b"")


def test_a_draft_does_not_touch_its_parent(shelf: Snapshotter) -> None:
    layer(shelf, A, file=b"one", gone=b"x")
    with reading(shelf, A) as root:
        before = picture(root)
    draft = shelf.prepare("draft", A)
    with writing(draft) as root:
        (root / "file").write_bytes(b"two")
        os.chmod(root / "file", 0o600)
        os.unlink(root / "gone")
        os.mkdir(root / "new")
    with reading(shelf, A) as root:
        assert picture(root) == before
    shelf.discard(draft)
    assert shelf.drafts() == []
    with reading(shelf, A) as root:
        assert picture(root) == before


def test_a_draft_is_opened_again_by_its_key(shelf: Snapshotter) -> None:
    layer(shelf, A, file=b"one")
    draft = shelf.prepare("container-1", A)
    with writing(draft) as root:
        (root / "kept").write_bytes(b"x")
    again = shelf.open_draft("container-1")
    assert again == draft
    with writing(again) as root:
        assert sorted(os.listdir(root)) == ["file", "kept"]
    assert shelf.drafts() == ["container-1"]


def test_a_key_belongs_to_one_draft(shelf: Snapshotter) -> None:
    shelf.prepare("key", None)
    with pytest.raises(Conflict, match='"key" exists'):
        shelf.prepare("key", None)


@pytest.mark.parametrize("key", ["", ".", "..", "a/b", "-a", "a b", "a\n", "é", "a" * 300])
def test_a_key_that_is_no_name_is_refused(shelf: Snapshotter, key: str) -> None:
    with pytest.raises(Invalid):
        shelf.prepare(key, None)


def test_what_is_not_here_is_not_found(shelf: Snapshotter) -> None:
    for ask in (
        lambda: shelf.prepare("key", A),
        lambda: shelf.open_draft("key"),
        lambda: shelf.view(A),
        lambda: shelf.parent(A),
        lambda: shelf.usage(A),
        lambda: shelf.draft_usage("key"),
    ):
        with pytest.raises(NotFound):
            ask()
    shelf.remove(A)
    assert shelf.drafts() == []


def test_committing_what_is_there_discards_the_draft(shelf: Snapshotter) -> None:
    layer(shelf, A, file=b"first")
    layer(shelf, A, file=b"second")
    assert shelf.drafts() == []
    with reading(shelf, A) as root:
        assert (root / "file").read_bytes() == b"first"


def test_a_parent_is_not_removed(shelf: Snapshotter) -> None:
    layer(shelf, A)
    layer(shelf, B, A)
    draft = shelf.prepare("draft", B)
    with pytest.raises(Conflict, match="in use by the snapshot"):
        shelf.remove(A)
    with pytest.raises(Conflict, match='in use by the draft "draft"'):
        shelf.remove(B)
    shelf.discard(draft)
    shelf.remove(B)
    shelf.remove(A)
    assert shelf.chains() == []


def test_the_roots_own_metadata_goes_up_the_stack(shelf: Snapshotter) -> None:
    draft = shelf.prepare("draft", None)
    with writing(draft) as root:
        assert stat.S_IMODE(os.stat(root).st_mode) == 0o755
        os.chmod(root, 0o1777)
    shelf.commit(draft, A)
    layer(shelf, B, A)
    with reading(shelf, B) as root:
        assert stat.S_IMODE(os.stat(root).st_mode) == 0o1777


def furnish(root: Path) -> None:
    """One of everything that a tree can hold."""
    (root / "dir" / "sub").mkdir(parents=True)
    (root / "dir" / "file").write_bytes(b"content")
    os.link(root / "dir" / "file", root / "dir" / "sub" / "hard")
    os.symlink("../nowhere", root / "dir" / "link")
    os.symlink(ODD, root / "odd link")
    (root / ODD).write_bytes(b"odd")
    with open(root / "sparse", "wb") as file:
        file.truncate(1 << 20)
        file.seek(1 << 19)
        file.write(b"middle")
    os.mkfifo(root / "pipe", 0o640)
    os.setxattr(root / "dir" / "file", "user.note", b"\x00\xff")
    os.setxattr(root / "dir", "user.note", b"on a directory")
    os.chmod(root / "dir", 0o2751)
    os.chmod(root / "dir" / "file", 0o4755)
    if os.geteuid() == 0:
        os.mknod(root / "null", 0o666 | stat.S_IFCHR, os.makedev(1, 3))
        os.mknod(root / "disk", 0o660 | stat.S_IFBLK, os.makedev(8, 300))
        os.setxattr(root / ODD, "security.capability", CAPABILITY)
        os.setxattr(root / "odd link", "trusted.note", b"on a link", follow_symlinks=False)
        os.chown(root / "odd link", 3, 4, follow_symlinks=False)
        os.chown(root / "pipe", 1, 2)
    for path, when in (("dir/file", -1), ("odd link", 123456789), ("pipe", 1), ("dir", 5)):
        os.utime(root / path, ns=(0, when * 10**9 + 7), follow_symlinks=False)


CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")  # cap_net_raw+ep


def test_everything_that_a_tree_can_hold_is_kept(shelf: Snapshotter, tmp_path: Path) -> None:
    draft = shelf.prepare("draft", None)
    with writing(draft) as root:
        furnish(root)
        before = picture(root)
    shelf.commit(draft, A)
    with reading(shelf, A) as root:
        assert picture(root) == before
    # As it is in a draft of its own, whatever way that is made.
    draft = shelf.prepare("upon", A)
    with writing(draft) as root:
        assert picture(root) == before
        assert os.stat(root / "sparse").st_blocks * 512 < 1 << 19
    assert said(shelf, draft) == []


def test_changes_say_what_was_done(shelf: Snapshotter) -> None:
    draft = shelf.prepare("base", None)
    with writing(draft) as root:
        for name in ("changed", "chmod", "gone", "same", ODD):
            (root / name).write_bytes(name.encode(errors="surrogateescape"))
        for name in ("dir", "emptied", "replaced", "removed"):
            (root / name).mkdir()
            (root / name / "inner").write_bytes(b"x")
    assert ("added", "dir/inner") in said(shelf, draft)
    shelf.commit(draft, A)
    draft = shelf.prepare("upon", A)
    with writing(draft) as root:
        (root / "changed").write_bytes(b"longer than before")
        os.chmod(root / "chmod", 0o700)
        os.unlink(root / "gone")
        os.unlink(root / ODD)
        (root / "new").write_bytes(b"")
        (root / "dir" / "new").write_bytes(b"")
        os.unlink(root / "emptied" / "inner")
        shutil.rmtree(root / "removed")
        shutil.rmtree(root / "replaced")
        (root / "replaced").write_bytes(b"a file now")
    changes = said(shelf, draft)
    assert [path for _, path in changes] == sorted(path for _, path in changes)
    assert set(changes) - {("modified", "dir"), ("modified", "emptied")} == {
        ("deleted", ODD),
        ("modified", "changed"),
        ("modified", "chmod"),
        ("added", "dir/new"),
        ("deleted", "emptied/inner"),
        ("deleted", "gone"),
        ("added", "new"),
        ("deleted", "removed"),
        ("modified", "replaced"),
    }


def test_a_directory_made_again_hides_what_was_in_it(shelf: Snapshotter) -> None:
    draft = shelf.prepare("base", None)
    with writing(draft) as root:
        (root / "dir" / "deep").mkdir(parents=True)
        (root / "dir" / "old").write_bytes(b"old")
        (root / "dir" / "deep" / "older").write_bytes(b"older")
    shelf.commit(draft, A)
    draft = shelf.prepare("upon", A)
    with writing(draft) as root:
        shutil.rmtree(root / "dir")
        (root / "dir").mkdir()
        (root / "dir" / "new").write_bytes(b"new")
    told = said(shelf, draft)
    assert ("added", "dir/new") in told
    # Either is right: the whole directory hidden, or each name in it.
    assert ("opaque", "dir") in told or {("deleted", "dir/old"), ("deleted", "dir/deep")} <= set(
        told
    )
    shelf.commit(draft, B)
    with reading(shelf, B) as root:
        assert os.listdir(root / "dir") == ["new"]
    layer(shelf, C, B)
    with reading(shelf, C) as root:
        assert os.listdir(root / "dir") == ["new"]


def test_what_one_layer_deletes_another_may_bring_back(shelf: Snapshotter) -> None:
    layer(shelf, A, file=b"first")
    draft = shelf.prepare("delete", A)
    with writing(draft) as root:
        os.unlink(root / "file")
    shelf.commit(draft, B)
    with reading(shelf, B) as root:
        assert os.listdir(root) == []
    layer(shelf, C, B, file=b"again")
    with reading(shelf, C) as root:
        assert (root / "file").read_bytes() == b"again"


def test_a_directory_of_a_lower_layer_is_moved(shelf: Snapshotter) -> None:
    draft = shelf.prepare("base", None)
    with writing(draft) as root:
        (root / "old" / "sub").mkdir(parents=True)
        (root / "old" / "sub" / "file").write_bytes(b"x")
    shelf.commit(draft, A)
    draft = shelf.prepare("upon", A)
    with writing(draft) as root:
        try:
            os.rename(root / "old", root / "new")
        except OSError as error:
            # What every program does then, mv(1) too.
            assert error.errno == errno.EXDEV
            shutil.copytree(root / "old", root / "new", symlinks=True)
            shutil.rmtree(root / "old")
    told = said(shelf, draft)
    assert ("deleted", "old") in told
    assert ("added", "new/sub/file") in told
    shelf.commit(draft, B)
    with reading(shelf, B) as root:
        assert (root / "new" / "sub" / "file").read_bytes() == b"x"
        assert os.listdir(root) == ["new"]


def test_hard_links_made_and_broken(shelf: Snapshotter) -> None:
    layer(shelf, A, file=b"x" * 100)
    draft = shelf.prepare("upon", A)
    with writing(draft) as root:
        os.link(root / "file", root / "second")
        (root / "second").write_bytes(b"both")
    shelf.commit(draft, B)
    with reading(shelf, B) as root:
        assert (root / "file").read_bytes() == (root / "second").read_bytes() == b"both"
        assert os.stat(root / "file").st_ino == os.stat(root / "second").st_ino


@root_only
def test_a_hundred_and_twenty_layers(shelf: Snapshotter) -> None:
    parent: ChainID | None = None
    for number in range(120):
        parent = layer(
            shelf,
            ChainID(Digest.of(b"%d" % number)),
            parent,
            **{f"f{number}": b"%d" % number, "same": b"%d" % number},
        )
    with reading(shelf, parent) as root:
        assert len(os.listdir(root)) == 121
        assert (root / "same").read_bytes() == b"119"
    draft = shelf.prepare("top", parent)
    with writing(draft) as root:
        os.unlink(root / "f0")
    assert said(shelf, draft) == [("deleted", "f0")]


def test_a_very_deep_tree_is_committed_and_removed(shelf: Snapshotter) -> None:
    draft = shelf.prepare("deep", None)
    with writing(draft) as root:
        at = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        for _ in range(300):
            os.mkdir("directory-with-a-long-name", dir_fd=at)
            below = os.open("directory-with-a-long-name", os.O_RDONLY, dir_fd=at)
            os.close(at)
            at = below
        os.close(at)
    shelf.commit(draft, A)
    layer(shelf, B, A)
    assert shelf.usage(A) >= 0
    shelf.remove(B)
    shelf.remove(A)
    assert shelf.chains() == []


def test_usage_grows_with_what_is_written(shelf: Snapshotter) -> None:
    draft = shelf.prepare("draft", None)
    before = shelf.draft_usage("draft")
    with writing(draft) as root:
        (root / "file").write_bytes(b"x" * 100_000)
        os.link(root / "file", root / "hard")
    assert 100_000 <= shelf.draft_usage("draft") - before < 150_000
    shelf.commit(draft, A)
    assert 100_000 <= shelf.usage(A) < 160_000
    assert shelf.usage(A) == shelf.usage(A)


def test_unpack_makes_the_snapshot_or_nothing(shelf: Snapshotter) -> None:
    def apply(root: int) -> str:
        os.close(os.open("file", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=root))
        return "result"

    def fail(root: int) -> str:
        apply(root)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        unpack(shelf, A, None, fail)
    assert (shelf.chains(), shelf.drafts()) == ([], [])
    assert unpack(shelf, A, None, apply) == "result"
    assert unpack(shelf, B, A, lambda root: None) is None
    with reading(shelf, B) as root:
        assert os.listdir(root) == ["file"]


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
