"""What changed in a tree, as values (image-spec, layer.md, "Change Types")."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from lamina.layer.entry import Entry
from lamina.layer.tree import Tree


class Kind(StrEnum):
    """What happened to a path."""

    ADDED = "added"
    MODIFIED = "modified"
    DELETED = "deleted"
    OPAQUE = "opaque"  # a directory whose lower content is hidden as a whole


@dataclass(frozen=True, slots=True)
class Change:
    """One path that differs; `entry.path` is the path itself, never a whiteout's name.

    OPAQUE follows the ADDED or MODIFIED change of the same directory.
    """

    kind: Kind
    entry: Entry
    tree: Tree | None = None  # where a file's content is; keeps itself open as long as needed

    @property
    def path(self) -> str:
        return self.entry.path

    def open(self) -> int:
        """A new descriptor for reading the file's content; the caller closes it."""
        raise NotImplementedError


def upper_changes(upper: Path | int, *, lower: Path | int | None = None) -> Iterator[Change]:
    raise NotImplementedError


def tree_changes(lower: Path | int | None, tree: Path | int) -> Iterator[Change]:
    raise NotImplementedError
