"""What changed, found by comparing trees and by reading overlay's upper directories."""

from __future__ import annotations

import io
import os
import stat
from pathlib import Path

import pytest

import descriptors
from lamina.errors import Unsupported
from lamina.layer.changes import Change, Kind, tree_changes, upper_changes
from lamina.layer.diff import pack
from lamina.layer.tar import FILE, HARDLINK, SYMLINK

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")
LETTERS = {Kind.ADDED: "A", Kind.MODIFIED: "C", Kind.DELETED: "D", Kind.OPAQUE: "O"}


def told(changes: object) -> list[str]:
    return [f"{LETTERS[change.kind]} {change.path}" for change in changes]


def fill(root: Path, *paths: str) -> Path:
    """Files with times of whole seconds; names that end in a slash are directories."""
    for path in paths:
        place = root / path
        if path.endswith("/"):
            place.mkdir(parents=True, exist_ok=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(os.fsencode(path))
            os.utime(place, (1000, 1000))
    return root


@pytest.fixture
def lower(tmp_path: Path) -> Path:
    return fill(tmp_path / "lower", "a", "d/x", "d/y", "d/sub/z", "e/f/g")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return fill(tmp_path / "tree", "a", "d/x", "d/y", "d/sub/z", "e/f/g")


# --- two trees


def test_equal_trees_have_no_changes(lower: Path, tree: Path) -> None:
    assert told(tree_changes(lower, tree)) == []


def test_all_is_new_where_there_was_nothing(tree: Path) -> None:
    paths = ["a", "d", "d/sub", "d/sub/z", "d/x", "d/y", "e", "e/f", "e/f/g"]
    assert told(tree_changes(None, tree)) == [f"A {path}" for path in paths]


def test_a_change_brings_the_directories_that_lead_to_it(lower: Path, tree: Path) -> None:
    (tree / "e/f/g").write_text("changed")
    fill(tree, "d/sub/new/file")
    assert told(tree_changes(lower, tree)) == [
        "C d",
        "C d/sub",
        "A d/sub/new",
        "A d/sub/new/file",
        "C e",
        "C e/f",
        "C e/f/g",
    ]


def test_what_is_gone_is_deleted_once(lower: Path, tree: Path) -> None:
    (tree / "e/f/g").unlink()
    (tree / "e/f").rmdir()
    (tree / "e").rmdir()
    (tree / "d/x").unlink()
    assert told(tree_changes(lower, tree)) == ["C d", "D d/x", "D e"]


def test_same_size_and_time_are_not_enough(lower: Path, tree: Path) -> None:
    (tree / "a").write_text("b")
    os.utime(tree / "a", (1000, 1000))
    assert told(tree_changes(lower, tree)) == ["C a"]


def test_times_of_directories_are_no_change(lower: Path, tree: Path) -> None:
    os.utime(tree / "d", (5, 5))
    assert told(tree_changes(lower, tree)) == []


@needs_root
@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.chmod(0o4755),
        lambda path: os.chown(path, 5, -1),
        lambda path: os.chown(path, -1, 5),
        lambda path: os.setxattr(path, "user.a", b"1"),
        lambda path: os.utime(path, (1000, 1001)),
    ],
    ids=["mode", "owner", "group", "attribute", "time"],
)
def test_metadata_is_a_change(lower: Path, tree: Path, change: object) -> None:
    change(tree / "a")
    assert told(tree_changes(lower, tree)) == ["C a"]


def test_a_file_in_place_of_a_directory(lower: Path, tree: Path) -> None:
    (tree / "e/f/g").unlink()
    (tree / "e/f").rmdir()
    (tree / "e/f").write_text("")
    assert told(tree_changes(lower, tree)) == ["C e", "C e/f"]


def test_a_directory_in_place_of_a_file(lower: Path, tree: Path) -> None:
    (tree / "a").unlink()
    fill(tree, "a/b")
    assert told(tree_changes(lower, tree)) == ["C a", "A a/b"]


def test_the_root_changes_only_by_itself(lower: Path, tree: Path) -> None:
    tree.chmod(0o700)
    assert told(tree_changes(lower, tree)) == ["C ."]


def test_hard_links_are_found_within_the_layer(lower: Path, tree: Path) -> None:
    fill(tree, "n/one")
    os.link(tree / "n/one", tree / "n/two")
    os.link(tree / "n/one", tree / "b")
    changes = {change.path: change.entry for change in tree_changes(lower, tree)}
    assert changes["b"].type is FILE
    assert (changes["n/one"].type, changes["n/one"].link) == (HARDLINK, "b")
    assert (changes["n/two"].type, changes["n/two"].link, changes["n/two"].size) == (
        HARDLINK,
        "b",
        0,
    )


def test_sockets_are_left_out(lower: Path, tree: Path) -> None:
    os.mknod(tree / "socket", stat.S_IFSOCK | 0o600)
    assert told(tree_changes(lower, tree)) == []


def test_names_are_in_order_whatever_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    fill(tmp_path, "a-b", "a/b", "b", "é", "caf\udce9")
    found = [change.path for change in tree_changes(None, tmp_path)]
    assert found == ["a", "a/b", "a-b", "b", "caf\udce9", "é"]


def test_changes_can_be_kept_and_opened_later(tree: Path) -> None:
    changes = list(tree_changes(None, tree))
    for change in changes:
        if change.entry.type is FILE:
            with open(change.open()) as file:
                assert file.read() == change.path
    with pytest.raises(ValueError, match="no content"):
        changes[1].open()


def test_descriptors_are_given_back(tree: Path) -> None:
    changes = list(tree_changes(None, tree))
    changes.append(next(tree_changes(None, tree)))
    assert descriptors.below(tree)
    del changes
    assert descriptors.below(tree) == []


def test_a_link_that_appears_later_is_not_followed(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").mkdir()
    (tmp_path / "secret/x").write_text("host")
    changes: list[Change] = list(tree_changes(None, tree))
    (tree / "d").rename(tree / "was")
    (tree / "d").symlink_to(tmp_path / "secret")
    (tree / "a").unlink()
    (tree / "a").symlink_to(tmp_path / "secret/x")
    for change in changes:
        if change.path in ("a", "d/x"):
            with pytest.raises(OSError, match=r"symbolic link|Not a directory"):
                change.open()


# --- an upper directory


def whiteout(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR, os.makedev(0, 0))


@needs_root
def test_upper_directories_speak_of_deletion(tmp_path: Path, lower: Path) -> None:
    upper = fill(tmp_path / "upper", "d/new", "e/f/g", "o/n")
    whiteout(upper / "a")
    whiteout(upper / "d/x")
    whiteout(upper / "never")
    os.setxattr(upper / "e", "trusted.overlay.opaque", b"y")
    os.setxattr(upper / "o", "trusted.overlay.opaque", b"y")
    assert told(upper_changes(upper, lower=lower)) == [
        "D a",
        "C d",
        "A d/new",
        "D d/x",
        "C e",
        "O e",
        "A e/f",
        "A e/f/g",
        "A o",
        "A o/n",
    ]
    alone = told(upper_changes(upper))
    assert alone == [
        "D a",
        "A d",
        "A d/new",
        "D d/x",
        "A e",
        "O e",
        "A e/f",
        "A e/f/g",
        "D never",
        "A o",
        "O o",
        "A o/n",
    ]


@needs_root
def test_what_was_only_copied_up_is_no_change(tmp_path: Path, lower: Path) -> None:
    upper = fill(tmp_path / "upper", "a", "d/sub/z", "e/f/")
    assert told(upper_changes(upper, lower=lower)) == []


@needs_root
def test_overlays_own_attributes_are_not_in_entries(tmp_path: Path) -> None:
    upper = fill(tmp_path / "upper", "d/f")
    os.setxattr(upper / "d", "trusted.overlay.impure", b"y")
    os.setxattr(upper / "d/f", "trusted.overlay.origin", b"\0")
    os.setxattr(upper / "d/f", "user.mine", b"1")
    # Those of a new file are read when it is packed.
    packed = pack(upper_changes(upper), io.BytesIO())
    assert [entry.xattrs for entry in packed.index] == [{}, {"user.mine": b"1"}]


@needs_root
def test_whiteouts_that_are_attributes(tmp_path: Path, lower: Path) -> None:
    upper = fill(tmp_path / "upper", "d/")
    (upper / "d/x").touch()
    os.setxattr(upper / "d", "trusted.overlay.opaque", b"x")
    os.setxattr(upper / "d/x", "trusted.overlay.whiteout", b"")
    assert told(upper_changes(upper, lower=lower)) == ["C d", "D d/x"]


@needs_root
@pytest.mark.parametrize("name", ["redirect", "metacopy"])
def test_uppers_that_point_elsewhere_are_refused(tmp_path: Path, name: str) -> None:
    upper = fill(tmp_path / "upper", "d/")
    os.setxattr(upper / "d", f"trusted.overlay.{name}", b"x")
    with pytest.raises(Unsupported, match="another layer"):
        list(upper_changes(upper))


@needs_root
def test_a_directory_over_a_link_looks_at_no_other(tmp_path: Path, lower: Path) -> None:
    (lower / "link").symlink_to("d")
    upper = fill(tmp_path / "upper", "link/x")
    (upper / "link/x").write_text("d/x")
    os.utime(upper / "link/x", (1000, 1000))
    assert told(upper_changes(upper, lower=lower)) == ["C link", "A link/x"]
    (upper / "other").symlink_to("x")
    assert [change.entry.type for change in upper_changes(upper)][-1] is SYMLINK
