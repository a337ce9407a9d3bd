"""The bytes of a tar in order, and of the entry that is being read, its data."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from lamina.layer.entry import Entry
from lamina.layer.header import printable
from lamina.layer.limits import BadArchive, Limits

_READ = 1 << 20  # bytes asked of the source at a time
_SMALL = 1 << 16  # bytes of a file that is handed over in one piece wherever it lies

Data = bytes | memoryview


class Stream:
    """Consumes what `read` yields, buffer by buffer, and copies nothing that lies in one.

    `read(n)` gives the next bytes of the plain tar, as many as it likes, b"" at the end.
    """

    def __init__(self, read: Callable[[int], bytes], limits: Limits) -> None:
        self._read = read
        self.limits = limits
        self._buffer = b""
        self._view = memoryview(b"")
        self._at = 0  # of what is not yet consumed, in _buffer
        self._base = 0  # of _buffer, in the plain tar
        self._left = 0  # bytes of the latest entry's data not yet consumed
        self._pad = 0  # bytes after them up to the next block
        self._entry: Entry | None = None

    def _next(self) -> bool:
        """Go on to the next buffer; False at the end of the tar."""
        data = self._read(_READ)
        self._base += len(self._buffer)
        self._buffer = data
        self._view = memoryview(data)
        self._at = 0
        return bool(data)

    def take(self, count: int) -> bytes:
        """Consume `count` bytes; fewer only at the end of the tar."""
        at = self._at
        data = self._buffer[at : at + count]
        self._at = at + len(data)
        if len(data) == count:
            return data
        parts = [data]
        missing = count - len(data)
        while missing and self._next():
            data = self._buffer[:missing]
            self._at = len(data)
            missing -= len(data)
            parts.append(data)
        return b"".join(parts)

    def _skip(self) -> None:
        """Consume what is left of the latest entry; its padding may be missing at the end."""
        todo = self._left + self._pad
        while todo:
            here = len(self._buffer) - self._at
            if here >= todo:
                self._at += todo
                break
            todo -= here
            self._at += here
            if not self._next():
                if todo > self._pad:
                    raise self.cut()
                break
        self._left = self._pad = 0

    def cut(self) -> BadArchive:
        name = printable(self._entry.path) if self._entry else ""
        return BadArchive(
            f'the archive ends in the middle of "{name}"' if name else "the archive is cut short",
            hint="it was truncated: fetch or make it again",
        )

    # --- data of the latest entry

    def whole(self) -> Data | None:
        """All stored data of the latest entry at once, if it is small or here; else None."""
        left = self._left
        at = self._at
        if left <= len(self._buffer) - at:
            self._at = at + left
            self._left = 0
            return self._view[at : at + left]
        if left > _SMALL:
            return None
        data = self.take(left)
        if len(data) < left:
            raise self.cut()
        self._left = 0
        return data

    def here(self) -> int:
        """Where all stored data of the latest entry begins in `view`, consumed; -1 if elsewhere."""
        left, at = self._left, self._at
        if left > len(self._buffer) - at:
            return -1
        self._at = at + left
        self._left = 0
        return at

    @property
    def view(self) -> memoryview:
        """The buffer that is being read, which is never written again."""
        return self._view

    def pieces(self) -> Iterator[Data]:
        """The stored data of the latest entry, as views that are good until the next piece."""
        while self._left:
            here = min(self._left, len(self._buffer) - self._at)
            if not here:
                if not self._next():
                    raise self.cut()
                continue
            at = self._at
            self._at = at + here
            self._left -= here
            yield self._view[at : at + here]

    def chunks(self) -> Iterator[tuple[int, Data]]:
        """The data of the latest entry as (offset in the file, piece); holes are left out."""
        entry = self._entry
        if entry is None or entry.sparse is None:
            at = 0
            for piece in self.pieces():
                yield at, piece
                at += len(piece)
            return
        extents = iter(entry.sparse)
        at = room = 0
        for piece in self.pieces():
            while piece:
                if not room:
                    at, room = next(extents)
                part = piece[:room]
                yield at, part
                at += len(part)
                room -= len(part)
                piece = piece[len(part) :]

    def content(self) -> bytes:
        """The data of the latest entry as a program would read it, holes as zeros."""
        size = self._entry.size if self._entry else 0
        content = bytearray(size)
        for at, piece in self.chunks():
            content[at : at + len(piece)] = piece
        return bytes(content)

    def take_data(self, count: int) -> bytes:
        """Consume up to `count` bytes of the latest entry's data; BadArchive if some lack."""
        count = min(count, self._left)
        data = self.take(count)
        self._left -= len(data)
        if len(data) < count:
            raise self.cut()
        return data
