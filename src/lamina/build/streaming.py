"""A large COPY to where nothing is yet: its layer is written straight from the files.

Where the snapshotter points into tars (`snapshot.erofs`), files need not be put into a tree to
be in a layer: each is read once and written once. What leads to them is made in a draft as by
`placing`, which decides where they go; the layer is the same, byte for byte.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator

from lamina.build.hashing import Changed, open_unchanged, require_same
from lamina.build.inside import join, lstat
from lamina.build.placing import Placer
from lamina.build.selection import Item, Selection
from lamina.build.walking import Node
from lamina.fs.metadata import read_xattrs, xattr_path
from lamina.layer.changes import Change, Kind
from lamina.layer.entry import DIR, FILE, HARDLINK, SYMLINK, Entry, EntryType
from lamina.layer.tree import describe
from lamina.values import dataclass

_TYPES = {stat.S_IFREG: FILE, stat.S_IFDIR: DIR, stat.S_IFLNK: SYMLINK}
_DEFAULT_ACL = "system.posix_acl_default"  # what is made in a directory with one, takes after it


@dataclass(frozen=True, slots=True)
class Streamed:
    """A COPY that has not been done: what it would change."""

    selection: Selection
    target: str  # where the source goes, itself included
    leading: tuple[Entry, ...]  # the directories that lead there, and the target if it is one
    placer: Placer

    @property
    def notes(self) -> tuple[str, ...]:
        """Words for a person about what went oddly."""
        return self.placer.notes

    def changes(self, source_fd: int) -> Iterator[Change]:
        """As a snapshotter would tell them, had it been done. `source_fd`: of the context's root.

        Changed for a file that is not what was selected; `check` looks once more, at the end.
        """
        for entry in self.leading:
            yield Change(Kind.MODIFIED, entry)
        item = self.selection.items[0]
        files = _Files(source_fd, item)
        links: dict[tuple[int, int], str] = {}
        for node in item.nodes[1 if item.is_directory else 0 :]:
            info = node.stat
            is_file = stat.S_ISREG(info.st_mode)
            # The attributes of a file that is opened anyway are read then, by its descriptor.
            is_bare = is_file and info.st_size > 0 and info.st_nlink == 1
            entry = self._entry(item, node, source_fd, is_bare=is_bare)
            if is_file and info.st_nlink > 1:
                first = links.setdefault((info.st_dev, info.st_ino), entry.path)
                if first != entry.path:
                    entry.type, entry.link, entry.size = HARDLINK, first, 0
            files.expect(entry.path, node)
            yield Change(Kind.ADDED, entry, files if is_file else None, is_bare)

    def _entry(self, item: Item, node: Node, source_fd: int, *, is_bare: bool) -> Entry:
        info, source = node.stat, _below(item.path, node)
        kind = _TYPES[stat.S_IFMT(info.st_mode)]
        uid, gid = self.placer.owner_of(info)
        entry = Entry(
            _below(self.target, node),
            kind,
            self._mode(info.st_mode, kind),
            uid,
            gid,
            info.st_size if kind is FILE else 0,
            info.st_mtime_ns,
        )
        try:
            if not is_bare:
                entry.xattrs = read_xattrs(xattr_path(source_fd, source))
            if kind is SYMLINK:
                entry.link = os.readlink(source, dir_fd=source_fd)
        except OSError as error:
            raise _gone(source, error) from error
        return entry

    def _mode(self, mode: int, kind: EntryType) -> int:
        return 0o777 if kind is SYMLINK else self.placer.mode_of(mode, is_directory=kind is DIR)

    def check(self, source_fd: int) -> None:
        """Changed unless all files are still what was selected."""
        item = self.selection.items[0]
        for node in item.nodes:
            if not stat.S_ISDIR(node.stat.st_mode):
                path = _below(item.path, node)
                try:
                    now = os.stat(path, dir_fd=source_fd, follow_symlinks=False)
                except OSError as error:
                    raise _gone(path, error) from error
                require_same(now, path, node.stat)


def stream(selection: Selection, root_fd: int) -> Streamed | None:
    """The COPY without its files, if it is a plain one that goes where nothing is.

    `root_fd`: the merged tree, in which what leads to the target is made. Raises as
    `placing.copy`, of which it is the beginning: where it is None, that may follow.
    """
    spec = selection.spec
    if len(selection.items) != 1 or spec.inline or spec.link:
        return None
    (item,) = selection.items
    if item.is_archive or any(stat.S_IFMT(node.stat.st_mode) not in _TYPES for node in item.nodes):
        return None
    placer = Placer(selection, root_fd, None)
    target = placer.target(item)
    placer.finish()
    directory = target if item.is_directory else target.rpartition("/")[0]
    if item.is_directory:
        with os.scandir(xattr_path(root_fd, target or ".")) as found:
            if any(found):
                return None
    elif lstat(root_fd, target) is not None:
        return None
    leading = _leading(root_fd, directory)
    if leading is None:
        return None
    return Streamed(selection, target, leading, placer)


def _leading(root_fd: int, directory: str) -> tuple[Entry, ...] | None:
    """The directories down to `directory`; None if what is made there would not be as said."""
    found: list[Entry] = []
    here = ""
    for part in directory.split("/") if directory else ():
        here = join(here, part)
        entry = describe(here, os.stat(here, dir_fd=root_fd, follow_symlinks=False), root_fd, here)
        assert entry is not None  # a directory
        found.append(entry)
    last = found[-1].xattrs if found else read_xattrs(xattr_path(root_fd, "."))
    return None if _DEFAULT_ACL in last else tuple(found)


def _gone(path: str, error: OSError) -> Changed:
    return Changed(f'"{path}" cannot be read: {error.strerror}')


def _below(top: str, node: Node) -> str:
    """Where a node is: at the top itself, if that is one file."""
    return join(top, node.path) if node.path else top


class _Files:
    """Opens what entries of the layer hold, by their paths in it."""

    def __init__(self, source_fd: int, item: Item) -> None:
        self._source_fd = source_fd
        self._item = item
        self._next: tuple[str, Node] | None = None

    def expect(self, path: str, node: Node) -> None:
        """Say which file is asked for next."""
        self._next = path, node

    def open(self, path: str) -> int:
        """A new descriptor for reading; Changed unless the file is what was selected."""
        assert self._next is not None and self._next[0] == path
        node = self._next[1]
        return open_unchanged(self._source_fd, _below(self._item.path, node), node.stat)
