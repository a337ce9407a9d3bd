"""What git tells of the last commits."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from lamina.engine.history import changes

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")


class Tree:
    """A work tree of git."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.mkdir(exist_ok=True)
        self.git("init", "-q")

    def git(self, *args: str) -> None:
        who = ("-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false")
        subprocess.run(["git", *who, *args], cwd=self.path, check=True, capture_output=True)

    def commit(self, **files: str) -> None:
        for name, text in files.items():
            path = self.path / name.replace("__", "/")
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        self.git("add", "-A")
        self.git("commit", "-qm", "x")


def test_each_commit_names_what_it_changed_the_newest_first(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.commit(a="1", app__b="1")
    tree.commit(a="2")
    (tmp_path / "a").unlink()
    tree.commit()
    assert changes(tmp_path) == [frozenset("a"), frozenset("a"), frozenset(("a", "app/b"))]
    assert changes(tmp_path, 1) == [frozenset("a")]


def test_a_directory_below_counts_its_own_commits(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.commit(a="1", app__b="1")
    tree.commit(a="2")
    assert changes(tmp_path / "app") == [frozenset("b")]


def test_names_are_taken_as_they_are(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    name = 'ä b"\nc'
    tree.commit(**{name: "1"})
    assert changes(tmp_path) == [frozenset((name,))]


def test_a_moved_file_is_gone_and_new(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.commit(a="the same\n" * 9)
    (tmp_path / "a").rename(tmp_path / "b")
    tree.commit()
    assert changes(tmp_path, 1) == [frozenset(("a", "b"))]


def test_no_work_tree_and_no_commit_tell_nothing(tmp_path: Path) -> None:
    assert changes(tmp_path) is None
    Tree(tmp_path)
    assert changes(tmp_path) is None


def test_nothing_that_the_repository_configures_is_run(tmp_path: Path) -> None:
    tree = Tree(tmp_path)
    tree.commit(a="1")
    trap = tmp_path / "trap"
    trap.write_text(f"#!/bin/sh\ntouch {tmp_path}/sprung\n")
    trap.chmod(0o755)
    for key in ("core.fsmonitor", "core.pager", "diff.external", "gpg.program", "core.editor"):
        tree.git("config", key, str(trap))
    tree.git("config", "log.showSignature", "true")
    (tmp_path / "sprung").unlink(missing_ok=True)
    assert changes(tmp_path) == [frozenset("a")]
    assert not (tmp_path / "sprung").exists()
