"""What is written into a draft is what is seen, and what is said to have changed."""

from __future__ import annotations

import errno
import os
import shutil
import stat
from pathlib import Path

import pytest

from lamina.errors import Conflict, Invalid, NotFound
from lamina.oci.digest import ChainID, Digest
from lamina.snapshot import (
    Snapshotter,
    unpack,
)
from shelves import ODD, A, B, C, furnish, layer, picture, reading, root_only, said, writing


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


def test_what_stood_on_others_is_gone_with_them(shelf: Snapshotter) -> None:
    layer(shelf, A)
    layer(shelf, B, A)
    with reading(shelf, B):
        pass
    shelf.remove(B)
    shelf.remove(A)
    for chain in (B, A):
        with pytest.raises(NotFound), reading(shelf, chain):
            pass
    layer(shelf, A)
    with pytest.raises(NotFound), reading(shelf, B):
        pass


def test_the_roots_own_metadata_goes_up_the_stack(shelf: Snapshotter) -> None:
    draft = shelf.prepare("draft", None)
    with writing(draft) as root:
        assert stat.S_IMODE(os.stat(root).st_mode) == 0o755
        os.chmod(root, 0o1777)
    shelf.commit(draft, A)
    layer(shelf, B, A)
    with reading(shelf, B) as root:
        assert stat.S_IMODE(os.stat(root).st_mode) == 0o1777


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
