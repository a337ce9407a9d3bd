"""Paths followed inside a root whose end may not exist yet.

The kernel resolves what exists (`fs.root`); a destination may be a dangling link, whose target
is then to be made inside the root, and a source may pass links that an ignore file hides.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from lamina.fs.root import Root

_LINKS = 255  # as many as BuildKit follows


def clean(path: str) -> str:
    """`path` below "/", without "." and "..", and without a slash at either end."""
    parts: list[str] = []
    for part in path.split("/"):
        if part == "..":
            del parts[-1:]
        elif part not in ("", "."):
            parts.append(part)
    return "/".join(parts)


def join(directory: str, name: str) -> str:
    """`name` in `directory`, where "" is the root."""
    return f"{directory}/{name}" if directory else name


def follow(root_fd: int, path: str, *, is_hidden: Callable[[str], bool] | None = None) -> str:
    """`path` with every link in it followed inside the root, the last part too.

    What does not exist is kept as it is. A link for which `is_hidden` holds raises
    FileNotFoundError, too many of them OSError ELOOP.
    """
    todo = path.split("/")[::-1]
    here: list[str] = []
    links = 0
    while todo:
        part = todo.pop()
        if part in ("", "."):
            continue
        if part == "..":
            del here[-1:]
            continue
        here.append(part)
        current = "/".join(here)
        try:
            target = os.readlink(current, dir_fd=root_fd)
        except OSError as error:
            if error.errno not in (errno.EINVAL, errno.ENOENT, errno.ENOTDIR):
                raise
            continue
        links += 1
        if links > _LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
        if is_hidden is not None and is_hidden(current):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), current)
        here.pop()
        if target.startswith("/"):
            here.clear()
        todo += target.split("/")[::-1]
    return "/".join(here)


def lstat(root_fd: int, path: str) -> os.stat_result | None:
    """stat of an already followed path; None if it is not there."""
    try:
        return os.stat(path or ".", dir_fd=root_fd, follow_symlinks=False)
    except (FileNotFoundError, NotADirectoryError):
        return None


def read(root_fd: int, path: str, limit: int) -> bytes | None:
    """Up to `limit` bytes of a regular file, links followed inside the root; None if none is there.

    The root may be hostile: pipes are not waited for, and loops of links are no file.
    """
    try:
        fd = Root(root_fd).open(path, os.O_RDONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.ENOTDIR, errno.ELOOP, errno.ENXIO):
            return None
        raise
    try:
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            return None
        data = b""
        while len(data) < limit and (piece := os.read(fd, limit - len(data))):
            data += piece
        return data
    finally:
        os.close(fd)
