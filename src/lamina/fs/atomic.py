"""Files that are either the old one or the new one, whenever the power goes."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

_serial = count()
_PIECE = 8 << 20  # bytes after which the kernel is asked to write


def write(path: Path | str, data: bytes, mode: int = 0o644) -> None:
    """Make `path` hold `data`: written aside, synced, renamed over, and the directory synced.

    Readers see the old content or the new, never a part. What is left aside by a crash is named
    ".<name>.<pid>.<serial>.aside" and may be removed once that process is gone.
    """
    directory, name = os.path.split(path)
    directory = directory or "."
    aside = f"{directory}/.{name}.{os.getpid()}.{next(_serial)}.aside"
    fd = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        try:
            write_all(fd, data)
            os.fchmod(fd, mode)
            os.fsync(fd)
        finally:
            os.close(fd)
        os.rename(aside, path)
    except BaseException:
        try:
            os.unlink(aside)
        except FileNotFoundError:
            pass
        raise
    sync_directory(directory)


@contextmanager
def result(path: Path | str) -> Iterator[BinaryIO]:
    """A file for what a person wants at `path`, where it is at the end of the block, or not at all.

    Only a file, or nothing, is replaced; a link, a device or a pipe is written to as it is.
    """
    path = os.fspath(path)
    try:
        is_file = stat.S_ISREG(os.lstat(path).st_mode)
    except FileNotFoundError:
        is_file = True
    if not is_file:
        with open(path, "wb") as out:
            yield out
        return
    directory, name = os.path.split(path)
    aside = os.path.join(directory, f".{name}.{os.getpid()}.{next(_serial)}.aside")
    try:
        out = open(aside, "xb")  # noqa: SIM115  # closed below
    except OSError as error:
        error.filename = path  # the name that the caller knows
        raise
    try:
        with out:
            yield out
        os.rename(aside, path)
    except BaseException:
        os.unlink(aside)
        raise


def write_all(fd: int, data: bytes | memoryview) -> None:
    """Write all of `data`, however many calls it takes."""
    done = os.write(fd, data)
    if done == len(data):
        return
    view = memoryview(data)[done:]
    while view:
        view = view[os.write(fd, view) :]


def sync_directory(path: Path | str) -> None:
    """Make the names in the directory `path` durable."""
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)


class Growing:
    """A file that is being written: the disk gets it while more comes, so a sync waits less."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._unwritten = 0  # bytes, since the kernel was asked

    def grew(self, size: int) -> None:
        """So many bytes were added."""
        self._unwritten += size
        if self._unwritten >= _PIECE:
            from lamina.fs.syscalls import begin_writing  # with `ctypes`, which small files spare

            self._unwritten = 0
            begin_writing(self._fd)
