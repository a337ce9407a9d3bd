"""Blobs as files, in the image layout's way: `blobs/<algorithm>/<hex>`, read-only."""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from pathlib import Path

from lamina import store
from lamina.fs import lock
from lamina.fs.atomic import sync_directory
from lamina.fs.faults import told
from lamina.fs.owner import Owner
from lamina.oci.digest import Digest
from lamina.registry.uploads import ALGORITHMS, FileUploads

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO


class FileBlobs:
    """The blobs of one registry; safe for many threads and processes."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._blobs = store.Blobs(root)
        self._lock = root / "locks" / "gc"
        self.uploads = FileUploads(root, self._blobs)

    def has(self, digest: Digest) -> bool:
        return self._blobs.has(digest)

    def open(self, digest: Digest, start: int = 0) -> BinaryIO:
        found = self._blobs.open_digest(digest)
        if start:
            found.seek(start)
        return found

    def put(self, digest: Digest, data: bytes) -> None:
        if not self._blobs.has(digest):
            with self._blobs.ingest() as ingest:
                ingest.write(data)
                ingest.commit(digest, trusted=True)

    def settle(self, algorithms: Collection[str]) -> None:
        with told(str(self._root)):
            for algorithm in {*algorithms}.intersection(ALGORITHMS):
                sync_directory(self._root / "blobs" / algorithm)

    @contextmanager
    def kept(self) -> Iterator[None]:
        with told(str(self._root)), lock.shared(self._lock):
            yield

    def old(self, before: int) -> Iterator[tuple[Digest, int]]:
        for digest, found in self._blobs.all():
            if found.st_mtime_ns < before:
                yield digest, found.st_size

    def remove(self, digest: Digest, before: int, is_needed: Callable[[Digest], bool]) -> bool:
        path = self._blobs.path(digest)
        aside = self._root / "trash" / Owner.this().fresh_name()
        with told(str(self._root)), lock.exclusive(self._lock):
            try:
                if os.stat(path).st_mtime_ns >= before or is_needed(digest):
                    return False
                os.rename(path, aside)
            except FileNotFoundError:
                return False
        os.unlink(aside)
        return True

    def leftovers(self, before: int, *, dry_run: bool) -> int:
        total = self.uploads.expire(before, dry_run=dry_run)
        for directory in ("ingest", "trash"):
            for entry in os.scandir(self._root / directory):
                owner = Owner.of_name(entry.name)
                if owner is None or not owner.alive():
                    total += _unlink(entry.path, dry_run=dry_run)
        return total


def _unlink(path: str, *, dry_run: bool) -> int:
    try:
        size = os.stat(path).st_size
        if not dry_run:
            os.unlink(path)
    except FileNotFoundError:  # another gc was faster
        return 0
    return size
