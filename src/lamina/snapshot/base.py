"""What every snapshotter does in the same way, on top of its shelf."""

from __future__ import annotations

from collections.abc import Callable, Collection

from lamina.fs.mounts import RootPlan
from lamina.oci.digest import ChainID
from lamina.snapshot.shelf import Shelf
from lamina.snapshot.snapshotter import Draft, Forms, Grafter, Indexer

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path


class Shelved:
    """The half of a `Snapshotter` that does not depend on how trees are mounted."""

    def __init__(self, root: Path | str, *, why: str = "") -> None:
        self.shelf = Shelf(root)
        self.why = why

    def has(self, chain: ChainID) -> bool:
        return self.shelf.has(chain)

    def prepare(self, key: str, parent: ChainID | None) -> Draft:
        directory = self.shelf.prepare(key, parent, self._furnish)
        return Draft(key, parent, self._plan(directory, parent))

    def prepare_on(self, key: str, below: Draft) -> Draft:
        self.shelf.meta_of_draft(below.key)
        tree = self.shelf.draft_directory(below.key)
        directory = self.shelf.prepare(
            key, below.parent, lambda directory, _: self._furnish(directory, tree)
        )
        return Draft(key, below.parent, self._plan_on(directory, below.plan), below)

    def stand(self, draft: Draft, parent: ChainID) -> Draft:
        self.shelf.adopt(draft.key, parent)
        return self.open_draft(draft.key)

    def open_draft(self, key: str) -> Draft:
        parent = self.shelf.meta_of_draft(key).parent
        return Draft(key, parent, self._plan(self.shelf.draft_directory(key), parent))

    def commit(self, draft: Draft, chain: ChainID) -> None:
        self._strip(self.shelf.draft_directory(draft.key))
        self.shelf.commit(draft.key, chain)

    def grafter(self) -> Grafter | None:
        return None

    def indexer(self) -> Indexer | None:
        return None

    def discard(self, draft: Draft) -> None:
        self.shelf.discard(draft.key)

    def parent(self, chain: ChainID) -> ChainID | None:
        return self.shelf.meta_of(chain).parent

    def remove(self, chain: ChainID) -> None:
        self.shelf.remove(chain)

    def chains(self) -> list[ChainID]:
        return self.shelf.chains()

    def drafts(self) -> list[str]:
        return self.shelf.drafts()

    def usage(self, chain: ChainID, *, with_blobs: bool = False) -> int:
        return self.shelf.usage(chain, with_blobs=with_blobs)

    def draft_usage(self, key: str) -> int:
        return self.shelf.draft_usage(key)

    def forms(self) -> Forms:
        return Forms(len(self.chains()))

    def settle(self) -> None:
        self.shelf.settle()

    def retire(
        self,
        live: Collection[ChainID],
        *,
        kept: Callable[[str], bool],
        since: int | None = None,
        dry_run: bool = False,
    ) -> dict[str, int]:
        return self.shelf.retire(live, kept=kept, since=since, dry_run=dry_run)

    def purge(self) -> None:
        self.shelf.purge()

    def _furnish(self, directory: str, below: str | None) -> None:
        """Make the tree of a new draft in `directory`; `below` is the parent's directory."""
        raise NotImplementedError

    def _plan(self, directory: str, parent: ChainID | None) -> RootPlan:
        """How to mount the draft in `directory`."""
        raise NotImplementedError

    def _plan_on(self, directory: str, below: RootPlan) -> RootPlan:
        """How to mount the draft in `directory` on top of another one, mounted by `below`."""
        raise NotImplementedError

    def _strip(self, directory: str) -> None:
        """Take away what only a draft needs, before it becomes a snapshot."""
