"""What a selection adds to a cache key: names, modes, owners and content, but never times."""

from __future__ import annotations

import os
import stat
import struct
import time
from collections.abc import Iterator

from lamina.build.inside import join
from lamina.build.selection import Item, Selection
from lamina.build.walking import Node
from lamina.errors import Conflict
from lamina.fs.looks import FRESH
from lamina.fs.metadata import read_xattrs
from lamina.oci.digest import Digest, Sha256, light_sha256
from lamina.values import dataclass

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20
_MAGIC = b"lamina hashes 1\n"
_KEY = struct.Struct("<QQQqq")  # dev, ino, size, mtime_ns, ctime_ns
_DIGEST = 32
_SPARE = 10_000  # entries kept beyond four times what is in use
_NOTHING = bytes(_DIGEST)


class Changed(Conflict):
    """A source file changed while it was read."""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What counts of one file in a cache key; times never do."""

    path: str  # as it will be named below the destination; "." is a copied directory itself
    type: str  # "file", "dir", "symlink", "char", "block", "fifo"
    mode: int
    uid: int
    gid: int
    size: int  # bytes; 0 unless a file
    digest: Digest | None  # of a file's content
    link: str  # target of a symlink; "major:minor" of a device
    xattrs: Digest | None  # of all extended attributes; None where there are none

    @property
    def text(self) -> str:
        """All but the path, in one line."""
        what = self.digest or self.link
        return (
            f"{self.type} {self.mode:04o} {self.uid}:{self.gid}"
            f" {self.size} {what} {self.xattrs or ''}"
        )


class HashCache:
    """Digests of files that have not changed since they were hashed.

    Held by (dev, ino, size, mtime_ns, ctime_ns). `load` a blob, hash, `dump` it again; a file
    whose times are not older than a moment before it was hashed is not remembered.
    """

    def __init__(self, known: dict[bytes, bytes] | None = None) -> None:
        self._known = known or {}  # packed key -> content digest, then digest of the xattrs
        self._used: set[bytes] = set()
        self.changed = False  # whether there is anything new to dump

    @classmethod
    def load(cls, blob: bytes | None) -> HashCache:
        """An empty or damaged blob gives an empty cache."""
        width = _KEY.size + 2 * _DIGEST
        if not blob or not blob.startswith(_MAGIC) or (len(blob) - len(_MAGIC)) % width:
            return cls()
        rows = struct.iter_unpack(f"{_KEY.size}s{2 * _DIGEST}s", memoryview(blob)[len(_MAGIC) :])
        return cls(dict(rows))

    def dump(self) -> bytes:
        """The whole cache; without what was not asked for, once that is most of it."""
        rows = self._known
        if len(rows) > 4 * len(self._used) + _SPARE:
            rows = {key: rows[key] for key in self._used}
        return _MAGIC + b"".join(part for row in rows.items() for part in row)

    def find(self, info: os.stat_result) -> tuple[bytes, bytes] | None:
        """The digests of content and of xattrs, 32 bytes each; None if not known."""
        key = _key(info)
        value = self._known.get(key)
        if value is None:
            return None
        self._used.add(key)
        return value[:_DIGEST], value[_DIGEST:]

    def keep(self, info: os.stat_result, content: bytes, xattrs: bytes, *, now: int) -> None:
        """Remember the digests of a file hashed at `now`, in nanoseconds since 1970."""
        if max(info.st_mtime_ns, info.st_ctime_ns) > now - FRESH:
            return
        key = _key(info)
        self._known[key] = content + xattrs
        self._used.add(key)
        self.changed = True


def _key(info: os.stat_result) -> bytes:
    return _KEY.pack(info.st_dev, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns)


def digests(selection: Selection, cache: HashCache | None = None) -> tuple[FileRecord, ...]:
    """The records of everything selected, in a stable order; hashes what `cache` lacks.

    Inline files are in it. Changed if a file changes while it is hashed.
    """
    records: list[FileRecord] = []
    if selection.items:
        with selection.context.open_root() as root_fd:
            hasher = _Hasher(selection, root_fd, HashCache() if cache is None else cache)
            for item in selection.items:
                records += hasher.records(item)
    for name, content in selection.spec.inline:
        digest = Digest.of(content)
        records.append(FileRecord(name, "file", 0o644, 0, 0, len(content), digest, "", None))
    return tuple(records)


class _Hasher:
    def __init__(self, selection: Selection, root_fd: int, cache: HashCache) -> None:
        self.root_fd = root_fd
        self.cache = cache
        self.keeps_owners = selection.context.keeps_owners
        self.by_place = f"/proc/self/fd/{root_fd}/"

    def records(self, item: Item) -> Iterator[FileRecord]:
        if not item.is_directory:
            yield self._record(item.name, item.path, item.nodes[0])
            return
        # Only its content is copied: neither mode nor owner of the directory itself counts.
        yield FileRecord(".", "dir", 0, 0, 0, 0, None, "", None)
        for node in item.nodes[1:]:
            yield self._record(node.path, join(item.path, node.path), node)

    def _record(self, name: str, place: str, node: Node) -> FileRecord:
        info = node.stat
        mode = info.st_mode
        uid, gid = (info.st_uid, info.st_gid) if self.keeps_owners else (0, 0)
        if stat.S_ISREG(mode):
            content, xattrs = self._hashed(place, info)
            return FileRecord(
                name,
                "file",
                mode & 0o7777,
                uid,
                gid,
                info.st_size,
                _digest(content),
                "",
                _digest(xattrs) if xattrs != _NOTHING else None,
            )
        xattrs = _xattrs_digest(read_xattrs(self.by_place + place))
        link = ""
        if stat.S_ISDIR(mode):
            kind = "dir"
        elif stat.S_ISLNK(mode):
            kind, link, mode = "symlink", os.readlink(place, dir_fd=self.root_fd), 0o777
        elif stat.S_ISFIFO(mode):
            kind = "fifo"
        else:
            kind = "char" if stat.S_ISCHR(mode) else "block"
            link = f"{os.major(info.st_rdev)}:{os.minor(info.st_rdev)}"
        return FileRecord(
            name,
            kind,
            mode & 0o7777,
            uid,
            gid,
            0,
            None,
            link,
            _digest(xattrs) if xattrs != _NOTHING else None,
        )

    def _hashed(self, place: str, info: os.stat_result) -> tuple[bytes, bytes]:
        found = self.cache.find(info)
        if found is not None:
            return found
        now = time.time_ns()
        fd = open_unchanged(self.root_fd, place, info)
        try:
            content = Sha256()
            left = info.st_size
            while left > 0 and (data := os.read(fd, min(left, _CHUNK))):
                content.update(data)
                left -= len(data)
            xattrs = _xattrs_digest(read_xattrs(fd))
            require_unchanged(fd, place, info)
        finally:
            os.close(fd)
        digest = content.digest()
        self.cache.keep(info, digest, xattrs, now=now)
        return digest, xattrs


def open_unchanged(root_fd: int, path: str, info: os.stat_result) -> int:
    """The file at `path` open for reading; Changed unless it is still what `info` tells."""
    try:
        fd = os.open(path, _READ, dir_fd=root_fd)
    except OSError as error:
        raise Changed(f'"{path}" cannot be read: {error.strerror}') from error
    try:
        require_unchanged(fd, path, info)
    except BaseException:
        os.close(fd)
        raise
    return fd


def require_unchanged(fd: int, path: str, info: os.stat_result) -> None:
    """Changed unless the open file is what `info` tells."""
    require_same(os.fstat(fd), path, info)


def require_same(now: os.stat_result, path: str, info: os.stat_result) -> None:
    """Changed unless both tell the same of a file."""
    # Not the device: a stage's root gets a new one each time it is mounted. Not the time of the
    # last change of the inode either: a hard link made elsewhere moves it.
    if (now.st_ino, now.st_size, now.st_mtime_ns) != (info.st_ino, info.st_size, info.st_mtime_ns):
        raise Changed(
            f'"{path}" changed while it was being copied', hint="build again when it is at rest"
        )


def _xattrs_digest(xattrs: dict[str, bytes]) -> bytes:
    if not xattrs:
        return _NOTHING
    digest = light_sha256()()
    for name, value in sorted(xattrs.items()):
        text = os.fsencode(name)
        digest.update(struct.pack("<II", len(text), len(value)) + text + value)
    return digest.digest()


def _digest(value: bytes) -> Digest:
    return Digest("sha256:" + value.hex())
