"""Bytes on their way to become a blob.

A file in `ingest/` carries its owner in its name. Committed, it is synced and renamed to its
digest; killed before, it is left for gc, which takes it once its owner is dead.
"""

from __future__ import annotations

import os
from types import TracebackType

from lamina.errors import Corrupt
from lamina.fs.atomic import Growing, write_all
from lamina.fs.faults import told
from lamina.fs.owner import Owner
from lamina.oci.digest import Digest, Sha256

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.store.blobs import Blobs

_CHUNK = 1 << 20  # bytes read at once


class Ingest:
    """A writer of one blob, hashed as it is written; a context manager.

    Left without `commit`, nothing of it stays. Not for several threads at once. `hashes` is off
    for who hashes what is written himself, and commits it `trusted`.
    """

    def __init__(self, blobs: Blobs, *, hashes: bool = True) -> None:
        self._blobs = blobs
        self._hashes = hashes
        self._path = os.path.join(blobs.ingest_directory, Owner.this().fresh_name())
        self._hash = Sha256()
        self._hashed = 0  # bytes
        with told(blobs.root):
            self._fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._growing = Growing(self._fd)

    def write(self, data: bytes | bytearray | memoryview, /) -> int:
        """Append `data`; how many bytes, always all of them."""
        size = len(data) if not isinstance(data, memoryview) else data.nbytes
        with told(self._blobs.root):
            write_all(self._fd, data if isinstance(data, memoryview) else memoryview(data))
        self._growing.grew(size)
        if self._hashes:
            self._hash.update(data)
            self._hashed += size
        return size

    def commit(self, digest: Digest | None = None, *, trusted: bool = False) -> tuple[Digest, int]:
        """Make the bytes a blob; its digest and its size in bytes.

        Corrupt unless they have `digest`, where one is given. `trusted` says that the caller has
        hashed these very bytes already. A blob that is there already is left as it is.
        """
        size = os.fstat(self._fd).st_size
        if digest is None or not trusted:
            found = self._digest(digest.algorithm if digest is not None else "sha256", size)
            if digest is not None and found != digest:
                raise Corrupt(f'the bytes of "{digest}" have the digest "{found}"')
            digest = found
        with told(self._blobs.root):
            os.fchmod(self._fd, 0o444)
            os.fsync(self._fd)
            self._blobs.adopt(self._path, digest, size)
        self.abort()
        return digest, size

    def abort(self) -> None:
        """Throw away what was written; nothing happens if it is committed or aborted already."""
        if self._fd < 0:
            return
        os.close(self._fd)
        self._fd = -1
        try:
            os.unlink(self._path)
        except FileNotFoundError:
            pass  # committed: it has another name now

    def _digest(self, algorithm: str, size: int) -> Digest:
        """The digest of what the file holds, read again only if `write` has not seen it."""
        if algorithm == "sha256" and self._hashed == size:
            return Digest(f"sha256:{self._hash.hexdigest()}")
        import hashlib

        hasher = hashlib.new(algorithm)
        at = 0
        while data := os.pread(self._fd, _CHUNK, at):
            hasher.update(data)
            at += len(data)
        return Digest(f"{algorithm}:{hasher.hexdigest()}")

    def __enter__(self) -> Ingest:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.abort()
