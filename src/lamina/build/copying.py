"""What COPY and ADD do: choose files of a context, and put them into an image's root.

    spec ──select(context)──▶ Selection ──digests()──▶ part of the cache key
                                  └──────copy(root)──▶ files in the root

`select` walks once; hashing and copying use what it saw, and a file that changed since is an
error, never a mixture.
"""

from __future__ import annotations

from lamina.build.hashing import Changed, FileRecord, HashCache, digests
from lamina.build.selection import CopySpec, Item, Selection, check, select

__all__ = [
    "Changed",
    "CopySpec",
    "FileRecord",
    "HashCache",
    "Item",
    "Selection",
    "check",
    "copy",
    "digests",
    "select",
]


def copy(selection: Selection, root_fd: int, *, epoch: int | None = None) -> tuple[str, ...]:
    """See `placing.copy`, which is imported only when something is copied."""
    from lamina.build import placing

    return placing.copy(selection, root_fd, epoch=epoch)
