"""Small values that other rooms keep: build cache records, stat caches, the last build."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lamina.oci.digest import Digest
from lamina.store.database import Database
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Record:
    """A value under a kind and a key; times in nanoseconds since 1970."""

    kind: str
    key: str
    value: bytes
    created: int
    used: int
    expires: int | None
    refs: tuple[Digest, ...]  # blobs, diff IDs and chain IDs that it keeps from gc


class Records:
    """The records of one store; the meaning of a value is its owner's affair."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(
        self,
        kind: str,
        key: str,
        value: bytes,
        *,
        now: int,
        expires: int | None = None,
        refs: Iterable[Digest] = (),
    ) -> None:
        """Keep `value`, in place of what the key had; `refs` are kept from gc as long as it is."""
        with self._database.transaction() as connection:
            connection.execute(
                "INSERT INTO records VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " value = excluded.value, created = excluded.created, used = excluded.used,"
                " expires = excluded.expires",
                (kind, key, value, now, now, expires),
            )
            connection.execute("DELETE FROM record_refs WHERE kind = ? AND key = ?", (kind, key))
            connection.executemany(
                "INSERT OR IGNORE INTO record_refs VALUES (?, ?, ?)",
                [(kind, key, str(digest)) for digest in refs],
            )

    def get(self, kind: str, key: str) -> bytes | None:
        """The value; None if there is none."""
        row = self._database.one(
            "SELECT value FROM records WHERE kind = ? AND key = ?", (kind, key)
        )
        return None if row is None else bytes(row[0])

    def touch(self, kind: str, key: str, *, now: int) -> None:
        """Say that the record was of use; nothing happens if it is gone."""
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE records SET used = ? WHERE kind = ? AND key = ?", (now, kind, key)
            )

    def delete(self, kind: str, key: str) -> bool:
        """Forget the record; whether there was one."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM record_refs WHERE kind = ? AND key = ?", (kind, key))
            cursor = connection.execute(
                "DELETE FROM records WHERE kind = ? AND key = ?", (kind, key)
            )
            return cursor.rowcount > 0

    def items(self, kind: str) -> list[Record]:
        """All records of a kind, by key."""
        refs: dict[str, list[Digest]] = {}
        for key, digest in self._database.query(
            "SELECT key, digest FROM record_refs WHERE kind = ? ORDER BY digest", (kind,)
        ):
            refs.setdefault(key, []).append(Digest(digest))
        rows = self._database.query(
            "SELECT key, value, created, used, expires FROM records WHERE kind = ? ORDER BY key",
            (kind,),
        )
        return [
            Record(kind, key, bytes(value), created, used, expires, tuple(refs.get(key, ())))
            for key, value, created, used, expires in rows
        ]

    def limit(self, kind: str, most: int) -> None:
        """Forget all records of a kind but the `most` that were put last; they refer to nothing."""
        with self._database.transaction() as connection:
            connection.execute(
                "DELETE FROM records WHERE kind = ? AND key NOT IN (SELECT key FROM records"
                " WHERE kind = ? ORDER BY created DESC LIMIT ?)",
                (kind, kind, most),
            )

    def kinds(self) -> list[str]:
        """Every kind that has records."""
        return [row[0] for row in self._database.query("SELECT DISTINCT kind FROM records")]

    def prune(self, kind: str, *, now: int, unused_ns: int | None = None) -> list[str]:
        """Forget what has expired and, if given, what was not used for `unused_ns`; the keys."""
        horizon = -1 if unused_ns is None else now - unused_ns
        with self._database.transaction() as connection:
            rows = connection.execute(
                "SELECT key FROM records WHERE kind = ? AND (expires <= ? OR used <= ?)",
                (kind, now, horizon),
            ).fetchall()
            pairs = [(kind, row[0]) for row in rows]
            connection.executemany("DELETE FROM record_refs WHERE kind = ? AND key = ?", pairs)
            connection.executemany("DELETE FROM records WHERE kind = ? AND key = ?", pairs)
        return [key for _, key in pairs]

    @contextmanager
    def batch(self) -> Iterator[None]:
        """One transaction for all that this thread puts within: all of it or none, and faster."""
        with self._database.transaction():
            yield
