"""How files look: by inode, owner, size and times, without reading them.

A file that looks as it did has the bytes that it had, unless it was changed within a moment
(`FRESH`) of the time at which it was seen; who remembers looks leaves younger files out.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterable

FRESH = 100_000_000  # nanoseconds; a file this young may change without its times changing
ABSENT = bytes(60)
_LOOK = struct.Struct("<IIIQQQQqq")  # mode, uid, gid, dev, ino, rdev, size, mtime_ns, ctime_ns


def look(info: os.stat_result) -> bytes:
    """All that tells whether a file is the same."""
    return _LOOK.pack(
        info.st_mode,
        info.st_uid,
        info.st_gid,
        info.st_dev,
        info.st_ino,
        info.st_rdev,
        info.st_size,
        info.st_mtime_ns,
        info.st_ctime_ns,
    )


def seen(paths: Iterable[str]) -> tuple[bytes, int]:
    """The looks of files one after the other, links not followed, and the newest change.

    A path with nothing there looks `ABSENT`; in nanoseconds since 1970.
    """
    looks, newest = [], 0
    for path in paths:
        try:
            info = os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            looks.append(ABSENT)
            continue
        looks.append(look(info))
        newest = max(newest, info.st_ctime_ns)
    return b"".join(looks), newest
