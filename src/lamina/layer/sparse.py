"""Sparse files: the four ways in which tar says where their holes are.

GNU tar manual, "Storing Sparse Files": the old format in the header itself, and the PAX formats
0.0, 0.1 and 1.0.
"""

from __future__ import annotations

from lamina.layer import pax
from lamina.layer.entry import Entry
from lamina.layer.header import BLOCK, number, printable
from lamina.layer.limits import BadArchive, BadEntry, TooMuch
from lamina.layer.stream import Stream

Map = tuple[tuple[int, int], ...]


def settle(entry: Entry, records: dict[str, bytes], stream: Stream) -> None:
    """Make the entry of a PAX sparse file what it means; until then `size` is what is stored."""
    stored = entry.size
    name = records.get("GNU.sparse.name")
    if name:
        entry.path = name.decode("utf-8", "surrogateescape")
    real = records.get("GNU.sparse.realsize") or records.get("GNU.sparse.size")
    version = records.get("GNU.sparse.major"), records.get("GNU.sparse.minor")
    if version == (b"1", b"0"):
        used, sparse = _map_in_data(stream)
        stored -= used
        entry.offset += used
    elif "GNU.sparse.map" in records:
        sparse = _pairs(records["GNU.sparse.map"])
    else:
        return
    if real is None:
        raise BadArchive(f'the sparse file "{printable(entry.path)}" has no size')
    entry.size = _size(pax.integer(real, "GNU.sparse.realsize"), entry)
    entry.sparse = _checked(sparse, entry.size, stored, entry.path)


def settle_old(entry: Entry, block: bytes, stream: Stream) -> None:
    """GNU's first format: four pieces in the header, more in blocks that follow it."""
    fields, more = [block[386:482]], block[482]
    while more:
        extra = stream.take(BLOCK)
        if len(extra) < BLOCK:
            raise stream.cut()
        entry.offset += BLOCK
        fields.append(extra[:504])
        more = extra[504]
        if len(fields) * BLOCK > stream.limits.extended:
            raise TooMuch(f'the sparse map of "{printable(entry.path)}" is too long')
    raw = b"".join(fields)
    pairs = []
    for at in range(0, len(raw), 24):
        if not raw[at]:
            break
        pairs.append((number(raw[at : at + 12], "map"), number(raw[at + 12 : at + 24], "map")))
    stored = entry.size
    entry.size = _size(number(block[483:495], "size"), entry)
    entry.sparse = _checked(tuple(pairs), entry.size, stored, entry.path)


def _map_in_data(stream: Stream) -> tuple[int, Map]:
    """Read the map that opens the data of a file of format 1.0: its length there, and itself."""
    read = b""
    wanted = BLOCK
    while True:
        wanted += -wanted % BLOCK
        more = stream.take_data(wanted - len(read))
        if not more or wanted > stream.limits.extended:
            raise BadArchive("the sparse map of a file is cut short or too long")
        read += more
        wanted, sparse = _lines(read)
        if sparse is None:
            continue
        if wanted != len(read):
            raise BadArchive("the sparse map of a file is not where it belongs")
        return wanted, sparse


def _size(size: int, entry: Entry) -> int:
    if not 0 <= size < 1 << 63:
        raise BadEntry(f'the size of "{printable(entry.path)}" is {size}')
    return size


def _pairs(value: bytes) -> Map:
    """The map of format 0.0 and 0.1: offset and length, in turn, with commas."""
    numbers = [pax.integer(part, "GNU.sparse.map") for part in value.split(b",")] if value else []
    if len(numbers) % 2:
        raise BadArchive("the sparse map of a PAX header has an odd number of values")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def _lines(text: bytes) -> tuple[int, Map | None]:
    """Read the map of format 1.0, which opens the data: lines of decimal numbers, a count first.

    How many bytes of `text` the map takes, padding to a block included, and the map; or
    (bytes wanted at least, None) while `text` is too short.
    """
    end = text.find(b"\n")
    if end < 0:
        if len(text) > 20:
            raise BadArchive("the sparse map of a file does not begin with a number")
        return len(text) + BLOCK, None
    count = pax.integer(text[:end], "sparse map")
    if not 0 <= count <= 1 << 24:
        raise BadArchive(f"the sparse map of a file claims {count} pieces")
    lines = text.split(b"\n", 2 * count + 1)
    if len(lines) <= 2 * count + 1:
        return max(len(text) + BLOCK, 4 * count), None
    numbers = [pax.integer(line, "sparse map") for line in lines[1 : 2 * count + 1]]
    used = len(text) - len(lines[-1])
    used += -used % BLOCK
    return used, tuple(zip(numbers[::2], numbers[1::2], strict=True))


def opening(sparse: Map) -> bytes:
    """The map as format 1.0 writes it before the data, padded to a block."""
    lines = [str(len(sparse))]
    for offset, length in sparse:
        lines += (str(offset), str(length))
    data = ("\n".join(lines) + "\n").encode()
    return data + bytes(-len(data) % BLOCK)


def _checked(sparse: Map, size: int, stored: int, path: str) -> Map:
    """`sparse` if its pieces are in order, inside `size`, and `stored` bytes in all."""
    at = total = 0
    for offset, length in sparse:
        if offset < at or length < 0 or offset + length > size:
            raise BadEntry(f'the sparse map of "{printable(path)}" is out of order or too long')
        at = offset + length
        total += length
    if total != stored:
        raise BadEntry(
            f'the sparse map of "{printable(path)}" names {total} bytes, the archive has {stored}'
        )
    return tuple(piece for piece in sparse if piece[1])
