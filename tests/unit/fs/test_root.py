"""Names below a root that may be hostile."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.fs.root import Root, remove_at, split


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A root at `root`, and beside it what must never be touched."""
    (tmp_path / "root").mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("host")
    return tmp_path


@pytest.fixture
def root(place: Path) -> Iterator[Root]:
    with Root.at(place / "root") as root:
        yield root


def _read(root: Root, path: str) -> str:
    fd = root.open(path, os.O_RDONLY)
    with open(fd) as file:
        return file.read()


def test_absolute_names_mean_the_root(place: Path, root: Root) -> None:
    (place / "root/etc").mkdir()
    (place / "root/etc/name").write_text("image")
    assert _read(root, "/etc/name") == _read(root, "etc/name") == _read(root, "../etc/name")


@pytest.mark.parametrize("target", ["../outside", "/outside", "../../../../../outside"])
def test_links_that_lead_out_end_inside(place: Path, root: Root, target: str) -> None:
    (place / "root/link").symlink_to(target)
    with pytest.raises(FileNotFoundError):
        root.open("link/secret", os.O_RDONLY)
    (place / "root/outside").mkdir()
    (place / "root/outside/secret").write_text("image")
    assert _read(root, "link/secret") == "image"


def test_absolute_link_to_the_host_is_taken_from_the_root(place: Path, root: Root) -> None:
    (place / "root/link").symlink_to(place / "outside/secret")
    assert not root.exists("link")
    assert root.lstat("link").st_size == len(str(place / "outside/secret"))


def test_link_to_itself_is_refused(place: Path, root: Root) -> None:
    (place / "root/loop").symlink_to("loop")
    with pytest.raises(OSError) as raised:
        root.open("loop/x", os.O_RDONLY)
    assert raised.value.errno == errno.ELOOP


def test_last_part_is_not_followed_by_resolve(place: Path, root: Root) -> None:
    (place / "root/d").mkdir()
    (place / "root/d/link").symlink_to("/nowhere")
    with root.parent("/d/link") as (fd, name):
        assert os.readlink(name, dir_fd=fd) == "/nowhere"
    assert root.readlink("d/link") == "/nowhere"


def test_the_root_has_a_name_too(root: Root) -> None:
    for path in ("", "/", ".", "./"):
        with root.parent(path) as (fd, name):
            assert os.stat(name, dir_fd=fd).st_ino == os.fstat(root.fd).st_ino


@pytest.mark.parametrize(
    ("path", "parts"),
    [
        ("a", ("", "a")),
        ("/a", ("", "a")),
        ("a/b/", ("a", "b")),
        ("a//b/.", ("a", "b")),
        ("a/../b", ("a/..", "b")),
        ("/", ("", ".")),
    ],
)
def test_split_finds_the_last_name(path: str, parts: tuple[str, str]) -> None:
    assert split(path) == parts


def test_split_refuses_a_last_part_without_a_name() -> None:
    with pytest.raises(OSError, match="names no entry"):
        split("a/..")


def test_makedirs_tells_what_it_made(place: Path, root: Root) -> None:
    (place / "root/a").mkdir(mode=0o700)
    old = os.umask(0o077)
    try:
        assert root.makedirs("/a/b/c", 0o751) == ["a/b", "a/b/c"]
    finally:
        os.umask(old)
    assert (place / "root/a").stat().st_mode & 0o777 == 0o700
    assert (place / "root/a/b/c").stat().st_mode & 0o777 == 0o751
    assert root.makedirs("a/b/c") == []


def test_makedirs_follows_dangling_links_inside(place: Path, root: Root) -> None:
    (place / "root/link").symlink_to(f"{place}/outside/new/../newer")
    assert root.makedirs("link/x")[-1] == f"{place}/outside/newer/x".lstrip("/")
    assert not (place / "outside/newer").exists()
    assert (place / "outside/secret").read_text() == "host"


def test_makedirs_refuses_loops_and_files(place: Path, root: Root) -> None:
    (place / "root/one").symlink_to("two")
    (place / "root/two").symlink_to("one")
    (place / "root/file").write_text("")
    with pytest.raises(OSError) as raised:
        root.makedirs("one/x")
    assert raised.value.errno == errno.ELOOP
    with pytest.raises(NotADirectoryError):
        root.makedirs("file/x")


@pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")
def test_makedirs_gives_owners(place: Path, root: Root) -> None:
    root.makedirs("a", uid=12, gid=34)
    found = (place / "root/a").stat()
    assert (found.st_uid, found.st_gid) == (12, 34)


def test_remove_follows_nothing(place: Path, root: Root) -> None:
    (place / "root/d/e").mkdir(parents=True)
    (place / "root/d/e/file").write_text("x")
    (place / "root/d/link").symlink_to(place / "outside")
    root.remove("d")
    assert not (place / "root/d").exists()
    assert (place / "outside/secret").read_text() == "host"


def test_remove_refuses_the_root(root: Root) -> None:
    with pytest.raises(OSError) as raised:
        root.remove("/")
    assert raised.value.errno == errno.EBUSY


def test_remove_says_what_is_not_there(root: Root) -> None:
    with pytest.raises(FileNotFoundError):
        root.remove("nothing")


def test_very_deep_trees_are_removed(place: Path) -> None:
    top = os.open(place / "root", os.O_RDONLY | os.O_DIRECTORY)
    here = os.dup(top)
    for _ in range(1300):
        os.mkdir("d", dir_fd=here)
        down = os.open("d", os.O_RDONLY | os.O_DIRECTORY, dir_fd=here)
        os.close(here)
        here = down
    os.close(here)
    remove_at(top, "d")
    assert os.listdir(top) == []
    os.close(top)


def test_names_that_are_not_utf8_resolve(place: Path, root: Root) -> None:
    Path(os.fsdecode(os.fsencode(place) + b"/root/caf\xe9")).write_text("x")
    assert _read(root, "caf\udce9") == "x"
