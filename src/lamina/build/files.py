"""The files that a step takes: one digest for its key, and the list for who wants to know more.

Most builds change few files and copy many. A selection whose files all look as they did the last
time, by inode, size and times, has the digest that it had then; not even its list is made.
"""

from __future__ import annotations

import os
import struct
import time
from collections.abc import Callable, Iterable

from lamina.build.hashing import HashCache, digests
from lamina.build.selection import Selection
from lamina.fs.looks import FRESH, look
from lamina.oci.digest import Digest

_MAGIC = b"lamina lists 1\n"
_WIDTH = 32  # bytes of a digest
_MOST = 64  # lists that are remembered of one context


class Files:
    """Paths and what counts of them, in the order of copying. Equal if their digests are.

    `read` is called when the list is wanted, if ever; without `digest` it is wanted at once.
    """

    __slots__ = ("_read", "_rows", "digest")

    def __init__(
        self, read: Callable[[], Iterable[tuple[str, str]]], digest: bytes | None = None
    ) -> None:
        self._read = read
        self._rows: tuple[tuple[str, str], ...] | None = None
        self.digest = _digest_of(self.rows) if digest is None else digest

    @property
    def rows(self) -> tuple[tuple[str, str], ...]:
        """Of each file its path, and everything else in one line."""
        if self._rows is None:
            self._rows = tuple(self._read())
        return self._rows

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Files) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


class ListCache:
    """Digests of lists of files that stand still, by how these files look. As `HashCache`."""

    def __init__(self, known: dict[bytes, bytes] | None = None) -> None:
        self._known = known or {}
        self.changed = False  # whether there is anything new to dump

    @classmethod
    def load(cls, blob: bytes | None) -> ListCache:
        """An empty or damaged blob gives an empty cache."""
        if not blob or not blob.startswith(_MAGIC) or (len(blob) - len(_MAGIC)) % (2 * _WIDTH):
            return cls()
        rows = struct.iter_unpack(f"{_WIDTH}s{_WIDTH}s", memoryview(blob)[len(_MAGIC) :])
        return cls(dict(rows))

    def dump(self) -> bytes:
        """The cache; only what was learned last, if it is large."""
        rows = list(self._known.items())[-_MOST:]
        return _MAGIC + b"".join(part for row in rows for part in row)

    def find(self, look: bytes) -> bytes | None:
        return self._known.get(look)

    def keep(self, look: bytes, digest: bytes) -> None:
        self._known.pop(look, None)
        self._known[look] = digest
        self.changed = True


def files_of(
    selection: Selection,
    hashes: Callable[[], HashCache] | None = None,
    lists: ListCache | None = None,
) -> Files:
    """What is selected; hashes what is not known. Changed if a file changes meanwhile."""

    def read() -> Iterable[tuple[str, str]]:
        cache = hashes() if hashes is not None else None
        return ((record.path, record.text) for record in digests(selection, cache))

    if lists is None or not selection.items or selection.spec.inline:
        return Files(read)
    now = time.time_ns()
    look, newest = _look(selection)
    known = lists.find(look)
    files = Files(read, known)
    if known is None and newest <= now - FRESH:
        lists.keep(look, files.digest)
    return files


def _look(selection: Selection) -> tuple[bytes, int]:
    """A digest of everything that tells whether a file is the same, and the newest time."""
    paths, looks, newest = [], [b"%d" % selection.context.keeps_owners], 0
    for item in selection.items:
        paths += ["", item.path, item.name if not item.is_directory else "/"]
        for node in item.nodes:
            changed = node.stat.st_ctime_ns
            if changed > newest:
                newest = changed
            paths.append(node.path)
            looks.append(look(node.stat))
    data = os.fsencode("\0".join(paths)) + b"\0" + b"".join(looks)
    return _raw(data), newest


def _digest_of(rows: Iterable[tuple[str, str]]) -> bytes:
    """Of a list, each text framed by its length in bytes."""
    return _raw(b"".join(framed(text) for row in rows for text in row))


def framed(text: str) -> bytes:
    """A text with its length in bytes before it."""
    if text.isascii():
        return f"{len(text)}:{text}".encode()
    data = text.encode("utf-8", "surrogateescape")
    return b"%d:%s" % (len(data), data)


def _raw(data: bytes) -> bytes:
    return bytes.fromhex(Digest.of(data).encoded)


NO_FILES = Files(lambda: ())
