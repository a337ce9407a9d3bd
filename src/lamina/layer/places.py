"""The directories under a root that entries go into, kept open while they are likely needed."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable

from lamina.fs.root import Root

_LOOK = os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC
_OPEN = 128  # directories kept open
_DEFAULT_ACL = "system.posix_acl_default"


class Places:
    """O_PATH descriptors of directories, by the paths that archives give them ("" is the root).

    A directory is reached from the one above it if that is open and no link is met, and by
    openat2(2) below the root otherwise; either way it is inside.
    """

    def __init__(self, root_fd: int) -> None:
        self.root = Root(root_fd)
        self.fds: dict[str, int] = {}  # for looking up what is open; changed here only
        # Of those, the ones that give on a group (set-GID) or a mode (a default ACL).
        self.giving: set[int] = set()
        self.leaving: Callable[[int], None] | None = None  # is told what is about to be closed
        self.implied: set[str] = set()  # directories that were made for what is in them
        self.met_link = False  # whether a directory was reached through a link

    def close(self) -> None:
        """Close what is open, as must be done when a directory or a link was removed."""
        for fd in self.fds.values():
            os.close(fd)
        self.fds.clear()
        self.giving.clear()

    def open(self, directory: str) -> int:
        """An O_PATH descriptor of `directory`, made if missing; good until the next call."""
        fd = self.fds.get(directory)
        if fd is not None:
            return fd
        try:
            return self.enter(directory)
        except FileNotFoundError:
            self._imply(directory)
            return self.enter(directory)

    def enter(self, directory: str) -> int:
        """As `open` where it is not open already; FileNotFoundError if it is missing."""
        fd = self._step(directory)
        if fd < 0:
            fd = self._reach(directory)
        self.keep(directory, fd, gives_on=_gives_on(fd))
        return fd

    def _imply(self, directory: str) -> None:
        self.root.makedirs(directory)
        while directory and directory not in self.implied:
            self.implied.add(directory)
            directory = directory.rpartition("/")[0]

    def _reach(self, directory: str) -> int:
        if not self.met_link:
            try:
                return self.root.open(directory, _LOOK, links=False)
            except OSError as error:
                if error.errno != errno.ELOOP:
                    raise
            self.met_link = True
        return self.root.open(directory, _LOOK)

    def keep(self, directory: str, fd: int, *, gives_on: bool) -> None:
        """Keep `fd` open, and close the one kept longest if there are too many."""
        if directory in self.fds:
            self._drop(directory)
        if len(self.fds) >= _OPEN:
            self._drop(next(iter(self.fds)))
        self.fds[directory] = fd
        if gives_on:
            self.giving.add(fd)

    def _drop(self, directory: str) -> None:
        fd = self.fds.pop(directory)
        if self.leaving is not None:
            self.leaving(fd)
        self.giving.discard(fd)
        os.close(fd)

    def copy(self, directory: str) -> int:
        """A descriptor of an existing directory that the caller closes; FileNotFoundError."""
        fd = self.fds.get(directory)
        return os.dup(fd) if fd is not None else self.root.open(directory, _LOOK)

    def _step(self, directory: str) -> int:
        """`directory` from the one that holds it, if that is open and no link is met; else -1."""
        above, _, name = directory.rpartition("/")
        parent = self.fds.get(above)
        if parent is None or not name:
            return -1
        try:
            return os.open(name, _LOOK | os.O_NOFOLLOW, dir_fd=parent)
        except OSError:
            return -1

    def find(self, directory: str) -> int | None:
        """As `open`, but None if it is not there."""
        try:
            fd = self.fds.get(directory)
            return self._look(directory) if fd is None else fd
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _look(self, directory: str) -> int:
        os.close(self.root.open(directory, _LOOK))  # so that `open` does not make it
        return self.open(directory)

    def set_times(self, times: dict[str, int]) -> None:
        """Give each directory its modification time, going through each parent once."""
        above, parent = "", os.dup(self.root.fd)
        try:
            for path in sorted(times, key=_above):
                directory, _, name = path.rpartition("/")
                if directory != above:
                    try:
                        fd = self.root.open(directory, _LOOK)
                    except (FileNotFoundError, NotADirectoryError):
                        continue  # removed later in the same archive
                    os.close(parent)
                    above, parent = directory, fd
                mtime = times[path]
                try:
                    os.utime(name, ns=(mtime, mtime), dir_fd=parent, follow_symlinks=False)
                except FileNotFoundError:
                    pass  # likewise
        finally:
            os.close(parent)


def _above(path: str) -> str:
    return path.rpartition("/")[0]


def _gives_on(fd: int) -> bool:
    """Whether what is made in a directory takes its group or its mode from it."""
    if os.fstat(fd).st_mode & stat.S_ISGID:
        return True
    try:
        return _DEFAULT_ACL in os.listxattr(f"/proc/self/fd/{fd}")
    except OSError:
        return True  # not known: set everything
