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
from collections.abc import Iterable

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
_FILE = struct.Struct("<HHHHQIIIIqII16xHHI")  # an inode and its one chunk
_MOST_BITS = 31  # a chunk has at most 2 ** (9 + 31) bytes, which is what a layer may have

_DIRENT = struct.Struct("<QHBx")
_TYPES = {
    stat.S_IFREG: 1,
    stat.S_IFDIR: 2,
    stat.S_IFCHR: 3,
    stat.S_IFBLK: 4,
    stat.S_IFIFO: 5,
    stat.S_IFLNK: 7,
}
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
    def __init__(self, root: Node) -> None:
        self._root = root
        self._end = _META * BLOCK + _FIRST * _SLOT  # of the inodes so far
        self._order: list[Node] = []
        # Of each directory: what is in it by name, sorted, itself and its parent included.
        self._listings: dict[int, list[tuple[bytes, Node]]] = {}

    def write(self, data_size: int) -> bytearray:
        self._place()
        at = -(-self._end // BLOCK)
        out = bytearray(at * BLOCK)
        behind: list[bytes] = []
        for serial, node in enumerate(self._order, 1):
            if node.size and not node.xattrs and node.chunks is None:
                _put_file(out, node, serial)
                continue
            content, size, layout, links = b"", node.size, _CHUNKED, node.names
            kind = stat.S_IFMT(node.mode)
            if kind == stat.S_IFDIR:
                names = self._listings[node.nid]
                content, size = _listing(names)
                layout, links = _FLAT, sum(1 for _, one in names if stat.S_ISDIR(one.mode))
            elif kind == stat.S_IFLNK:
                assert isinstance(node.inside, bytes)
                size = len(node.inside)
                layout = _INLINE if _is_inline(node) else _FLAT
                content = node.inside
            elif kind != stat.S_IFREG or not size:
                layout = _FLAT
            end = _put(out, node, serial, layout, size, at, links)
            if layout == _INLINE:
                out[end : end + size] = content
            elif layout == _CHUNKED:
                _put_chunks(out, node, end + 7 & ~7)
            elif content:
                behind.append(content + bytes(-len(content) % BLOCK))
                at += len(behind[-1]) // BLOCK
        out += b"".join(behind)
        _put_super(out, self._root.nid, len(self._order), data_size)
        return out

    def _place(self) -> None:
        """Give every inode its number; directories before what is in them, the root first."""
        self._number(self._root)
        waiting = [(self._root, self._root)]
        for node, parent in waiting:
            assert isinstance(node.inside, dict)
            names = [(b".", node), (b"..", parent)]
            for name, child in node.inside.items():
                names.append((name.encode("utf-8", "surrogateescape"), child))
                if not child.nid:  # else another name of a file
                    self._number(child)
                    if stat.S_ISDIR(child.mode):
                        waiting.append((child, node))
            names.sort(key=_name)
            self._listings[node.nid] = names

    def _number(self, node: Node) -> None:
        size = _INODE + len(node.xattrs)
        if node.size:
            count = 1 if node.chunks is None else len(node.chunks.blocks)
            size = (size + 7 & ~7) + count * _INDEX.size
        elif stat.S_ISLNK(node.mode) and _is_inline(node):
            assert isinstance(node.inside, bytes)
            size += len(node.inside)
            if self._end % BLOCK + size > BLOCK:  # inline data lies in one block
                self._end += -self._end % BLOCK
        node.nid = (self._end - _META * BLOCK) // _SLOT
        self._end += size + -size % _SLOT
        self._order.append(node)


def _name(pair: tuple[bytes, Node]) -> bytes:
    return pair[0]


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


def _put_file(out: bytearray, node: Node, serial: int) -> None:
    """What `_put` and `_put_chunks` write for nearly all of the nodes, in one go."""
    size, at, (uid, gid) = node.size, node.inside, node.owner
    assert isinstance(at, int)
    bits = max(0, (size - 1).bit_length() - _BITS)
    seconds, nanoseconds = divmod(node.mtime, 1_000_000_000)
    fields = (_CHUNKED, 0, node.mode, 0, size, _INDEXES | bits, serial, uid, gid)
    times = (seconds, nanoseconds, node.names)
    start = _META * BLOCK + node.nid * _SLOT
    _FILE.pack_into(out, start, *fields, *times, 0, 1, at >> _BITS)


def _put_chunks(out: bytearray, node: Node, at: int) -> None:
    if node.chunks is None:
        assert isinstance(node.inside, int)
        _INDEX.pack_into(out, at, 0, 1, node.inside >> _BITS)
        return
    for block in node.chunks.blocks:
        _INDEX.pack_into(out, at, 0, 0 if block == _HOLE else 1, block)
        at += _INDEX.size


def _listing(names: Iterable[tuple[bytes, Node]]) -> tuple[bytes, int]:
    """The names of a directory block by block, and how many bytes of that count."""
    blocks: list[bytes] = []
    batch: list[tuple[bytes, Node]] = []
    used = 0
    for pair in names:
        need = _DIRENT.size + len(pair[0])
        if used + need > BLOCK:
            block = _listed(batch)
            blocks.append(block + bytes(BLOCK - len(block)))
            batch, used = [], 0
        batch.append(pair)
        used += need
    blocks.append(_listed(batch))
    return b"".join(blocks), (len(blocks) - 1) * BLOCK + used


def _listed(batch: list[tuple[bytes, Node]]) -> bytes:
    parts = []
    at = len(batch) * _DIRENT.size
    for name, node in batch:
        parts.append(_DIRENT.pack(node.nid, at, _TYPES[stat.S_IFMT(node.mode)]))
        at += len(name)
    parts += [name for name, _ in batch]
    return b"".join(parts)


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
