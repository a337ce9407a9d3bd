"""Mount points made in a container's root: others may make them too, in what is shared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.runtime.inside.root import Tree


def late(path: Path) -> None:
    """As a container that made it a moment before."""
    path.mkdir()
    path.mkdir()


def test_what_another_has_made_in_a_shared_directory_will_do(tmp_path: Path) -> None:
    tree = Tree()
    tree._device = os.stat(tmp_path).st_dev + 1  # the directory is on another file system
    tree._make(str(tmp_path / "made"), lambda: late(tmp_path / "made"))
    assert (tmp_path / "made").is_dir()
    assert tree.created == []


def test_in_a_root_of_its_own_nobody_else_makes_anything(tmp_path: Path) -> None:
    tree = Tree()
    tree._device = os.stat(tmp_path).st_dev
    with pytest.raises(FileExistsError):
        tree._make(str(tmp_path / "made"), lambda: late(tmp_path / "made"))
