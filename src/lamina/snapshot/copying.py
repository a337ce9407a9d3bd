"""Snapshots as whole trees, copied: for kernels and file systems without overlayfs."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lamina.fs.mounts import Bind, RootPlan
from lamina.oci.digest import ChainID
from lamina.snapshot.base import Shelved
from lamina.snapshot.disk import copy_tree
from lamina.snapshot.snapshotter import Draft

TYPE_CHECKING = False  # what is needed seldom is not imported by every start of a container
if TYPE_CHECKING:
    from lamina.layer.changes import Change


class CopyingSnapshotter(Shelved):
    """Works everywhere; a draft costs a copy of its parent, shared blocks where the disk can."""

    name = "copying"

    def view(self, chain: ChainID | None) -> RootPlan:
        if chain is None:
            path = f"{self.shelf.root}/empty"
            os.makedirs(path, mode=0o755, exist_ok=True)
            return Bind(path, read_only=True)
        self.shelf.meta_of(chain)
        return Bind(self._tree(chain), read_only=True)

    def changes(self, draft: Draft) -> Iterator[Change]:
        from lamina.layer.changes import tree_changes

        lower = None if draft.parent is None else self._tree(draft.parent)
        if draft.below is not None:
            lower = self._draft_tree(draft.below.key)
        yield from tree_changes(lower, self._draft_tree(draft.key))

    def _furnish(self, directory: str, below: str | None) -> None:
        tree = f"{directory}/tree"
        os.mkdir(tree, 0o755)
        os.chmod(tree, 0o755)  # whatever the umask
        if below is not None:
            copy_tree(f"{below}/tree", tree)

    def _plan(self, directory: str, parent: ChainID | None) -> RootPlan:
        return Bind(Path(directory, "tree"))

    def _plan_on(self, directory: str, below: RootPlan) -> RootPlan:
        return Bind(Path(directory, "tree"))

    def _draft_tree(self, key: str) -> Path:
        return Path(self.shelf.draft_directory(key), "tree")

    def _tree(self, chain: ChainID) -> Path:
        return Path(self.shelf.chain_directory(chain), "tree")
