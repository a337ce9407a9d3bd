"""A layer laid apart from the one below: what overlayfs shows is as if it were laid onto it.

The tree becomes an upper directory (kernel, overlayfs.rst, "whiteouts and opaque directories"), so
that layers which come side by side are unpacked side by side. That is only sound where an entry
means the same whatever is below. One that does not makes the layer lean: it must be laid onto the
tree below after all. Those are

    a name in a directory that the layer does not bring itself: below it may be a link, or not be
    a hard link to a file that the layer does not bring
    a name that comes twice, or is deleted after it came; a directory that hides what is below it
        after something in it was deleted
    the deletion of all that is below the root; devices and AUFS names that are whiteouts to some
"""

from __future__ import annotations

import os
import stat
from typing import BinaryIO

from lamina.fs.metadata import xattr_path
from lamina.layer import whiteout
from lamina.layer.apply import Applied, lay
from lamina.layer.entry import CHAR, DIR, HARDLINK, Entry
from lamina.layer.extract import MANY, Extraction, Leans
from lamina.layer.limits import DEFAULT, Limits
from lamina.layer.reader import Reader
from lamina.values import dataclass

_OPAQUE = "trusted.overlay.opaque"


@dataclass(frozen=True, slots=True)
class Apart:
    """A layer laid apart; where `applied.leans`, the tree is to be thrown away."""

    applied: Applied
    whiteouts: frozenset[str]  # paths that it deletes below
    has_root: bool  # whether it says how the root directory is to be


def apply(
    stream: BinaryIO, root_fd: int, *, limits: Limits | None = None, many: int = MANY
) -> Apart:
    """Lay the layer `stream` into the empty directory `root_fd`; otherwise as `layer.apply`."""
    extraction = _Extraction(root_fd, many)
    applied = lay(stream, extraction, limits or DEFAULT)
    return Apart(applied, frozenset(extraction.whiteouts), extraction.has_root)


class _Extraction(Extraction):
    def __init__(self, root_fd: int, many: int) -> None:
        super().__init__(root_fd, as_changeset=True, many=many)
        self.whiteouts: set[str] = set()
        self.has_root = False
        self._directories = {""}  # that the layer brings, and the root
        self._opaque: set[str] = set()  # of those, the ones that hide what is below

    def add(self, entry: Entry, reader: Reader) -> None:
        path = entry.path
        directory, _, name = path.rpartition("/")
        if directory not in self._directories:
            raise Leans
        if ".wh." in path and name.startswith(whiteout.PREFIX):
            self._delete(directory, name)
            return
        kind = entry.type
        if hash(path) in self._made or (kind is CHAR and entry.device == (0, 0)):
            raise Leans
        if kind is HARDLINK and hash(entry.link) not in self._made:
            raise Leans
        replaces = path in self.whiteouts
        if replaces:
            os.unlink(name, dir_fd=self._places.open(directory))
            self.whiteouts.discard(path)
        super().add(entry, reader)
        if kind is DIR:
            if path == ".":
                self.has_root = True
                return
            self._directories.add(path)
            if replaces:
                self._opaque.add(path)
                self._hide_below(directory, name)

    def _delete(self, directory: str, name: str) -> None:
        """A whiteout, as overlayfs spells it."""
        target = name[len(whiteout.PREFIX) :]
        if name == whiteout.OPAQUE and directory:
            if any(path.startswith(f"{directory}/") for path in self.whiteouts):
                raise Leans
            self._opaque.add(directory)
            above, _, last = directory.rpartition("/")
            self._hide_below(above, last)
            return
        path = f"{directory}/{target}" if directory else target
        strange = name.startswith(whiteout.META_PREFIX) or target in ("", ".", "..")
        if strange or hash(path) in self._made:
            raise Leans
        # In an opaque directory there is nothing to delete, and overlayfs would list the whiteout.
        if path not in self.whiteouts and not self._is_hidden(path):
            parent = self._places.open(directory)
            os.mknod(target, stat.S_IFCHR, os.makedev(0, 0), dir_fd=parent)
            self.whiteouts.add(path)

    def _is_hidden(self, path: str) -> bool:
        while path and self._opaque:
            path = path.rpartition("/")[0]
            if path in self._opaque:
                return True
        return False

    def _hide_below(self, above: str, name: str) -> None:
        """Let nothing of the lower layers be seen in a directory that is here."""
        target = xattr_path(self._places.open(above), name)
        os.setxattr(target, _OPAQUE, b"y", follow_symlinks=False)
