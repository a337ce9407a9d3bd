"""What keeps content from gc without a name: leases of running commands, pins of containers."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager

from lamina.fs import lock
from lamina.fs.faults import told
from lamina.fs.owner import Owner, boot
from lamina.oci.digest import Digest
from lamina.store.database import Database

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    pass

_SLACK = 1_000_000_000  # ns: the clock that stamps files runs a little behind time_ns


class Lease:
    """A running command's claim; made by `Leases.lease`."""

    def __init__(self, database: Database, gc_lock: str, number: int) -> None:
        self._database = database
        self._gc_lock = gc_lock
        self._number = number

    def add(self, *digests: Digest) -> None:
        """Protect blobs, diff IDs or chain IDs too, until the lease ends.

        Waits for a sweep that is going on: whoever looks after `add` sees what stays.
        """
        with told(self._database.directory), lock.shared(self._gc_lock):
            with self._database.transaction() as connection:
                connection.executemany(
                    "INSERT OR IGNORE INTO lease_refs VALUES (?, ?)",
                    [(self._number, str(digest)) for digest in digests],
                )


class Leases:
    """The leases and pins of one store."""

    def __init__(self, database: Database, gc_lock: str) -> None:
        self._database = database
        self._gc_lock = gc_lock

    @contextmanager
    def lease(self, owner: str) -> Iterator[Lease]:
        """Protect every blob written or asked for within, and what is added.

        `owner` says for people what it is for. It ends with the block, or with the process.
        """
        process = Owner.this()
        began = time.time_ns() - _SLACK
        with told(self._database.directory), lock.shared(self._gc_lock):
            with self._database.transaction() as connection:
                number = connection.execute(
                    "INSERT INTO leases (owner, pid, start, boot, began) VALUES (?, ?, ?, ?, ?)",
                    (owner, process.pid, process.start, boot(), began),
                ).lastrowid
        assert number is not None
        try:
            yield Lease(self._database, self._gc_lock, number)
        finally:
            self._end([number])

    def pin(self, owner: str, digests: Iterable[Digest]) -> None:
        """Keep digests for `owner` (a container's ID, say) until `unpin`; replaces what it had."""
        with told(self._database.directory), lock.shared(self._gc_lock):
            with self._database.transaction() as connection:
                connection.execute("DELETE FROM pins WHERE owner = ?", (owner,))
                connection.executemany(
                    "INSERT OR IGNORE INTO pins VALUES (?, ?)",
                    [(owner, str(digest)) for digest in digests],
                )

    def unpin(self, owner: str) -> None:
        """Let go of what `owner` pinned; nothing happens if that is nothing."""
        with self._database.transaction() as connection:
            connection.execute("DELETE FROM pins WHERE owner = ?", (owner,))

    def pins(self) -> dict[str, tuple[Digest, ...]]:
        """What each owner has pinned."""
        found: dict[str, tuple[Digest, ...]] = {}
        for owner, digest in self._database.query("SELECT owner, digest FROM pins ORDER BY 1, 2"):
            found[owner] = (*found.get(owner, ()), Digest(digest))
        return found

    def drop_dead(self) -> None:
        """Forget the leases of processes that have ended."""
        rows = self._database.query("SELECT id, pid, start, boot FROM leases")
        here = boot()
        dead = [
            number
            for number, pid, start, of_boot in rows
            if of_boot != here or not Owner(pid, start).alive()
        ]
        if dead:
            self._end(dead)

    def horizon(self) -> int | None:
        """When the oldest lease began, in nanoseconds since 1970; None if there is none."""
        row = self._database.one("SELECT min(began) FROM leases")
        return None if row is None or row[0] is None else int(row[0])

    def _end(self, numbers: list[int]) -> None:
        with self._database.transaction() as connection:
            for number in numbers:
                connection.execute("DELETE FROM lease_refs WHERE lease = ?", (number,))
                connection.execute("DELETE FROM leases WHERE id = ?", (number,))
