"""What a file is besides its bytes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.fs.metadata import (
    copy_file,
    copy_metadata,
    data_extents,
    read_xattrs,
    write_xattrs,
    xattr_path,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and trusted names need root")


def test_attributes_come_back(tmp_path: Path) -> None:
    path = tmp_path / "f"
    path.write_text("x")
    with path.open("rb") as file:
        assert write_xattrs(file.fileno(), {"user.b": b"\0\xff", "user.a": b""}) == []
        assert read_xattrs(file.fileno()) == {"user.a": b"", "user.b": b"\0\xff"}
    assert list(read_xattrs(str(path))) == ["user.a", "user.b"]


@needs_root
def test_overlayfs_own_attributes_neither_come_nor_go(tmp_path: Path) -> None:
    os.setxattr(tmp_path, "trusted.overlay.opaque", b"y")
    os.setxattr(tmp_path, "trusted.other", b"kept")
    assert read_xattrs(str(tmp_path)) == {"trusted.other": b"kept"}
    (tmp_path / "d").mkdir()
    names = {"trusted.overlay.opaque": b"y", "user.overlay.opaque": b"y"}
    assert write_xattrs(str(tmp_path / "d"), names) == []
    assert os.listxattr(tmp_path / "d") == []


def test_what_the_system_refuses_is_named(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("nowhere")
    assert write_xattrs(str(tmp_path / "link"), {"user.a": b"1"}) == ["user.a"]


@needs_root
def test_a_name_in_a_directory_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    (tmp_path / "link").symlink_to("file")
    fd = os.open(tmp_path, os.O_PATH)
    write_xattrs(xattr_path(fd, "link"), {"trusted.a": b"1"})
    os.close(fd)
    assert os.listxattr(tmp_path / "file") == []
    assert os.listxattr(tmp_path / "link", follow_symlinks=False) == ["trusted.a"]


@needs_root
def test_copy_metadata_keeps_special_bits_and_capabilities(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    for path in (one, two):
        path.write_text("x")
    os.chown(one, 5, 6)
    os.chmod(one, 0o6711)
    os.setxattr(one, "security.capability", capability)
    os.utime(one, ns=(1, 2_000_000_003))
    with one.open("rb") as source, two.open("r+b") as target:
        copy_metadata(source.fileno(), target.fileno())
    found = two.stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (5, 6, 0o6711)
    assert found.st_mtime_ns == 2_000_000_003
    assert os.getxattr(two, "security.capability") == capability


@pytest.mark.parametrize("size", [0, 1, 4096, 5_000_000])
def test_copies_are_whole(tmp_path: Path, size: int) -> None:
    data = os.urandom(size)
    (tmp_path / "one").write_bytes(data)
    with (tmp_path / "one").open("rb") as source, (tmp_path / "two").open("w+b") as target:
        assert copy_file(source.fileno(), target.fileno()) == size
    assert (tmp_path / "two").read_bytes() == data


def test_holes_stay_holes(tmp_path: Path) -> None:
    with (tmp_path / "one").open("w+b") as source, (tmp_path / "two").open("w+b") as target:
        source.write(b"begin")
        source.seek(8 << 20)
        source.write(b"middle")
        source.truncate(16 << 20)
        source.flush()
        assert copy_file(source.fileno(), target.fileno()) == 16 << 20
        extents = data_extents(target.fileno(), 16 << 20)
    assert sum(length for _, length in extents) < 1 << 20
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_a_file_of_nothing_but_a_hole_has_no_data(tmp_path: Path) -> None:
    with (tmp_path / "f").open("w+b") as file:
        file.truncate(1 << 20)
        assert data_extents(file.fileno(), 1 << 20) == []
