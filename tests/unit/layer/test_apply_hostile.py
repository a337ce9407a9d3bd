"""Hostile archives, which get nowhere."""

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


@pytest.mark.parametrize("target", ["../outside", "/../outside", "HOST/outside", "x/../../outside"])
def test_nothing_is_written_through_a_link(
    root: Path, lay: Callable[..., Applied], target: str
) -> None:
    target = target.replace("HOST", str(root.parent))
    lay(Entry("l", SYMLINK, link=target), file("l/victim", b"evil"), folder("l/d"))
    lay(Entry("l2", SYMLINK, link="l"), file("l2/victim", b"more"), file("l2/new/victim"))


def test_a_file_replaces_a_link_and_not_its_target(root: Path, lay: Callable[..., Applied]) -> None:
    victim = str(root.parent / "outside/victim")
    lay(Entry("l", SYMLINK, link=victim), file("l", b"evil"))
    assert (root / "l").read_bytes() == b"evil" and not (root / "l").is_symlink()


def test_a_directory_entry_over_a_link_touches_nothing_outside(
    root: Path, lay: Callable[..., Applied]
) -> None:
    lay(Entry("l", SYMLINK, link=str(root.parent / "outside")), folder("l", 0o000, uid=5))
    assert (root / "l").lstat().st_uid == 5 and not (root / "l").is_symlink()


def test_a_directory_that_turns_into_a_link_midway(root: Path, lay: Callable[..., Applied]) -> None:
    outside = str(root.parent / "outside")
    lay(
        folder("d"),
        file("d/one"),
        Entry("d", SYMLINK, link=outside),
        file("d/victim", b"evil"),
        file("d/two"),
    )
    assert (root / outside.lstrip("/") / "victim").read_bytes() == b"evil"


def test_a_lower_directory_that_turns_into_a_link_of_a_link(
    root: Path, lay: Callable[..., Applied]
) -> None:
    lay(folder("a/b/c"), file("a/b/c/f"))
    lay(
        file("a/b/c/one"),
        Entry("a/b", SYMLINK, link="../e"),
        Entry("e", SYMLINK, link=str(root.parent)),
        file("a/b/outside/victim", b"evil"),
    )


@pytest.mark.parametrize("target", ["../outside/victim", "/etc/passwd", "l/victim", "nothing"])
def test_hard_links_find_nothing_outside(
    root: Path, lay: Callable[..., Applied], target: str
) -> None:
    with pytest.raises(BadEntry):
        lay(
            Entry("l", SYMLINK, link=str(root.parent / "outside")),
            Entry("h", HARDLINK, link=target),
        )


def test_hard_link_to_a_link_out_is_the_link(root: Path, lay: Callable[..., Applied]) -> None:
    victim = str(root.parent / "outside/victim")
    lay(Entry("l", SYMLINK, link=victim), Entry("h", HARDLINK, link="l"))
    assert os.readlink(root / "h") == victim
    assert (root.parent / "outside/victim").stat().st_nlink == 1


@pytest.mark.parametrize(
    "members",
    [
        [folder("d"), Entry("h", HARDLINK, link="d")],
        [Entry("h", HARDLINK, link="h")],
        [Entry("l", SYMLINK, link="l"), file("l/x")],
        [Entry("l", SYMLINK, link="")],
        [file("f"), file("f/x")],
        [file("n" * 256)],
        [Entry(".", SYMLINK, link="x")],
        [Entry("c", CHAR, device=(1 << 40, 0))],
        [file("f", mtime=1 << 100)],
        [file("f", uid=1 << 40)],
        [file("f", uid=-2)],
    ],
    ids=[
        "hard link to a directory",
        "hard link to itself",
        "loop",
        "link without target",
        "below a file",
        "long name",
        "root as link",
        "device number",
        "time",
        "owner",
        "negative owner",
    ],
)
def test_entries_that_cannot_be(lay: Callable[..., Applied], members: list[Member]) -> None:
    with pytest.raises(BadEntry):
        lay(*members)


def test_very_deep_trees(root: Path, lay: Callable[..., Applied]) -> None:
    deep = "/".join(["d"] * 2000)
    lay(file(deep, b"x"))
    lay(file(".wh.d"))
    assert names(root) == []
    lay(file(deep, b"x"))
    lay(file("other"), file(".wh.d"))
    assert names(root) == ["other"]


def test_thousands_of_directories_need_few_descriptors(lay: Callable[..., Applied]) -> None:
    lay(*(file(f"{at}/f") for at in range(300)), *(file(f"{at}/g") for at in range(0, 300, 7)))
