"""A tree on this disk: looked at in order, and read from, without following a link.

A container may still be running in it and swap a directory for a link at any moment, so that
every step goes by directory descriptors.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator

from lamina.fs.metadata import PRIVATE_XATTRS, xattr_path
from lamina.fs.syscalls import openat2
from lamina.layer.entry import BLOCK, CHAR, DIR, FIFO, FILE, SYMLINK, Entry

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

LOOK = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LIST = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_BENEATH = 0x08 | 0x04  # RESOLVE_BENEATH, RESOLVE_NO_SYMLINKS

_TYPES = {
    stat.S_IFREG: FILE,
    stat.S_IFDIR: DIR,
    stat.S_IFLNK: SYMLINK,
    stat.S_IFCHR: CHAR,
    stat.S_IFBLK: BLOCK,
    stat.S_IFIFO: FIFO,
}


class Tree:
    """An open directory below which files are opened for reading; closed when forgotten."""

    __slots__ = ("_directory", "_fd", "_parent")

    def __init__(self, root: Path | str | int) -> None:
        self._directory = ""
        self._parent = self._fd = -1
        if isinstance(root, int):
            # A copy of the descriptor would share its place in the listing.
            self._fd = os.open(".", _LIST, dir_fd=root)
        else:
            self._fd = os.open(root, _LIST & ~os.O_NOFOLLOW)

    def __del__(self) -> None:
        for fd in (self._fd, self._parent):
            if fd >= 0:
                os.close(fd)

    @property
    def fd(self) -> int:
        """Of the root; not to be closed."""
        return self._fd

    def open(self, path: str) -> int:
        """A new descriptor for reading the file `path`; OSError ELOOP if a link is in the way."""
        directory, _, name = path.rpartition("/")
        if not directory:
            return os.open(name, _READ, dir_fd=self._fd)
        if directory != self._directory:
            parent = openat2(self._fd, directory, LOOK, 0, _BENEATH)
            if self._parent >= 0:
                os.close(self._parent)
            self._parent, self._directory = parent, directory
        return os.open(name, _READ, dir_fd=self._parent)


class Listing:
    """One directory of a walk: its entries by name, in order, and an open descriptor."""

    __slots__ = ("entries", "fd", "path")

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path  # "" for the root
        with os.scandir(fd) as found:
            self.entries = sorted(found, key=_by_name)

    def below(self, name: str) -> Listing:
        """The directory `name` in it."""
        fd = os.open(name, _LIST, dir_fd=self.fd)
        try:
            return Listing(fd, self.join(name))
        except BaseException:
            os.close(fd)
            raise

    def join(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name

    def close(self) -> None:
        os.close(self.fd)


def _by_name(entry: os.DirEntry[str]) -> str:
    return entry.name


def describe(
    path: str, found: os.stat_result, dirfd: int, name: str, *, bare: bool = False
) -> Entry | None:
    """The entry for what is at `name` in `dirfd`; None for a socket, which no archive holds.

    Overlayfs's own attributes are not among its `xattrs`; a `bare` one has none at all.
    """
    mode = found.st_mode
    kind = _TYPES.get(stat.S_IFMT(mode))
    if kind is None:
        return None
    # By way of /proc, which takes longer than all else here.
    xattrs = {} if bare else xattrs_of(dirfd, name)
    entry = Entry(
        path,
        kind,
        mode & 0o7777,
        found.st_uid,
        found.st_gid,
        found.st_size if kind is FILE else 0,
        found.st_mtime_ns,
        "",
        (0, 0),
        xattrs,
    )
    if kind is SYMLINK:
        entry.link = os.readlink(name, dir_fd=dirfd)
    elif kind is CHAR or kind is BLOCK:
        entry.device = os.major(found.st_rdev), os.minor(found.st_rdev)
    return entry


def xattrs_of(dirfd: int, name: str, *, private: bool = False) -> dict[str, bytes]:
    """The extended attributes of `name` in `dirfd`; with `private`, only overlayfs's own."""
    target = xattr_path(dirfd, name)
    try:
        names = os.listxattr(target, follow_symlinks=False)
    except OSError as error:
        if error.errno in (errno.ENOTSUP, errno.ENOENT):
            return {}
        raise
    found: dict[str, bytes] = {}
    for key in sorted(names):
        if key.startswith(PRIVATE_XATTRS) is private:
            try:
                found[key] = os.getxattr(target, key, follow_symlinks=False)
            except OSError as error:
                # ENODATA: gone since; ENOTSUP: a security module lists what it does not give.
                if error.errno not in (errno.ENODATA, errno.ENOTSUP):
                    raise
    return found


def same_content(one: int, other: int) -> bool:
    """Whether two open files hold the same bytes."""
    for left, right in zip(_blocks(one), _blocks(other), strict=False):
        if left != right:
            return False
        if not left:
            return True
    return True


def _blocks(fd: int) -> Iterator[bytes]:
    while True:
        block = os.read(fd, 1 << 18)
        yield block
        if not block:
            return
