"""An EROFS image of names and metadata alone: file data stays in the plain tar beside it.

Linux, filesystems/erofs.rst and fs/erofs/erofs_fs.h. The image has blocks of 512 bytes, as tar has,
so that a file is a chunk of its second device, which is the tar:

    0      nothing
    1024   super block, then the slot of the second device
    1536   inodes of 64 bytes, each followed by its attributes and its link text or chunk indexes
    ...    names of directories, and link texts that fit in no block with their inode

The same nodes give the same bytes.
"""

from __future__ import annotations

import hashlib
import stat
import struct

BLOCK = 512  # bytes
NAME = 255  # bytes of a name at most
CHUNKS = 1 << 21  # chunk indexes of one image at most: 16 MiB

_BITS = 9  # of BLOCK
_META = 3  # the block where inodes begin
_FIRST = 2  # the root's inode number; with 0, programs take an entry for a deleted one
_SLOT = 32  # bytes that inode numbers count by
_INODE = 64
_MAGIC = 0xE0F5E1E2
_SUPER = struct.Struct("<IIIBBHQQIIII16s16sIHHHBBIQ24x")
_HAS_MTIME = 0x2  # feature_compat
_CHUNKED_WITH_DEVICES = 0x4 | 0x8  # feature_incompat
_DEVICE = struct.Struct("<64sII56x")

# format, attributes, mode, reserved, size, union, number, owner, group, seconds, ns, names
_EXTENDED = struct.Struct("<HHHHQIIIIqII16x")
_FLAT, _INLINE, _CHUNKED = (1 | layout << 1 for layout in (0, 2, 4))
_INDEXES = 0x20  # in the union of a file: chunk indexes, not bare addresses
_INDEX = struct.Struct("<HHI")  # advice, device, block
_HOLE = 0xFFFFFFFF
_FILE = struct.Struct("<HHHHQIIIIqII16xHHI24x")  # an inode, its one chunk, and up to a slot
_DIRECTORY = stat.S_IFDIR >> 12
_MOST_BITS = 31  # a chunk has at most 2 ** (9 + 31) bytes, which is what a layer may have

_DIRENT = "QHBx"  # number, where the name begins, type
_DIRENT_SIZE = 12
# By the bits of a mode above its twelve: pipe 5, character device 3, directory 2, block device 4,
# file 1, link 7.
_TYPES = (0, 5, 3, 0, 2, 0, 4, 0, 1, 0, 7)
_SPACES = {"user": 1, "trusted": 4, "security": 6}
_XATTR_HEADER = 12
_XATTRS_ROOM = _XATTR_HEADER + 4 * 0xFFFE  # bytes that the inode's field can count


class Node:
    """One inode of an image; a file with several names is one node in several directories."""

    __slots__ = ("chunks", "inside", "mode", "mtime", "names", "nid", "owner", "size", "xattrs")

    def __init__(self, mode: int, owner: tuple[int, int], mtime: int) -> None:
        self.mode = mode  # with its type
        self.owner = owner
        self.mtime = mtime  # nanoseconds
        self.size = 0  # bytes of a file
        self.names = 1
        self.nid = 0
        # A directory's names, a link's text, a device's number, where a file begins in the tar.
        self.inside: dict[str, Node] | bytes | int = 0
        self.chunks: Chunks | None = None  # of a file with holes
        self.xattrs = b""  # as `pack_xattrs` made them


class Chunks:
    """A file in pieces of one size, each either somewhere in the tar or a hole."""

    __slots__ = ("bits", "blocks")

    def __init__(self, bits: int, blocks: list[int]) -> None:
        self.bits = bits  # of the size, in blocks
        self.blocks = blocks  # where in the tar each is, or _HOLE


def pack_xattrs(xattrs: dict[str, bytes]) -> bytes | None:
    """Attributes as they lie behind an inode; None if the format has no place for one."""
    parts = [bytes(_XATTR_HEADER)]
    total = _XATTR_HEADER
    for key in sorted(xattrs):
        value = xattrs[key]
        space, _, rest = key.partition(".")
        index, name = _SPACES.get(space), rest.encode("utf-8", "surrogateescape")
        if index is None or not name or len(space) + 1 + len(name) > NAME or len(value) > 0xFFFF:
            return None
        entry = struct.pack("<BBH", len(name), index, len(value)) + name + value
        entry += bytes(-len(entry) % 4)
        parts.append(entry)
        total += len(entry)
    return b"".join(parts) if total <= _XATTRS_ROOM else None


def chunks_of(size: int, offset: int, sparse: tuple[tuple[int, int], ...]) -> Chunks | None:
    """The chunks of a sparse file whose data begins at `offset` of the tar; None if it has none.

    Every piece has to begin and end between chunks; the last may end with the file.
    """
    edges = 1 << (_BITS + _MOST_BITS)
    for start, length in sparse:
        edges |= start
        if start + length != size:
            edges |= start + length
    bits = (edges & -edges).bit_length() - 1 - _BITS
    if bits < 0 or offset % BLOCK:
        return None
    bits = min(bits, max(0, (size - 1).bit_length() - _BITS))
    count = _count(size, bits)
    if count > CHUNKS:
        return None
    blocks = [_HOLE] * count
    at = offset
    for start, length in sparse:
        first = start >> (_BITS + bits)
        for number in range(_count(length, bits)):
            blocks[first + number] = (at >> _BITS) + (number << bits)
        at += length
    return Chunks(bits, blocks)


def _count(size: int, bits: int) -> int:
    """How many chunks `size` bytes take."""
    return (size + (BLOCK << bits) - 1) >> (_BITS + bits)


def image(root: Node, data_size: int) -> bytearray:
    """The image of the tree `root` over a tar of `data_size` bytes, a multiple of BLOCK."""
    return _Writer(root).write(data_size)


class _Writer:
    """Writes inodes as they get their numbers, and the names of directories behind them all."""

    def __init__(self, root: Node) -> None:
        self._root = root
        self._out = bytearray(_META * BLOCK + _FIRST * _SLOT)
        self._count = 0  # of the inodes so far
        # Directories and long links, with their serial numbers: content of theirs lies behind.
        self._late: list[tuple[Node, int]] = []
        # Of each directory by its number: its content, how much of that counts, its links.
        self._listings: dict[int, tuple[bytes, int, int]] = {}

    def write(self, data_size: int) -> bytearray:
        self._walk()
        out = self._out
        out += bytes(-len(out) % BLOCK)
        at = len(out) // BLOCK
        behind: list[bytes] = []
        for node, serial in self._late:
            if isinstance(node.inside, bytes):
                content, size, links = node.inside, len(node.inside), node.names
            else:
                content, size, links = self._listings[node.nid]
            _put(out, node, serial, _FLAT, size, at, links)
            behind.append(content + bytes(-len(content) % BLOCK))
            at += len(behind[-1]) // BLOCK
        out += b"".join(behind)
        _put_super(out, self._root.nid, self._count, data_size)
        return out

    def _walk(self) -> None:
        """Every inode in its turn; directories before what is in them, the root first."""
        out, pack, times = self._out, _FILE.pack, _Times()
        self._add(self._root)
        waiting = [(self._root, self._root)]
        for node, parent in waiting:
            assert isinstance(node.inside, dict)
            names = [(b".", node.nid, _DIRECTORY), (b"..", parent.nid, _DIRECTORY)]
            for name, child in node.inside.items():
                mode, size = child.mode, child.size
                if child.nid:
                    pass  # another name of a file
                elif size and not child.xattrs and child.chunks is None:
                    # What `_add` does, for nearly all of them.
                    at = child.inside
                    assert isinstance(at, int)
                    child.nid = (len(out) - _META * BLOCK) // _SLOT
                    self._count = serial = self._count + 1
                    union = _INDEXES | max(0, (size - 1).bit_length() - _BITS)
                    fields = (mode, 0, size, union, serial, *child.owner, *times[child.mtime])
                    out += pack(_CHUNKED, 0, *fields, child.names, 0, 1, at >> _BITS)
                else:
                    self._add(child)
                    if mode >> 12 == _DIRECTORY:
                        waiting.append((child, node))
                names.append((name.encode("utf-8", "surrogateescape"), child.nid, mode >> 12))
            names.sort()
            links = [kind for _, _, kind in names].count(_DIRECTORY)
            self._listings[node.nid] = (*_listing(names), links)

    def _add(self, node: Node) -> None:
        """Give `node` its number, and write it unless that has to wait."""
        out, size = self._out, _INODE + len(node.xattrs)
        layout, inline = _FLAT, b""
        if node.size:
            layout = _CHUNKED
            count = 1 if node.chunks is None else len(node.chunks.blocks)
            size = (size + 7 & ~7) + count * _INDEX.size
        elif stat.S_ISLNK(node.mode) and _is_inline(node):
            assert isinstance(node.inside, bytes)
            layout, inline = _INLINE, node.inside
            size += len(inline)
            if len(out) % BLOCK + size > BLOCK:  # inline data lies in one block
                out += bytes(-len(out) % BLOCK)
        node.nid = (len(out) - _META * BLOCK) // _SLOT
        self._count += 1
        out += bytes(size + -size % _SLOT)
        if stat.S_ISDIR(node.mode) or (layout == _FLAT and isinstance(node.inside, bytes)):
            self._late.append((node, self._count))
            return
        end = _put(out, node, self._count, layout, node.size or len(inline), 0, node.names)
        if layout == _CHUNKED:
            _put_chunks(out, node, end + 7 & ~7)
        out[end : end + len(inline)] = inline


class _Times(dict[int, tuple[int, int]]):
    """Seconds and nanoseconds of nanoseconds."""

    def __missing__(self, time: int) -> tuple[int, int]:
        self[time] = parts = divmod(time, 1_000_000_000)
        return parts


def _is_inline(link: Node) -> bool:
    assert isinstance(link.inside, bytes)
    return _INODE + len(link.xattrs) + len(link.inside) <= BLOCK


def _put(
    out: bytearray, node: Node, serial: int, layout: int, size: int, at: int, links: int
) -> int:
    """Write an inode and its attributes; where they end."""
    if layout == _CHUNKED:
        bits = (size - 1).bit_length() - _BITS if node.chunks is None else node.chunks.bits
        union = _INDEXES | max(0, bits)
    elif layout == _FLAT and size:
        union = at
    else:
        union = node.inside if isinstance(node.inside, int) and not stat.S_ISREG(node.mode) else 0
    seconds, nanoseconds = divmod(node.mtime, 1_000_000_000)
    length = len(node.xattrs)
    count = (length - _XATTR_HEADER) // 4 + 1 if length else 0
    start = _META * BLOCK + node.nid * _SLOT
    _EXTENDED.pack_into(
        out,
        start,
        layout,
        count,
        node.mode,
        0,
        size,
        union,
        serial,
        *node.owner,
        seconds,
        nanoseconds,
        links,
    )
    start += _INODE
    if length:
        out[start : start + length] = node.xattrs
    return start + length


def _put_chunks(out: bytearray, node: Node, at: int) -> None:
    if node.chunks is None:
        assert isinstance(node.inside, int)
        _INDEX.pack_into(out, at, 0, 1, node.inside >> _BITS)
        return
    for block in node.chunks.blocks:
        _INDEX.pack_into(out, at, 0, 0 if block == _HOLE else 1, block)
        at += _INDEX.size


def _listing(names: list[tuple[bytes, int, int]]) -> tuple[bytes, int]:
    """The names of a directory block by block, and how many bytes of that count."""
    used = len(names) * _DIRENT_SIZE + sum([len(name) for name, _, _ in names])
    if used <= BLOCK:
        return _listed(names), used
    blocks: list[bytes] = []
    begun = used = 0
    for at, (name, _, _) in enumerate(names):
        need = _DIRENT_SIZE + len(name)
        if used + need > BLOCK:
            block = _listed(names[begun:at])
            blocks.append(block + bytes(BLOCK - len(block)))
            begun, used = at, 0
        used += need
    blocks.append(_listed(names[begun:]))
    return b"".join(blocks), (len(blocks) - 1) * BLOCK + used


def _listed(batch: list[tuple[bytes, int, int]]) -> bytes:
    fields: list[int] = []
    at = len(batch) * _DIRENT_SIZE
    for name, nid, kind in batch:
        fields += (nid, at, _TYPES[kind])
        at += len(name)
    names = b"".join([name for name, _, _ in batch])
    return struct.pack("<" + _DIRENT * len(batch), *fields) + names


def _put_super(out: bytearray, root: int, inodes: int, data_size: int) -> None:
    """The super block, with a digest of the rest as identity: overlayfs remembers files by that."""
    identity = hashlib.sha256(out).digest()[:16]
    _SUPER.pack_into(
        out,
        1024,
        _MAGIC,
        0,
        _HAS_MTIME,
        _BITS,
        0,
        root,
        inodes,
        0,
        0,
        len(out) // BLOCK,
        _META,
        0,
        identity,
        b"",
        _CHUNKED_WITH_DEVICES,
        0,
        1,
        1152 // 128,
        0,
        0,
        0,
        0,
    )
    _DEVICE.pack_into(out, 1152, b"", data_size >> _BITS, 0)
