"""Locks between processes, by flock(2): gone when the holder dies."""

from __future__ import annotations

import errno
import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import Unavailable

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

_PAUSE = 0.02  # seconds between two tries of a wait that may end


@contextmanager
def exclusive(path: Path | str, *, timeout: float | None = None) -> Iterator[None]:
    """Hold `path` alone, making the file if need be.

    Waits for ever, or `timeout` seconds (0: does not wait); Unavailable when they have passed.
    The file stays: removing a lock file while somebody waits for it would make two locks of it.
    """
    with _held(path, fcntl.LOCK_EX, timeout):
        yield


@contextmanager
def shared(path: Path | str, *, timeout: float | None = None) -> Iterator[None]:
    """Hold `path` together with others that share it; as `exclusive` otherwise."""
    with _held(path, fcntl.LOCK_SH, timeout):
        yield


@contextmanager
def _held(path: Path | str, kind: int, timeout: float | None) -> Iterator[None]:
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _acquire(fd, kind, timeout, path)
        yield
    finally:
        os.close(fd)


def _acquire(fd: int, kind: int, timeout: float | None, path: Path | str) -> None:
    if timeout is None:
        fcntl.flock(fd, kind)
        return
    until = time.monotonic() + timeout
    while True:
        try:
            fcntl.flock(fd, kind | fcntl.LOCK_NB)
            return
        except OSError as error:
            if error.errno not in (errno.EWOULDBLOCK, errno.EACCES):
                raise
        left = until - time.monotonic()
        if left <= 0:
            raise Unavailable(
                f'"{path}" is locked by another process',
                hint="wait for it to finish, and try again",
            )
        time.sleep(min(_PAUSE, left))
