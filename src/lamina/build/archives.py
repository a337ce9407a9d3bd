"""Archives that ADD takes apart: told by their content, never by their name."""

from __future__ import annotations

import os

from lamina.errors import Error
from lamina.layer.compress import decompressed

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

_BLOCK = 512  # bytes of a tar header


def is_archive(stream: BinaryIO) -> bool:
    """Whether `stream` begins, once inflated, with the header of a tar entry.

    Plain, gzip, bzip2, xz and zstd; an empty archive is taken for a plain file, as BuildKit does.
    """
    try:
        head = decompressed(stream).read(_BLOCK)
    except (Error, OSError, EOFError, ValueError):
        return False
    return len(head) == _BLOCK and _is_header(head)


def _is_header(block: bytes) -> bool:
    """Whether the checksum of a tar header is right (POSIX.1-1988, ustar; and older ones)."""
    text = block[148:156].strip(b" \0")
    try:
        claimed = int(text, 8)
    except ValueError:
        return False
    rest = block[:148] + b" " * 8 + block[156:]
    signed = sum(byte - 256 if byte > 127 else byte for byte in rest)
    return claimed in (sum(rest), signed)


def unpack(stream: BinaryIO, directory_fd: int, *, owner: tuple[int, int] | None) -> None:
    """Put the content of an archive into a directory.

    With `owner` everything in it belongs to that uid and gid, else to whom the archive says.
    Devices and pipes are passed over, as BuildKit does.
    Corrupt or Invalid for a damaged or hostile archive.
    """
    from lamina.layer.apply import apply

    applied = apply(stream, directory_fd, as_changeset=False, specials=False)
    if owner is None:
        return
    from lamina.fs.metadata import read_xattrs, write_xattrs, xattr_path
    from lamina.fs.root import Root
    from lamina.layer.entry import SPECIAL

    root = Root(directory_fd)
    for entry in applied.index:
        if entry.path == "." or entry.type in SPECIAL:
            continue
        try:
            with root.parent(entry.path) as (fd, name):
                path = xattr_path(fd, name)
                # chown clears the set-ID bits and security.capability.
                xattrs = read_xattrs(path)
                os.chown(name, *owner, dir_fd=fd, follow_symlinks=False)
                write_xattrs(path, xattrs)
                if entry.mode & 0o6000 and entry.type != "symlink":
                    os.chmod(name, entry.mode, dir_fd=fd)
        except (FileNotFoundError, NotADirectoryError):
            continue  # replaced by a later entry of the archive
