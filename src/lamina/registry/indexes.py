"""Tables of contents of layers, beside the blobs that they were read from.

They are only worth their time: any may be gone, and is made again when somebody looks. So a disk
that is full, or may not be written, is no failure.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lamina.errors import Invalid
from lamina.fs.owner import Owner
from lamina.oci.digest import Digest

_LIMIT = 64 << 20  # bytes of one; a layer of a million entries takes some 15


class Indexes:
    """`layer.index` as bytes, by the digest of the blob as stored."""

    def __init__(self, root: Path) -> None:
        self._root = root / "indexes"
        self._ingest = root / "ingest"

    def get(self, digest: Digest) -> bytes | None:
        try:
            return self._path(digest).read_bytes()
        except OSError:
            return None

    def has(self, digest: Digest) -> bool:
        return self._path(digest).exists()

    def put(self, digest: Digest, index: bytes) -> None:
        """Keep what was found in the blob, once all its bytes were verified."""
        if len(index) > _LIMIT:
            return
        path = self._path(digest)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside = self._ingest / Owner.this().fresh_name()
            aside.write_bytes(index)
            aside.rename(path)
        except OSError:
            pass  # what lies aside is taken by the next gc

    def all(self) -> Iterator[tuple[Digest, int]]:
        """Each, with its bytes on the disk."""
        try:
            algorithms = sorted(os.scandir(self._root), key=lambda one: one.name)
        except OSError:
            return
        for algorithm in algorithms:
            for one in sorted(os.scandir(algorithm.path), key=lambda one: one.name):
                try:
                    digest = Digest.parse(f"{algorithm.name}:{one.name}")
                except Invalid:
                    continue
                yield digest, one.stat().st_size

    def remove(self, digest: Digest) -> None:
        self._path(digest).unlink(missing_ok=True)

    def _path(self, digest: Digest) -> Path:
        return self._root / digest.algorithm / digest.encoded
