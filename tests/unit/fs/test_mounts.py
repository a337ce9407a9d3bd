from __future__ import annotations

import os
import stat
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from lamina.errors import Invalid, NotFound
from lamina.fs import syscalls
from lamina.fs.mounts import (
    Bind,
    MountDenied,
    MountUnsupported,
    Overlay,
    attach,
    opened,
    readable,
    reduced,
)
from mount_table import mount_table

ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="mounting needs root")


@pytest.fixture(autouse=True)
def _table(tmp_path: Path) -> Iterator[None]:
    before = mount_table(tmp_path)
    yield
    assert mount_table(tmp_path) == before


def _trees(base: Path) -> tuple[Path, Path, Path, Path]:
    made = tuple(base / name for name in ("top", "bottom", "upper", "work"))
    for path in made:
        path.mkdir()
    (made[0] / "both").write_text("top")
    (made[1] / "both").write_text("bottom")
    (made[1] / "below").write_text("bottom")
    return made  # type: ignore[return-value]


def _read(fd: int, name: str) -> str:
    with open(os.open(name, os.O_RDONLY, dir_fd=fd)) as file:
        return file.read()


def _writes(fd: int, name: str) -> bool:
    try:
        os.close(os.open(name, os.O_WRONLY | os.O_CREAT, 0o644, dir_fd=fd))
    except OSError:
        return False
    return True


@ROOT
def test_an_overlay_shows_the_topmost_first_and_writes_above(tmp_path: Path) -> None:
    top, bottom, upper, work = _trees(tmp_path)
    with opened(Overlay((top, bottom), upper, work)) as fd:
        assert (_read(fd, "both"), _read(fd, "below")) == ("top", "bottom")
        assert _writes(fd, "new")
        os.unlink("below", dir_fd=fd)
    assert sorted(os.listdir(upper)) == ["below", "new"]
    assert stat.S_ISCHR((upper / "below").lstat().st_mode)
    assert (bottom / "below").exists()


@ROOT
def test_a_volatile_overlay_can_be_mounted_again(tmp_path: Path) -> None:
    """The kernel would refuse it: something may be lost, which whoever says so does not mind."""
    top, bottom, upper, work = _trees(tmp_path)
    for name in ("one", "two"):
        with opened(Overlay((top, bottom), upper, work, volatile=True)) as fd:
            assert _writes(fd, name)
    with pytest.raises(MountUnsupported), opened(Overlay((top, bottom), upper, work)):
        pass
    assert sorted(os.listdir(upper)) == ["one", "two"]


@ROOT
def test_what_is_readable_shows_what_was_written(tmp_path: Path) -> None:
    top, bottom, upper, work = _trees(tmp_path)
    plan = Overlay((top, bottom), upper, work)
    (upper / "new").write_text("upper")
    with opened(readable(plan)) as fd:
        assert (_read(fd, "new"), _read(fd, "both")) == ("upper", "top")
        assert not _writes(fd, "other")
    assert readable(Bind(top)) == Bind(top)


@ROOT
def test_an_overlay_without_upper_refuses_writes(tmp_path: Path) -> None:
    top, bottom, _, _ = _trees(tmp_path)
    with opened(Overlay((top, bottom))) as fd:
        assert not _writes(fd, "new")
    with opened(Overlay((top,))) as fd:
        assert _read(fd, "both") == "top"
        assert not _writes(fd, "new")


@ROOT
def test_many_long_and_odd_paths_are_no_matter(tmp_path: Path) -> None:
    lowers = []
    for number in range(60):
        path = tmp_path / f"{number:03d}-{'x' * 180},a:b\\ {os.fsdecode(bytes([0xE9]))}"
        path.mkdir()
        (path / f"f{number}").touch()
        lowers.append(path)
    with opened(Overlay(tuple(lowers))) as fd:
        listing = os.open(".", os.O_RDONLY | os.O_DIRECTORY, dir_fd=fd)
        assert len(os.listdir(listing)) == 60
        os.close(listing)


@ROOT
def test_a_read_only_bind_refuses_writes(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    with opened(Bind(tmp_path, read_only=True)) as fd:
        assert _read(fd, "f") == "x"
        assert not _writes(fd, "f")


def test_a_writable_bind_is_the_directory_itself(tmp_path: Path) -> None:
    with opened(Bind(tmp_path)) as fd:
        assert _writes(fd, "f")
    assert (tmp_path / "f").exists()


@ROOT
def test_threads_open_side_by_side(tmp_path: Path) -> None:
    top, bottom, _, _ = _trees(tmp_path)
    found: list[str] = []

    def read() -> None:
        with opened(Overlay((top, bottom))) as fd:
            found.append(_read(fd, "both"))

    threads = [threading.Thread(target=read) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["top"] * 8


@ROOT
def test_attach_mounts_in_the_namespace_of_the_caller(tmp_path: Path) -> None:
    top, bottom, upper, work = _trees(tmp_path)
    target = tmp_path / "target"
    target.mkdir()
    failures: list[BaseException] = []

    def mount() -> None:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNS)
            syscalls.mount(None, "/", None, syscalls.MS_REC | syscalls.MS_PRIVATE)
            attach(Overlay((top, bottom), upper, work), target)
            assert (target / "both").read_text() == "top"
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=mount)
    thread.start()
    thread.join()
    assert failures == []
    assert list(target.iterdir()) == []


@pytest.mark.parametrize(
    "plan",
    [Overlay(()), Overlay((Path("/a"),), Path("/u")), Overlay((Path("/a"),), None, Path("/w"))],
)
def test_half_an_overlay_is_refused(plan: Overlay) -> None:
    with pytest.raises(Invalid):
        reduced(plan)


def test_stacks_of_one_are_binds() -> None:
    a, u, w = Path("/a"), Path("/u"), Path("/w")
    assert reduced(Overlay((a,))) == Bind(a, read_only=True)
    assert reduced(Overlay((), u, w)) == Bind(u)
    assert reduced(Overlay((a,), u, w)) == Overlay((a,), u, w)


@pytest.mark.parametrize("name", ["missing", "file"])
def test_a_missing_directory_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(NotFound, match=name):
        with opened(Bind(tmp_path / name)):
            pass
    with pytest.raises(NotFound, match=name):
        with opened(Overlay((tmp_path, tmp_path / name))):
            pass


@ROOT
def test_without_the_right_it_says_so(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    failures: list[BaseException] = []

    def mount() -> None:
        syscalls.capset(effective=0, permitted=0, inheritable=0)  # of this thread alone
        try:
            with opened(Overlay((tmp_path, tmp_path.parent))):
                pass
        except BaseException as error:
            failures.append(error)

    thread = threading.Thread(target=mount)
    thread.start()
    thread.join()
    assert isinstance(failures[0], MountDenied)
