"""The store's SQLite database: opened when first used, one connection for each thread.

WAL, so that readers never wait; `synchronous=NORMAL`, so that a commit costs no sync (what needs
one asks for it: `transaction(durable=True)`). The schema's version is in `user_version`.
"""

from __future__ import annotations

import os
from _thread import _local  # as `threading` and `weakref` do, which take longer to import
from _weakref import ref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import count

from lamina.errors import Corrupt, Denied, Error, Unavailable, Unsupported
from lamina.fs.faults import Full, told
from lamina.store import schema

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import sqlite3
    from pathlib import Path
    from typing import Any

_LONG = 1 << 20  # bytes of a log that its next reader should not have to read
BUSY_SECONDS = 30.0  # how long to wait for another process's transaction


class Database:
    """Connections to one database file; safe to share between threads, and across fork."""

    def __init__(
        self,
        path: Path | str,
        locks: Path | str,
        *,
        migrations: Sequence[Sequence[str]] = schema.MIGRATIONS,
    ) -> None:
        self.path = os.fspath(path)
        self.directory = os.path.dirname(self.path)
        self._locks = locks
        self._migrations = migrations
        self._local = _local()
        # A child that inherits an open database cannot use that file safely, not even by a
        # connection of its own (sqlite.org/howtocorrupt.html, section 2.6).
        mine = ref(self)
        os.register_at_fork(before=lambda: _close_idle(mine()))

    def query(self, sql: str, values: tuple[object, ...] = ()) -> list[Any]:
        """All rows of a SELECT."""
        with self._told():
            return self._connection().execute(sql, values).fetchall()

    def one(self, sql: str, values: tuple[object, ...] = ()) -> Any:
        """The first row of a SELECT; None if there is none."""
        with self._told():
            return self._connection().execute(sql, values).fetchone()

    def version(self) -> tuple[int, int, int]:
        """What is another one after each change, whoever made it: in this process or in another.

        Only the calling thread's own versions can be compared. sqlite.org/pragma.html,
        "data_version": it tells of all changes but the connection's own.
        """
        connection = self._connection()
        try:
            (of_others,) = connection.execute("PRAGMA data_version").fetchone()
        except connection.DatabaseError as error:
            raise self._kind(error) from error
        return self._local.serial, of_others, connection.total_changes

    @contextmanager
    def transaction(self, *, durable: bool = False) -> Iterator[sqlite3.Connection]:
        """A write transaction: all of it or none; nested in another, a part of that one.

        With `durable` it is on the disk when this returns.
        """
        with self._told():
            connection = self._connection()
            if connection.in_transaction:
                yield connection
            elif durable:
                connection.execute("PRAGMA synchronous=FULL")
                try:
                    with _begun(connection):
                        yield connection
                finally:
                    connection.execute("PRAGMA synchronous=NORMAL")
            else:
                with _begun(connection):
                    yield connection

    @contextmanager
    def snapshot(self) -> Iterator[sqlite3.Connection]:
        """A read transaction: all of its SELECTs see one moment, and nobody waits for it."""
        with self._told():
            connection = self._connection()
            connection.execute("BEGIN")
            try:
                yield connection
            finally:
                connection.execute("ROLLBACK")

    def close(self) -> None:
        """Close the calling thread's connection; it opens again when needed."""
        held = getattr(self._local, "held", None)
        if held is not None and held[0] == os.getpid():
            self._local.held = None
            held[1].close()

    def leave(self) -> None:
        """As `close`, for a process that ends now, and by that closes all that it has open.

        The last connection to be closed brings the log into the database, which takes three
        syncs. A short log waits: whoever comes next reads it in half a millisecond.
        """
        try:
            is_long = os.stat(f"{self.path}-wal").st_size > _LONG
        except OSError:
            is_long = False  # there is none
        if is_long:
            self.close()

    def close_idle(self) -> None:
        """`close`, unless a transaction is under way."""
        held = getattr(self._local, "held", None)
        if held is not None and not held[1].in_transaction:
            self.close()

    def _connection(self) -> sqlite3.Connection:
        held: tuple[int, sqlite3.Connection] | None = getattr(self._local, "held", None)
        if held is not None:
            if held[0] == os.getpid():
                return held[1]
            # SQLite forbids a child even to close what it got by fork: keep it, unused, for ever.
            # Only a fork in the middle of a transaction leads here.
            _inherited.append(held[1])
        connection = self._connect()
        self._local.held = (os.getpid(), connection)
        # The numbers of another connection begin anew, so they say nothing of this one's.
        self._local.serial = next(_serials)
        return connection

    def _connect(self) -> sqlite3.Connection:
        import _sqlite3 as sqlite3  # `sqlite3` itself brings `datetime` along

        connection = sqlite3.connect(
            self.path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA synchronous=NORMAL")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != len(self._migrations):
                self._migrate(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self, connection: sqlite3.Connection) -> None:
        """Bring the schema up to date, one process at a time."""
        from lamina.fs import lock

        with lock.exclusive(f"{self._locks}/schema"):
            # Changing to WAL does not wait for other connections, hence the lock around it.
            connection.execute("PRAGMA journal_mode=WAL")
            with _begun(connection):
                (version,) = connection.execute("PRAGMA user_version").fetchone()
                if version > len(self._migrations):
                    raise Unsupported(
                        f'the store "{self.directory}" was written by a newer Lamina',
                        hint="use that version, or another LAMINA_ROOT",
                    )
                for steps in self._migrations[version:]:
                    for step in steps:
                        connection.execute(step)
                connection.execute(f"PRAGMA user_version={len(self._migrations)}")

    @contextmanager
    def _told(self) -> Iterator[None]:
        """SQLite's errors as our kinds."""
        import _sqlite3 as sqlite3  # `sqlite3` itself brings `datetime` along

        try:
            with told(self.directory):
                yield
        except sqlite3.DatabaseError as error:
            raise self._kind(error) from error

    def _kind(self, error: sqlite3.DatabaseError) -> Error:
        # A closed set by primary result code (sqlite.org/rescode.html).
        code = (getattr(error, "sqlite_errorcode", None) or 1) & 0xFF
        where = self.directory
        if code == 13:  # SQLITE_FULL
            return Full(f'no space left in "{where}"', hint='free some with "lamina prune"')
        if code in (5, 6):  # SQLITE_BUSY, SQLITE_LOCKED
            return Unavailable(
                f'the store "{where}" is busy: another process has kept it locked',
                hint="wait for the other command to end, and try again",
            )
        if code == 10:  # SQLITE_IOERR: also what a full disk answers when the WAL cannot grow
            return Unavailable(
                f'cannot read or write the database of the store "{where}": {error}',
                hint="is the disk full, or failing?",
            )
        if code in (11, 26):  # SQLITE_CORRUPT, SQLITE_NOTADB
            return Corrupt(
                f'the database "{self.path}" is damaged: {error}',
                hint="move it away: blobs stay, names are lost",
            )
        if code in (8, 14, 23):  # SQLITE_READONLY, SQLITE_CANTOPEN, SQLITE_AUTH
            return Denied(
                f'may not open "{self.path}": {error}',
                hint="run as root, or set LAMINA_ROOT to a directory that you own",
            )
        return Corrupt(f'the database "{self.path}" answers: {error}')


def _close_idle(database: Database | None) -> None:
    if database is not None:
        database.close_idle()


@contextmanager
def _begun(connection: sqlite3.Connection) -> Iterator[None]:
    """A write transaction on `connection`, committed at the end, rolled back on any error."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:  # a full disk makes SQLite roll back by itself
            connection.execute("ROLLBACK")
        raise


_inherited: list[object] = []
_serials = count()
