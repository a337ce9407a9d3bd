"""A registry's metadata in SQLite: WAL, so that readers never wait.

Links are not synced when they are made; keeping a manifest is, and with it all before it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from lamina.oci.digest import Digest
from lamina.registry.document import Document
from lamina.registry.failures import MissingContent
from lamina.registry.metadata import Dead, Entry, Graph, Link, Node
from lamina.registry.schema import MIGRATIONS
from lamina.store.database import Database

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import sqlite3


class SQLite:
    """The metadata of one registry; safe for many threads and processes."""

    def __init__(self, root: Path) -> None:
        self._database = Database(root / "registry.db", root / "locks", migrations=MIGRATIONS)

    def close(self) -> None:
        """Close the calling thread's connection."""
        self._database.close()

    def version(self) -> object:
        return self._database.version()

    # -- blobs ---------------------------------------------------------------------------------

    def link(self, name: str, digest: Digest, size: int, *, at: int) -> None:
        with self._database.transaction() as connection:
            _link(connection, name, digest, size, at)

    def blob(self, name: str, digest: Digest) -> Link | None:
        row = self._database.one(
            "SELECT size, linked FROM blobs WHERE repository = ? AND digest = ?", (name, digest)
        )
        return None if row is None else Link(digest, *row)

    def renew(self, name: str, digest: Digest, *, at: int) -> bool:
        with self._database.transaction() as connection:
            return _changes(
                connection,
                "UPDATE blobs SET linked = ? WHERE repository = ? AND digest = ?",
                (at, name, digest),
            )

    def mount(self, name: str, digest: Digest, sources: Sequence[str], *, at: int) -> int | None:
        with self._database.transaction() as connection:
            for source in sources:
                row = connection.execute(
                    "SELECT size FROM blobs WHERE repository = ? AND digest = ?", (source, digest)
                ).fetchone()
                if row is not None:
                    _link(connection, name, digest, row[0], at)
                    return int(row[0])
        return None

    def holders(self, digest: Digest) -> list[str]:
        rows = self._database.query(
            "SELECT repository FROM blobs WHERE digest = ? ORDER BY repository", (digest,)
        )
        return [row[0] for row in rows]

    def unlink(self, name: str, digest: Digest) -> bool:
        with self._database.transaction() as connection:
            return _changes(
                connection,
                "DELETE FROM blobs WHERE repository = ? AND digest = ?",
                (name, digest),
            )

    # -- manifests -----------------------------------------------------------------------------

    def keep(
        self,
        name: str,
        document: Document,
        tags: Sequence[str],
        *,
        at: int,
        complete: bool = True,
        condition: Callable[[str, Digest | None], None] | None = None,
    ) -> None:
        with self._database.transaction(durable=True) as connection:
            if condition is not None:
                for tag in tags:
                    condition(tag, _tagged(connection, name, tag))
            if complete:
                _require(connection, name, document)
            _insert(connection, name, document, at)
            connection.executemany(
                "INSERT INTO tags VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
                " digest = excluded.digest, tagged = excluded.tagged",
                [(name, tag, document.digest, at) for tag in tags],
            )

    def manifest(self, name: str, digest: Digest) -> Entry | None:
        row = self._database.one(
            "SELECT media_type, size FROM manifests WHERE repository = ? AND digest = ?",
            (name, digest),
        )
        return None if row is None else Entry(digest, *row)

    def tagged(self, name: str, tag: str) -> Entry | None:
        row = self._database.one(
            "SELECT digest, media_type, size FROM tags JOIN manifests USING (repository, digest)"
            " WHERE repository = ? AND tag = ?",
            (name, tag),
        )
        return None if row is None else Entry(Digest(row[0]), row[1], row[2])

    def drop(self, name: str, digest: Digest) -> bool:
        with self._database.transaction(durable=True) as connection:
            return _drop(connection, name, digest)

    def untag(self, name: str, tag: str) -> bool:
        with self._database.transaction(durable=True) as connection:
            return _changes(
                connection, "DELETE FROM tags WHERE repository = ? AND tag = ?", (name, tag)
            )

    # -- lists ---------------------------------------------------------------------------------

    def repositories(self, *, after: str, limit: int) -> list[str]:
        found: list[str] = []
        while len(found) < limit:
            # One look into the index for each name, however many manifests it has.
            (name,) = self._database.one(
                "SELECT min(repository) FROM manifests WHERE repository > ?", (after,)
            )
            if name is None:
                break
            found.append(name)
            after = name
        return found

    def tags(self, name: str, *, after: str, limit: int) -> list[str]:
        rows = self._database.query(
            "SELECT tag FROM tags WHERE repository = ? AND (tag COLLATE NOCASE, tag) > (?, ?)"
            " ORDER BY tag COLLATE NOCASE, tag LIMIT ?",
            (name, after, after, limit),
        )
        return [row[0] for row in rows]

    def referrers(
        self, name: str, subject: Digest, *, artifact_type: str | None, after: str, limit: int
    ) -> list[tuple[Digest, str]]:
        rows = self._database.query(
            "SELECT digest, referrer FROM manifests WHERE repository = ? AND subject = ?"
            " AND (? IS NULL OR artifact_type = ?) AND digest > ? ORDER BY digest LIMIT ?",
            (name, subject, artifact_type, artifact_type, after, limit),
        )
        return [(Digest(digest), text) for digest, text in rows]

    def knows(self, name: str) -> bool:
        row = self._database.one(
            "SELECT EXISTS (SELECT 1 FROM manifests WHERE repository = ?)"
            " OR EXISTS (SELECT 1 FROM blobs WHERE repository = ?)",
            (name, name),
        )
        return bool(row[0])

    # -- gc ------------------------------------------------------------------------------------

    def names(self) -> list[str]:
        rows = self._database.query(
            "SELECT repository FROM manifests UNION SELECT repository FROM blobs ORDER BY 1"
        )
        return [row[0] for row in rows]

    def graph(self, name: str) -> Graph:
        with self._database.snapshot() as connection:
            return _graph(connection, name)

    def sweep(self, name: str, judge: Callable[[Graph], Dead]) -> Dead:
        dead = judge(self.graph(name))
        if not dead.manifests and not dead.blobs:
            return dead  # what nearly always is so, and keeps no push waiting
        with self._database.transaction(durable=True) as connection:
            dead = judge(_graph(connection, name))
            for digest in dead.manifests:
                _drop(connection, name, digest)
            connection.executemany(
                "DELETE FROM blobs WHERE repository = ? AND digest = ?",
                [(name, digest) for digest in dead.blobs],
            )
            return dead

    def uses(self, digest: Digest) -> int:
        row = self._database.one(
            "SELECT (SELECT count(*) FROM blobs WHERE digest = ?)"
            " + (SELECT count(*) FROM manifests WHERE digest = ?)",
            (digest, digest),
        )
        return int(row[0])


def _changes(connection: sqlite3.Connection, sql: str, values: tuple[object, ...]) -> bool:
    return connection.execute(sql, values).rowcount > 0


def _link(connection: sqlite3.Connection, name: str, digest: Digest, size: int, at: int) -> None:
    connection.execute(
        "INSERT INTO blobs VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET linked = excluded.linked",
        (name, digest, size, at),
    )


def _tagged(connection: sqlite3.Connection, name: str, tag: str) -> Digest | None:
    row = connection.execute(
        "SELECT digest FROM tags WHERE repository = ? AND tag = ?", (name, tag)
    ).fetchone()
    return None if row is None else Digest(row[0])


def _require(connection: sqlite3.Connection, name: str, document: Document) -> None:
    """MissingContent unless what the document refers to is in the repository."""
    missing = [
        digest
        for table, digests in (("blobs", document.blobs), ("manifests", document.manifests))
        for digest in digests
        if digest not in document.elsewhere
        and connection.execute(
            f"SELECT 1 FROM {table} WHERE repository = ? AND digest = ?", (name, digest)
        ).fetchone()
        is None
    ]
    if missing:
        raise MissingContent(missing)


def _insert(connection: sqlite3.Connection, name: str, document: Document, at: int) -> None:
    is_here = (
        document.subject is not None
        and connection.execute(
            "SELECT 1 FROM manifests WHERE repository = ? AND digest = ?", (name, document.subject)
        ).fetchone()
    )
    connection.execute(
        "INSERT INTO manifests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " media_type = excluded.media_type, pushed = excluded.pushed,"
        " artifact_type = excluded.artifact_type, referrer = excluded.referrer",
        (
            name,
            document.digest,
            document.media_type,
            document.size,
            at,
            document.subject,
            document.artifact_type,
            document.referrer,
            bool(is_here),
        ),
    )
    connection.execute(
        "UPDATE manifests SET orphanable = 1 WHERE repository = ? AND subject = ?",
        (name, document.digest),
    )
    connection.executemany(
        "INSERT OR IGNORE INTO refs VALUES (?, ?, ?, ?)",
        [
            *((name, document.digest, child, 1) for child in document.manifests),
            *((name, document.digest, child, 0) for child in document.blobs),
        ],
    )


def _drop(connection: sqlite3.Connection, name: str, digest: Digest) -> bool:
    connection.execute("DELETE FROM tags WHERE repository = ? AND digest = ?", (name, digest))
    connection.execute("DELETE FROM refs WHERE repository = ? AND parent = ?", (name, digest))
    return _changes(
        connection, "DELETE FROM manifests WHERE repository = ? AND digest = ?", (name, digest)
    )


def _graph(connection: sqlite3.Connection, name: str) -> Graph:
    values = (name,)
    nodes = {
        Digest(digest): Node(pushed, Digest(subject) if subject else None, bool(orphanable))
        for digest, pushed, subject, orphanable in connection.execute(
            "SELECT digest, pushed, subject, orphanable FROM manifests WHERE repository = ?", values
        )
    }
    for parent, child, is_manifest in connection.execute(
        "SELECT parent, child, is_manifest FROM refs WHERE repository = ?", values
    ):
        node = nodes[Digest(parent)]
        (node.manifests if is_manifest else node.blobs).append(Digest(child))
    tags = {
        tag: Digest(digest)
        for tag, digest in connection.execute(
            "SELECT tag, digest FROM tags WHERE repository = ?", values
        )
    }
    links = {
        Digest(digest): Link(Digest(digest), size, linked)
        for digest, size, linked in connection.execute(
            "SELECT digest, size, linked FROM blobs WHERE repository = ?", values
        )
    }
    return Graph(tags, nodes, links)
