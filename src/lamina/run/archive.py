"""A file or directory below some root as a tar, names changed and owners chosen on the way."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from lamina.fs.metadata import read_xattrs, xattr_path
from lamina.fs.root import Root
from lamina.layer.entry import Entry, EntryType
from lamina.layer.writer import TarWriter

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

_CHUNK = 1 << 20
_TYPES = {
    stat.S_IFREG: EntryType.FILE,
    stat.S_IFDIR: EntryType.DIR,
    stat.S_IFLNK: EntryType.SYMLINK,
    stat.S_IFCHR: EntryType.CHAR,
    stat.S_IFBLK: EntryType.BLOCK,
    stat.S_IFIFO: EntryType.FIFO,
}


def write_archive(
    root: Root, path: str, name: str, out: BinaryIO, *, owner: tuple[int, int] | None = None
) -> None:
    """Write `path` and all below it to `out` as a tar in which it is called `name`.

    `name` "." writes a directory's content without the directory. `owner` replaces every uid and
    gid. Links are not followed, a socket is left out, as tar(1) does. Whoever changes the tree
    meanwhile cannot lead out of the root.
    """
    writer = TarWriter(out.write)
    links: dict[tuple[int, int], str] = {}
    todo = [(path, name)]
    while todo:
        here, called = todo.pop()
        with root.parent(here) as (fd, last):
            found = os.stat(last, dir_fd=fd, follow_symlinks=False)
            entry = _entry(fd, last, called, found, links)
            if entry is None:
                continue
            if owner is not None:
                entry.uid, entry.gid = owner
            if entry.type is EntryType.FILE:
                _write_file(writer, fd, last, entry)
                continue
            if called != ".":
                writer.add(entry)
            if entry.type is not EntryType.DIR:
                continue
        prefix = "" if called == "." else f"{called}/"
        todo += [(f"{here.rstrip('/')}/{each}", prefix + each) for each in _names(root, here)]
    writer.close()


def _names(root: Root, path: str) -> list[str]:
    """The names in a directory, last first, as a stack wants them."""
    fd = root.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        return sorted(os.listdir(fd), reverse=True)
    finally:
        os.close(fd)


def _entry(
    fd: int, last: str, called: str, found: os.stat_result, links: dict[tuple[int, int], str]
) -> Entry | None:
    kind = _TYPES.get(stat.S_IFMT(found.st_mode))
    if kind is None:
        return None
    entry = Entry(
        called,
        kind,
        mode=stat.S_IMODE(found.st_mode),
        uid=found.st_uid,
        gid=found.st_gid,
        mtime=found.st_mtime_ns,
        xattrs=read_xattrs(xattr_path(fd, last)),
    )
    if kind is not EntryType.DIR and found.st_nlink > 1:
        first = links.setdefault((found.st_dev, found.st_ino), called)
        if first != called:
            entry.type, entry.link = EntryType.HARDLINK, first
            return entry
    match kind:
        case EntryType.SYMLINK:
            entry.link = os.readlink(last, dir_fd=fd)
        case EntryType.CHAR | EntryType.BLOCK:
            entry.device = (os.major(found.st_rdev), os.minor(found.st_rdev))
    return entry


def _write_file(writer: TarWriter, fd: int, last: str, entry: Entry) -> None:
    # Without waiting, should somebody have put a FIFO in its place.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    file = os.open(last, flags, dir_fd=fd)
    try:
        entry.size = os.fstat(file).st_size
        writer.add(entry, _content(file, entry.size))
    finally:
        os.close(file)


def _content(file: int, size: int) -> Iterator[bytes]:
    """Exactly `size` bytes: a file that shrinks meanwhile ends in zeros, one that grows is cut."""
    left = size
    while left:
        data = os.read(file, min(left, _CHUNK)) or bytes(min(left, _CHUNK))
        left -= len(data)
        yield data
