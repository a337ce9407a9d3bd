from __future__ import annotations

import os
from pathlib import Path

import pytest

import descriptors
from lamina.snapshot import disk


def tree(root: Path) -> Path:
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "file").write_bytes(b"x" * 5000)
    os.link(root / "a" / "file", root / "a" / "b" / "hard")
    os.symlink("/etc/passwd", root / "link")
    return root


def test_a_copy_keeps_links_between_files_and_follows_none(tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    target = tmp_path / "target"
    target.mkdir()
    disk.copy_tree(str(source), str(target))
    assert os.stat(target / "a" / "file").st_ino == os.stat(target / "a" / "b" / "hard").st_ino
    assert os.stat(target / "a" / "file").st_ino != os.stat(source / "a" / "file").st_ino
    assert os.readlink(target / "link") == "/etc/passwd"


def test_the_times_of_directories_are_kept(tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    os.utime(source / "a", ns=(1, 2))
    os.utime(source, ns=(3, 4))
    target = tmp_path / "target"
    target.mkdir()
    disk.copy_tree(str(source), str(target))
    assert os.stat(target / "a").st_mtime_ns == 2
    assert os.stat(target).st_mtime_ns == 4


def test_a_file_linked_from_outside_the_tree_is_copied(tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    os.link(source / "a" / "file", tmp_path / "outside")
    (tmp_path / "target").mkdir()
    disk.copy_tree(str(source), str(tmp_path / "target"))
    assert os.stat(tmp_path / "target" / "a" / "file").st_nlink == 2


def test_no_descriptor_stays_open(tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    before = descriptors.opened()
    for number in range(3):
        target = tmp_path / str(number)
        target.mkdir()
        disk.copy_tree(str(source), str(target))
        disk.usage(str(target))
    (tmp_path / "full" / "a").mkdir(parents=True)
    with pytest.raises(FileExistsError):
        disk.copy_tree(str(source), str(tmp_path / "full"))
    assert descriptors.opened() == before


def test_a_file_of_two_names_takes_its_room_once(tmp_path: Path) -> None:
    source = tree(tmp_path / "source")
    with_two = disk.usage(str(source))
    os.unlink(source / "a" / "b" / "hard")
    assert disk.usage(str(source)) == with_two
