"""Content here: an OCI image layout on this disk, with what is known about it in SQLite beside it.

`docs/on-disk.md` draws the layout and says who may change what, and what survives what.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from functools import cached_property

from lamina.oci.digest import Digest
from lamina.store import layout
from lamina.store.blobs import Blobs
from lamina.store.database import Database
from lamina.store.indexes import DiffIDs, Indexes
from lamina.store.ingest import Ingest
from lamina.store.leases import Lease, Leases
from lamina.store.names import Ambiguous, Named, Names, NoImage
from lamina.store.records import Record, Records

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path

    from lamina.store.crcs import Crcs
    from lamina.store.gc import Report, Trees
    from lamina.store.partial import Partial

__all__ = [
    "Ambiguous",
    "Blobs",
    "DiffIDs",
    "Indexes",
    "Ingest",
    "Lease",
    "Leases",
    "Named",
    "Names",
    "NoImage",
    "Record",
    "Records",
    "Store",
]


class Store:
    """One store; safe for many threads, and many processes may have it open at once."""

    def __init__(self, root: Path | str) -> None:
        self.directory = os.fspath(root)
        self.database = Database(f"{root}/lamina.db", f"{root}/locks")
        self.records = Records(self.database)
        self.blobs = Blobs(root, self.records)
        self.names = Names(root, self.database, self.blobs)
        self.indexes = Indexes(self.database)
        self.diff_ids = DiffIDs(self.database)
        self.leases = Leases(self.database, f"{root}/locks/gc")

    @cached_property
    def root(self) -> Path:
        from pathlib import Path

        return Path(self.directory)

    @cached_property
    def crcs(self) -> Crcs:
        from lamina.store.crcs import Crcs

        return Crcs(self.records)

    @classmethod
    def open(cls, root: Path | str) -> Store:
        """The store at `root`, made if there is none. The database is opened when first used."""
        layout.ensure(root)
        return cls(root)

    def ingest(self, *, hashes: bool = True) -> Ingest:
        """A writer of a new blob; a context manager. See `Ingest`."""
        return self.blobs.ingest(hashes=hashes)

    def partial(self, digest: Digest) -> Partial:
        """The beginning of a blob that is on its way here; a context manager."""
        from lamina.store.partial import Partial

        return Partial(self.blobs, digest)

    def lease(self, owner: str) -> AbstractContextManager[Lease]:
        """Protection from gc for what a command writes and asks for; see `Leases.lease`."""
        return self.leases.lease(owner)

    def gc(
        self,
        *,
        roots: Iterable[Digest] = (),
        trees: Trees | None = None,
        kept: Callable[[str], bool] = lambda key: True,
        dry_run: bool = False,
    ) -> Report:
        """Take away what nobody needs; with `dry_run` only say what.

        Needed is what images, records, pins, leases and `roots` lead to. `trees` is the
        snapshotter, whose unneeded snapshots go too, and of its drafts those whose owner is dead
        and for which `kept(key)` is false. Waits for whoever is just naming something; others go
        on meanwhile. Killed at any moment, it has done a part of the work and nothing else.
        """
        from lamina.store import gc

        return gc.collect(self, roots=roots, trees=trees, kept=kept, dry_run=dry_run)

    def close(self) -> None:
        """Close the calling thread's connection to the database."""
        self.database.close()

    def leave(self) -> None:
        """As `close`, for a process that ends now; see `Database.leave`."""
        self.database.leave()
