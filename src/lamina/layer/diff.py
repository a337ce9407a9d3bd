"""Changes -> a layer's plain tar, its diff ID and its index, in one pass.

Times are cut to whole seconds, as Docker and BuildKit do: sub-second times would cost a PAX
header on nearly every file that a RUN makes. Owners are numbers only. A file with holes of a MiB
or more in all is stored sparse (PAX, GNU format 1.0), every other one in full, for where small
holes lie is the file system's whim, and a layer's bytes must not depend on it.
"""

from __future__ import annotations

import errno
import os
from _queue import SimpleQueue  # `queue` itself brings `heapq` along
from collections.abc import Iterable

from lamina.errors import Conflict, Invalid
from lamina.fs.metadata import data_extents, read_xattrs
from lamina.layer import whiteout
from lamina.layer.changes import Change, Kind
from lamina.layer.crc import Crc
from lamina.layer.entry import FILE, Entry
from lamina.layer.header import printable
from lamina.layer.index import Index
from lamina.layer.writer import TarWriter
from lamina.oci.digest import DiffID, Digest, Sha256
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from threading import Thread
    from typing import Protocol
else:
    Protocol = object

_SECOND = 1_000_000_000
_PIECE = 1 << 19  # bytes handed on at a time
_AHEAD = 6  # pieces that may wait for the other thread
_READ = 1 << 20
_SPARSE = 1 << 20  # bytes of holes that are worth a sparse entry


class Sink(Protocol):
    """Whatever takes bytes in order."""

    def write(self, data: bytes, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written."""

    diff_id: DiffID
    size: int  # bytes of the plain tar
    index: Index  # a Sequence[Entry], whiteouts included
    crc: Crc  # of the plain tar


def pack(changes: Iterable[Change], out: Sink, *, clamp: int | None = None) -> Packed:
    """Write `changes` to `out` as a layer; `out` may be called from another thread, is not closed.

    `clamp` is SOURCE_DATE_EPOCH in seconds: what is younger becomes that old. The changes' entries
    are completed on the way: `offset`, `sparse`, and `mtime` as it was written.
    Invalid if a file has a whiteout's name. A file that shrinks meanwhile is filled with zeros.
    """
    index = Index()
    with _Tee(out) as tee:
        writer = TarWriter(tee.write)
        for change in changes:
            entry = change.entry
            if change.kind is Kind.DELETED:
                entry = _whiteout(whiteout.path_of(entry.path), clamp)
            elif change.kind is Kind.OPAQUE:
                entry = _whiteout(whiteout.opaque_of(entry.path), clamp)
            else:
                name = entry.path.rpartition("/")[2]
                if name.startswith(whiteout.PREFIX):
                    raise Invalid(
                        f'"{printable(entry.path)}" cannot be in a layer: '
                        'names that begin with ".wh." delete others there',
                        hint="rename or remove it in the step that makes it",
                    )
                seconds = entry.mtime // _SECOND
                if clamp is not None and seconds > clamp:
                    seconds = clamp
                entry.mtime = seconds * _SECOND
            if entry.type is FILE and entry.size:
                _file(writer, change, entry)
            else:
                writer.begin(entry)
            index.append(entry)
        writer.close()
    return Packed(tee.diff_id, writer.offset, index, tee.crc)


def _whiteout(path: str, clamp: int | None) -> Entry:
    return Entry(path, FILE, 0, mtime=(clamp or 0) * _SECOND)


def _file(writer: TarWriter, change: Change, entry: Entry) -> None:
    """Write a file that is not empty."""
    try:
        fd = change.open()
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            raise
        raise Conflict(
            f'"{printable(entry.path)}" changed while the layer was written',
            hint="stop or pause what is running in it, and try again",
        ) from None
    try:
        if change.is_bare:
            entry.xattrs = read_xattrs(fd)
        size = entry.size
        if size <= _READ:
            data = os.read(fd, size)
            while len(data) < size and (more := os.read(fd, size - len(data))):
                data += more
            if len(data) < size:
                data = data.ljust(size, b"\0")
            writer.add(entry, data)
            return
        if size - os.fstat(fd).st_blocks * 512 >= _SPARSE:
            extents = tuple(data_extents(fd, size))
            if size - sum(length for _, length in extents) >= _SPARSE:
                entry.sparse = extents
        writer.begin(entry)
        _large(writer, entry, fd)
    finally:
        os.close(fd)


def _large(writer: TarWriter, entry: Entry, fd: int) -> None:
    for start, length in entry.sparse if entry.sparse is not None else ((0, entry.size),):
        os.lseek(fd, start, os.SEEK_SET)
        while length:
            data = os.read(fd, min(_READ, length)) or bytes(min(_READ, length))
            writer.data(data)
            length -= len(data)
    writer.pad(entry.stored)


class _Tee:
    """Hands bytes on in larger pieces, and hashes them: in a thread, if there are several."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self._parts: list[bytes | bytearray | memoryview] = []
        self._size = 0
        self._hash = Sha256()
        self.crc = Crc()  # of all that was written, once it has ended
        self._queue: SimpleQueue[bytes] = SimpleQueue()
        self._credits: SimpleQueue[None] = SimpleQueue()
        for _ in range(_AHEAD):
            self._credits.put(None)
        self._error: BaseException | None = None
        self._thread: Thread | None = None

    def __enter__(self) -> _Tee:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._thread is None:
            if kind is None:
                self._take(b"".join(self._parts))
            return
        if kind is None and self._parts:
            self._flush()
        self._queue.put(b"")
        self._thread.join()
        if kind is None and self._error is not None:
            raise self._error

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self._parts.append(data)
        self._size += len(data)
        if self._size >= _PIECE:
            self._flush()

    @property
    def diff_id(self) -> DiffID:
        """Of all that was written, once it has ended."""
        return DiffID(Digest(f"sha256:{self._hash.hexdigest()}"))

    def _flush(self) -> None:
        if self._thread is None:
            from threading import Thread

            self._thread = Thread(target=self._run, name="lamina-pack", daemon=True)
            self._thread.start()
        self._credits.get()
        if self._error is not None:
            raise self._error
        self._queue.put(b"".join(self._parts))
        self._parts.clear()
        self._size = 0

    def _take(self, data: bytes) -> None:
        self._hash.update(data)
        self.crc = self.crc.plus(data)
        self._out.write(data)

    def _run(self) -> None:
        while data := self._queue.get():
            if self._error is None:
                try:
                    self._take(data)
                except BaseException as error:  # noqa: BLE001  # raised again by the writer's thread
                    self._error = error
            self._credits.put(None)
