"""The tree as it stands after each layer, and what the layer did to it.

One stack is built; what a later layer takes away is remembered with the layers between which it
stood, so that any moment can be asked about without building it again.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from itertools import chain, islice

from lamina.image.stack import Effect, Node, Stack, resolve
from lamina.layer import whiteout
from lamina.layer.entry import FILE, Entry
from lamina.values import dataclass, field

_MOMENTS = 4  # whose sums are remembered


class Mark(StrEnum):
    """What a layer did to a path."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"  # by a whiteout of its own
    HIDDEN = "hidden"  # with a directory above it, or by what replaced that


@dataclass(slots=True)
class Counts:
    """How many paths below a directory a layer has touched."""

    added: int = 0
    changed: int = 0
    deleted: int = 0
    hidden: int = 0

    def add(self, other: Counts) -> None:
        self.added += other.added
        self.changed += other.changed
        self.deleted += other.deleted
        self.hidden += other.hidden


@dataclass(frozen=True, slots=True)
class Moment:
    """The tree after a layer, in sums; `marks` by path, the others by directory, "." at the top."""

    depth: int  # layers, 1 is the lowest
    marks: dict[str, Mark]
    sizes: dict[str, int] = field(default_factory=dict)  # bytes of all files below
    counts: dict[str, Counts] = field(default_factory=dict)


class Timeline:
    """All moments of an image. Push the lowest layer first; not for several threads at once."""

    def __init__(self) -> None:
        self.stack = Stack()
        self.effects: list[Effect] = []
        self.entries = 0  # of all layers
        self._whiteouts: list[frozenset[str]] = []
        self._gone: dict[str, list[Node]] = {}  # by directory
        self._moments: OrderedDict[int, Moment] = OrderedDict()

    @property
    def depth(self) -> int:
        """How many layers there are."""
        return self.stack.depth

    def push(self, entries: Sequence[Entry]) -> None:
        """Put one more layer on top."""
        before = len(self.stack.displaced)
        self.effects.append(self.stack.push(entries))
        self.entries += len(entries)
        self._whiteouts.append(frozenset(_whited_out(entries)))
        for node in self.stack.displaced[before:]:
            # What stands twice in one tar was never to be seen.
            if node.layer != node.hidden_by:
                parent = node.entry.path.rpartition("/")[0] or "."
                self._gone.setdefault(parent, []).append(node)

    def at(self, path: str, depth: int) -> Node | None:
        """What stands at `path` after the layer `depth`."""
        node = self.stack.nodes.get(path)
        if node is not None and node.layer <= depth:
            return node
        for gone in self._gone.get(path.rpartition("/")[0] or ".", ()):
            if gone.entry.path == path and _stood(gone, depth):
                return gone
        return None

    def resolve(self, path: str, depth: int) -> str:
        """Where `path` leads after the layer `depth`, links followed; NotFound."""
        return resolve(path, lambda one: self.at(one, depth))

    def children(self, directory: str, depth: int) -> dict[str, Node]:
        """What stands right in a directory after the layer `depth`, by path."""
        found = {}
        for path in self.stack.children(directory):
            node = self.stack.nodes[path]
            if node.layer <= depth:
                found[path] = node
        for node in self._gone.get(directory, ()):
            if _stood(node, depth):
                found[node.entry.path] = node
        return found

    def removed(self, directory: str, depth: int) -> dict[str, Node]:
        """What the layer `depth` took away right in a directory, by path."""
        standing = self.children(directory, depth)
        return {
            node.entry.path: node
            for node in self._gone.get(directory, ())
            if node.hidden_by == depth and node.entry.path not in standing
        }

    def versions(self, path: str) -> list[Node]:
        """Everything that ever stood at `path`, the oldest first."""
        gone = self._gone.get(path.rpartition("/")[0] or ".", ())
        found = [node for node in gone if node.entry.path == path]
        node = self.stack.nodes.get(path)
        return sorted([*found, node] if node is not None else found, key=lambda one: one.layer)

    def search(self, fits: Callable[[str], bool], *, limit: int) -> list[Node]:
        """Everything that stands or ever stood at a path that fits, at most `limit`."""
        nodes = chain(self.stack.nodes.values(), *self._gone.values())
        return list(islice((node for node in nodes if fits(node.entry.path)), limit))

    def moment(self, depth: int) -> Moment:
        """The sums after the layer `depth`; made when asked for, the latest remembered."""
        found = self._moments.get(depth)
        if found is None:
            found = self._moments[depth] = self._sum(depth)
            while len(self._moments) > _MOMENTS:
                self._moments.popitem(last=False)
        self._moments.move_to_end(depth)
        return found

    def _sum(self, depth: int) -> Moment:
        moment = Moment(depth, self._marks(depth))
        counts, sizes = moment.counts, moment.sizes
        tally = Counter((path.rpartition("/")[0], mark) for path, mark in moment.marks.items())
        for (parent, mark), count in tally.items():
            counted = counts.setdefault(parent or ".", Counts())
            setattr(counted, mark, count)
        for node in self._standing(depth):
            if node.entry.type is FILE:
                parent = node.entry.path.rpartition("/")[0] or "."
                sizes[parent] = sizes.get(parent, 0) + node.entry.size
        # The deepest first, so that each has all that is below it when it is added to its parent.
        for path in _upwards(counts):
            counts.setdefault(path.rpartition("/")[0] or ".", Counts()).add(
                counts.setdefault(path, Counts())
            )
        for path in _upwards(sizes):
            parent = path.rpartition("/")[0] or "."
            sizes[parent] = sizes.get(parent, 0) + sizes.get(path, 0)
        return moment

    def _marks(self, depth: int) -> dict[str, Mark]:
        if not depth:
            return {}
        effect, own = self.effects[depth - 1], self._whiteouts[depth - 1]
        marks = dict.fromkeys(effect.added, Mark.ADDED) | dict.fromkeys(
            effect.changed, Mark.CHANGED
        )
        for path in effect.deleted:
            marks[path] = Mark.DELETED if path in own else Mark.HIDDEN
        return marks

    def _standing(self, depth: int) -> Iterator[Node]:
        for node in self.stack.nodes.values():
            if node.layer <= depth:
                yield node
        for nodes in self._gone.values():
            for node in nodes:
                if _stood(node, depth):
                    yield node


def _stood(node: Node, depth: int) -> bool:
    return node.layer <= depth < (node.hidden_by or 0)


def _whited_out(entries: Iterable[Entry]) -> Iterator[str]:
    """The paths that a layer's whiteouts name."""
    for entry in entries:
        if "/.wh." in entry.path or entry.path.startswith(".wh."):
            parent, slash, name = entry.path.rpartition("/")
            hidden = whiteout.hidden(name)
            if hidden:
                yield f"{parent}{slash}{hidden}"


def _upwards(known: Iterable[str]) -> list[str]:
    """Every directory in `known` and above those, the deepest first, without the top."""
    found: set[str] = set()
    for path in known:
        while path and path != "." and path not in found:
            found.add(path)
            path = path.rpartition("/")[0]
    return sorted(found, key=lambda path: -path.count("/"))
