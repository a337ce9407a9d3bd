"""Who put a path where it is: each layer that brought, changed, deleted or hid it."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum

from lamina.layer import whiteout
from lamina.layer.entry import DIR, Entry
from lamina.values import dataclass


class What(StrEnum):
    """What a layer did to a path."""

    ADDED = "added"
    CHANGED = "changed"
    DELETED = "deleted"  # by a whiteout of its own
    HIDDEN = "hidden"  # with a directory above it


@dataclass(frozen=True, slots=True)
class Step:
    """One layer's doing."""

    layer: int  # 1 is the lowest
    what: What
    entry: Entry | None  # what the layer has at the path; None where it has nothing
    cause: str  # the path in the layer's tar that did it


def blame(path: str, layers: Iterable[Iterable[Entry]]) -> list[Step]:
    """What each layer, the lowest first, did to `path`; layers that did nothing are left out.

    `path` is spelled as entries are: no slash at either end.
    """
    steps: list[Step] = []
    is_there = False
    for number, entries in enumerate(layers, 1):
        gone, found = _look(path, entries)
        if is_there and gone is not None:
            cause, what = gone
            is_there = False
            if found is None:
                steps.append(Step(number, what, None, cause))
                continue
            steps.append(Step(number, What.CHANGED, found, found.path))
            is_there = True
        elif found is not None:
            what = What.CHANGED if is_there else What.ADDED
            steps.append(Step(number, what, found, found.path))
            is_there = True
    return steps


def _look(path: str, entries: Iterable[Entry]) -> tuple[tuple[str, What] | None, Entry | None]:
    """What in one layer takes away what lower layers have at `path`, and what it has there."""
    parents = _parents(path)
    whiteouts = {whiteout.path_of(above): above for above in (path, *parents)}
    opaques = {whiteout.opaque_of(above) for above in (".", *parents)}
    gone: tuple[str, What] | None = None
    found: Entry | None = None
    for entry in entries:
        name = entry.path
        if name == path:
            found = entry
        elif name in whiteouts:
            own = whiteouts[name] == path
            if own or gone is None:
                gone = (name, What.DELETED if own else What.HIDDEN)
        elif name in opaques or (name in parents and entry.type is not DIR):
            gone = gone or (name, What.HIDDEN)
            if name in parents:
                found = None
    return gone, found


def _parents(path: str) -> frozenset[str]:
    parts = path.split("/")
    return frozenset("/".join(parts[:depth]) for depth in range(1, len(parts)))
