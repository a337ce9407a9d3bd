"""Taking away what nobody needs, and what the dead have left (docs/on-disk.md, "gc")."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from lamina.fs import lock
from lamina.fs.faults import told
from lamina.fs.owner import Owner
from lamina.oci.digest import ChainID, Digest
from lamina.store import crcs, partial
from lamina.store.reach import reach
from lamina.values import dataclass, field

if TYPE_CHECKING:
    from lamina.store import Store


class Trees(Protocol):
    """What gc asks of a keeper of snapshots."""

    def retire(
        self,
        live: Collection[ChainID],
        *,
        kept: Callable[[str], bool],
        since: int | None = None,
        dry_run: bool = False,
    ) -> dict[str, int]: ...

    def purge(self) -> None: ...


@dataclass(frozen=True, slots=True)
class Report:
    """What a gc took away, or would take."""

    blobs: dict[Digest, int]  # bytes of each
    trees: dict[str, int]  # bytes of each snapshot, by chain ID, and draft, by key
    rows: int  # tar indexes, diff IDs and CRC-32s
    leftovers: int  # bytes that the dead had left half written

    @property
    def digests(self) -> tuple[Digest, ...]:
        """The blobs, sorted."""
        return tuple(sorted(self.blobs))

    @property
    def bytes(self) -> int:
        """All that it frees."""
        return sum(self.blobs.values()) + sum(self.trees.values()) + self.leftovers


@dataclass(slots=True)
class _Sweep:
    blobs: dict[Digest, int] = field(default_factory=dict)
    rows: int = 0


def collect(
    store: Store,
    *,
    roots: Iterable[Digest],
    trees: Trees | None,
    kept: Callable[[str], bool],
    dry_run: bool,
) -> Report:
    """See `Store.gc`."""
    with told(str(store.root)):
        leftovers = _leftovers(store.root, dry_run=dry_run)
        with lock.exclusive(store.root / "locks" / "gc"):
            if not dry_run:
                store.leases.drop_dead()
            live = reach(store.blobs, [*_roots(store), *roots])
            horizon = store.leases.horizon()
            sweep = _sweep_blobs(store, live, horizon, dry_run=dry_run)
            if horizon is None:
                # A running command writes what it knows of a layer before anything refers to it.
                sweep.rows = _sweep_rows(store, live, sweep.blobs, dry_run=dry_run)
            retired = (
                trees.retire(
                    {ChainID(digest) for digest in live}, kept=kept, since=horizon, dry_run=dry_run
                )
                if trees is not None
                else {}
            )
        if not dry_run:
            _empty(store.root / "trash", every=True)
            store.names.mend()
            if trees is not None:
                trees.purge()
    return Report(sweep.blobs, retired, sweep.rows, leftovers)


def _roots(store: Store) -> list[Digest]:
    """Every digest that somebody refers to by itself."""
    rows = store.database.query(
        "SELECT digest FROM images UNION SELECT digest FROM pins"
        " UNION SELECT digest FROM record_refs"
        " UNION SELECT digest FROM lease_refs WHERE lease IN (SELECT id FROM leases)"
    )
    return [Digest(row[0]) for row in rows]


def _sweep_blobs(store: Store, live: set[Digest], horizon: int | None, *, dry_run: bool) -> _Sweep:
    sweep = _Sweep()
    owner = Owner.this()
    for digest, found in list(store.blobs.all()):
        if digest in live or (horizon is not None and found.st_mtime_ns >= horizon):
            continue
        sweep.blobs[digest] = found.st_size
        if not dry_run:
            aside = store.root / "trash" / owner.fresh_name()
            os.rename(store.blobs.path(digest), aside)
    return sweep


def _sweep_rows(
    store: Store, live: set[Digest], swept: Collection[Digest], *, dry_run: bool
) -> int:
    """Forget what was known of layers that are gone; how many rows."""
    here = {digest for digest, _ in store.blobs.all()} - set(swept)
    with store.database.transaction() as connection:
        pairs = connection.execute("SELECT digest, diff_id FROM diff_ids").fetchall()
        gone = [(blob,) for blob, diff_id in pairs if blob not in here and diff_id not in live]
        needed = {diff_id for blob, diff_id in pairs if blob in here} | live
        known = connection.execute("SELECT diff_id FROM indexes").fetchall()
        stale = [row for row in known if row[0] not in needed]
        tars = connection.execute("SELECT key FROM records WHERE kind = ?", (crcs.KIND,)).fetchall()
        lost = [(crcs.KIND, tar) for (tar,) in tars if tar not in here]
        if not dry_run:
            connection.executemany("DELETE FROM diff_ids WHERE digest = ?", gone)
            connection.executemany("DELETE FROM indexes WHERE diff_id = ?", stale)
            connection.executemany("DELETE FROM records WHERE kind = ? AND key = ?", lost)
    return len(gone) + len(stale) + len(lost)


def _leftovers(root: Path, *, dry_run: bool) -> int:
    """Delete what dead processes have left half written; its bytes."""
    total = _empty(root / "ingest", dry_run=dry_run) + _empty(root / "trash", dry_run=dry_run)
    total += partial.sweep(str(root), time.time_ns(), dry_run=dry_run)
    for entry in os.scandir(root):
        # As `fs.atomic` names what it writes aside: ".<name>.<pid>.<serial>.aside".
        if entry.name.startswith(".") and entry.name.endswith(".aside"):
            pid = entry.name.split(".")[-3]
            if not pid.isdigit() or not os.path.exists(f"/proc/{pid}"):
                total += _unlink(entry, dry_run=dry_run)
    return total


def _empty(directory: Path, *, every: bool = False, dry_run: bool = False) -> int:
    """Delete the files of dead owners, or `every` one; their bytes."""
    total = 0
    for entry in os.scandir(directory):
        owner = Owner.of_name(entry.name)
        if every or owner is None or not owner.alive():
            total += _unlink(entry, dry_run=dry_run)
    return total


def _unlink(entry: os.DirEntry[str], *, dry_run: bool) -> int:
    try:
        size = entry.stat(follow_symlinks=False).st_size
        if not dry_run:
            os.unlink(entry.path)
    except FileNotFoundError:  # another gc was faster
        return 0
    return size
