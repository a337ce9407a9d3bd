"""What changed in a tree, as values (image-spec, layer.md, "Change Types").

Changes come in the order of a walk, names sorted in each directory, so that the same trees give
the same layer. The directories that lead to a change are changes, too, as Docker has it: whoever
applies the layer alone learns their owners and modes.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Generator, Iterator
from enum import StrEnum

from lamina.errors import Unsupported
from lamina.layer.entry import DIR, FILE, HARDLINK, Entry
from lamina.layer.tree import LOOK, Listing, Tree, describe, same_content, xattrs_of
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Protocol
else:
    Protocol = object


class Kind(StrEnum):
    """What happened to a path."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    OPAQUE = "opaque"  # a directory whose lower content is hidden as a whole


class Opener(Protocol):
    """Where the content of files is: a `Tree`, for one."""

    def open(self, path: str) -> int:
        """A new descriptor for reading the file `path`; the caller closes it."""


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs; `entry.path` is the path itself, never a whiteout's name.

    OPAQUE follows the ADDED or MODIFIED change of the same directory.
    """

    kind: Kind
    entry: Entry
    tree: Opener | None = None  # where a file's content is; keeps itself open as long as needed
    is_bare: bool = False  # its attributes are not in the entry: they are read when it is opened

    @property
    def path(self) -> str:
        return self.entry.path

    def open(self) -> int:
        """A new descriptor for reading the file's content; the caller closes it."""
        if self.tree is None:
            raise ValueError(f'"{self.path}" has no content to open')
        return self.tree.open(self.path)


def upper_changes(
    upper: Path | str | int, *, lower: Path | str | int | None = None
) -> Iterator[Change]:
    """The changes that an overlayfs upper directory holds (Linux, filesystems/overlayfs.rst).

    `lower` is the merged tree below it, where there is one: with it ADDED is told from MODIFIED,
    and what was only copied up, or deleted without ever having been there, is left out.
    """
    tree = Tree(upper)
    below = None if lower is None else Tree(lower)
    yield from _Upper(tree, below).changes()


def tree_changes(lower: Path | str | int | None, tree: Path | str | int) -> Iterator[Change]:
    """The changes that make `tree` out of `lower` (None: out of nothing), by comparing the two.

    Files are the same if their metadata is, and their content where the modification time is of
    whole seconds, as times from archives are. Directories' times alone are no change.
    """
    yield from _Pair(None if lower is None else Tree(lower), Tree(tree)).changes()


class _Walk:
    """What both walks share: hard links within the layer, and directories that wait."""

    def __init__(self, tree: Tree) -> None:
        self._tree = tree
        self._first: dict[tuple[int, int], str] = {}
        self._waiting: list[Change] = []  # unchanged directories on the way to here, top first

    def _change(self, kind: Kind, entry: Entry, found: os.stat_result | None) -> Iterator[Change]:
        """The change, after those of the directories that lead to it."""
        yield from self._waiting
        self._waiting.clear()
        if entry.type is FILE and found is not None and found.st_nlink > 1:
            inode = found.st_dev, found.st_ino
            first = self._first.setdefault(inode, entry.path)
            if first != entry.path:
                entry.type, entry.link, entry.size = HARDLINK, first, 0
        is_bare = kind is Kind.ADDED and found is not None and _may_wait(found)
        yield Change(kind, entry, self._tree if entry.type is FILE else None, is_bare)

    def _arrive(self, kind: Kind, entry: Entry) -> None:
        """An unchanged directory: a change only if something below it is."""
        self._waiting.append(Change(kind, entry))

    def _leave(self, path: str) -> None:
        """The walk of the directory `path` is over."""
        if self._waiting and self._waiting[-1].path == path:
            self._waiting.pop()


class _Upper(_Walk):
    """An upper directory, and beside it the same directory of the tree below."""

    def __init__(self, tree: Tree, below: Tree | None) -> None:
        super().__init__(tree)
        self._below = below

    def changes(self) -> Iterator[Change]:
        top = Listing(os.dup(self._tree.fd), "")
        stack = [(top, iter(top.entries), -1 if self._below is None else os.dup(self._below.fd))]
        try:
            while stack:
                listing, names, lower = stack[-1]
                item = next(names, None)
                if item is None:
                    stack.pop()
                    _close(listing, lower)
                    self._leave(listing.path)
                    continue
                try:
                    deeper = yield from self._look(item, listing, lower)
                except FileNotFoundError:
                    continue  # a container that runs has removed it meanwhile
                if deeper is not None:
                    stack.append((deeper[0], iter(deeper[0].entries), deeper[1]))
        finally:
            for listing, _, lower in stack:
                _close(listing, lower)

    def _look(
        self, item: os.DirEntry[str], listing: Listing, lower: int
    ) -> Generator[Change, None, tuple[Listing, int] | None]:
        """One name: its changes, and if it is a directory, what to walk next."""
        name = item.name
        path = listing.join(name)
        found = item.stat(follow_symlinks=False)
        before = _before(path, lower, name)
        entry = describe(path, found, listing.fd, name, bare=before is None and _may_wait(found))
        if entry is None:
            return None
        private = _private(entry, listing.fd, name)
        is_alone = self._below is None
        if (stat.S_ISCHR(found.st_mode) and found.st_rdev == 0) or "whiteout" in private:
            if before is not None or is_alone:
                yield from self._change(Kind.DELETED, before or entry, None)
            return None
        kind = Kind.ADDED if before is None else Kind.MODIFIED
        hides = private.get("opaque") == b"y" and (
            is_alone or (before is not None and before.type is DIR)
        )
        if hides or before is None or not same(before, entry):
            yield from self._change(kind, entry, found)
        elif entry.type is DIR:
            self._arrive(kind, entry)
        if entry.type is not DIR:
            return None
        if hides:
            yield Change(Kind.OPAQUE, entry)
        if hides or before is None or before.type is not DIR:
            return listing.below(name), -1
        return listing.below(name), os.open(name, LOOK, dir_fd=lower)


def _close(listing: Listing, lower: int) -> None:
    listing.close()
    if lower >= 0:
        os.close(lower)


def _before(path: str, lower: int, name: str) -> Entry | None:
    """What is at `name` in the directory `lower` of the tree below."""
    if lower < 0:
        return None
    try:
        found = os.stat(name, dir_fd=lower, follow_symlinks=False)
    except FileNotFoundError:
        return None
    return describe(path, found, lower, name)


def _private(entry: Entry, dirfd: int, name: str) -> dict[str, bytes]:
    """Overlayfs's own attributes by their last word; Unsupported if they point elsewhere."""
    if entry.type is not DIR and (entry.type is not FILE or entry.size):
        return {}
    found = xattrs_of(dirfd, name, private=True)
    private = {key.partition("overlay.")[2]: value for key, value in found.items()}
    if "metacopy" in private or "redirect" in private:
        raise Unsupported(
            f'"{entry.path}" refers to another layer: the overlay was mounted with '
            "redirect_dir or metacopy"
        )
    return private


def _may_wait(found: os.stat_result) -> bool:
    """Whether a new file's attributes are wanted only when its content is, which opens it."""
    return stat.S_ISREG(found.st_mode) and found.st_nlink == 1 and found.st_size > 0


def same(one: Entry, other: Entry) -> bool:
    """Whether two descriptions of a path agree; the times of directories do not count."""
    return (
        one.type is other.type
        and one.mode == other.mode
        and one.uid == other.uid
        and one.gid == other.gid
        and one.size == other.size
        and one.link == other.link
        and one.device == other.device
        and one.xattrs == other.xattrs
        and (one.type is DIR or one.mtime == other.mtime)
    )


class _Pair(_Walk):
    def __init__(self, lower: Tree | None, tree: Tree) -> None:
        super().__init__(tree)
        self._lower = lower

    def changes(self) -> Iterator[Change]:
        top = Listing(os.dup(self._tree.fd), "")
        under = Listing(os.dup(self._lower.fd), "") if self._lower is not None else None
        yield from self._root(top, under)
        stack = [(top, under, _paired(top, under))]
        try:
            while stack:
                listing, lower, pairs = stack[-1]
                pair = next(pairs, None)
                if pair is None:
                    stack.pop()
                    listing.close()
                    if lower is not None:
                        lower.close()
                    self._leave(listing.path)
                    continue
                deeper = yield from self._look(listing, lower, *pair)
                if deeper is not None:
                    stack.append((*deeper, _paired(*deeper)))
        finally:
            for listing, lower, _ in stack:
                listing.close()
                if lower is not None:
                    lower.close()

    def _root(self, top: Listing, under: Listing | None) -> Iterator[Change]:
        """The root is a change only where it is not what an applier would assume."""
        entry = describe(".", os.fstat(top.fd), top.fd, ".")
        before = (
            Entry(".", DIR, 0o755)
            if under is None
            else describe(".", os.fstat(under.fd), under.fd, ".")
        )
        if entry is not None and (before is None or not same(before, entry)):
            yield Change(Kind.ADDED if under is None else Kind.MODIFIED, entry)

    def _look(
        self,
        listing: Listing,
        lower: Listing | None,
        name: str,
        here: os.DirEntry[str] | None,
        there: os.DirEntry[str] | None,
    ) -> Generator[Change, None, tuple[Listing, Listing | None] | None]:
        path = listing.join(name)
        before = None
        if there is not None and lower is not None:
            before = describe(path, there.stat(follow_symlinks=False), lower.fd, name)
        entry = found = None
        if here is not None:
            found = here.stat(follow_symlinks=False)
            bare = before is None and _may_wait(found)
            entry = describe(path, found, listing.fd, name, bare=bare)
        if entry is None:
            if before is not None:
                yield from self._change(Kind.DELETED, before, None)
            return None
        kind = Kind.ADDED if before is None else Kind.MODIFIED
        if before is not None and same(before, entry) and self._same_data(before, entry):
            if entry.type is DIR:
                self._arrive(kind, entry)
        else:
            yield from self._change(kind, entry, found)
        if entry.type is not DIR:
            return None
        inner = listing.below(name)
        if before is None or before.type is not DIR or lower is None:
            return inner, None
        return inner, lower.below(name)

    def _same_data(self, before: Entry, entry: Entry) -> bool:
        if entry.type is not FILE or not entry.size or entry.mtime % 1_000_000_000:
            return True
        assert self._lower is not None
        one = self._lower.open(before.path)
        try:
            other = self._tree.open(entry.path)
            try:
                return os.path.sameopenfile(one, other) or same_content(one, other)
            finally:
                os.close(other)
        finally:
            os.close(one)


def _paired(
    listing: Listing, lower: Listing | None
) -> Iterator[tuple[str, os.DirEntry[str] | None, os.DirEntry[str] | None]]:
    """The names of two directories, in order, with what each of the two has."""
    if lower is None:
        for item in listing.entries:
            yield item.name, item, None
        return
    mine = {item.name: item for item in listing.entries}
    theirs = {item.name: item for item in lower.entries}
    for name in sorted(mine.keys() | theirs.keys()):
        yield name, mine.get(name), theirs.get(name)
