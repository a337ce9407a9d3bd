"""Overlays over images, on this kernel and as older kernels need them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

import descriptors
from lamina.fs import detached
from lamina.layer.erofs import Node, image
from lamina.snapshot import erofs_fault
from mount_table import mount_table

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")


def layer(place: Path, name: str, content: bytes, *, by_loop: bool) -> detached.Image:
    """An image with one file in a directory of its own."""
    root, file = Node(stat.S_IFDIR | 0o755, (0, 0), 0), Node(stat.S_IFREG | 0o644, (0, 0), 0)
    root.inside, file.size = {name: file, "same": file}, len(content)
    place.mkdir()
    (place / "data").write_bytes(content.ljust(512, b"\0"))
    (place / "image").write_bytes(image(root, 512))
    return str(place / "image"), str(place / "data"), by_loop


@pytest.mark.parametrize("attached", [False, True])
@pytest.mark.parametrize("by_loop", [False, True])
def test_images_and_directories_lie_in_one_stack(
    tmp_path: Path, by_loop: bool, attached: bool
) -> None:
    if (fault := erofs_fault(tmp_path, by_loop=by_loop)) is not None:
        pytest.skip(f"EROFS does not work here: {fault}")
    lower: list[str | detached.Image] = [
        layer(tmp_path / str(number), f"f{number}", b"%d" % number, by_loop=by_loop)
        for number in range(5)
    ]
    for name in ("below", "upper", "work"):
        (tmp_path / name).mkdir()
    (tmp_path / "below" / "f9").write_bytes(b"9")
    lower.append(str(tmp_path / "below"))
    before = mount_table(tmp_path)
    fd = detached.overlay(lower, str(tmp_path / "upper"), str(tmp_path / "work"), attached=attached)
    root = Path(f"/proc/self/fd/{fd}")
    try:
        assert sorted(os.listdir(root)) == ["f0", "f1", "f2", "f3", "f4", "f9", "same"]
        assert [(root / f"f{number}").read_bytes() for number in (0, 4, 9)] == [b"0", b"4", b"9"]
        assert (root / "same").read_bytes() == b"0"
        with open(root / "f4", "ab") as file:
            file.write(b"more")
        assert str(tmp_path) not in Path("/proc/self/mounts").read_text()
    finally:
        os.close(fd)
    assert (tmp_path / "upper" / "f4").read_bytes() == b"4more"
    assert mount_table(tmp_path) == before


@pytest.mark.parametrize("narrow", [False, True])
def test_inode_numbers_fit_in_32_bits_where_that_is_asked(tmp_path: Path, narrow: bool) -> None:
    if (fault := erofs_fault(tmp_path)) is not None:
        pytest.skip(f"EROFS does not work here: {fault}")
    lower = layer(tmp_path / "0", "f", b"content", by_loop=False)
    for name in ("upper", "work"):
        (tmp_path / name).mkdir()
    fd = detached.overlay([lower], str(tmp_path / "upper"), str(tmp_path / "work"), narrow=narrow)
    try:
        found, root = os.stat("f", dir_fd=fd), os.fstat(fd)
        assert (found.st_ino < 1 << 32) == narrow
        assert (found.st_dev == root.st_dev) != narrow
        assert Path(f"/proc/self/fd/{fd}/f").read_bytes() == b"content"
    finally:
        os.close(fd)


def test_an_image_that_is_none_is_refused_and_leaves_no_descriptor(tmp_path: Path) -> None:
    (tmp_path / "image").write_bytes(bytes(4096))
    (tmp_path / "data").write_bytes(bytes(512))
    before = descriptors.opened()
    for by_loop in (False, True):
        for attached in (False, True):
            with pytest.raises(OSError, match="fsconfig"):
                detached.overlay(
                    [(str(tmp_path / "image"), str(tmp_path / "data"), by_loop), str(tmp_path)],
                    None,
                    None,
                    attached=attached,
                )
    assert descriptors.opened() == before
