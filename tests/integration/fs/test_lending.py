"""Mounts of one image that processes share, on this kernel."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

import descriptors
from lamina.fs import detached, lending, mounts
from lamina.fs.owner import Owner
from lamina.layer.erofs import Node, image
from lamina.snapshot import erofs_fault

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: mounts")


@pytest.fixture
def layer(tmp_path: Path) -> mounts.Erofs:
    if (fault := erofs_fault(tmp_path)) is not None:
        pytest.skip(f"EROFS does not work here: {fault}")
    made = drawn(tmp_path, "layer", b"content")
    with mounts.Kept() as kept:
        kept.keep(made)
        if not notes(made):
            pytest.skip("this kernel clones no mount that is attached nowhere (before 6.15)")
    return made


def drawn(place: Path, name: str, content: bytes) -> mounts.Erofs:
    """An image of one file."""
    root, file = Node(stat.S_IFDIR | 0o755, (0, 0), 0), Node(stat.S_IFREG | 0o644, (0, 0), 0)
    root.inside, file.size = {"file": file}, len(content)
    (place / name).write_bytes(image(root, 512))
    (place / f"{name}.tar").write_bytes(content.ljust(512, b"\0"))
    return mounts.Erofs(place / name, place / f"{name}.tar")


def notes(layer: mounts.Erofs) -> list[str]:
    try:
        return os.listdir(f"{layer.image}.held")
    except FileNotFoundError:
        return []


def note(layer: mounts.Erofs, name: str) -> None:
    Path(f"{layer.image}.held").mkdir(exist_ok=True)
    Path(f"{layer.image}.held", name).touch()


def device(layer: mounts.Erofs) -> int:
    """Tells one superblock of the image from another."""
    with mounts.opened(layer) as fd:
        assert Path(f"/proc/self/fd/{fd}/file").read_bytes() == b"content"
        return os.fstat(fd).st_dev


@contextmanager
def lender(layer: mounts.Erofs) -> Iterator[int]:
    """Another process that keeps the layer: its pid."""
    told, tell = os.pipe()
    pid = os.fork()
    if not pid:
        try:
            with mounts.Kept() as kept:
                kept.keep(layer)
                os.write(tell, b"!")
                signal.pause()
        finally:
            os._exit(0)
    try:
        assert os.read(told, 1) == b"!"
        yield pid
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(told)
        os.close(tell)


def test_mounts_of_one_image_share_a_superblock_while_somebody_keeps_one(
    layer: mounts.Erofs,
) -> None:
    with mounts.opened(layer) as own:
        assert device(layer) != os.fstat(own).st_dev
    with lender(layer):
        shared = device(layer)
        assert device(layer) == shared
        with mounts.Kept() as kept:
            kept.keep(layer)
            kept.keep(mounts.Overlay((layer,), "/upper", "/work"))
            assert len(notes(layer)) == 2
            assert device(layer) == shared


def test_what_was_taken_outlives_the_lender_and_is_lent_on(layer: mounts.Erofs) -> None:
    with mounts.Kept() as kept:
        with lender(layer):
            shared = device(layer)
            kept.keep(layer)
        assert device(layer) == shared
    lending.sweep(str(layer.image))
    assert notes(layer) == []


def test_the_note_of_a_killed_lender_goes_with_the_next_who_looks(layer: mounts.Erofs) -> None:
    with lender(layer):
        pass
    assert len(notes(layer)) == 1
    device(layer)
    assert notes(layer) == []
    with lender(layer):
        pass
    lending.sweep(str(layer.image))
    assert notes(layer) == []


def test_a_container_of_its_own_namespaces_shares_too(layer: mounts.Erofs) -> None:
    from lamina.fs import syscalls

    with lender(layer):
        told, tell = os.pipe()
        pid = syscalls.clone(syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS)
        if not pid:
            try:
                os.write(tell, b"%d" % device(layer))
            finally:
                os._exit(0)
        os.waitpid(pid, 0)
        assert int(os.read(told, 20)) == device(layer)
        os.close(told)
        os.close(tell)


def test_a_note_that_is_wrong_does_no_harm(layer: mounts.Erofs, tmp_path: Path) -> None:
    other = drawn(tmp_path, "other", b"different")
    me = Owner.this()
    fd = detached.erofs(mounts.image(other))
    file = os.open(tmp_path / "other", os.O_RDONLY)
    try:
        for name in (
            f"{me.pid}.{me.start}.{fd}",  # a mount of another image
            f"{me.pid}.{me.start}.{file}",  # no mount
            f"{me.pid}.{me.start}.100000",
            f"{me.pid}.{me.start}.-1",
            f"{me.pid}.{me.start}",
            f"{me.pid}.{me.start + 1}.{fd}",  # a process that had this number before
            "1.1.3",
            "words",
        ):
            note(layer, name)
            device(layer)
    finally:
        os.close(fd)
        os.close(file)
    assert f"{me.pid}.{me.start + 1}.{fd}" not in notes(layer)


def test_nothing_is_lent_where_notes_cannot_be_left(layer: mounts.Erofs) -> None:
    os.rmdir(f"{layer.image}.held")
    Path(f"{layer.image}.held").write_bytes(b"")
    before = descriptors.opened()
    with mounts.Kept() as kept:
        kept.keep(layer)
        device(layer)
    assert descriptors.opened() == before


def test_an_image_that_cannot_be_mounted_is_no_matter_for_who_keeps_it(tmp_path: Path) -> None:
    with mounts.Kept() as kept:
        kept.keep(mounts.Erofs(tmp_path / "none", tmp_path / "none"))
