"""Tar archives, read and written as streams: the room's own front for both ends.

Checked against `tarfile` and GNU tar, entry by entry, in tests/unit/layer.
"""

from __future__ import annotations

from lamina.layer.contents import read_index
from lamina.layer.entry import (
    BLOCK,
    CHAR,
    DIR,
    FIFO,
    FILE,
    HARDLINK,
    SYMLINK,
    Entry,
    EntryType,
)
from lamina.layer.reader import Reader, read
from lamina.layer.writer import TarWriter

__all__ = [
    "BLOCK",
    "CHAR",
    "DIR",
    "FIFO",
    "FILE",
    "HARDLINK",
    "SYMLINK",
    "Entry",
    "EntryType",
    "Reader",
    "TarWriter",
    "read",
    "read_index",
]
