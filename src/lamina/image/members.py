"""The files of an image archive by name: out of a tar, compressed or not, or out of a directory.

Nothing is ever unpacked: a name is looked up in a table of where its bytes lie, so no name and no
link can reach out of the archive.
"""

from __future__ import annotations

import io
import os
import posixpath
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import BinaryIO, Protocol, cast

from lamina.errors import Denied, Error, Invalid, NotFound, Unavailable
from lamina.layer.entry import DIR, FILE, SYMLINK
from lamina.values import dataclass, field

_MEMBER_LIMIT = 500_000  # a layer tar that was given by mistake is told as such
_CHUNK = 1 << 20  # bytes


class BadImageArchive(Invalid):
    """A file is not an image archive, or one that contradicts itself."""


class Members(Protocol):
    """Named files to read from."""

    def has(self, name: str) -> bool: ...

    def size(self, name: str) -> int:
        """Bytes of the file; NotFound if there is none."""
        ...

    def open(self, name: str) -> BinaryIO:
        """The file's bytes; the caller closes. NotFound if there is none."""
        ...


def read(members: Members, name: str, *, limit: int) -> bytes:
    """The whole file; BadImageArchive if it is longer than `limit` bytes."""
    size = members.size(name)
    if size > limit:
        raise BadImageArchive(f'"{name}" is {size} bytes long: expected at most {limit}')
    with members.open(name) as stream:
        return stream.read()


@dataclass(slots=True)
class TarMembers:
    """The files of a tar that lies in a file of this host."""

    fd: int
    places: dict[str, tuple[int, int]] = field(default_factory=dict)  # name: offset, size
    odd: dict[str, str] = field(default_factory=dict)  # name: what it is instead of a file
    links: dict[str, str] = field(default_factory=dict)  # name: where a symbolic link leads
    count: int = 0

    def has(self, name: str) -> bool:
        return name in self.places

    def size(self, name: str) -> int:
        return self._place(name)[1]

    def open(self, name: str) -> BinaryIO:
        offset, size = self._place(name)
        return cast(BinaryIO, io.BufferedReader(_Section(self.fd, offset, size), _CHUNK))

    def follow(self, name: str) -> str:
        """Where `name` leads: Docker links a layer that an archive would hold twice."""
        target = self.links.get(name)
        if target is None:
            return name
        found = posixpath.normpath(posixpath.join(posixpath.dirname(name), target))
        if found not in self.places:
            raise BadImageArchive(f'"{name}" is a link to "{target}", which is no file beside it')
        return found

    def _place(self, name: str) -> tuple[int, int]:
        place = self.places.get(name)
        if place is None:
            if name in self.odd:
                raise BadImageArchive(f'"{name}" is {self.odd[name]}: expected a file')
            raise NotFound(f'the archive has no "{name}"')
        return place


@dataclass(frozen=True, slots=True)
class DirectoryMembers:
    """The files below a directory of this host; a link in place of a file is refused."""

    root: str

    def has(self, name: str) -> bool:
        return os.path.lexists(os.path.join(self.root, name))

    def size(self, name: str) -> int:
        with self.open(name) as stream:
            return os.fstat(stream.fileno()).st_size

    def open(self, name: str) -> BinaryIO:
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        try:
            fd = os.open(os.path.join(self.root, name), flags)
        except (FileNotFoundError, NotADirectoryError):
            raise NotFound(f'"{self.root}" has no "{name}"') from None
        except OSError as error:
            raise BadImageArchive(f'"{name}" is not a file: {error.strerror}') from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise BadImageArchive(f'"{name}" is not a file')
        return open(fd, "rb")


@contextmanager
def opened(source: str | os.PathLike[str] | BinaryIO) -> Iterator[Members]:
    """The files of an archive or of a layout directory, while the context lasts.

    A stream is read to its end; what cannot be read twice is kept in an unnamed temporary file.
    """
    if not isinstance(source, str | os.PathLike):
        with _indexed(source) as members:
            yield members
        return
    path = os.fspath(source)
    if os.path.isdir(path):
        yield DirectoryMembers(path)
        return
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise NotFound(f'no such file: "{path}"') from None
    except PermissionError:
        raise Denied(f'no right to read "{path}"') from None
    with open(fd, "rb") as stream, _indexed(stream) as members:
        yield members


@contextmanager
def _indexed(stream: BinaryIO) -> Iterator[TarMembers]:
    from lamina.layer.compress import decompressed, sniff

    head = stream.read(512)
    while len(head) < 512 and (more := stream.read(512 - len(head))):
        head += more
    kind = sniff(head)
    whole = cast(BinaryIO, Rejoined(head, stream))
    if kind == "none" and (base := _base(stream, len(head))) is not None:
        members = TarMembers(stream.fileno())
        _index(members, whole, base=base, spool=None)
        yield members
        return
    import tempfile

    with tempfile.TemporaryFile() as spool:
        members = TarMembers(spool.fileno())
        plain = whole if kind == "none" else decompressed(whole, kind)
        try:
            _index(members, plain, base=0, spool=cast(BinaryIO, spool))
            spool.flush()
        except OSError as error:
            raise Unavailable(
                f'the archive cannot be kept in "{tempfile.gettempdir()}": {error.strerror}',
                hint="make room there, or name another directory in TMPDIR",
            ) from error
        yield members


def _base(stream: BinaryIO, consumed: int) -> int | None:
    """Where in its file a stream began, if it is one that can be read anywhere; else None."""
    try:
        if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
            return None
        return stream.tell() - consumed
    except (OSError, AttributeError, ValueError):
        return None


def _index(members: TarMembers, stream: BinaryIO, *, base: int, spool: BinaryIO | None) -> None:
    from lamina.layer.reader import read as read_tar

    seen: set[str] = set()
    try:
        for entry, reader in read_tar(stream):
            members.count += 1
            if members.count > _MEMBER_LIMIT:
                raise BadImageArchive(f"the archive has more than {_MEMBER_LIMIT} members")
            name = entry.path
            if entry.type is DIR:
                continue
            if name in seen:
                raise BadImageArchive(f'the archive has "{name}" twice')
            seen.add(name)
            if entry.type is SYMLINK:
                members.links[name] = entry.link
            if entry.type is not FILE or entry.sparse is not None:
                members.odd[name] = "a sparse file" if entry.type is FILE else f"a {entry.type}"
            elif spool is None:
                members.places[name] = base + entry.offset, entry.size
            else:
                members.places[name] = spool.tell(), entry.size
                for piece in reader.pieces():
                    spool.write(piece)
    except Error as error:
        if not members.count:
            raise BadImageArchive(
                f"not a tar archive: {error}", hint="expected what `docker save` writes"
            ) from error
        raise


class Rejoined(io.RawIOBase):
    """A stream of which the first bytes have been taken already."""

    def __init__(self, head: bytes, rest: BinaryIO) -> None:
        self._head = head
        self._rest = rest

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        if self._head:
            head, self._head = self._head, b""
            if size < 0:
                return head + self._rest.read()
            self._head = head[size:]
            return head[:size]
        return self._rest.read(size)

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        data = self.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


class _Section(io.RawIOBase):
    """Some bytes of a file, read without moving its position."""

    def __init__(self, fd: int, offset: int, size: int) -> None:
        self._fd = fd
        self._at = offset
        self._left = size

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: bytearray | memoryview) -> int:  # type: ignore[override]
        room = memoryview(buffer)[: self._left]
        if not room:
            return 0
        done = os.preadv(self._fd, [room], self._at)
        self._at += done
        self._left -= done
        return done
