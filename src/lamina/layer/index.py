"""A layer's table of contents, kept beside it.

Stored as a magic line, a count, then frames of up to 1024 entries each, of zstd unless they are
few: JSON objects that hold the entries field by field, in the tar's order. A layer of a million
entries takes some 50 MB of memory this way, where a list of entries would take 600.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from lamina.errors import Corrupt
from lamina.late import json
from lamina.layer.entry import Entry, EntryType
from lamina.oci.digest import Digest

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any, overload

_MAGIC = b"lamina-index 3\n"
_BATCH = 1024  # entries per frame
_FEW = 64  # entries that are kept as they are: to import zstd takes longer than it saves
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

    __slots__ = ("_cached", "_encode", "_frames", "_length", "_rows")

    def __init__(self) -> None:
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
        text = self._encode(_columns(self._rows)).encode()
        if len(self._rows) <= _FEW:
            return text
        return bytes(_zstd().compress(text, _LEVEL))

    def __len__(self) -> int:
        return self._length

    if TYPE_CHECKING:

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
            self._cached = (frame, self._decode(self._frames[frame]))
        return self._cached[1][row]

    def __iter__(self) -> Iterator[Entry]:
        for frame in self._frames:
            yield from self._decode(frame)
        yield from self._rows

    def _decode(self, frame: bytes) -> list[Entry]:
        text = frame if frame[:1] == b"{" else _zstd().decompress(frame)
        return _entries(json.loads(text))

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
                index._rows = index._decode(index._frames.pop())
        except (_zstd().ZstdError, ValueError, KeyError, TypeError):
            raise Corrupt("a layer's index is damaged", hint="it can be made again") from None
        return index


def _zstd() -> Any:
    from lamina.layer.compress import zstd_module  # here, for a small index does without

    return zstd_module()


def _columns(batch: list[Entry]) -> dict[str, object]:
    """A batch, field by field: lists, or for fields that are rarely set the places where they are.

    Column by column is several times faster than row by row, and compresses better.
    """
    return {
        "type": "".join([_CODES[entry.type] for entry in batch]),
        "path": [entry.path for entry in batch],
        "mode": [entry.mode for entry in batch],
        "uid": [entry.uid for entry in batch],
        "gid": [entry.gid for entry in batch],
        "size": [entry.size for entry in batch],
        "mtime": [entry.mtime for entry in batch],
        "offset": [entry.offset for entry in batch],
        "digest": _join([entry.digest for entry in batch]),
        "link": {at: entry.link for at, entry in enumerate(batch) if entry.link},
        "device": {at: entry.device for at, entry in enumerate(batch) if entry.device != (0, 0)},
        "xattrs": {
            at: {name: value.decode("latin-1") for name, value in entry.xattrs.items()}
            for at, entry in enumerate(batch)
            if entry.xattrs
        },
        "sparse": {at: entry.sparse for at, entry in enumerate(batch) if entry.sparse is not None},
        "owner": {
            at: (entry.uname, entry.gname)
            for at, entry in enumerate(batch)
            if entry.uname or entry.gname
        },
    }


def _entries(columns: dict[str, Any]) -> list[Entry]:
    """The batch that `_columns` took apart."""
    batch = [
        Entry(path, _KINDS[code], mode, uid, gid, size, mtime, "", _NO_DEVICE, {}, offset)
        for path, code, mode, uid, gid, size, mtime, offset in zip(
            columns["path"],
            columns["type"],
            columns["mode"],
            columns["uid"],
            columns["gid"],
            columns["size"],
            columns["mtime"],
            columns["offset"],
            strict=True,
        )
    ]
    for entry, digest in zip(batch, columns["digest"].split(","), strict=True):
        if digest:
            entry.digest = Digest(digest if ":" in digest else f"sha256:{digest}")
    for at, link in columns["link"].items():
        batch[int(at)].link = link
    for at, (major, minor) in columns["device"].items():
        batch[int(at)].device = major, minor
    for at, xattrs in columns["xattrs"].items():
        batch[int(at)].xattrs = {name: text.encode("latin-1") for name, text in xattrs.items()}
    for at, sparse in columns["sparse"].items():
        batch[int(at)].sparse = tuple((start, length) for start, length in sparse)
    for at, (uname, gname) in columns["owner"].items():
        batch[int(at)].uname, batch[int(at)].gname = uname, gname
    return batch


def _join(digests: list[Digest | None]) -> str:
    """Digests with commas between them; of the usual algorithm only the digits."""
    return ",".join([digest or "" for digest in digests]).replace("sha256:", "")


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
    except (_zstd().ZstdError, ValueError, KeyError, TypeError):
        raise Corrupt("a layer's index is damaged", hint="it can be made again") from None
