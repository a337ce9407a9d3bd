"""What one member of a layer's tar says about one name in the tree (image-spec, layer.md)."""

from __future__ import annotations

from enum import StrEnum

from lamina.oci.digest import Digest
from lamina.values import dataclass, field


class EntryType(StrEnum):
    """The seven things that a name in a layer can be."""

    FILE = "file"
    DIR = "dir"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHAR = "char"
    BLOCK = "block"
    FIFO = "fifo"


FILE = EntryType.FILE
DIR = EntryType.DIR
SYMLINK = EntryType.SYMLINK
HARDLINK = EntryType.HARDLINK
CHAR = EntryType.CHAR
BLOCK = EntryType.BLOCK
FIFO = EntryType.FIFO
SPECIAL = frozenset({CHAR, BLOCK, FIFO})


@dataclass(slots=True)
class Entry:
    """One member: where, what, whose, and where its data lies in the plain tar.

    Text is whatever bytes the tar holds, decoded with surrogateescape.
    `path` has no leading "/" or "./" and no trailing "/"; the root is ".".
    """

    path: str
    type: EntryType = FILE
    mode: int = 0o644  # permission and special bits, 0o7777
    uid: int = 0
    gid: int = 0
    size: int = 0  # bytes of a file when read, holes included; 0 for all else
    mtime: int = 0  # nanoseconds since 1970, may be negative
    link: str = ""  # a symlink's text; a hard link's target, spelled like `path`
    device: tuple[int, int] = (0, 0)  # major, minor
    xattrs: dict[str, bytes] = field(default_factory=dict)
    offset: int = 0  # where the stored data begins in the plain tar, in bytes
    sparse: tuple[tuple[int, int], ...] | None = None  # (offset, length) of stored data, in order
    digest: Digest | None = None  # of a file's content as read, once somebody has asked for it
    uname: str = ""
    gname: str = ""

    @property
    def stored(self) -> int:
        """How many bytes of data the tar holds for this entry, holes and padding not counted."""
        if self.sparse is None:
            return self.size
        return sum(length for _, length in self.sparse)
