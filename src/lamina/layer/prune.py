"""What lower layers brought is removed, what the layer at hand has made stays."""

from __future__ import annotations

import errno
import os
from collections.abc import Set as AbstractSet

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def remove_unmade(fd: int, path: str, made: AbstractSet[int]) -> None:
    """Remove all below the open directory `path` that is not in `made`; closes `fd`.

    `made` holds the hashes of the paths that stay; the directories that lead to them stay, too.
    """
    stack: list[tuple[int, str, list[str]]] = [(fd, path, [])]
    try:
        stack[0] = (fd, path, _unlink(fd, path, made))
        while stack:
            here, path, todo = stack[-1]
            if todo:
                name = todo.pop()
                below = os.open(name, _DIRECTORY, dir_fd=here)
                under = _join(path, name)
                stack.append((below, under, []))
                stack[-1] = (below, under, _unlink(below, under, made))
                continue
            os.close(here)
            stack.pop()
            if stack and hash(path) not in made:
                remove_empty(stack[-1][0], path.rpartition("/")[2])
    finally:
        for left, _, _ in stack:
            os.close(left)


def remove_empty(parent: int, name: str) -> None:
    """Remove the directory `name` of `parent` unless something is left in it."""
    try:
        os.rmdir(name, dir_fd=parent)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _unlink(fd: int, path: str, made: AbstractSet[int]) -> list[str]:
    """Unlink all in a directory that is neither in `made` nor a directory; its directories."""
    with os.scandir(fd) as found:
        entries = list(found)
    below = []
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            below.append(entry.name)
        elif hash(_join(path, entry.name)) not in made:
            os.unlink(entry.name, dir_fd=fd)
    return below


def _join(path: str, name: str) -> str:
    return f"{path}/{name}" if path else name
