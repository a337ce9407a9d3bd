"""Bytes that are pulled and never seen: files that a later layer deletes or replaces."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeVar

from lamina.image.stack import Stack
from lamina.values import dataclass

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Unseen:
    """A file of one layer that no name in the finished tree leads to."""

    path: str
    layer: int  # that brought it; 1 is the lowest
    hidden_by: int  # the layer that deleted or replaced it; the same where a tar has it twice
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Waste:
    """What all layers write together, and how much of it stays in sight."""

    written: int  # bytes of files in all layers
    unseen: tuple[Unseen, ...]  # the largest first

    @property
    def wasted(self) -> int:
        """Bytes."""
        return sum(one.size for one in self.unseen)

    @property
    def efficiency(self) -> float:
        """The share of what is written that is seen, from 0 to 1."""
        return (self.written - self.wasted) / self.written if self.written else 1.0

    def _repr_html_(self) -> str:
        from lamina.analysis.pages import waste_page

        return waste_page(self)

    def by_path(self) -> Mapping[str, int]:
        """Bytes wasted at each path, by all layers together; the most first."""
        return _summed((one.path, one.size) for one in self.unseen)

    def by_writer(self) -> Mapping[int, int]:
        """Bytes that each layer brings in vain; the most first."""
        return _summed((one.layer, one.size) for one in self.unseen)

    def by_hider(self) -> Mapping[int, int]:
        """Bytes of lower layers that each layer puts out of sight; the most first."""
        return _summed((one.hidden_by, one.size) for one in self.unseen)


def waste(stack: Stack) -> Waste:
    """What the layers of a finished stack waste.

    A file with several names counts once, and is seen as long as one of them is.
    """
    seen = {id(node.source) for node in stack.nodes.values()}
    unseen = [
        Unseen(node.entry.path, node.layer, node.hidden_by or node.layer, node.entry.size)
        for node in stack.written
        if id(node) not in seen
    ]
    unseen.sort(key=lambda one: (-one.size, one.path, one.layer))
    return Waste(sum(node.entry.size for node in stack.written), tuple(unseen))


def _summed(pairs: Iterable[tuple[T, int]]) -> Mapping[T, int]:
    sums: dict[T, int] = {}
    for key, size in pairs:
        sums[key] = sums.get(key, 0) + size
    return dict(sorted(sums.items(), key=lambda item: -item[1]))
