"""Trees on this disk as a whole: copied, counted."""

from __future__ import annotations

import os
import stat

from lamina.fs.metadata import copy_file, copy_metadata, read_xattrs, write_xattrs, xattr_path
from lamina.values import dataclass, field

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_WRITE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
_BLOCK = 512  # bytes, what st_blocks counts (inode(7))


def usage(path: str) -> int:
    """Bytes of disk below `path`, a file with several names counted once."""
    total = 0
    seen: set[tuple[int, int]] = set()
    stack = [os.open(path, _DIRECTORY)]
    waiting: list[list[str]] = []
    try:
        total += os.fstat(stack[-1]).st_blocks * _BLOCK
        waiting.append([])
        total += _count(stack[-1], waiting[-1], seen)
        while stack:
            if not waiting[-1]:
                waiting.pop()
                os.close(stack.pop())
                continue
            stack.append(os.open(waiting[-1].pop(), _DIRECTORY, dir_fd=stack[-1]))
            waiting.append([])
            total += _count(stack[-1], waiting[-1], seen)
    finally:
        for fd in stack:
            os.close(fd)
    return total


def _count(fd: int, directories: list[str], seen: set[tuple[int, int]]) -> int:
    """Bytes of what lies in `fd` itself; its directories are added to `directories`."""
    total = 0
    with os.scandir(fd) as entries:
        for entry in entries:
            found = entry.stat(follow_symlinks=False)
            if stat.S_ISDIR(found.st_mode):
                directories.append(entry.name)
            elif found.st_nlink > 1:
                identity = (found.st_dev, found.st_ino)
                if identity in seen:
                    continue
                seen.add(identity)
            total += found.st_blocks * _BLOCK
    return total


def copy_tree(source: str, target: str) -> None:
    """Make the empty directory `target` equal to `source`, which nobody changes meanwhile.

    Hard links within the tree, owners, modes, times, extended attributes, devices and holes are
    kept; nothing is followed.
    """
    top = _Level(os.open(source, _DIRECTORY), os.open(target, _DIRECTORY), "")
    copy = _Copy(top.target)
    stack = [top]
    try:
        copy.fill(top)
        while True:
            level = stack[-1]
            if level.waiting:
                stack.append(copy.descend(level, level.waiting.pop()))
                copy.fill(stack[-1])
                continue
            # Last of all, for what was made within has changed the times.
            copy_metadata(level.source, level.target)
            if len(stack) == 1:
                return
            stack.pop().close()
    finally:
        for level in stack:
            level.close()


@dataclass(slots=True)
class _Level:
    """One directory that is being copied."""

    source: int
    target: int
    path: str  # from the top, ending in "/" unless empty
    waiting: list[str] = field(default_factory=list)

    def close(self) -> None:
        os.close(self.source)
        os.close(self.target)


class _Copy:
    """The copying of one tree: remembers where files with several names are."""

    def __init__(self, top: int) -> None:
        self._top = top
        self._links: dict[int, str] = {}  # inode -> path from the top

    def descend(self, level: _Level, name: str) -> _Level:
        source = os.open(name, _DIRECTORY, dir_fd=level.source)
        try:
            os.mkdir(name, 0o700, dir_fd=level.target)
            target = os.open(name, _DIRECTORY, dir_fd=level.target)
        except BaseException:
            os.close(source)
            raise
        return _Level(source, target, f"{level.path}{name}/")

    def fill(self, level: _Level) -> None:
        """Copy all that is not a directory, and note the directories."""
        with os.scandir(level.source) as entries:
            for entry in entries:
                found = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(found.st_mode):
                    level.waiting.append(entry.name)
                elif found.st_nlink == 1 or not self._link(level, entry.name, found.st_ino):
                    _copy_one(level.source, level.target, entry.name, found)

    def _link(self, level: _Level, name: str, inode: int) -> bool:
        """Whether the file was copied under another name, and is now linked to that."""
        first = self._links.setdefault(inode, level.path + name)
        if first == level.path + name:
            return False
        os.link(first, name, src_dir_fd=self._top, dst_dir_fd=level.target, follow_symlinks=False)
        return True


def _copy_one(source: int, target: int, name: str, found: os.stat_result) -> None:
    if stat.S_ISREG(found.st_mode):
        _copy_file(source, target, name)
        return
    if stat.S_ISLNK(found.st_mode):
        os.symlink(os.readlink(name, dir_fd=source), name, dir_fd=target)
    else:
        os.mknod(name, found.st_mode, found.st_rdev, dir_fd=target)
    os.chown(name, found.st_uid, found.st_gid, dir_fd=target, follow_symlinks=False)
    if not stat.S_ISLNK(found.st_mode):
        os.chmod(name, stat.S_IMODE(found.st_mode), dir_fd=target)
    xattrs = read_xattrs(xattr_path(source, name))
    if xattrs:
        write_xattrs(xattr_path(target, name), xattrs)
    times = (found.st_atime_ns, found.st_mtime_ns)
    os.utime(name, ns=times, dir_fd=target, follow_symlinks=False)


def _copy_file(source: int, target: int, name: str) -> None:
    reading = os.open(name, _READ, dir_fd=source)
    try:
        writing = os.open(name, _WRITE, 0o600, dir_fd=target)
        try:
            copy_file(reading, writing)
            copy_metadata(reading, writing)
        finally:
            os.close(writing)
    finally:
        os.close(reading)
