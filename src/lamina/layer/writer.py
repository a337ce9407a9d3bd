"""Tar archives written as a stream: ustar headers, PAX records only for what they cannot say.

Same entries and data, same bytes: no clock, no user database, records sorted by key.
What a ustar header holds is never said twice; PAX records come for names that are long or not
ASCII, numbers that do not fit in octal, times with a fraction or before 1970, extended attributes,
and sparse files (GNU format 1.0, which GNU tar, libarchive, Go and Python read).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from zlib import adler32

from lamina.layer import pax
from lamina.layer.entry import BLOCK, CHAR, DIR, FIFO, FILE, HARDLINK, SYMLINK, Entry
from lamina.layer.header import BLOCK as BLOCK_SIZE
from lamina.layer.header import USTAR, octal

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.layer.sparse import Map

_FLAGS = {
    FILE: b"0",
    HARDLINK: b"1",
    SYMLINK: b"2",
    CHAR: b"3",
    BLOCK: b"4",
    DIR: b"5",
    FIFO: b"6",
}
_ZEROS = bytes(BLOCK_SIZE)
_SMALL = 1 << 16  # bytes of data that are worth copying to write once
_NO_DEVICE = b"0000000\x000000000\x00"

Data = bytes | bytearray | memoryview


class TarWriter:
    """Writes entries to `write`, which takes bytes in order; `close` ends the archive.

    `offset` is how many bytes have been written. `entry.offset` is set on the way.
    Pieces of a sparse file must be whole blocks of 512 bytes, the last one excepted: GNU tar pads
    each of them, Go and Python do not, and so all of them agree.
    """

    def __init__(self, write: Callable[[Data], object]) -> None:
        self._write = write
        self.offset = 0

    def add(self, entry: Entry, source: Data | Iterable[Data] = b"") -> None:
        """Write `entry`, and as its data `source`: the stored bytes, whole or in pieces.

        ValueError if `source` is not `entry.stored` bytes long, for then the archive is broken.
        """
        if isinstance(source, bytes) and entry.type is FILE and len(source) == entry.size <= _SMALL:
            head = quick_header(entry)
            if head:
                entry.offset = self.offset + BLOCK_SIZE
                self._put(head + source + _ZEROS[: -len(source) & (BLOCK_SIZE - 1)])
                return
        self.begin(entry)
        stored = entry.stored if entry.type is FILE else 0
        done = 0
        for piece in (source,) if isinstance(source, bytes | bytearray | memoryview) else source:
            if piece:
                self._put(piece)
                done += len(piece)
        if done != stored:
            raise ValueError(f'"{entry.path}" has {stored} bytes, but {done} were given')
        self.pad(stored)

    def begin(self, entry: Entry) -> None:
        """Write the headers of `entry`; the caller goes on with `data` and `pad`."""
        head = quick_header(entry)
        if head:
            self._put(head)
            entry.offset = self.offset
            return
        lead, header, opening = headers(entry)
        if lead:
            self._put(lead)
        self._put(header)
        if opening:
            self._put(opening)
        entry.offset = self.offset

    def data(self, piece: Data) -> None:
        """Write a piece of the stored data of the entry that was begun."""
        self._put(piece)

    def pad(self, stored: int) -> None:
        """End an entry whose stored data was `stored` bytes long."""
        if stored % BLOCK_SIZE:
            self._put(_ZEROS[: -stored % BLOCK_SIZE])

    def close(self) -> None:
        """Write the two blocks of zeros that end an archive."""
        self._put(bytes(2 * BLOCK_SIZE))

    def _put(self, data: Data) -> None:
        self._write(data)
        self.offset += len(data)


def quick_header(entry: Entry) -> bytes:
    """The header of an entry as nearly all are; b"" where more than a plain header is needed.

    The same bytes that `headers` would give.
    """
    kind = entry.type
    path = entry.path
    flag = _QUICK.get(kind)
    if (
        flag is None
        or entry.xattrs
        or entry.sparse is not None
        or entry.uname
        or entry.gname
        or len(path) > 99
        or not path.isascii()
    ):
        return b""
    size = entry.size if kind is FILE else 0
    whole, rest = divmod(entry.mtime, 1_000_000_000)
    if rest or not 0 <= whole < 1 << 33 or not 0 <= size < 1 << 33:
        return b""
    uid, gid = entry.uid, entry.gid
    if not 0 <= uid < 1 << 21 or not 0 <= gid < 1 << 21:
        return b""
    name = path.encode() + b"/" if kind is DIR else path.encode()
    start = b"%s%07o\0%07o\0%07o\0%011o\0%011o\0" % (
        name.ljust(100, b"\0"),
        entry.mode & 0o7777,
        uid,
        gid,
        size,
        whole,
    )
    # Adler-32 is one more than the sum of the bytes in its low half, and ASCII sums are small.
    return b"%s%06o\0 %s" % (start, (adler32(start) & 0xFFFF) - 1 + flag[0], flag[1])


def _quick_end(flag: bytes) -> tuple[int, bytes]:
    """What comes after the checksum of a plain header, and its share of the sum."""
    end = flag + bytes(100) + USTAR + bytes(64) + _NO_DEVICE + bytes(167)
    return sum(end) + 8 * ord(" "), end


_QUICK = {FILE: _quick_end(b"0"), DIR: _quick_end(b"5")}


def headers(entry: Entry) -> tuple[bytes, bytes, bytes]:
    """The bytes before the data: PAX header or nothing, ustar header, sparse map or nothing."""
    records: dict[str, bytes] = {}
    kind = entry.type
    path = entry.path
    if kind is DIR:
        path += "/"
    opening = b""
    size = entry.size if kind is FILE else 0
    if entry.sparse is not None and kind is FILE:
        from lamina.layer import sparse

        opening = sparse.opening(_ended(entry.sparse, entry.size))
        size = len(opening) + entry.stored
        records["GNU.sparse.major"] = b"1"
        records["GNU.sparse.minor"] = b"0"
        records["GNU.sparse.name"] = _encode(path)
        records["GNU.sparse.realsize"] = b"%d" % entry.size
        # Short enough for the header: Python takes a "path" record for the file's real name.
        path = _short(_beside(path, "GNUSparseFile.0"))
    for name, value in entry.xattrs.items():
        records[pax.XATTR + name] = value
    header = _ustar(entry, path, size, _FLAGS[kind], records)
    return (_extended(path, records) if records else b""), header, opening


def _ended(pieces: Map, size: int) -> Map:
    """The map with an empty piece at the end of the file: GNU tar takes a file's size from it."""
    end = sum(pieces[-1]) if pieces else 0
    return pieces if end == size else (*pieces, (size, 0))


def _ustar(entry: Entry, path: str, size: int, flag: bytes, records: dict[str, bytes]) -> bytes:
    """The header block; what does not fit in it goes into `records`."""
    name = _encode(path)
    prefix = b""
    if len(name) > 100 or not path.isascii():
        parts = _split(name) if path.isascii() else None
        if parts:
            prefix, name = parts
        else:
            records.setdefault("path", name)
            name = _stand_in(name)
    link = _encode(entry.link)
    if len(link) > 100 or not entry.link.isascii():
        records["linkpath"] = link
        link = _stand_in(link)
    uname, gname = (
        _owner_name(entry.uname, "uname", records),
        _owner_name(entry.gname, "gname", records),
    )
    whole, rest = divmod(entry.mtime, 1_000_000_000)
    mtime = octal(whole, 12)
    if mtime is None or rest:
        records["mtime"] = pax.seconds(entry.mtime)
        mtime = mtime or b"00000000000\0"
    block = b"%s%07o\0%s%s%s%s        %s%s%s%s%s%s%s" % (
        name.ljust(100, b"\0"),
        entry.mode & 0o7777,
        _octal(entry.uid, 8, "uid", records),
        _octal(entry.gid, 8, "gid", records),
        _octal(size, 12, "size", records),
        mtime,
        flag,
        link.ljust(100, b"\0"),
        USTAR,
        uname.ljust(32, b"\0"),
        gname.ljust(32, b"\0"),
        _device(entry) if entry.type is CHAR or entry.type is BLOCK else _NO_DEVICE,
        prefix.ljust(167, b"\0"),
    )
    return b"%s%06o\0 %s" % (block[:148], sum(block), block[156:])


def _extended(path: str, records: dict[str, bytes]) -> bytes:
    """A PAX header block with its records, sorted by key."""
    data = b"".join(pax.record(key, records[key]) for key in sorted(records))
    stand_in = Entry(".", FILE, mtime=0, mode=0o644)
    header = _ustar(stand_in, _short(_beside(path, "PaxHeaders.0")), len(data), b"x", {})
    return header + data + bytes(-len(data) % BLOCK_SIZE)


def _beside(path: str, folder: str) -> str:
    """A name that readers without PAX may use: in `folder`, beside the real one."""
    directory, _, name = path.rstrip("/").rpartition("/")
    return f"{directory}/{folder}/{name}" if directory else f"{folder}/{name}"


def _short(path: str) -> str:
    return _stand_in(_encode(path)).decode("ascii")


def _stand_in(name: bytes) -> bytes:
    """What fits in a header of a name that does not: ASCII, at most 100 bytes."""
    return bytes(byte if byte < 128 else 0x5F for byte in name[:100])


def _split(name: bytes) -> tuple[bytes, bytes] | None:
    """A long name as ustar's prefix and name, if it can be cut at a slash."""
    if len(name) > 256:
        return None
    cut = name.rfind(b"/", 0, 156)
    if cut <= 0 or not 0 < len(name) - cut - 1 <= 100:
        return None
    return name[:cut], name[cut + 1 :]


def _octal(value: int, width: int, key: str, records: dict[str, bytes]) -> bytes:
    field = octal(value, width)
    if field is None:
        records[key] = b"%d" % value
        return b"0" * (width - 1) + b"\0"
    return field


def _owner_name(name: str, key: str, records: dict[str, bytes]) -> bytes:
    if not name:
        return b""
    raw = _encode(name)
    if len(raw) > 31 or not name.isascii():
        records[key] = raw
        return b""
    return raw


def _device(entry: Entry) -> bytes:
    major, minor = (octal(number, 8) for number in entry.device)
    if major is None or minor is None:
        # No PAX record exists for device numbers: base-256, which every reader knows.
        return b"".join(b"\x80" + number.to_bytes(7, "big") for number in entry.device)
    return major + minor


def _encode(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")
