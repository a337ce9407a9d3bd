"""Mounts of images that processes lend each other: one superblock, so one page cache, for all.

Two mounts of an EROFS image by file know nothing of each other (Linux 6.18) and keep whatever is
read twice. So whoever keeps one for long says so in a note beside the image, an empty file
`IMAGE.held/PID.START.FD`, and whoever needs that image takes the mount behind this descriptor
(Linux 6.15). On any doubt it is mounted anew: a note may be lost, stale or wrong without harm.
"""

from __future__ import annotations

import os
from contextlib import suppress

from lamina.fs import syscalls
from lamina.fs.owner import Owner

_IDENTITY = 1024 + 48  # where an EROFS image has its UUID (fs/erofs/erofs_fs.h)
_ROOT = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_BITS = 0xFFFFFFFFFFFFFFFF


def found(image: str) -> int | None:
    """The root (O_PATH) of a mount of `image` that is lent; None if none is.

    It can be part of an overlay as long as the lender lives (EINVAL then). Notes of processes
    that are gone are taken away.
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
            fd = os.open(f"/proc/{lender.pid}/fd/{number}", _ROOT)
        except OSError:
            _forget_dead(image, name)
            continue
        # After the fact: then it was this very process whose descriptor was opened.
        if _seen(fd) == wanted != 0 and lender.alive():
            return fd
        os.close(fd)
        _forget_dead(image, name)
    return None


def taken(image: str) -> int | None:
    """A mount of our own that shares the superblock of one that is lent; None if none is."""
    fd = found(image)
    if fd is None:
        return None
    try:
        return _clone(fd)
    except OSError:  # the lender ended meanwhile
        return None
    finally:
        os.close(fd)


def is_possible(fd: int) -> bool:
    """Whether this kernel lets others take the mount behind `fd`."""
    try:
        os.close(_clone(fd))
    except OSError:
        return False
    return True


class Lent:
    """What a process lends: a note beside each image, until it is closed."""

    def __init__(self) -> None:
        self._owner = Owner.this()
        self._notes: list[str] = []

    def lend(self, image: str, fd: int) -> None:
        """Let others take the mount of `image` behind `fd`, which stays open as long as this."""
        note = f"{_place(image)}/{self._owner.pid}.{self._owner.start}.{fd}"
        with suppress(OSError):
            _write(note)
            self._notes.append(note)

    def close(self) -> None:
        """Take the notes away; idempotent."""
        for note in self._notes:
            with suppress(OSError):
                os.unlink(note)
        self._notes.clear()


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


def _clone(fd: int) -> int:
    return syscalls.open_tree(fd, "", syscalls.OPEN_TREE_CLONE | syscalls.AT_EMPTY_PATH)


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
