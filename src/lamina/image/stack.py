"""The tree that layers make together: what each does to it, what is seen in the end, what never.

A stack is pushed layer by layer, the lowest first, from the entries of their tars alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lamina.errors import NotFound
from lamina.layer import whiteout
from lamina.layer.entry import DIR, FILE, HARDLINK, SYMLINK, Entry
from lamina.values import dataclass

_LINKS = 40  # followed in one path, as the kernel does


@dataclass(slots=True)
class Node:
    """One name in the tree, as the layer says that it is from.

    Names that are hard links of one file share its `content`: the node that brought the bytes.
    """

    entry: Entry
    layer: int  # 1 is the lowest
    content: Node | None = (
        None  # of a hard link; None where the bytes are its own, or there are none
    )
    hidden_by: int | None = None  # the layer that took it away or put another in its place

    @property
    def source(self) -> Node:
        """The node whose bytes are read here."""
        return self.content or self


@dataclass(frozen=True, slots=True)
class Effect:
    """What a layer did, by path; directories included.

    A directory that a layer repeats only because something in it changed is in none of them.
    """

    added: tuple[str, ...]
    changed: tuple[str, ...]
    deleted: tuple[str, ...]
    content: int  # bytes of the files that the layer holds, as read


class Stack:
    """The tree of the layers pushed so far, by path; the root is "." and not in it."""

    def __init__(self) -> None:
        self.nodes: dict[str, Node] = {}
        self.written: list[Node] = []  # every file that any layer brought, in order
        self.displaced: list[Node] = []  # every node that a layer took away or replaced, in order
        self.depth = 0  # layers
        self._children: dict[str, set[str]] = {}

    def push(self, entries: Iterable[Entry]) -> Effect:
        """Put one more layer on top, and say what it did.

        Its whiteouts count for the layers below only, wherever in the tar they stand
        (image-spec, layer.md, "Whiteouts").
        """
        self.depth += 1
        entries = list(entries)
        gone: dict[str, Node] = {}
        for entry in entries:
            if ".wh." not in entry.path:
                continue
            parent, _, name = entry.path.rpartition("/")
            if name == whiteout.OPAQUE:
                self._empty(parent or ".", gone)
            elif hidden := whiteout.hidden(name):
                self._remove(f"{parent}/{hidden}" if parent else hidden, gone)
        added, changed = self._lay(entries, gone)
        deleted = tuple(sorted(path for path in gone if path not in self.nodes))
        content = sum(entry.size for entry in entries if entry.type is FILE)
        return Effect(tuple(sorted(added)), tuple(sorted(changed)), deleted, content)

    def children(self, directory: str) -> list[str]:
        """The paths right below a directory, sorted; "." is the root."""
        return sorted(self._children.get(directory, ()))

    def resolve(self, path: str) -> str:
        """Where `path` leads in the finished tree; see the function."""
        return resolve(path, self.nodes.get)

    def below(self, directory: str) -> Iterator[str]:
        """Every path below a directory, parents first, sorted within each."""
        for path in self.children(directory):
            yield path
            yield from self.below(path)

    def _lay(self, entries: list[Entry], gone: dict[str, Node]) -> tuple[set[str], set[str]]:
        """Put what is no whiteout into the tree; which paths are new, and which changed."""
        added: set[str] = set()
        changed: set[str] = set()
        implied: set[str] = set()  # directories that only their content tells of, so far
        nodes, children = self.nodes, self._children
        for entry in entries:
            path = entry.path
            parent, _, name = path.rpartition("/")
            if path == "." or (".wh." in path and whiteout.is_whiteout(name)):
                continue
            standing = nodes.get(path)
            before = None if path in implied else standing or gone.get(path)
            if before is not None and before.entry.type is DIR and entry.type is not DIR:
                self._empty(path, gone)
            node = self._node(entry)
            if standing is not None:
                self._displace(standing)
            nodes[path] = node
            siblings = children.get(parent or ".")
            if siblings is None:
                siblings = children[parent or "."] = set()
            siblings.add(path)
            if parent not in nodes:
                self._imply(parent, implied)
            implied.discard(path)
            if before is None:
                added.add(path)
            elif path not in added and (entry.type is not DIR or _differs(before.entry, entry)):
                changed.add(path)
        return added, changed

    def _imply(self, path: str, implied: set[str]) -> None:
        """Put a directory that no entry tells of, and those above it, into the tree."""
        while path and path not in self.nodes:
            self.nodes[path] = Node(Entry(path, DIR, 0o755), self.depth)
            implied.add(path)
            above = path.rpartition("/")[0]
            self._children.setdefault(above or ".", set()).add(path)
            path = above

    def _node(self, entry: Entry) -> Node:
        if entry.type is HARDLINK:
            target = self.nodes.get(entry.link)
            return Node(entry, self.depth, target.source if target is not None else None)
        node = Node(entry, self.depth)
        if entry.type is FILE:
            self.written.append(node)
        return node

    def _remove(self, path: str, gone: dict[str, Node]) -> None:
        """Take a path and all below it out of the tree, and note it as gone."""
        self._empty(path, gone)
        node = self.nodes.pop(path, None)
        if node is not None:
            self._displace(node)
            gone[path] = node
            self._children[path.rpartition("/")[0] or "."].discard(path)

    def _empty(self, directory: str, gone: dict[str, Node]) -> None:
        """Take all that is below a directory out of the tree."""
        waiting = list(self._children.pop(directory, ()))
        while waiting:
            path = waiting.pop()
            node = self.nodes.pop(path, None)
            if node is not None:
                self._displace(node)
                gone[path] = node
            waiting += self._children.pop(path, ())

    def _displace(self, node: Node) -> None:
        node.hidden_by = self.depth
        self.displaced.append(node)


def resolve(path: str, find: Callable[[str], Node | None]) -> str:
    """Where `path` leads once every link in it is followed, within the tree that `find` knows.

    As a container would see it: an absolute link begins at the root, and ".." stays below it.
    NotFound if there is nothing, or the links go round in circles.
    """
    waiting = [part for part in reversed(path.split("/")) if part not in ("", ".")]
    found: list[str] = []
    links = 0
    while waiting:
        part = waiting.pop()
        if part == "..":
            del found[-1:]
            continue
        node = find("/".join([*found, part]))
        if node is None:
            missing = "/".join([*found, part])
            hint = None if path.strip("/") == missing else f'what is missing is "/{missing}"'
            raise NotFound(f'there is no "{path}" in this image', hint=hint)
        if node.entry.type is not SYMLINK:
            found.append(part)
            continue
        links += 1
        if links > _LINKS:
            raise NotFound(f'the links of "{path}" go round in circles')
        if node.entry.link.startswith("/"):
            found = []
        waiting += [one for one in reversed(node.entry.link.split("/")) if one not in ("", ".")]
    return "/".join(found) or "."


def _differs(before: Entry, after: Entry) -> bool:
    """Whether a directory is another in anything but its time."""
    return (
        before.type is not after.type
        or (before.uid, before.gid, before.mode) != (after.uid, after.gid, after.mode)
        or before.xattrs != after.xattrs
    )
