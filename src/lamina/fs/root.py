"""Names resolved below a root that may be hostile: no link, absolute or not, leads out of it.

Resolution is the kernel's own (openat2(2), RESOLVE_IN_ROOT): as after a chroot, "/" and a link
to "/…" mean the root, and ".." stops there.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.fs.syscalls import RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, openat2

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

_LINKS = 40  # as many as the kernel follows in one resolution (path_resolution(7))
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_DEEP = 512  # open descriptors that one removal holds before it lifts what lies deeper


class Root:
    """A directory taken as "/"; paths are text as the image spells it, with surrogateescape.

    Holds the descriptor that it is given, and does not close it.
    """

    __slots__ = ("fd",)

    def __init__(self, fd: int) -> None:
        self.fd = fd

    @classmethod
    @contextmanager
    def at(cls, path: Path | str) -> Iterator[Root]:
        """The directory `path` of the host as a root."""
        fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            yield cls(fd)
        finally:
            os.close(fd)

    def is_empty(self) -> bool:
        """Whether nothing is in it."""
        fd = os.open(".", _DIRECTORY, dir_fd=self.fd)
        try:
            with os.scandir(fd) as found:
                return next(found, None) is None
        finally:
            os.close(fd)

    def open(self, path: str, flags: int, mode: int = 0, *, links: bool = True) -> int:
        """A new descriptor of what `path` names, links followed inside the root; caller closes.

        Without `links`, ELOOP where one is met.
        """
        resolve = RESOLVE_IN_ROOT if links else RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS
        return openat2(self.fd, _relative(path), flags | os.O_CLOEXEC, mode, resolve)

    def resolve(self, path: str) -> tuple[int, str]:
        """The directory that holds `path`, as a new O_PATH descriptor, and the name in it.

        Links in the directory part are followed inside the root, the last part is not looked at.
        The root itself is (root, "."); the caller closes the descriptor.
        """
        directory, name = split(path)
        return self.open(directory, os.O_PATH | os.O_DIRECTORY), name

    @contextmanager
    def parent(self, path: str) -> Iterator[tuple[int, str]]:
        """`resolve`, closed at the end."""
        fd, name = self.resolve(path)
        try:
            yield fd, name
        finally:
            os.close(fd)

    def lstat(self, path: str) -> os.stat_result:
        """stat of what `path` names; a link in the last part is the link."""
        with self.parent(path) as (fd, name):
            return os.stat(name, dir_fd=fd, follow_symlinks=False)

    def stat(self, path: str) -> os.stat_result:
        """stat of what `path` names, links followed inside the root."""
        fd = self.open(path, os.O_PATH)
        try:
            return os.fstat(fd)
        finally:
            os.close(fd)

    def exists(self, path: str) -> bool:
        """Whether `path` names something; a dangling link does not."""
        try:
            self.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        return True

    def readlink(self, path: str) -> str:
        """The text of the link `path`."""
        with self.parent(path) as (fd, name):
            return os.readlink(name, dir_fd=fd)

    def remove(self, path: str) -> None:
        """Remove `path` and everything below it; FileNotFoundError if it is not there."""
        with self.parent(path) as (fd, name):
            if name == ".":
                raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), path)
            remove_at(fd, name)

    def makedirs(self, path: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> list[str]:
        """Make `path` a directory with all that lead to it; the real paths of those made, in order.

        What exists keeps its owner and mode. A dangling link on the way is followed, and what it
        names is made inside the root. NotADirectoryError where something else is in the way.
        """
        todo = [part for part in reversed(path.split("/")) if part not in ("", ".")]
        here: list[str] = []
        made: list[str] = []
        links = 0
        while todo:
            part = todo.pop()
            if part == "..":
                del here[-1:]
                continue
            fd = self.open("/".join(here), os.O_PATH | os.O_DIRECTORY)
            try:
                target = _step(fd, part, mode, uid, gid)
            finally:
                os.close(fd)
            if isinstance(target, str):
                links += 1
                if links > _LINKS:
                    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
                if target.startswith("/"):
                    here.clear()
                todo += [piece for piece in reversed(target.split("/")) if piece not in ("", ".")]
                continue
            here.append(part)
            if target:
                made.append("/".join(here))
        return made


def _step(fd: int, name: str, mode: int, uid: int, gid: int) -> bool | str:
    """Enter `name` in a walk: a link's text, True if it had to be made, False if it was there."""
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
    except FileNotFoundError:
        os.mkdir(name, 0o700, dir_fd=fd)
        os.chown(name, uid, gid, dir_fd=fd, follow_symlinks=False)
        # The directory is ours and new; fchmodat without following links came late to Linux.
        os.chmod(name, mode, dir_fd=fd)
        return True
    if stat.S_ISLNK(found.st_mode):
        return os.readlink(name, dir_fd=fd)
    if not stat.S_ISDIR(found.st_mode):
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), name)
    return False


def split(path: str) -> tuple[str, str]:
    """`path` as the directory part and the last name; the root is ("", ".").

    A last part of ".." has no name of its own: it is refused with OSError EINVAL.
    """
    directory, _, name = path.rstrip("/").rpartition("/")
    while name == "." and directory:
        directory, _, name = directory.rstrip("/").rpartition("/")
    if name == "..":
        raise OSError(errno.EINVAL, "a path that ends in '..' names no entry", path)
    return directory.rstrip("/"), name or "."


def _relative(path: str) -> str:
    # openat2 takes "" as ENOENT; "/" would do for the root, but "." works for O_PATH roots too.
    return path or "."


def remove_at(dirfd: int, name: str) -> None:
    """Remove `name` in the directory `dirfd` with everything below it, following no link."""
    try:
        os.unlink(name, dir_fd=dirfd)
        return
    except (IsADirectoryError, PermissionError):
        # Linux says EISDIR, POSIX says EPERM; a real EPERM comes again from what follows.
        pass
    try:
        os.rmdir(name, dir_fd=dirfd)
        return
    except NotADirectoryError:
        os.unlink(name, dir_fd=dirfd)
        return
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
    empty_at(dirfd, name)
    os.rmdir(name, dir_fd=dirfd)


def empty_at(dirfd: int, name: str) -> None:
    """Remove everything in the directory `name` of `dirfd`, however deep, and keep it."""
    # By a stack of descriptors and never by "..", which a rename elsewhere could lead astray.
    stack = [os.open(name, _DIRECTORY, dir_fd=dirfd)]
    names: list[str] = []
    try:
        while stack:
            below = _unlink_files(stack[-1])
            if below is None:
                os.close(stack.pop())
                if names:
                    os.rmdir(names.pop(), dir_fd=stack[-1])
            elif len(stack) < _DEEP or not _lift(stack, below):
                stack.append(os.open(below, _DIRECTORY, dir_fd=stack[-1]))
                names.append(below)
    finally:
        for fd in stack:
            os.close(fd)


def _unlink_files(fd: int) -> str | None:
    """Remove what is not a directory, and empty directories; the first one left, if any."""
    with os.scandir(fd) as found:
        entries = list(found)
    below = None
    for entry in entries:
        if not entry.is_dir(follow_symlinks=False):
            os.unlink(entry.name, dir_fd=fd)
        elif below is None:
            try:
                os.rmdir(entry.name, dir_fd=fd)
            except OSError as error:
                if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                    raise
                below = entry.name
    return below


def _lift(stack: list[int], name: str) -> bool:
    """Move a directory that lies very deep up to the top, to spare descriptors; False if refused.

    overlayfs refuses to move directories of its lower layers.
    """
    for serial in range(1 << 16):
        try:
            os.rename(name, f".lifted-{serial}", src_dir_fd=stack[-1], dst_dir_fd=stack[0])
            return True
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                return False
    return False
