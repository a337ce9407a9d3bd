"""Snapshots that leave a layer's plain tar as it is: an EROFS image beside it only points into it.

A layer that was read with `layer.sketch` becomes two files, whatever it holds; no file of it is
extracted. All else is as overlay keeps it: what a layer cannot be drawn as, and what drafts
change, are directories, and a stack may mix both.
"""

from __future__ import annotations

import errno
import os

from lamina.fs import lending, mounts
from lamina.fs.atomic import write_all
from lamina.fs.faults import told
from lamina.fs.metadata import copy_file
from lamina.fs.mounts import Bind, Erofs, RootPlan
from lamina.oci.digest import ChainID
from lamina.snapshot.overlay import OverlaySnapshotter
from lamina.snapshot.shelf import DATA, IMAGE
from lamina.snapshot.snapshotter import Draft, Forms, Indexer

TYPE_CHECKING = False  # what is needed seldom is not imported by every start of a container
if TYPE_CHECKING:
    from pathlib import Path

    from lamina.layer.sketch import Sketch

_BLOCK = 512  # bytes that the image counts the tar in
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
# Another file system, too many names, or one that knows no second name.
_NO_LINK = (errno.EXDEV, errno.EMLINK, errno.EPERM, errno.ENOTSUP)


class ErofsSnapshotter(OverlaySnapshotter):
    """Needs what overlay needs, and a kernel that mounts EROFS, by loop devices if `by_loop`."""

    name = "erofs"

    def __init__(self, root: Path | str, *, why: str = "", by_loop: bool = False) -> None:
        super().__init__(root, why=why)
        self._by_loop = by_loop

    def indexer(self) -> Indexer | None:
        return self

    def plain(self, draft: Draft) -> int:
        """See `Indexer.plain`."""
        path = f"{self.shelf.draft_directory(draft.key)}/{DATA}"
        with told(self.shelf.root):
            return os.open(path, _CREATE, 0o444)

    def index(
        self,
        draft: Draft,
        chain: ChainID,
        parent: ChainID | None,
        sketch: Sketch,
        *,
        blob: Path | None,
    ) -> bool:
        """See `Indexer.index`."""
        from lamina.layer.extract import Leans

        directory = self.shelf.draft_directory(draft.key)
        with told(self.shelf.root):
            try:
                if parent is None:
                    sketch.settle(None)
                else:
                    self.shelf.adopt(draft.key, parent)
                    below = self._top(parent) if sketch.asks_the_root_only else self.view(parent)
                    with mounts.opened(below) as root:
                        sketch.settle(root)
            except Leans:
                return False
            size = _data(f"{directory}/{DATA}", blob)
            if size % _BLOCK:
                return False
            fd = os.open(f"{directory}/{IMAGE}", _CREATE, 0o444)
            try:
                write_all(fd, memoryview(sketch.image(size)))
            finally:
                os.close(fd)
            os.rmdir(f"{directory}/tree")
        self.shelf.commit(draft.key, chain)
        return True

    def _top(self, chain: ChainID) -> RootPlan:
        """The uppermost layer alone, whose root is the one that overlayfs shows.

        To mount all of a hundred layers for each that comes would be five thousand mounts.
        """
        found = self._layer(self.shelf.chain_directory(chain))
        return found if isinstance(found, Erofs) else Bind(found, read_only=True)

    def forms(self) -> Forms:
        extracted, tars = 0, []
        for chain in self.chains():
            try:
                tars.append(os.stat(f"{self.shelf.chain_directory(chain)}/{DATA}"))
            except FileNotFoundError:
                extracted += 1
        spare = sum(found.st_blocks * 512 for found in tars if found.st_nlink == 1)
        return Forms(extracted, len(tars), spare)

    def purge(self) -> None:
        super().purge()
        for chain in self.chains():
            lending.sweep(f"{self.shelf.chain_directory(chain)}/{IMAGE}")

    def _layer(self, directory: str) -> Path | str | Erofs:
        if os.path.exists(f"{directory}/{IMAGE}"):
            return Erofs(f"{directory}/{IMAGE}", f"{directory}/{DATA}", self._by_loop)
        return super()._layer(directory)


def _data(path: str, blob: Path | None) -> int:
    """See that the plain tar is at `path`, as a second name of `blob` if that is it; its bytes."""
    if blob is None:
        size = os.stat(path).st_size
        if size % _BLOCK:  # archives that end early; what is missing would be zeros
            size += -size % _BLOCK
            os.truncate(path, size)
        return size
    os.unlink(path)
    try:
        os.link(blob, path, follow_symlinks=False)
    except OSError as error:
        if error.errno not in _NO_LINK:
            raise
        _copy(blob, path)
    return os.stat(path).st_size


def _copy(blob: Path, path: str) -> None:
    with open(blob, "rb", buffering=0) as source:
        fd = os.open(path, _CREATE, 0o444)
        try:
            copy_file(source.fileno(), fd)
        finally:
            os.close(fd)
