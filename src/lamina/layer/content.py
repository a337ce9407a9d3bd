"""A file's bytes out of the plain tar that it lies in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from lamina.errors import Corrupt
from lamina.layer.entry import Entry

_CHUNK = 1 << 20  # bytes


class PlainTar:
    """A plain tar to read files from, in the order of their offsets, or in any if it can seek.

    `stream` stands at the beginning; it stays the caller's to close.
    """

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self._at = 0
        self._can_seek = stream.seekable()

    def read(self, entry: Entry) -> Iterator[bytes]:
        """The pieces of a file's content, holes as zeros; Corrupt if the tar ends before it does.

        ValueError if the stream is past it and cannot go back.
        """
        self._go(entry)
        if entry.sparse is None:
            yield from self._take(entry.size, entry)
            return
        done = 0
        for offset, length in entry.sparse:
            yield from _zeros(offset - done)
            yield from self._take(length, entry)
            done = offset + length
        yield from _zeros(entry.size - done)

    def _go(self, entry: Entry) -> None:
        if self._can_seek:
            self._stream.seek(entry.offset)
            self._at = entry.offset
            return
        if entry.offset < self._at:
            raise ValueError(f'"{entry.path}" lies before what was read already')
        for _ in self._take(entry.offset - self._at, entry):
            pass

    def _take(self, size: int, entry: Entry) -> Iterator[bytes]:
        while size:
            piece = self._stream.read(min(size, _CHUNK))
            if not piece:
                raise Corrupt(f'the layer ends before "{entry.path}" does')
            size -= len(piece)
            self._at += len(piece)
            yield piece


def _zeros(size: int) -> Iterator[bytes]:
    while size > 0:
        yield bytes(min(size, _CHUNK))
        size -= _CHUNK
