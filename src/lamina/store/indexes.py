"""What is known about layers: their tar index, and which diff ID a blob has."""

from __future__ import annotations

from lamina.oci.digest import DiffID, Digest
from lamina.store.database import Database


class Indexes:
    """Tar indexes as bytes (see `layer.index`), one for each diff ID."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, diff_id: DiffID, index: bytes) -> None:
        """Keep the index of a layer; the same diff ID always has the same index."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO indexes VALUES (?, ?)", (str(diff_id), index)
            )

    def get(self, diff_id: DiffID) -> bytes | None:
        """The index; None if it was never made, or is gone: the layer can be read again."""
        row = self._database.one("SELECT value FROM indexes WHERE diff_id = ?", (str(diff_id),))
        return None if row is None else bytes(row[0])

    def has(self, diff_id: DiffID) -> bool:
        row = self._database.one("SELECT 1 FROM indexes WHERE diff_id = ?", (str(diff_id),))
        return row is not None


class DiffIDs:
    """Which diff ID a layer's blob has; several blobs (compressions) may have the same one."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, digest: Digest, diff_id: DiffID) -> None:
        """Say what the blob `digest` holds; only for who has inflated and hashed it."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO diff_ids VALUES (?, ?)", (str(digest), str(diff_id))
            )

    def get(self, digest: Digest) -> DiffID | None:
        """The diff ID of the blob; None if nobody has said."""
        row = self._database.one("SELECT diff_id FROM diff_ids WHERE digest = ?", (str(digest),))
        return None if row is None else DiffID(Digest(row[0]))

    def blobs(self, diff_id: DiffID) -> list[Digest]:
        """Every blob known to hold the layer, in the order of their digests; some may be gone."""
        rows = self._database.query(
            "SELECT digest FROM diff_ids WHERE diff_id = ? ORDER BY digest", (str(diff_id),)
        )
        return [Digest(row[0]) for row in rows]
