"""Content on this disk: one read-only file for each digest (image-layout.md, "Blobs").

Implements `Fetcher` and `Pusher` of `oci.content`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

from lamina.errors import Corrupt, NotFound
from lamina.fs import lock
from lamina.fs.faults import told
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.store.ingest import Ingest

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO

    from lamina.store.records import Records

_CHUNK = 1 << 20  # bytes


class Blobs:
    """The blobs of one store. Safe for many threads and processes.

    `records` get the CRC-32 of plain layers that are pushed here.
    """

    def __init__(self, root: Path | str, records: Records | None = None) -> None:
        self.root = os.fspath(root)
        self._records = records
        self.ingest_directory = os.path.join(root, "ingest")
        self._directory = os.path.join(root, "blobs")
        self._gc_lock = os.path.join(root, "locks", "gc")

    def path(self, digest: Digest) -> Path:
        """Where the blob is, or would be."""
        from pathlib import Path

        return Path(self._path(digest))

    def has(self, digest: Digest) -> bool:
        """Whether the blob is here; if so it counts as new for leases that are held."""
        path = self._path(digest)
        try:
            os.stat(path)
        except FileNotFoundError:
            return False
        # The lock keeps gc from judging the old age while it is being renewed.
        with told(self.root), lock.shared(self._gc_lock):
            try:
                os.utime(path)
            except FileNotFoundError:
                return False
        return True

    def size(self, digest: Digest) -> int:
        """Bytes, as stored; NotFound if it is not here."""
        try:
            return os.stat(self._path(digest)).st_size
        except FileNotFoundError:
            raise _absent(digest) from None

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """The bytes as stored; the caller closes, and verifies. NotFound if they are not here."""
        return self.open_digest(descriptor.digest)

    def open_digest(self, digest: Digest) -> BinaryIO:
        """As `open`, of the blob with this digest."""
        try:
            return open(self._path(digest), "rb")
        except FileNotFoundError:
            raise _absent(digest) from None

    def read(self, digest: Digest) -> bytes:
        """All bytes, verified; for documents. NotFound, or Corrupt if the disk changed them."""
        try:
            with open(self._path(digest), "rb", buffering=0) as file:
                data = file.readall()
        except FileNotFoundError:
            raise _absent(digest) from None
        found = Digest.of(data, digest.algorithm)
        if found != digest:
            raise Corrupt(
                f'the blob "{digest}" is damaged: its bytes have the digest "{found}"',
                hint="remove what uses it, and fetch or build it again",
            )
        return data

    def put(self, data: bytes) -> Digest:
        """Store `data`; its digest. Cheap if it is here already."""
        digest = Digest.of(data)
        try:
            same = os.stat(self._path(digest)).st_size == len(data)
        except FileNotFoundError:
            same = False
        if same and self.has(digest):
            return digest
        with self.ingest() as ingest:
            ingest.write(data)
            ingest.commit(digest, trusted=True)
        return digest

    def push(self, descriptor: Descriptor, stream: BinaryIO) -> None:
        """Store what `stream` yields; Corrupt unless it has the descriptor's digest and size."""
        from lamina.layer.crc import Crc
        from lamina.oci.media_type import PLAIN
        from lamina.store.crcs import Crcs

        digest = descriptor.digest
        with self.ingest() as ingest:
            crc = Crc()
            while data := stream.read(_CHUNK):
                crc = crc.plus(data)
                if crc.size > descriptor.size:
                    raise Corrupt(f'"{digest}" has more than the {descriptor.size} bytes stated')
                ingest.write(data)
            if crc.size != descriptor.size:
                raise Corrupt(f'"{digest}" has {crc.size} bytes where {descriptor.size} are stated')
            ingest.commit(digest)
        if self._records is not None and descriptor.media_type in PLAIN:
            Crcs(self._records).put(digest, crc)

    def ingest(self, *, hashes: bool = True) -> Ingest:
        """A writer of a new blob; see `Ingest`."""
        return Ingest(self, hashes=hashes)

    def adopt(self, path: str, digest: Digest, size: int) -> None:
        """Give the synced file `path` its place; what is there already stays, if it is whole.

        For `Ingest`, which owns the file.
        """
        target = self._path(digest)
        with lock.shared(self._gc_lock):
            try:
                whole = os.stat(target).st_size == size
                if whole:
                    os.utime(target)
            except FileNotFoundError:
                whole = False
            if whole:
                return
            try:
                os.rename(path, target)
            except FileNotFoundError:
                os.makedirs(os.path.dirname(target), exist_ok=True)
                os.rename(path, target)

    def all(self) -> Iterator[tuple[Digest, os.stat_result]]:
        """Every blob here; files that are not named as blobs are passed over."""
        with os.scandir(self._directory) as algorithms:
            for algorithm in sorted(algorithms, key=lambda entry: entry.name):
                if not algorithm.is_dir(follow_symlinks=False):
                    continue
                with os.scandir(algorithm) as entries:
                    for entry in entries:
                        found = _stat(entry)
                        if found is not None:
                            yield Digest(f"{algorithm.name}:{entry.name}"), found

    def sync(self) -> None:
        """Make the names of all blobs durable."""
        from lamina.fs.atomic import sync_directory

        with os.scandir(self._directory) as algorithms:
            for algorithm in algorithms:
                sync_directory(algorithm.path)

    def _path(self, digest: Digest) -> str:
        algorithm, _, encoded = digest.partition(":")
        return f"{self._directory}/{algorithm}/{encoded}"


def _stat(entry: os.DirEntry[str]) -> os.stat_result | None:
    try:
        return entry.stat(follow_symlinks=False)
    except FileNotFoundError:  # taken away by gc meanwhile
        return None


def _absent(digest: Digest) -> NotFound:
    return NotFound(f'the blob "{digest}" is not in the store')
