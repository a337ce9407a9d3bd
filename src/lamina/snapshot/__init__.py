"""Trees here: snapshots of layers, and drafts on top of them (docs/on-disk.md, "Snapshots")."""

from __future__ import annotations

import os
from collections.abc import Callable

from lamina.fs import mounts
from lamina.oci.digest import ChainID
from lamina.snapshot.choice import choose, erofs_fault, overlay_fault
from lamina.snapshot.overlay import OverlaySnapshotter
from lamina.snapshot.snapshotter import Draft, DraftExists, InUse, NoSnapshot, Snapshotter

__all__ = [
    "CopyingSnapshotter",
    "Draft",
    "DraftExists",
    "ErofsSnapshotter",
    "InUse",
    "NoSnapshot",
    "OverlaySnapshotter",
    "Snapshotter",
    "choose",
    "erofs_fault",
    "overlay_fault",
    "unpack",
]

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import TypeVar

    T = TypeVar("T")

    from lamina.snapshot.copying import CopyingSnapshotter
    from lamina.snapshot.erofs import ErofsSnapshotter

_LAZY = {"CopyingSnapshotter": "copying", "ErofsSnapshotter": "erofs"}  # one of them is needed


def __getattr__(name: str) -> object:
    if name not in _LAZY:
        raise AttributeError(f"module 'lamina.snapshot' has no attribute {name!r}")
    return getattr(__import__(f"lamina.snapshot.{_LAZY[name]}", fromlist=(name,)), name)


def unpack(
    snapshotter: Snapshotter, chain: ChainID, parent: ChainID | None, apply: Callable[[int], T]
) -> T:
    """Make the snapshot `chain` on top of `parent`: what `apply`, given the tree's root, returns.

    `apply` raises if the layer is not what it should be; nothing stays then.
    """
    draft = snapshotter.prepare(f"unpack-{os.getpid()}-{os.urandom(8).hex()}", parent)
    try:
        with mounts.opened(draft.plan) as root:
            result = apply(root)
        snapshotter.commit(draft, chain)
    except BaseException:
        snapshotter.discard(draft)
        raise
    return result
