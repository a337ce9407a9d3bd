"""Bytes of a blob that come from elsewhere, kept where their coming may break off.

A file in `partial/` is named for its blob and locked by whoever is adding to it, so that its owner
is known to be dead when the lock is free. Killed at any moment, what has come stays and is taken up
again by the next one; gc takes it when nobody has added to it for a day.
"""

from __future__ import annotations

import fcntl
import io
import os
from types import TracebackType
from typing import BinaryIO

from lamina.fs.atomic import Growing, write_all
from lamina.fs.faults import told
from lamina.oci.digest import Digest
from lamina.store.blobs import Blobs

KEPT_NS = 24 * 3600 * 1_000_000_000  # since somebody last added to it
DIRECTORY = "partial"


class Partial:
    """The beginning of one blob, alone with it; a context manager that lets go and keeps it.

    Entering waits for another owner: look for the blob itself afterwards.
    """

    def __init__(self, blobs: Blobs, digest: Digest) -> None:
        self._blobs = blobs
        self._digest = digest
        self._place = blobs.root
        directory = os.path.join(blobs.root, DIRECTORY)
        self._path = os.path.join(directory, f"{digest.algorithm}-{digest.encoded}")
        self._fd = -1
        self.size = 0  # bytes

    def __enter__(self) -> Partial:
        with told(self._place):
            os.makedirs(os.path.dirname(self._path), mode=0o755, exist_ok=True)
            while True:
                fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
                fcntl.flock(fd, fcntl.LOCK_EX)
                if is_at(fd, self._path):
                    break
                os.close(fd)  # whoever had it has made it a blob, or thrown it away
        self._fd = fd
        self._growing = Growing(fd)
        self.size = os.fstat(fd).st_size
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._fd >= 0:
            if not self.size and is_at(self._fd, self._path):
                self.discard()  # nothing that could be gone on with
            os.close(self._fd)
            self._fd = -1

    def write(self, data: bytes, /) -> int:
        """Append `data`; how many bytes, always all of them."""
        with told(self._place):
            write_all(self._fd, data)
        self.size += len(data)
        self._growing.grew(len(data))
        return len(data)

    def reader(self) -> BinaryIO:
        """What is here, from its first byte; the caller closes."""
        return io.FileIO(self._path, "rb")

    def restart(self) -> None:
        """Forget what is here."""
        os.ftruncate(self._fd, 0)
        self.size = 0

    def commit(self) -> None:
        """Make it the blob; the caller has checked that these bytes have the digest."""
        with told(self._place):
            os.fchmod(self._fd, 0o444)
            os.utime(self._fd)  # new for whoever holds a lease, though all came earlier
            os.fsync(self._fd)
            self._blobs.adopt(self._path, self._digest, self.size)
        self.discard()

    def discard(self) -> None:
        """Throw it away; nothing happens if it is a blob by now."""
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass


def is_at(fd: int, path: str) -> bool:
    """Whether `path` still names the open file."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        return False
    here = os.fstat(fd)
    return (there.st_dev, there.st_ino) == (here.st_dev, here.st_ino)


def sweep(root: str, now: int, *, dry_run: bool) -> int:
    """Delete what no living process has added to for a day; its bytes."""
    total = 0
    try:
        names = os.listdir(os.path.join(root, DIRECTORY))
    except FileNotFoundError:
        return 0
    for name in names:
        path = os.path.join(root, DIRECTORY, name)
        try:
            fd = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError:
            continue
        try:
            found = os.fstat(fd)
            if now - found.st_mtime_ns < KEPT_NS:
                continue
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if is_at(fd, path):
                total += found.st_size
                if not dry_run:
                    os.unlink(path)
        except BlockingIOError:
            continue  # somebody is at it
        finally:
            os.close(fd)
    return total
