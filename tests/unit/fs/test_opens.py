"""Which files are opened, as the kernel tells."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import descriptors
from lamina.fs import syscalls
from lamina.fs.opens import Opens

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="fanotify needs root")


@contextmanager
def mounted(path: Path) -> Iterator[Path]:
    """A file system in memory, for this thread."""
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
    syscalls.mount("tmpfs", path, "tmpfs", 0)
    try:
        yield path
    finally:
        syscalls.umount2(path, syscalls.MNT_DETACH)


def heard(path: Path, body: list[str]) -> set[str]:
    """What is told while the files `body` are read, in a thread whose mounts are its own."""
    found: set[str] = set()

    def work() -> None:
        with mounted(path):
            (path / "dir").mkdir()
            for name in ("a", "dir/b", "ä \n", "c"):
                (path / name).write_text(name)
            opens = Opens(os.fspath(path), found.add)
            for name in body:
                (path / name).read_text()
            os.listdir(path / "dir")
            (path / "c").stat()
            opens.close()
            (path / "c").read_text()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    return found


def test_files_are_told_and_nothing_else(tmp_path: Path) -> None:
    found = heard(tmp_path, ["a", "dir/b", "ä \n"])
    assert {name.removeprefix(os.fspath(tmp_path)) for name in found} == {"/a", "/dir/b", "/ä \n"}


def test_a_thousand_of_them_are_told(tmp_path: Path) -> None:
    before = descriptors.opened()
    assert len(heard(tmp_path, ["a", "dir/b"] * 500)) == 2
    assert descriptors.opened() == before


def test_what_the_kernel_refuses_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError):
        Opens(os.fspath(tmp_path / "absent"), lambda path: None)
