"""A layer's table of contents, kept beside it.

Stored as a magic line, then zstd frames of up to 1024 entries each: JSON lists, in the tar's
order, of the fields of `Entry` with what is usual left off at the end. A layer of a million
entries takes some 60 MB of memory this way, where a list of entries would take 600.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, cast, overload

from lamina.errors import Corrupt
from lamina.layer.compress import zstd_module
from lamina.layer.entry import Entry, EntryType
from lamina.oci.digest import Digest

_MAGIC = b"lamina-index 1\n"
_BATCH = 1024  # entries per frame
_LEVEL = 1
_LENGTH = 4  # bytes of the length before each frame, and of its count of entries

_CODES = {kind: kind.value[0] if kind is not EntryType.FIFO else "p" for kind in EntryType}
_CODES[EntryType.SYMLINK] = "l"
_NO_DEVICE = (0, 0)
_KINDS = {code: kind for kind, code in _CODES.items()}


class Index(Sequence[Entry]):
    """The entries of a layer in the tar's order, held compactly, decoded when asked for.

    Iterating is fast; indexing decodes the 1024 entries around the one asked for.
    """

    __slots__ = ("_cached", "_encode", "_frames", "_length", "_rows", "_zstd")

    def __init__(self) -> None:
        self._zstd = zstd_module()
        self._encode = json.JSONEncoder(separators=(",", ":")).encode
        self._frames: list[bytes] = []
        self._rows: list[Entry] = []  # not yet in a frame
        self._length = 0
        self._cached: tuple[int, list[Entry]] = (-1, [])

    def append(self, entry: Entry) -> None:
        """Add `entry`, which must not change afterwards."""
        self._rows.append(entry)
        self._length += 1
        if len(self._rows) == _BATCH:
            self._frames.append(self._pack())
            self._rows = []

    def _pack(self) -> bytes:
        rows = [_row(entry) for entry in self._rows]
        return bytes(self._zstd.compress(self._encode(rows).encode(), _LEVEL))

    def __len__(self) -> int:
        return self._length

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> list[Entry]: ...
    def __getitem__(self, at: int | slice) -> Entry | list[Entry]:
        if isinstance(at, slice):
            return [self[place] for place in range(*at.indices(self._length))]
        place = at + self._length if at < 0 else at
        if not 0 <= place < self._length:
            raise IndexError(at)
        frame, row = divmod(place, _BATCH)
        if frame == len(self._frames):
            return self._rows[row]
        if self._cached[0] != frame:
            self._cached = (frame, [_entry(found) for found in self._decode(self._frames[frame])])
        return self._cached[1][row]

    def __iter__(self) -> Iterator[Entry]:
        for frame in self._frames:
            for row in self._decode(frame):
                yield _entry(row)
        yield from self._rows

    def _decode(self, frame: bytes) -> list[list[Any]]:
        return cast("list[list[Any]]", json.loads(self._zstd.decompress(frame)))

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(other) != self._length:
            return NotImplemented if not isinstance(other, Sequence) else False
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # it grows

    def to_bytes(self) -> bytes:
        """What `from_bytes` reads: for keeping."""
        frames = list(self._frames)
        if self._rows:
            frames.append(self._pack())
        parts = [_MAGIC, self._length.to_bytes(_LENGTH * 2, "little")]
        for frame in frames:
            parts += (len(frame).to_bytes(_LENGTH, "little"), frame)
        return b"".join(parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> Index:
        """The index that `to_bytes` wrote; Corrupt if it is damaged in a way that shows."""
        if not data.startswith(_MAGIC):
            raise Corrupt("a layer's index does not begin as one", hint="it can be made again")
        index = cls()
        at = len(_MAGIC) + _LENGTH * 2
        index._length = int.from_bytes(data[len(_MAGIC) : at], "little")
        while at < len(data):
            length = int.from_bytes(data[at : at + _LENGTH], "little")
            at += _LENGTH
            index._frames.append(data[at : at + length])
            at += length
        full = len(index._frames) - (1 if index._length % _BATCH else 0)
        if at != len(data) or full != index._length // _BATCH:
            raise Corrupt("a layer's index is cut short", hint="it can be made again")
        try:
            if index._length % _BATCH:
                index._rows = [_entry(row) for row in index._decode(index._frames.pop())]
        except (index._zstd.ZstdError, ValueError):
            raise Corrupt("a layer's index is damaged", hint="it can be made again") from None
        return index


def _row(entry: Entry) -> list[object]:
    kind = entry.type
    row: list[object] = [
        entry.path,
        _CODES[kind],
        entry.mode,
        entry.uid,
        entry.gid,
        entry.mtime,
        entry.offset,
        entry.size,
    ]
    digest = ""
    if entry.digest is not None:
        digest = entry.digest[7:] if entry.digest[:7] == "sha256:" else entry.digest
    if (
        entry.uname
        or entry.gname
        or entry.xattrs
        or entry.sparse is not None
        or entry.device != _NO_DEVICE
    ):
        xattrs = {name: value.decode("latin-1") for name, value in entry.xattrs.items()}
        row += (digest, entry.link, entry.device, xattrs, entry.sparse, entry.uname, entry.gname)
    elif entry.link:
        row += (digest, entry.link)
    elif digest:
        row.append(digest)
    return row


def _entry(row: list[Any]) -> Entry:
    path, code, mode, uid, gid, mtime, offset, size, *rest = row
    if not rest:
        return Entry(path, _KINDS[code], mode, uid, gid, size, mtime, "", (0, 0), {}, offset)
    if len(rest) <= 2:
        digest, link = rest if len(rest) == 2 else (rest[0], "")
        return Entry(
            path, _KINDS[code], mode, uid, gid, size, mtime, link, (0, 0), {}, offset,
            None, _digest(digest),
        )  # fmt: skip
    digest, link, device, xattrs, sparse, uname, gname = rest
    return Entry(
        path,
        _KINDS[code],
        mode,
        uid,
        gid,
        size,
        mtime,
        link,
        tuple(device),
        {name: value.encode("latin-1") for name, value in xattrs.items()},
        offset,
        None if sparse is None else tuple((start, length) for start, length in sparse),
        _digest(digest),
        uname,
        gname,
    )


def _digest(text: str) -> Digest | None:
    if not text:
        return None
    return Digest(text) if ":" in text else Digest(f"sha256:{text}")


def encode(entries: Iterable[Entry]) -> bytes:
    """`entries` as bytes for keeping."""
    if isinstance(entries, Index):
        return entries.to_bytes()
    index = Index()
    for entry in entries:
        index.append(entry)
    return index.to_bytes()


def decode(data: bytes) -> list[Entry]:
    """The entries that `encode` took; Corrupt if the bytes are damaged."""
    index = Index.from_bytes(data)
    try:
        return list(index)
    except (index._zstd.ZstdError, ValueError, KeyError):
        raise Corrupt("a layer's index is damaged", hint="it can be made again") from None
