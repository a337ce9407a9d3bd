"""Mounts of images that processes lend each other: one superblock, so one page cache, for all.

Two mounts of an EROFS image by file know nothing of each other (Linux 6.18) and keep whatever is
read twice. So whoever keeps one for long says so in a note beside the image, an empty file
`IMAGE.held/PID.START.FD`, and whoever needs that image clones the mount behind this descriptor
(Linux 6.15). On any doubt it is mounted anew: a note may be lost, stale or wrong without harm.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from lamina.fs import syscalls
from lamina.fs.owner import Owner

_IDENTITY = 1024 + 48  # where an EROFS image has its UUID (fs/erofs/erofs_fs.h)
_BITS = 0xFFFFFFFFFFFFFFFF


def taken(image: str) -> int | None:
    """A mount of our own that shares the superblock of one that is lent; None if none is.

    Notes of processes that are gone are taken away.
    """
    names = _names(image)
    if not names:
        return None
    wanted = _identity(image)
    for name in names:
        owner, _, number = name.rpartition(".")
        lender = Owner.of_name(owner)
        if lender is None or not number.isascii() or not number.isdigit():
            continue
        try:
            fd = _clone(f"/proc/{lender.pid}/fd/{number}")
        except OSError:
            _forget_dead(image, name)
            continue
        # After the fact: then it was this very process whose descriptor was cloned.
        if lender.alive() and _seen(fd) == wanted != 0:
            return fd
        os.close(fd)
        _forget_dead(image, name)
    return None


@contextmanager
def lent(image: str, fd: int) -> Iterator[bool]:
    """Lend the mount of `image` behind `fd` until the block ends; False if that is not possible."""
    try:
        os.close(_clone(f"/proc/self/fd/{fd}"))
        owner = Owner.this()
        note = f"{_place(image)}/{owner.pid}.{owner.start}.{fd}"
        _write(note)
    except OSError:
        yield False
        return
    try:
        yield True
    finally:
        with suppress(OSError):
            os.unlink(note)


def sweep(image: str) -> None:
    """Take away the notes of processes that are gone."""
    for name in _names(image):
        _forget_dead(image, name)


def _place(image: str) -> str:
    return f"{image}.held"


def _names(image: str) -> list[str]:
    try:
        return os.listdir(_place(image))
    except OSError:
        return []


def _write(note: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        fd = os.open(note, flags, 0o600)
    except FileNotFoundError:
        with suppress(FileExistsError):
            os.mkdir(os.path.dirname(note), 0o700)
        fd = os.open(note, flags, 0o600)
    os.close(fd)


def _forget_dead(image: str, name: str) -> None:
    owner = Owner.of_name(name)
    if owner is None or not owner.alive():
        with suppress(OSError):
            os.unlink(f"{_place(image)}/{name}")


def _clone(path: str) -> int:
    return syscalls.open_tree(syscalls.AT_FDCWD, path, syscalls.OPEN_TREE_CLONE)


def _seen(fd: int) -> int:
    """What the mount behind `fd` says it is: for EROFS, its image's UUID, folded."""
    return os.fstatvfs(fd).f_fsid & _BITS


def _identity(image: str) -> int:
    """What `_seen` gives for a mount of `image`; 0 if it has no identity."""
    try:
        fd = os.open(image, os.O_RDONLY | os.O_CLOEXEC)
        try:
            data = os.pread(fd, 16, _IDENTITY)
        finally:
            os.close(fd)
    except OSError:
        return 0
    return int.from_bytes(data[:8], "little") ^ int.from_bytes(data[8:], "little")
