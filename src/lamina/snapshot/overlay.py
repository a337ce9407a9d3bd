"""Snapshots as overlayfs layers: each keeps only what it changes (kernel, overlayfs.rst).

The upper directory of a draft becomes, by one rename, a lower directory of whatever stands on it.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Collection, Iterator

from lamina.fs import mounts
from lamina.fs.metadata import copy_metadata
from lamina.fs.mounts import Bind, Erofs, Overlay, RootPlan
from lamina.fs.root import Root, remove_at
from lamina.fs.syscalls import openat2
from lamina.oci.digest import ChainID
from lamina.snapshot.base import Shelved
from lamina.snapshot.snapshotter import Draft, Grafter

TYPE_CHECKING = False  # what is needed seldom is not imported by every start of a container
if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layer.changes import Change

_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_RESOLVE_NO_SYMLINKS, _RESOLVE_IN_ROOT = 0x04, 0x10  # openat2(2)
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class OverlaySnapshotter(Shelved):
    """Needs the right to mount, and a file system that overlayfs takes as its upper one."""

    name = "overlay"

    def view(self, chain: ChainID | None) -> RootPlan:
        """The tree itself where there is one layer, for overlayfs wants two."""
        if chain is None:
            return Bind(self._empty(), read_only=True)
        return mounts.reduced(Overlay(self._lower(chain)))

    def changes(self, draft: Draft) -> Iterator[Change]:
        from lamina.layer.changes import upper_changes

        tree = f"{self.shelf.draft_directory(draft.key)}/tree"
        if draft.below is not None:
            below = mounts.readable(draft.below.plan)
        elif draft.parent is not None:
            below = self.view(draft.parent)
        else:
            yield from upper_changes(tree)
            return
        # With the tree below, what was added is told from what was changed.
        with mounts.opened(below) as lower:
            yield from upper_changes(tree, lower=lower)

    def grafter(self) -> Grafter | None:
        return self

    def graft(
        self,
        draft: Draft,
        chain: ChainID,
        parent: ChainID,
        *,
        whiteouts: Collection[str],
        has_root: bool,
    ) -> None:
        """See `Grafter.graft`: the draft's tree becomes an upper directory over the parent's."""
        tree = f"{self.shelf.draft_directory(draft.key)}/tree"
        with Root.at(tree) as root:
            self._prune(root, parent, whiteouts)
        if not has_root:
            _copy_root(self._layer(self.shelf.chain_directory(parent)), tree)
        self.shelf.adopt(draft.key, parent)
        self.shelf.commit(draft.key, chain)

    def _prune(self, root: Root, parent: ChainID, whiteouts: Collection[str]) -> None:
        """Take away whiteouts of nothing, whose names overlayfs would list in some directories."""
        if not whiteouts:
            return
        with mounts.opened(self.view(parent)) as below:
            stray = [path for path in whiteouts if not _is_there(below, path)]
        for path in stray:
            directory, _, name = path.rpartition("/")
            fd = root.open(directory, os.O_RDONLY | os.O_DIRECTORY)
            try:
                found = os.fstat(fd)
                os.unlink(name, dir_fd=fd)
                os.utime(fd, ns=(found.st_atime_ns, found.st_mtime_ns))
            finally:
                os.close(fd)

    def _furnish(self, directory: str, below: str | None) -> None:
        _make_root(f"{directory}/tree", None if below is None else self._layer(below))
        if below is not None:
            os.mkdir(f"{directory}/work", 0o700)

    def _plan(self, directory: str, parent: ChainID | None) -> RootPlan:
        if parent is None:
            return Bind(f"{directory}/tree")
        return _over(directory, self._lower(parent))

    def _plan_on(self, directory: str, below: RootPlan) -> RootPlan:
        return _over(directory, mounts.lowers(mounts.readable(below)))

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

    def _lower(self, chain: ChainID) -> tuple[Path | str | Erofs, ...]:
        return tuple(
            self._layer(self.shelf.chain_directory(each)) for each in self.shelf.stack(chain)
        )

    def _layer(self, directory: str) -> Path | str | Erofs:
        """What the snapshot in `directory` adds to a stack."""
        return f"{directory}/tree"

    def _empty(self) -> str:
        path = f"{self.shelf.root}/empty"
        os.makedirs(path, mode=0o755, exist_ok=True)
        return path


def _over(directory: str, lower: tuple[Path | str | Erofs, ...]) -> Overlay:
    """The tree of the draft in `directory`, on top of `lower`."""
    tree, work = f"{directory}/tree", f"{directory}/work"
    # A commit that was killed half way has taken it away already.
    os.makedirs(work, mode=0o700, exist_ok=True)
    # What is made anew after a crash need not be synced; see `Snapshotter.settle`.
    return Overlay(lower, tree, work, volatile=True)


def _is_there(below: int, path: str) -> bool:
    """Whether the tree has `path`; through a link it has not, for the layer has a directory."""
    try:
        os.close(openat2(below, path, _LOOK, 0, _RESOLVE_IN_ROOT | _RESOLVE_NO_SYMLINKS))
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError as error:
        if error.errno == errno.ELOOP:
            return False
        raise
    return True


def _copy_root(model: Path | str | Erofs, path: str) -> None:
    """overlayfs shows the upper root's metadata, so it is to be as the lower one's."""
    with mounts.opened(model if isinstance(model, Erofs) else Bind(model)) as root:
        source = os.open(".", _DIRECTORY, dir_fd=root)
        try:
            target = os.open(path, _DIRECTORY)
            try:
                copy_metadata(source, target)
            finally:
                os.close(target)
        finally:
            os.close(source)


def _make_root(path: str, model: Path | str | Erofs | None) -> None:
    """An empty root directory, with the owner, mode, attributes and times of `model`."""
    os.mkdir(path, 0o755)
    fd = os.open(path, _DIRECTORY)
    try:
        if model is None:
            os.fchmod(fd, 0o755)  # whatever the umask
            return
    finally:
        os.close(fd)
    _copy_root(model, path)
