"""A layer's tree as inodes in memory, whose data stays in the tar (`layer.erofs` writes them).

The layer is read as `layer.apart` reads it: what overlayfs will show is as if it were laid onto
the tree below. Directories that the layer only implies take after those below, which the sketch
learns last, by `settle`. A layer that cannot be drawn this way leans, and is unpacked: as does one

    with a name below something that is no directory in this layer, or is a link below
    with a hard link to a file that it does not bring, or a name that comes twice
    that deletes what it brought, or all below the root; with AUFS's names, or devices 0/0
    with attributes, owners or times that EROFS has no place for or ext4 would not keep
    with holes that do not lie between blocks of the tar, or of more names than memory is for
"""

from __future__ import annotations

import errno
import os
import stat
from typing import BinaryIO

from lamina.fs.metadata import PRIVATE_XATTRS, read_xattrs
from lamina.fs.syscalls import RESOLVE_IN_ROOT, RESOLVE_NO_SYMLINKS, openat2
from lamina.layer import whiteout
from lamina.layer.apply import Applied, lay
from lamina.layer.entry import BLOCK, CHAR, DIR, FIFO, FILE, HARDLINK, SYMLINK, Entry
from lamina.layer.erofs import BLOCK as BLOCK_SIZE
from lamina.layer.erofs import CHUNKS, NAME, Node, chunks_of, image, pack_xattrs
from lamina.layer.extract import Leans
from lamina.layer.limits import DEFAULT, Limits
from lamina.layer.reader import Reader
from lamina.values import dataclass

_OPAQUE = {"trusted.overlay.opaque": b"y"}
_ROOM = 128 << 20  # bytes of memory for one sketch, by the estimate below
_EACH = 400  # bytes of memory that a name takes, itself not counted
_TYPES = {SYMLINK: stat.S_IFLNK, CHAR: stat.S_IFCHR, BLOCK: stat.S_IFBLK, FIFO: stat.S_IFIFO}
_OWNERS = (1 << 32) - 1  # chown(2) takes the last one for "as it is"
_TIMES = range(-(1 << 31), 1 << 33)  # seconds; what ext4 keeps as well
_IMPLIED = stat.S_IFDIR | 0o755
_LOOK = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
_READ = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


@dataclass(frozen=True, slots=True)
class Sketched:
    """A layer that has been read; where `applied.leans`, the sketch is of no use."""

    applied: Applied
    sketch: Sketch


def read(stream: BinaryIO, plain: int, *, limits: Limits | None = None) -> Sketched:
    """Read the layer `stream`, and write its plain tar to the file `plain` if it is compressed.

    Raises as `layer.apply`.
    """
    sketch = Sketch()
    return Sketched(lay(stream, sketch, limits or DEFAULT, plain=plain), sketch)


class Sketch:
    """The tree of one layer: entries go in, then `settle`, then the bytes of the image come out."""

    def __init__(self) -> None:
        self.root = Node(_IMPLIED, (0, 0), 0)
        self._directories: dict[str, Node] = {"": self.root}
        self.root.inside = {}
        self._implied = {""}  # directories that the layer has no entry for
        self._whiteouts: set[str] = set()
        self._opaque: set[str] = set()
        self._xattrs: dict[str, dict[str, bytes]] = {}  # of directories that have some
        self.memory = 0  # bytes, by estimate
        self._chunks = 0
        self._refused: dict[str, int] = {}

    # --- entries, for `apply.lay`

    late: Entry | None = None

    def add(self, entry: Entry, _reader: Reader | None = None) -> None:
        """Draw `entry`. Leans if it cannot be drawn."""
        path = entry.path
        directory, _, name = path.rpartition("/")
        self.memory += _EACH + len(path)
        if self.memory > _ROOM or (len(name) > 63 and len(os.fsencode(name)) > NAME):
            raise Leans
        if ".wh." in path and name.startswith(whiteout.PREFIX):
            self._delete(directory, name)
            return
        names = self._names(directory)
        kind = entry.type
        if kind is DIR:
            self._directory(entry, names, name)
            return
        if name in names or path == ".":
            raise Leans
        names[name] = node = (
            self._link(entry) if kind is HARDLINK else self._node(entry, _TYPES.get(kind))
        )
        if kind is FILE:
            self._file(entry, node)
        self._whiteouts.discard(path)

    def finish(self) -> tuple[str, ...]:
        return tuple(
            f'the attribute "{name}" is for files and directories only ({count} times)'
            for name, count in sorted(self._refused.items())
        )

    def close(self) -> None:
        """For `apply.lay`; nothing is open."""

    def _node(self, entry: Entry, kind: int | None) -> Node:
        """A node with all but its content."""
        seconds = entry.mtime // 1_000_000_000
        if not (0 <= entry.uid < _OWNERS and 0 <= entry.gid < _OWNERS and seconds in _TIMES):
            raise Leans
        node = Node((kind or stat.S_IFREG) | entry.mode, (entry.uid, entry.gid), entry.mtime)
        if entry.xattrs:
            node.xattrs = self._packed(entry.xattrs, kind)
        if kind is None:
            return node
        if kind == stat.S_IFLNK:
            node.mode = stat.S_IFLNK | 0o777
            node.inside = entry.link.encode("utf-8", "surrogateescape")
            self.memory += len(node.inside)
            if not node.inside or len(node.inside) > 4095:
                raise Leans
        elif entry.type is not FIFO and kind != stat.S_IFDIR:
            major, minor = entry.device
            if not (0 <= major < 1 << 12 and 0 <= minor < 1 << 20) or entry.device == (0, 0):
                raise Leans
            node.inside = _device(major, minor)
        return node

    def _file(self, entry: Entry, node: Node) -> None:
        node.size, node.inside = entry.size, entry.offset
        if entry.sparse is not None:
            self._sparse(entry, node)
        elif entry.offset % BLOCK_SIZE:
            raise Leans

    def _sparse(self, entry: Entry, node: Node) -> None:
        node.chunks = chunks_of(entry.size, entry.offset, entry.sparse or ())
        self._chunks += len(node.chunks.blocks) if node.chunks is not None else CHUNKS + 1
        if self._chunks > CHUNKS:
            raise Leans

    def _link(self, entry: Entry) -> Node:
        """The node that a hard link is another name of; the last header says how it is."""
        directory, _, name = entry.link.rpartition("/")
        above = self._directories.get(directory)
        found = above.inside.get(name) if above and isinstance(above.inside, dict) else None
        if found is None or stat.S_ISDIR(found.mode):
            raise Leans
        kind = stat.S_IFMT(found.mode)
        if entry.xattrs:  # they would add to those that it has
            raise Leans
        if kind != stat.S_IFLNK:
            found.mode = kind | entry.mode
        if not (0 <= entry.uid < _OWNERS and 0 <= entry.gid < _OWNERS):
            raise Leans
        if entry.mtime // 1_000_000_000 not in _TIMES:
            raise Leans
        if (entry.uid, entry.gid) != found.owner:
            if found.xattrs:  # chown(2) takes some of them away
                raise Leans
            found.owner = entry.uid, entry.gid
        found.mtime = entry.mtime
        found.names += 1
        return found

    def _directory(self, entry: Entry, names: dict[str, Node], name: str) -> None:
        path = "" if entry.path == "." else entry.path
        node = self._node(entry, stat.S_IFDIR)
        there = self._directories.get(path)
        if there is not None:
            if path not in self._implied:
                raise Leans
            node.inside = there.inside
            self._implied.discard(path)
        elif name in names:
            raise Leans
        else:
            node.inside = {}
        if path:
            names[name] = node
        else:
            self.root = node
        self._directories[path] = node
        if entry.xattrs:
            self._xattrs[path] = {
                key: value
                for key, value in entry.xattrs.items()
                if not key.startswith(PRIVATE_XATTRS)
            }
        if path in self._whiteouts:
            self._whiteouts.discard(path)
            self._opaque.add(path)

    def _names(self, directory: str) -> dict[str, Node]:
        """What is in a directory; it is implied if it has no entry yet."""
        node = self._directories.get(directory) or self._imply(directory)
        assert isinstance(node.inside, dict)
        return node.inside

    def _imply(self, directory: str) -> Node:
        """The node of a directory that has no entry yet, and of those above it."""
        above, _, name = directory.rpartition("/")
        names = self._names(above)
        if name in names or directory in self._whiteouts:
            raise Leans
        if whiteout.is_whiteout(name) or len(directory) > 3000:
            raise Leans
        self.memory += _EACH + len(directory)
        node = names[name] = self._directories[directory] = Node(_IMPLIED, (0, 0), 0)
        node.inside = {}
        self._implied.add(directory)
        return node

    def _delete(self, directory: str, name: str) -> None:
        target = name[len(whiteout.PREFIX) :]
        if name == whiteout.OPAQUE and directory:
            self._opaque.add(directory)
            return
        strange = name.startswith(whiteout.META_PREFIX) or target in ("", ".", "..")
        there = self._directories.get(directory)
        if strange or (there and isinstance(there.inside, dict) and target in there.inside):
            raise Leans
        self._whiteouts.add(f"{directory}/{target}" if directory else target)

    def _packed(self, xattrs: dict[str, bytes], kind: int | None) -> bytes:
        """The attributes that a file system keeps for this kind of file."""
        kept = {}
        for name, value in xattrs.items():
            if name.startswith(PRIVATE_XATTRS):
                continue
            if name.startswith("user.") and kind not in (None, stat.S_IFDIR):
                self._refused[name] = self._refused.get(name, 0) + 1
                continue
            if name == "security.capability" and not _is_capability(value):
                raise Leans
            kept[name] = value
        packed = pack_xattrs(kept) if kept else b""
        if packed is None:
            raise Leans
        self.memory += len(packed)
        return packed

    # --- the end

    @property
    def asks_the_root_only(self) -> bool:
        """Whether `settle` looks at the root of the tree below, and at nothing in it."""
        return not self._whiteouts and not self._opaque and self._implied <= {""}

    def settle(self, below: int | None) -> None:
        """Learn what lies below: the descriptor of that tree's root, None for nothing.

        Leans if the layer means something else on it than was drawn.
        """
        deleted = [path for path in sorted(self._whiteouts) if self._is_deleted(path, below)]
        opaque = [path for path in sorted(self._opaque) if self._is_below(path, below)]
        for path in deleted:
            directory, _, name = path.rpartition("/")
            self._names(directory)[name] = Node(stat.S_IFCHR, (0, 0), 0)
        for path in opaque:
            self._names(path)
        for path in sorted(self._implied):
            if self._is_hidden(path):
                raise Leans
            if below is not None:
                self._take_after(path, below)
        for path in opaque:
            packed = pack_xattrs(self._xattrs.get(path, {}) | _OPAQUE)
            if packed is None:
                raise Leans
            self._directories[path].xattrs = packed

    def _is_deleted(self, path: str, below: int | None) -> bool:
        """Whether a whiteout has to be in the image.

        Where no layer below has its directory, overlayfs would list it.
        """
        return (
            not self._is_hidden(path)
            and self._is_below(path.rpartition("/")[0], below)
            and below is not None
            and bool(_kind(below, path))
        )

    def _is_below(self, directory: str, below: int | None) -> bool:
        """Whether the tree below has a directory that this layer deletes in."""
        if below is None or self._is_hidden(directory):
            return False
        found = _kind(below, directory)
        if found != stat.S_IFDIR and found and directory not in self._directories:
            raise Leans  # it may be a link to one
        return found == stat.S_IFDIR

    def image(self, data_size: int) -> bytearray:
        """The EROFS image over a tar of `data_size` bytes; to be asked for once, after `settle`."""
        return image(self.root, data_size)

    def _is_hidden(self, path: str) -> bool:
        """Whether a directory of this layer hides all that is below `path`."""
        if not self._opaque:
            return False
        while path:
            path = path.rpartition("/")[0]
            if path in self._opaque:
                return True
        return False

    def _take_after(self, path: str, below: int) -> None:
        """Make an implied directory as the one below is, if there is one."""
        try:
            fd = openat2(below, path or ".", _READ, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS)
        except FileNotFoundError:
            return
        except OSError as error:
            if error.errno in (errno.ELOOP, errno.ENOTDIR):
                raise Leans from None
            raise
        try:
            found = os.fstat(fd)
            xattrs = read_xattrs(fd)
        finally:
            os.close(fd)
        node = self._directories[path]
        packed = pack_xattrs(xattrs) if xattrs else b""
        if packed is None:
            raise Leans
        node.mode, node.owner, node.xattrs = found.st_mode, (found.st_uid, found.st_gid), packed
        node.mtime = found.st_mtime_ns
        if xattrs:
            self._xattrs[path] = xattrs


def _kind(below: int, path: str) -> int:
    """The type of what is at `path` in the tree: 0 for nothing, a link's if one leads there."""
    try:
        fd = openat2(below, path or ".", _LOOK, 0, RESOLVE_IN_ROOT | RESOLVE_NO_SYMLINKS)
    except FileNotFoundError:
        return 0
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR):
            return stat.S_IFLNK
        raise
    try:
        return stat.S_IFMT(os.fstat(fd).st_mode)
    finally:
        os.close(fd)


def _device(major: int, minor: int) -> int:
    """A device's number as the kernel writes it to disks."""
    return minor & 0xFF | major << 8 | (minor & ~0xFF) << 12


def _is_capability(value: bytes) -> bool:
    """Whether it is of the form that setxattr(2) takes and keeps as it is (VFS_CAP_REVISION_2)."""
    return len(value) == 20 and value[3] == 2 and value[1:3] == b"\0\0" and value[0] <= 1
