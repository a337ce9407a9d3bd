"""What each layer does to the tree that the layers below it make."""

from __future__ import annotations

from collections.abc import Iterable

from lamina.layer import whiteout
from lamina.layer.entry import DIR, FILE, Entry, EntryType
from lamina.values import dataclass


@dataclass(frozen=True, slots=True)
class Effect:
    """Counts of paths, directories included.

    A directory that a layer repeats only because something in it changed counts for nothing.
    """

    added: int
    changed: int
    deleted: int
    content: int  # bytes of the files that the layer holds, as read


@dataclass(frozen=True, slots=True)
class _Node:
    """What must differ for a directory to count as changed."""

    type: EntryType
    owner: tuple[int, int]
    mode: int
    xattrs: tuple[tuple[str, bytes], ...]


class Stack:
    """The tree of the layers pushed so far, by path."""

    def __init__(self) -> None:
        self._nodes: dict[str, _Node] = {}
        self._children: dict[str, set[str]] = {}

    def push(self, entries: Iterable[Entry]) -> Effect:
        """Put one more layer on top, and say what it did.

        Its whiteouts count for the layers below only, wherever in the tar they stand
        (image-spec, layer.md, "Whiteouts").
        """
        entries = list(entries)
        gone: dict[str, _Node] = {}
        for entry in entries:
            parent, _, name = entry.path.rpartition("/")
            if name == whiteout.OPAQUE:
                self._empty(parent or ".", gone)
            elif hidden := whiteout.hidden(name):
                self._remove(f"{parent}/{hidden}" if parent else hidden, gone)
        added, changed = self._lay(entries, gone)
        deleted = sum(1 for path in gone if path not in self._nodes)
        content = sum(entry.size for entry in entries if entry.type is FILE)
        return Effect(added, changed, deleted, content)

    def _lay(self, entries: list[Entry], gone: dict[str, _Node]) -> tuple[int, int]:
        """Put what is no whiteout into the tree; how many paths are new, and how many changed."""
        added: set[str] = set()
        changed: set[str] = set()
        for entry in entries:
            path = entry.path
            parent, _, name = path.rpartition("/")
            if path == "." or whiteout.is_whiteout(name):
                continue
            node = _Node(
                entry.type,
                (entry.uid, entry.gid),
                entry.mode,
                tuple(sorted(entry.xattrs.items())),
            )
            before = self._nodes.get(path) or gone.get(path)
            if before is not None and before.type is DIR and entry.type is not DIR:
                self._empty(path, gone)
            self._nodes[path] = node
            self._children.setdefault(parent or ".", set()).add(path)
            if before is None:
                added.add(path)
            elif path not in added and (entry.type is not DIR or before != node):
                changed.add(path)
        return len(added), len(changed)

    def _remove(self, path: str, gone: dict[str, _Node]) -> None:
        """Take a path and all below it out of the tree, and note it as gone."""
        self._empty(path, gone)
        node = self._nodes.pop(path, None)
        if node is not None:
            gone[path] = node
            self._children[path.rpartition("/")[0] or "."].discard(path)

    def _empty(self, directory: str, gone: dict[str, _Node]) -> None:
        """Take all that is below a directory out of the tree."""
        waiting = list(self._children.pop(directory, ()))
        while waiting:
            path = waiting.pop()
            node = self._nodes.pop(path, None)
            if node is not None:
                gone[path] = node
            waiting += self._children.pop(path, ())
