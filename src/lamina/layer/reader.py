"""Tar archives read as a stream: every format in use, one pass, no seeking.

The hot path of every pull and unpack: fields that repeat are parsed once, file data is handed
on as views of the buffers that it came in.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import BinaryIO
from zlib import adler32

from lamina.layer import pax, sparse
from lamina.layer.entry import BLOCK, CHAR, DIR, FIFO, FILE, HARDLINK, SYMLINK, Entry, EntryType
from lamina.layer.header import (
    BLOCK as BLOCK_SIZE,
)
from lamina.layer.header import (
    FIELDS,
    GNU,
    USTAR,
    ZERO_BLOCK,
    checksum_is,
    clean,
    number,
    printable,
    text,
)
from lamina.layer.limits import DEFAULT, BadArchive, BadEntry, Limits, TooMuch
from lamina.layer.stream import Stream

_MEMORY = 1 << 12  # remembered fields of each kind; hostile archives repeat nothing

_TYPES: dict[bytes, EntryType] = {
    b"0": FILE,
    b"\0": FILE,
    b"1": HARDLINK,
    b"2": SYMLINK,
    b"3": CHAR,
    b"4": BLOCK,
    b"5": DIR,
    b"6": FIFO,
    b"7": FILE,  # contiguous
    b"S": FILE,  # GNU sparse
    b"D": DIR,  # GNU dump directory: the names in it are its data
}
_QUICK = {0x30: FILE, 0x32: SYMLINK, 0x35: DIR}
_HEADER_ONLY = frozenset(b"123456")  # whatever their size field says, no data follows
_SKIPPED = frozenset(b"VAI")  # GNU volume label, Solaris ACL, inode metadata: nothing of the tree
_EXTENDED = {b"x": "", b"X": "", b"g": "g", b"L": "path", b"K": "linkpath"}


class Reader(Stream):
    """The entries of a tar, in order; of the latest entry, its data.

    Raises BadArchive, BadEntry, TooMuch; afterwards the reader is of no use.
    """

    def __init__(self, read: Callable[[int], bytes], limits: Limits = DEFAULT) -> None:
        super().__init__(read, limits)
        self._global: dict[str, bytes] = {}
        self._meta: dict[bytes, tuple[int, int, int]] = {}
        self._names: dict[bytes, tuple[str, str]] = {}
        self._times: dict[bytes, int] = {}

    def __iter__(self) -> Iterator[Entry]:
        count = 0
        limit = self.limits.entries
        while True:
            at = self._at + self._left + self._pad
            if at <= len(self._buffer):
                self._at = at
                self._left = self._pad = 0
            else:
                self._skip()
                at = self._at
            block = self._buffer[at : at + BLOCK_SIZE]
            entry = self._quick(block) if len(block) == BLOCK_SIZE else None
            if entry is None:
                entry = self._slow()
                if entry is None:
                    return
            count += 1
            if count > limit:
                raise self._too_many()
            yield entry

    def _quick(self, block: bytes) -> Entry | None:
        """The entry of a header as nearly all are; None where there is more to look at."""
        kind = _QUICK.get(block[156])
        if kind is None or self._global:
            return None
        name, owner, size, time, check, _, link, magic, names, _, prefix = FIELDS.unpack(block)
        # The low half of Adler-32 is one more than the sum of the bytes, if that is not large.
        if check != b"%06o\0 " % ((adler32(block) & 0xFFFF) + 255 - sum(check)):
            return None
        meta = self._meta.get(owner)
        mtime = self._times.get(time)
        pair = self._names.get(names)
        digits = size[:11]
        if meta is None or mtime is None or pair is None or not digits.isdigit():
            return None
        raw = name.partition(b"\0")[0]
        if prefix[0]:
            if magic != USTAR or block[475]:
                return None
            raw = prefix.partition(b"\0")[0] + b"/" + raw
        path = raw.decode("utf-8", "surrogateescape")
        if path[:2] == "./":
            path = path[2:]
        if kind is DIR and path[-1:] == "/":
            path = path[:-1]
        if not path or path[0] in "/." or path[-1] == "/" or "/." in path or "//" in path:
            return None
        self._at += BLOCK_SIZE
        stored = 0
        if kind is FILE:
            stored = self._left = int(digits, 8)
            self._pad = -stored & (BLOCK_SIZE - 1)
        entry = self._entry = Entry(
            path,
            kind,
            meta[0],
            meta[1],
            meta[2],
            stored,
            mtime,
            link.partition(b"\0")[0].decode("utf-8", "surrogateescape") if kind is SYMLINK else "",
            _NO_DEVICE,
            {},
            self._base + self._at,
            None,
            None,
            pair[0],
            pair[1],
        )
        return entry

    def _slow(self) -> Entry | None:
        """The next entry, whatever it takes; None at the end of the archive."""
        extended: dict[str, bytes] = {}
        pending = False
        headers = 0
        while True:
            block = self._header()
            if block is None:
                if pending:
                    raise BadArchive("the archive ends after a header that belongs to an entry")
                return None
            flag = block[156:157]
            headers += 1
            if headers > self.limits.entries:
                raise self._too_many()
            if flag in _EXTENDED:
                pending = self._extend(block, flag, extended) or pending
                continue
            entry = self._parse(block, flag, extended)
            if entry is not None:
                self._entry = entry
                return entry
            extended.clear()
            pending = False

    def _too_many(self) -> TooMuch:
        return TooMuch(f"the archive has more than {self.limits.entries} entries")

    def _header(self) -> bytes | None:
        """The next header block, checked; None at the end of the archive."""
        at = self._at
        block = self._buffer[at : at + BLOCK_SIZE]
        if len(block) == BLOCK_SIZE:
            self._at = at + BLOCK_SIZE
        else:
            block = self.take(BLOCK_SIZE)
            if not block:
                return None  # without the two zero blocks: common, and harmless
            if len(block) < BLOCK_SIZE:
                raise BadArchive("the archive ends in the middle of a header")
        if not block[0] and block == ZERO_BLOCK:
            follower = self.take(BLOCK_SIZE)
            if follower.strip(b"\0"):
                raise BadArchive("the archive goes on after a block of zeros")
            return None
        if not checksum_is(block, number(block[148:156], "checksum")):
            raise BadArchive(
                f"the header at byte {self._base + self._at - BLOCK_SIZE} is not one of tar: "
                "its checksum is wrong"
            )
        return block

    def _extend(self, block: bytes, flag: bytes, extended: dict[str, bytes]) -> bool:
        """Read a header that describes the next entry, or (False) all that follow."""
        size = number(block[124:136], "size")
        if not 0 <= size <= self.limits.extended:
            raise TooMuch(
                f"an extended header of {size} bytes is larger than {self.limits.extended}"
            )
        data = self.take(size)
        if len(data) < size:
            raise self.cut()
        self._pad = -size % BLOCK_SIZE
        self._skip()
        what = _EXTENDED[flag]
        if what == "g":
            self._global.update(pax.records(data))
            if sum(map(len, self._global)) > self.limits.extended:
                raise TooMuch("the global PAX headers are too large")
            return False
        if what:
            extended[what] = data.partition(b"\0")[0]
        else:
            extended.update(pax.records(data))
        return True

    def _parse(self, block: bytes, flag: bytes, extended: dict[str, bytes]) -> Entry | None:
        name, owner, size_field, time, _, _, link, magic, names, device, prefix = FIELDS.unpack(
            block
        )
        meta = self._meta.get(owner)
        if meta is None:
            meta = self._remember_owner(owner)
        mtime = self._times.get(time)
        if mtime is None:
            mtime = self._remember_time(time)
        uname, gname = self._names.get(names) or self._remember_names(names)
        digits = size_field[:11]
        size = int(digits, 8) if digits.isdigit() else number(size_field, "size")
        path = text(name)
        if prefix[0] and magic[:6] == b"ustar\0":
            if block[508:512] == b"tar\0":  # star keeps times where the prefix ends
                prefix = prefix[:131]
            path = f"{text(prefix)}/{path}"
        kind = _TYPES.get(flag)
        entry = Entry(
            path,
            kind or FILE,
            meta[0],
            meta[1],
            meta[2],
            size,
            mtime,
            text(link) if link[0] else "",
            (number(device[:8], "device"), number(device[8:], "device"))
            if flag in b"34"
            else _NO_DEVICE,
            {},
            self._base + self._at,
            None,
            None,
            uname,
            gname,
        )
        if extended or self._global:
            self._amend(entry, extended)
        if kind is None:
            self._unknown(flag, entry)
            if flag[0] in _SKIPPED:
                self._left, self._pad = entry.size, -entry.size % BLOCK_SIZE
                self._entry = entry
                self._skip()
                return None
        return self._finish(entry, flag, block, magic, extended)

    def _finish(
        self, entry: Entry, flag: bytes, block: bytes, magic: bytes, extended: dict[str, bytes]
    ) -> Entry:
        """Settle where the entry's data is, and what it is called."""
        path = entry.path
        stored = entry.size
        if stored < 0:
            raise BadArchive(f'the size of "{printable(path)}" is negative: {stored}')
        if flag[0] in _HEADER_ONLY:
            entry.size = stored = 0
        elif entry.type is FILE and path[-1:] == "/" and flag in b"0\0":
            entry.type = DIR  # as tars before 1988 wrote directories
        self._left = stored
        self._pad = -stored % BLOCK_SIZE
        self._entry = entry
        if flag == b"S":
            if magic != GNU:
                raise BadEntry(f'"{printable(path)}" is sparse in a way that no known tar writes')
            sparse.settle_old(entry, block, self)
        elif extended and any(key.startswith("GNU.sparse.") for key in extended):
            sparse.settle(entry, extended, self)
        if entry.type is DIR:
            entry.size = 0
        path = entry.path
        if len(path) > 1000 or len(entry.link) > 1000:
            self._check_length(path)
            self._check_length(entry.link)
        entry.path = clean(path)
        if entry.type is HARDLINK:
            entry.link = clean(entry.link, "hard link target")
        return entry

    def _check_length(self, name: str) -> None:
        if len(name.encode("utf-8", "surrogateescape")) > self.limits.name:
            raise BadEntry(f'the name "{printable(name)}" is longer than {self.limits.name} bytes')

    def _unknown(self, flag: bytes, entry: Entry) -> None:
        """Refuse the type flags whose data is not a whole file; others are files (POSIX pax)."""
        if flag == b"M":
            raise BadEntry(f'"{printable(entry.path)}" is a part of an archive of several volumes')
        if flag == b"N":
            raise BadEntry("the archive has long names in GNU tar's format of before 1989")

    # --- fields that repeat

    def _remember_owner(self, owner: bytes) -> tuple[int, int, int]:
        meta = (
            number(owner[:8], "mode") & 0o7777,
            number(owner[8:16], "owner"),
            number(owner[16:24], "group"),
        )
        if len(self._meta) >= _MEMORY:
            self._meta.clear()
        self._meta[owner] = meta
        return meta

    def _remember_time(self, time: bytes) -> int:
        mtime = number(time, "time") * 1_000_000_000
        if len(self._times) >= _MEMORY:
            self._times.clear()
        self._times[time] = mtime
        return mtime

    def _remember_names(self, names: bytes) -> tuple[str, str]:
        pair = text(names[:32]), text(names[32:])
        if len(self._names) >= _MEMORY:
            self._names.clear()
        self._names[names] = pair
        return pair

    # --- extended headers

    def _amend(self, entry: Entry, extended: dict[str, bytes]) -> None:
        """Let the extended headers overrule the header; an empty value takes a record back."""
        for key, value in (
            {**self._global, **extended}.items() if self._global else extended.items()
        ):
            if key.startswith(pax.XATTR):
                name = key[len(pax.XATTR) :]
                if name and "\0" not in name:
                    entry.xattrs[name] = value
            elif not value:
                continue
            elif key == "path":
                entry.path = _decode(value)
            elif key == "linkpath":
                entry.link = _decode(value)
            elif key == "size":
                entry.size = pax.integer(value, key)
            elif key == "mtime":
                entry.mtime = pax.nanoseconds(value, key)
            elif key == "uid":
                entry.uid = pax.integer(value, key)
            elif key == "gid":
                entry.gid = pax.integer(value, key)
            elif key == "uname":
                entry.uname = _decode(value)
            elif key == "gname":
                entry.gname = _decode(value)


_NO_DEVICE = (0, 0)


def _decode(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


def read(stream: BinaryIO, limits: Limits = DEFAULT) -> Iterator[tuple[Entry, Reader]]:
    """Each entry of the plain tar `stream`, with the reader that holds its data until the next."""
    reader = Reader(stream.read, limits)
    for entry in reader:
        yield entry, reader
