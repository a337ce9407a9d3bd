"""Uploads as files that grow: `uploads/<session>`, whose size is the offset.

A session's name is a UUID, what ties it to its repository, and the algorithm that its digest is
expected to have; nothing else need be kept, so it survives a restart and any process goes on
with it. The writer holds the file by flock. The state of the hash is kept in memory between two
requests; where it is not, the file is read again.
"""

from __future__ import annotations

import os
import re
import threading
from collections import OrderedDict
from collections.abc import Iterable
from fcntl import LOCK_EX, LOCK_NB, flock
from pathlib import Path

from lamina import store
from lamina.errors import NotFound
from lamina.fs.atomic import write_all
from lamina.fs.faults import told
from lamina.oci.digest import Digest
from lamina.registry.failures import NoUpload, UploadBusy, WrongDigest

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from hashlib import _Hash

_CHUNK = 1 << 20  # bytes read at once
_REMEMBERED = 1000  # hash states
_UUID = "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
ALGORITHMS = ("sha256", "sha384", "sha512")


class FileUploads:
    """The uploads of one registry."""

    def __init__(self, root: Path, blobs: store.Blobs) -> None:
        self.directory = os.path.join(root, "uploads")
        self.root = root
        self.blobs = blobs
        self.states = _States()

    def begin(self, name: str, algorithm: str) -> str:
        import uuid

        session = f"{uuid.uuid4()}.{_check(name)}.{algorithm}"
        with told(str(self.root)):
            os.close(os.open(self.path(session), os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        return session

    def offset(self, name: str, session: str) -> int:
        _algorithm(name, session)
        try:
            return os.stat(self.path(session)).st_size
        except OSError:
            raise NoUpload(session) from None

    def resume(self, name: str, session: str) -> FileUpload:
        return FileUpload(self, session, _algorithm(name, session))

    def expire(self, before: int, *, dry_run: bool) -> int:
        """Throw away what nobody has written to since `before`; its bytes."""
        total = 0
        for entry in os.scandir(self.directory):
            try:
                if entry.stat().st_mtime_ns < before:
                    total += _expire(entry.path, before, dry_run=dry_run)
            except FileNotFoundError:
                continue
        return total

    def path(self, session: str) -> str:
        return f"{self.directory}/{session}"


class FileUpload:
    """One upload, held by this writer."""

    def __init__(self, uploads: FileUploads, session: str, algorithm: str) -> None:
        self.session = session
        self._uploads = uploads
        self._path = uploads.path(session)
        try:
            self._fd = os.open(self._path, os.O_RDWR | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            raise NoUpload(session) from None
        try:
            flock(self._fd, LOCK_EX | LOCK_NB)
            if not _is_still(self._path, self._fd):
                raise NoUpload(session)
        except BaseException as error:
            os.close(self._fd)
            if isinstance(error, BlockingIOError):
                raise UploadBusy(session) from None
            raise
        self.offset = os.fstat(self._fd).st_size
        self._hash = uploads.states.take(session, self.offset) or self._read(algorithm)

    def append(self, data: Iterable[bytes]) -> None:
        with told(str(self._uploads.root)):
            for piece in data:
                write_all(self._fd, piece)
                self.offset += len(piece)
                self._hash.update(piece)

    def truncate(self, offset: int) -> None:
        os.ftruncate(self._fd, offset)
        self.offset = offset
        self._hash = self._read(self._hash.name)

    def commit(self, digest: Digest) -> int:
        if self._hash.name != digest.algorithm:
            self._hash = self._read(digest.algorithm)
        found = Digest.done(self._hash)
        if found != digest:
            raise WrongDigest(f'the bytes have the digest "{found}", not "{digest}"')
        blobs = self._uploads.blobs
        with told(str(self._uploads.root)):
            if not (self._is_there(digest) and blobs.has(digest)):
                os.fsync(self._fd)
                os.fchmod(self._fd, 0o444)
                blobs.adopt(self._path, digest, self.offset)
        self._forget()
        return self.offset

    def discard(self) -> None:
        self._forget()

    def _is_there(self, digest: Digest) -> bool:
        """Whether somebody else has pushed these bytes before, which are synced then."""
        try:
            return self._uploads.blobs.size(digest) == self.offset
        except NotFound:
            return False

    def _forget(self) -> None:
        if self._fd < 0:
            return
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass  # committed: it has another name now
        os.close(self._fd)
        self._fd = -1

    def _read(self, algorithm: str) -> _Hash:
        """The state of the hash after the bytes that are here."""
        import hashlib

        hasher = hashlib.new(algorithm)
        at = 0
        while at < self.offset and (data := os.pread(self._fd, _CHUNK, at)):
            hasher.update(data)
            at += len(data)
        return hasher

    def __enter__(self) -> FileUpload:
        return self

    def __exit__(self, *error: object) -> None:
        if self._fd < 0:
            return
        # A write that failed may have left a part of its bytes, which the hash has not seen.
        if os.fstat(self._fd).st_size != self.offset:
            os.ftruncate(self._fd, self.offset)
        self._uploads.states.keep(self.session, self.offset, self._hash)
        os.close(self._fd)
        self._fd = -1


class _States:
    """Hash states of uploads that wait for more, the least recent forgotten first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._states: OrderedDict[str, tuple[int, _Hash]] = OrderedDict()

    def keep(self, session: str, offset: int, state: _Hash) -> None:
        with self._lock:
            self._states[session] = (offset, state)
            while len(self._states) > _REMEMBERED:
                self._states.popitem(last=False)

    def take(self, session: str, offset: int) -> _Hash | None:
        """The state after `offset` bytes, which nobody else gets; None if it is not known."""
        with self._lock:
            found = self._states.pop(session, None)
        return found[1] if found is not None and found[0] == offset else None


def _expire(path: str, before: int, *, dry_run: bool) -> int:
    """Throw one upload away unless somebody is just going on with it; its bytes."""
    fd = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        flock(fd, LOCK_EX | LOCK_NB)
        found = os.fstat(fd)
        if found.st_mtime_ns >= before or not _is_still(path, fd):
            return 0
        if not dry_run:
            os.unlink(path)
        return found.st_size
    except BlockingIOError:
        return 0
    finally:
        os.close(fd)


def _is_still(path: str, fd: int) -> bool:
    """Whether the file is what it was when it was opened, and not a blob meanwhile, or gone."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(fd))
    except FileNotFoundError:
        return False


def _check(name: str) -> str:
    import hashlib

    return hashlib.sha256(name.encode()).hexdigest()[:16]


def _algorithm(name: str, session: str) -> str:
    """The algorithm that the session expects; NoUpload unless it can be one of `name`."""
    parts = session.split(".")
    is_ours = len(parts) == 3 and re.fullmatch(_UUID, parts[0]) and parts[1] == _check(name)
    if not is_ours or parts[2] not in ALGORITHMS:
        raise NoUpload(session[:100])
    return parts[2]
