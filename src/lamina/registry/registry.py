"""Repositories of one root on disk (docs/on-disk.md, "Registry").

registry.db (-wal, -shm)    SQLite: who may see which blob, manifests, tags
blobs/<algorithm>/<hex>     content, manifests too, mode 0444
uploads/<session>           blobs on their way; the size is the offset
indexes/<algorithm>/<hex>   what is in a layer, once somebody has looked into it
ingest/, trash/             what is being written, and being deleted
locks/                      flock: gc, schema
keys/                       what `serve` signs tokens with
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path

from lamina.errors import Corrupt, NotFound
from lamina.fs.faults import told
from lamina.oci.digest import Digest
from lamina.oci.distribution.endpoint import check_name
from lamina.oci.document import MANIFEST_LIMIT
from lamina.registry.blobs import Blobs, Place, Uploads
from lamina.registry.files import FileBlobs
from lamina.registry.indexes import Indexes
from lamina.registry.metadata import Metadata
from lamina.registry.repository import Repository
from lamina.registry.sqlite import SQLite

GRACE = 24 * 3600 * 1_000_000_000  # ns that what nothing refers to yet is kept
_DIRECTORIES = ("locks", "blobs/sha256", "blobs/sha384", "blobs/sha512", "uploads", "ingest")


class Registry:
    """All repositories of one root; safe for many threads, and many processes may have it open."""

    def __init__(
        self,
        blobs: Place,
        uploads: Uploads,
        metadata: Metadata,
        *,
        grace: int = GRACE,
        complete: bool = True,
        manifest_limit: int = MANIFEST_LIMIT,
        now: Callable[[], int] = time.time_ns,
        indexes: Indexes | None = None,
    ) -> None:
        self.blobs = blobs
        self.uploads = uploads
        self.metadata = metadata
        self.grace = grace  # ns
        self.complete = complete  # whether manifests must have here what they refer to
        self.manifest_limit = manifest_limit  # bytes
        self.now = now  # ns since 1970
        self.indexes = indexes
        self.documents = Documents(blobs)

    def repository(self, name: str) -> Repository:
        """The repository called `name`, which need not exist yet; BadName."""
        return Repository(self, check_name(name))

    def repositories(self, *, after: str = "", limit: int) -> list[str]:
        """Names after `after`, in order, of repositories that have a manifest."""
        return self.metadata.repositories(after=after, limit=limit)

    def close(self) -> None:
        """Close what the calling thread has open."""
        self.metadata.close()


def open_registry(
    root: Path,
    *,
    grace: int = GRACE,
    complete: bool = True,
    manifest_limit: int = MANIFEST_LIMIT,
    now: Callable[[], int] = time.time_ns,
) -> Registry:
    """The registry in the directory `root`, made if there is none."""
    with told(str(root)):
        for name in (*_DIRECTORIES, "trash"):
            os.makedirs(root / name, mode=0o755, exist_ok=True)
    blobs = FileBlobs(root)
    return Registry(
        blobs,
        blobs.uploads,
        SQLite(root),
        grace=grace,
        complete=complete,
        manifest_limit=manifest_limit,
        now=now,
        indexes=Indexes(root),
    )


class Documents:
    """The bytes of manifests and small blobs, kept in memory: what has a digest never changes."""

    LIMIT = 32 << 20  # bytes in memory

    def __init__(self, blobs: Blobs) -> None:
        self._blobs = blobs
        self._lock = threading.Lock()
        self._held: OrderedDict[Digest, bytes] = OrderedDict()
        self._size = 0

    def read(self, digest: Digest) -> bytes:
        """All bytes, verified when they were read; Corrupt if the disk has lost them."""
        held = self._held.get(digest)
        if held is not None:
            return held
        try:
            with self._blobs.open(digest) as file:
                data = file.read()
        except NotFound:
            raise Corrupt(f'the file of "{digest}" is gone', hint="push it again") from None
        if Digest.of(data, digest.algorithm) != digest:
            raise Corrupt(f'the file of "{digest}" is damaged', hint="push it again")
        with self._lock:
            if digest not in self._held:
                self._held[digest] = data
                self._size += len(data)
            while self._size > self.LIMIT:
                _, oldest = self._held.popitem(last=False)
                self._size -= len(oldest)
        return data

    def forget(self, digest: Digest) -> None:
        """Let go of what is gone from the disk."""
        with self._lock:
            self._size -= len(self._held.pop(digest, b""))
