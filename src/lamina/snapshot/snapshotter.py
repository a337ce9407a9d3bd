"""Snapshots: trees on this disk, each named by the chain ID of the layers that it is made of.

The life of a tree:

    prepare(key, parent) ──> Draft ──> commit(draft, chain) ──> a snapshot, read only for ever
                               └─────> discard(draft)                └──> remove(chain)

A draft is writable and outlives the process that made it. A snapshot appears whole, by one rename,
and never changes. Every method may be called by many processes at once on the same root.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from lamina.errors import Conflict, NotFound
from lamina.fs.mounts import RootPlan
from lamina.oci.digest import ChainID
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol

    from lamina.layer.changes import Change
    from lamina.layer.sketch import Sketch
else:
    Protocol = object


class InUse(Conflict):
    """A snapshot is the parent of another one, or of a draft."""


class DraftExists(Conflict):
    """The key belongs to another draft."""


class NoSnapshot(NotFound):
    """No snapshot, or no draft, has that name here."""


@dataclass(frozen=True, slots=True)
class Draft:
    """A writable tree on top of a snapshot; `plan` says how to mount it."""

    key: str
    parent: ChainID | None
    plan: RootPlan
    below: Draft | None = None  # another one between it and `parent`, see `prepare_on`


@dataclass(frozen=True, slots=True)
class Forms:
    """How the snapshots of one place are kept."""

    extracted: int  # as trees of files
    tars: int = 0  # as plain tars that an image points into
    spare: int = 0  # bytes of those tars that the store has as compressed blobs only


class Grafter(Protocol):
    """A snapshotter that can make the tree of a layer before the one below it is there."""

    def prepare(self, key: str, parent: ChainID | None) -> Draft: ...

    def graft(
        self,
        draft: Draft,
        chain: ChainID,
        parent: ChainID,
        *,
        whiteouts: Collection[str],
        has_root: bool,
    ) -> None:
        """Commit a draft that `layer.apart` filled, prepared on nothing, on top of `parent`.

        `whiteouts` are the paths that it deletes below, and `has_root` says whether it has a root
        directory of its own. As `commit` otherwise.
        """

    def discard(self, draft: Draft) -> None: ...


class Indexer(Protocol):
    """A snapshotter that can keep a layer as its plain tar, and an image that points into it."""

    def prepare(self, key: str, parent: ChainID | None) -> Draft: ...

    def plain(self, draft: Draft) -> int:
        """A new file for the plain tar of a layer that is compressed; the caller closes it."""

    def index(
        self,
        draft: Draft,
        chain: ChainID,
        parent: ChainID | None,
        sketch: Sketch,
        *,
        blob: Path | None,
    ) -> bool:
        """Commit a draft, prepared on nothing, as the layer `sketch` on top of `parent`.

        The plain tar is `blob`, which is given a second name, or what was written to `plain`.
        False if the layer cannot be kept so: the draft is to be discarded, and the layer unpacked.
        """

    def discard(self, draft: Draft) -> None: ...


class Snapshotter(Protocol):
    """A way of keeping trees. Not safe to hand the same draft to two writers at once."""

    @property
    def name(self) -> str:
        """What this way is called: "erofs", "overlay" or "copying"."""

    @property
    def why(self) -> str:
        """Why it was chosen, in words for a person; empty if nobody chose."""

    def has(self, chain: ChainID) -> bool:
        """Whether the snapshot is there and trusted (docs/on-disk.md, "After a power cut").

        If so it counts as new for leases that are held.
        """

    def prepare(self, key: str, parent: ChainID | None) -> Draft:
        """A new draft on top of `parent`, an empty tree if None.

        `key` is letters, digits, "_", "." and "-". DraftExists if it is taken, NoSnapshot if
        the parent is not here. Atomic: killed in the middle, no draft of that key exists.
        """

    def prepare_on(self, key: str, below: Draft) -> Draft:
        """A new draft on top of another one, whose chain ID is not known yet.

        Nobody may write to `below` any more, and it is to stay a draft for as long as anybody
        uses the plan of this one, or asks for its changes. Then it is committed, and this one
        after it, once it was told by `stand` what it stands on. Both belong to this process:
        `open_draft` does not know the one as the other's. Otherwise as `prepare`.
        """

    def stand(self, draft: Draft, parent: ChainID) -> Draft:
        """The same draft as one on top of `parent`, the snapshot that its `below` has become."""

    def open_draft(self, key: str) -> Draft:
        """A draft made earlier, perhaps by another process; NoSnapshot if there is none."""

    def commit(self, draft: Draft, chain: ChainID) -> None:
        """Turn the draft into the snapshot `chain`; the draft is gone then.

        Nothing may have it mounted any more. Atomic; it moves, it does not copy. If the snapshot
        is there already the draft is discarded quietly.
        """

    def discard(self, draft: Draft) -> None:
        """Delete a draft; nothing happens if it is gone already."""

    def grafter(self) -> Grafter | None:
        """This snapshotter as one, if a layer's tree can be made apart here; else None."""

    def indexer(self) -> Indexer | None:
        """This snapshotter as one, if a layer need not be extracted here; else None."""

    def view(self, chain: ChainID | None) -> RootPlan:
        """How to mount a snapshot read only; None is an empty tree. NoSnapshot if not here."""

    def changes(self, draft: Draft) -> Iterator[Change]:
        """How the draft differs from its parent, sorted by path.

        Each must be used before the next one is asked for: the trees are open meanwhile.
        """

    def parent(self, chain: ChainID) -> ChainID | None:
        """The snapshot below; None for the lowest. NoSnapshot if not here."""

    def remove(self, chain: ChainID) -> None:
        """Delete a snapshot; InUse while another snapshot or a draft stands on it.

        Atomic: it is moved aside first. Nothing happens if it is gone already.
        """

    def chains(self) -> list[ChainID]:
        """Every snapshot here, sorted."""

    def drafts(self) -> list[str]:
        """The key of every draft here, sorted."""

    def usage(self, chain: ChainID, *, with_blobs: bool = False) -> int:
        """Bytes of disk that this snapshot itself takes.

        A plain tar that is a blob of the store, too, counts there unless `with_blobs`.
        """

    def draft_usage(self, key: str) -> int:
        """Bytes of disk that this draft has taken so far; counted each time."""

    def forms(self) -> Forms:
        """How many layers are kept in which form."""

    def settle(self) -> None:
        """Wait until every snapshot's bytes are on the disk, and mark them as trusted for good."""

    def retire(
        self,
        live: Collection[ChainID],
        *,
        kept: Callable[[str], bool],
        since: int | None = None,
        dry_run: bool = False,
    ) -> dict[str, int]:
        """Move aside what nobody needs: the bytes of each by its chain ID or draft key.

        Stays: what is in `live`, what was committed or asked for (`has`) after `since`
        (nanoseconds since 1970), a draft whose owner lives or for which `kept(key)` is true, and
        all that those stand on. Fast, for it deletes nothing: `purge` does.
        """

    def purge(self) -> None:
        """Delete what was moved aside, and what the dead have left half made."""
