"""Compressed bytes <-> plain bytes: gzip, zstd, and for reading bzip2 and xz."""

from __future__ import annotations

from typing import BinaryIO, Literal

Kind = Literal["none", "gzip", "zstd", "bzip2", "xz"]


def sniff(head: bytes) -> Kind:
    raise NotImplementedError


def decompressed(stream: BinaryIO, kind: Kind | None = None) -> BinaryIO:
    raise NotImplementedError


class Compressor:
    """A file-like end of a pipe: plain bytes in by `write`, compressed bytes out to `out`."""

    def __init__(self, out: object, kind: Kind, level: int | None = None, threads: int = 1) -> None:
        raise NotImplementedError

    def write(self, data: bytes | memoryview, /) -> int:
        raise NotImplementedError

    def close(self) -> None:
        """Finish the stream; `out` stays open."""
        raise NotImplementedError
