"""A large COPY whose layer is written straight from the files.

Where the snapshotter points into tars (`snapshot.erofs`), files need not be put into a tree to
be in a layer: each is read once and written once. What leads to them is made in a draft as by
`placing`, which decides where they go, and says what is wrong; the layer is the same, byte for
byte, as that of a tree into which they were copied.
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
from lamina.layer.changes import Change, Kind, same
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
    before: dict[str, Entry]  # what was there already, by path, of what is copied
    placer: Placer

    @property
    def notes(self) -> tuple[str, ...]:
        """Words for a person about what went oddly."""
        return self.placer.notes

    def changes(self, source_fd: int) -> Iterator[Change]:
        """As a snapshotter would tell them, had it been done. `source_fd`: of the context's root.

        Changed for a file that is not what was selected; `check` looks once more, at the end.
        """
        item = self.selection.items[0]
        files = _Files(source_fd, item)
        links: dict[tuple[int, int], str] = {}
        waiting = list(self.leading)  # directories that are in the layer if something in them is
        if self.placer.created:
            yield from _modified(waiting)
        for node in item.nodes[1 if item.is_directory else 0 :]:
            info = node.stat
            is_file = stat.S_ISREG(info.st_mode)
            path = _below(self.target, node)
            before = self.before.get(path)
            # The attributes of a file that is opened anyway are read then, by its descriptor.
            is_bare = is_file and info.st_size > 0 and info.st_nlink == 1 and before is None
            entry = self._entry(item, node, source_fd, is_bare=is_bare)
            while waiting and not path.startswith(f"{waiting[-1].path}/"):
                waiting.pop()
            if before is not None:
                if before.type is DIR:
                    _merge(before, entry, node)
                if same(before, entry):
                    if before.type is DIR:
                        waiting.append(entry)
                    continue
            yield from _modified(waiting)
            if is_file and info.st_nlink > 1:
                first = links.setdefault((info.st_dev, info.st_ino), path)
                if first != path:
                    entry.type, entry.link, entry.size = HARDLINK, first, 0
            files.expect(path, node)
            kind = Kind.ADDED if before is None else Kind.MODIFIED
            yield Change(kind, entry, files if is_file else None, is_bare)

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
    """The COPY without its files, if it is a plain one; nothing it brings is in another's way.

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
    leading: list[Entry] = []
    here = ""
    for part in directory.split("/") if directory else ():
        here = join(here, part)
        entry = _described(root_fd, here)
        assert entry is not None  # a directory
        leading.append(entry)
    last = leading[-1].xattrs if leading else read_xattrs(xattr_path(root_fd, "."))
    before = _before(root_fd, item, target)
    if before is None or _DEFAULT_ACL in last:
        return None
    return Streamed(selection, target, tuple(leading), before, placer)


def _before(root_fd: int, item: Item, target: str) -> dict[str, Entry] | None:
    """What is there already of what is copied; None if something would be in the way of it."""
    found: dict[str, Entry] = {}
    top = target if item.is_directory else target.rpartition("/")[0]
    there = {top}  # directories
    for node in item.nodes[1 if item.is_directory else 0 :]:
        path = _below(target, node)
        if path.rpartition("/")[0] not in there:
            continue  # what leads to it is new
        entry = _described(root_fd, path)
        if entry is None:
            if lstat(root_fd, path) is not None:
                return None
            continue
        is_directory = stat.S_ISDIR(node.stat.st_mode)
        if is_directory is not (entry.type is DIR) or _DEFAULT_ACL in entry.xattrs:
            return None
        if is_directory:
            there.add(path)
        found[path] = entry
    return found


def _described(root_fd: int, path: str) -> Entry | None:
    """What is at `path`; None for nothing, and for a socket."""
    status = lstat(root_fd, path)
    return None if status is None else describe(path, status, root_fd, path)


def _merge(before: Entry, entry: Entry, node: Node) -> None:
    """A directory that was there takes what `placing` would give it, and keeps the rest."""
    entry.xattrs = before.xattrs | ({} if node.is_implied else entry.xattrs)
    if node.is_implied:
        entry.mode = node.stat.st_mode & 0o7777
        entry.uid, entry.gid, entry.mtime = before.uid, before.gid, before.mtime


def _modified(waiting: list[Entry]) -> Iterator[Change]:
    yield from (Change(Kind.MODIFIED, entry) for entry in waiting)
    waiting.clear()


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
