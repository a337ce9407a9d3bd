"""Whiteouts of layers laid onto trees (image-spec, layer.md, "Whiteouts")."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.archives import Member, file, folder, names

from lamina.layer.apply import Applied
from lamina.layer.limits import BadEntry
from lamina.layer.tar import CHAR, HARDLINK, SYMLINK, Entry

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


LOWER = [folder("d"), file("d/x"), file("d/y"), folder("d/sub"), file("d/sub/z"), file("a")]


@pytest.mark.parametrize(
    ("layer", "left"),
    [
        ([file(".wh.a")], ["d", "d/sub", "d/sub/z", "d/x", "d/y"]),
        ([file("d/.wh.x", b"content")], ["a", "d", "d/sub", "d/sub/z", "d/y"]),
        ([file(".wh.d")], ["a"]),
        ([file(".wh.nothing"), file("no/.wh.such"), file("a/.wh.b")], None),
        ([file(".wh.a"), file("a", b"new")], None),
        ([file("a", b"new"), file(".wh.a")], None),
        ([file("d/.wh..wh..opq")], ["a", "d"]),
        ([file("d/new"), file("d/.wh..wh..opq")], ["a", "d", "d/new"]),
        ([file("d/.wh..wh..opq"), file("d/new")], ["a", "d", "d/new"]),
        ([file("d/sub/q"), file("d/.wh..wh..opq")], ["a", "d", "d/sub", "d/sub/q"]),
        ([folder("d/e"), file("d/.wh..wh..opq")], ["a", "d", "d/e"]),
        ([file("d/new"), file(".wh.d")], ["a", "d", "d/new"]),
        ([folder("d"), file("d/new"), file(".wh.d")], ["a", "d", "d/new"]),
        ([file(".wh.d"), folder("d", 0o700)], ["a", "d"]),
        ([file(".wh..wh..opq")], []),
        ([file("new"), file(".wh..wh..opq")], ["new"]),
        ([file("no/.wh..wh..opq"), file("a/.wh..wh..opq")], None),
        ([Entry("a", CHAR)], ["d", "d/sub", "d/sub/z", "d/x", "d/y"]),
        ([file(".wh..wh.aufs"), folder(".wh..wh.orph"), file(".wh..wh.orph/x")], None),
        ([Entry(".wh.a", SYMLINK, link="d")], ["d", "d/sub", "d/sub/z", "d/x", "d/y"]),
        ([folder(".wh.d")], ["a"]),
    ],
    ids=lambda value: (
        "-".join((m[0] if isinstance(m, tuple) else m).path for m in value)
        if isinstance(value, list) and value and not isinstance(value[0], str)
        else ""
    ),
)
def test_whiteouts(
    root: Path, lay: Callable[..., Applied], layer: list[Member], left: list[str] | None
) -> None:
    lay(*LOWER)
    before = names(root)
    lay(*layer)
    assert names(root) == (before if left is None else left)


@pytest.mark.parametrize("path", [".wh.", ".wh..", ".wh...", "d/.wh...", ".wh.d/x", "d/.wh.x/y"])
def test_whiteouts_of_nothing_that_has_a_name_are_refused(
    root: Path, lay: Callable[..., Applied], path: str
) -> None:
    lay(*LOWER)
    with pytest.raises(BadEntry, match="whiteout"):
        lay(file(path))


def test_aufs_links_are_followed_and_gone(root: Path, lay: Callable[..., Applied]) -> None:
    lay(
        folder(".wh..wh.plnk"),
        file(".wh..wh.plnk/1.2", b"x"),
        Entry("a", HARDLINK, link=".wh..wh.plnk/1.2"),
        Entry("b", HARDLINK, link=".wh..wh.plnk/1.2"),
    )
    assert names(root) == ["a", "b"]
    assert (root / "a").samefile(root / "b")


def test_whiteout_does_not_follow_a_link(root: Path, lay: Callable[..., Applied]) -> None:
    lay(file("d/x"), Entry("l", SYMLINK, link="d"))
    lay(file(".wh.l"))
    assert names(root) == ["d", "d/x"]


def test_whiteout_through_a_link_stays_inside(root: Path, lay: Callable[..., Applied]) -> None:
    lay(Entry("l", SYMLINK, link="../outside"), Entry("m", SYMLINK, link=str(root.parent)))
    lay(file("l/.wh.victim"), file("l/.wh..wh..opq"), file("m/outside/.wh.victim"))


def test_in_a_plain_archive_whiteouts_are_names(root: Path, lay: Callable[..., Applied]) -> None:
    lay(*LOWER)
    lay(file(".wh.a"), file("d/.wh..wh..opq"), file(".wh.d/x"), as_changeset=False)
    assert {".wh.a", "d/.wh..wh..opq", ".wh.d/x", "a", "d/x"} <= set(names(root))
