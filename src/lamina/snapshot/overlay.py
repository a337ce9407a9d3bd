"""Snapshots as overlayfs layers: each keeps only what it changes (kernel, overlayfs.rst).

The upper directory of a draft becomes, by one rename, a lower directory of whatever stands on it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from lamina.fs import mounts
from lamina.fs.metadata import copy_metadata
from lamina.fs.mounts import Bind, Overlay, RootPlan
from lamina.fs.root import remove_at
from lamina.layer.changes import Change, upper_changes
from lamina.oci.digest import ChainID
from lamina.snapshot.base import Shelved
from lamina.snapshot.snapshotter import Draft

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OverlaySnapshotter(Shelved):
    """Needs the right to mount, and a file system that overlayfs takes as its upper one."""

    name = "overlay"

    def view(self, chain: ChainID | None) -> RootPlan:
        """The tree itself where there is one layer, for overlayfs wants two."""
        if chain is None:
            return Bind(self._empty(), read_only=True)
        lower = self._lower(chain)
        return Bind(lower[0], read_only=True) if len(lower) == 1 else Overlay(lower)

    def changes(self, draft: Draft) -> Iterator[Change]:
        tree = Path(self.shelf.draft_directory(draft.key), "tree")
        if draft.parent is None:
            yield from upper_changes(tree)
            return
        # With the tree below, what was added is told from what was changed.
        with mounts.opened(self.view(draft.parent)) as lower:
            yield from upper_changes(tree, lower=lower)

    def _furnish(self, directory: str, below: str | None) -> None:
        _make_root(f"{directory}/tree", None if below is None else f"{below}/tree")
        if below is not None:
            os.mkdir(f"{directory}/work", 0o700)

    def _plan(self, directory: str, parent: ChainID | None) -> RootPlan:
        tree, work = Path(directory, "tree"), Path(directory, "work")
        if parent is None:
            return Bind(tree)
        # A commit that was killed half way has taken it away already.
        os.makedirs(work, mode=0o700, exist_ok=True)
        return Overlay(self._lower(parent), tree, work)

    def _strip(self, directory: str) -> None:
        try:
            fd = os.open(directory, _DIRECTORY)
        except FileNotFoundError:
            return
        try:
            remove_at(fd, "work")
        except FileNotFoundError:
            pass
        finally:
            os.close(fd)

    def _lower(self, chain: ChainID) -> tuple[Path, ...]:
        return tuple(
            Path(self.shelf.chain_directory(each), "tree") for each in self.shelf.stack(chain)
        )

    def _empty(self) -> Path:
        path = self.shelf.root / "empty"
        os.makedirs(path, mode=0o755, exist_ok=True)
        return path


def _make_root(path: str, model: str | None) -> None:
    """An empty root directory, with the owner, mode, attributes and times of `model`."""
    os.mkdir(path, 0o755)
    fd = os.open(path, _DIRECTORY)
    try:
        if model is None:
            os.fchmod(fd, 0o755)  # whatever the umask
            return
        # overlayfs shows the upper root's metadata, so it begins as the lower one's.
        source = os.open(model, _DIRECTORY)
        try:
            copy_metadata(source, fd)
        finally:
            os.close(source)
    finally:
        os.close(fd)
