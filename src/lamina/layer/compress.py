"""Compressed bytes <-> plain bytes: gzip and zstd, and for reading bzip2 and xz.

What is written depends on the plain bytes, the kind, the level, and the pinned libraries; never
on the clock or on how many threads share the work.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator

from lamina.errors import Invalid
from lamina.layer.limits import BadCompression

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any, BinaryIO, Literal, Protocol, Self

    from lamina.layer.deflate import GzipCoder

    Kind = Literal["none", "gzip", "zstd", "bzip2", "xz"]
else:
    Protocol, Kind = object, str

Data = bytes | memoryview

HEAD = 512  # bytes that `sniff` likes to see
_READ = 1 << 18  # compressed bytes read at a time
_PIECE = 1 << 19  # plain bytes made at a time
_XZ_MEMORY = 128 << 20  # xz -9 needs 65 MiB to decompress
_ZSTD_WINDOW = 27  # log2 of bytes; what `zstd --ultra -22` makes, and no more
_SKIPPABLE = frozenset(bytes([low]) + b"\x2a\x4d\x18" for low in range(0x50, 0x60))


def sniff(head: bytes) -> Kind:
    """How a stream that begins with `head` is compressed; "none" for a tar and for all else."""
    if head[257:262] == b"ustar":
        return "none"  # a tar whose first name happens to look like a signature
    if head[:2] == b"\x1f\x8b":
        return "gzip"
    if head[:4] == b"\x28\xb5\x2f\xfd" or head[:4] in _SKIPPABLE:
        return "zstd"
    if head[:3] == b"BZh" and head[4:10] in (b"1AY&SY", b"\x17\x72\x45\x38\x50\x90"):
        return "bzip2"
    if head[:6] == b"\xfd7zXZ\0":
        return "xz"
    return "none"


class _Decoder(Protocol):
    """What bz2, lzma, zstd and isal agree on."""

    @property
    def eof(self) -> bool: ...
    @property
    def needs_input(self) -> bool: ...
    @property
    def unused_data(self) -> bytes: ...
    def decompress(self, data: bytes, max_length: int = -1) -> bytes: ...


def expand(read: Callable[[int], bytes], kind: Kind | None = None) -> Iterator[bytes]:
    """The plain bytes of what `read` yields, in pieces; sniffed where `kind` is None.

    Members or frames one after the other are one stream; zeros after gzip's last are padding.
    BadCompression where the bytes are damaged, cut short, or followed by something else.
    """
    head = b""
    if kind is None:
        while len(head) < HEAD and (more := read(_READ)):
            head += more
        kind = sniff(head)
    if kind == "none":
        yield from _plain(read, head)
        return
    new, errors = _decoder(kind)
    data = head or read(_READ)
    if not data:
        raise BadCompression(f"an empty stream is not {kind}")
    while data:
        decoder = new()
        while not decoder.eof:
            if decoder.needs_input and not data and not (data := read(_READ)):
                raise BadCompression(
                    f"the {kind} stream ends before its end",
                    hint="it was truncated: fetch or make it again",
                )
            try:
                piece = decoder.decompress(data, _PIECE)
            except errors as error:
                raise BadCompression(f"the {kind} stream is damaged: {error}") from None
            data = b""
            if piece:
                yield piece
        data = decoder.unused_data or read(_READ)
        while data and kind != "zstd":
            data = data.lstrip(b"\0")
            if data:
                break
            data = read(_READ)


def _plain(read: Callable[[int], bytes], head: bytes) -> Iterator[bytes]:
    if head:
        yield head
    while data := read(_PIECE):
        yield data


def _decoder(kind: Kind) -> tuple[Callable[[], _Decoder], tuple[type[Exception], ...]]:
    """A maker of decoders for one member or frame, and what they raise."""
    if kind == "gzip":
        from isal import igzip_lib

        return (
            lambda: igzip_lib.IgzipDecompressor(flag=igzip_lib.DECOMP_GZIP),
            (igzip_lib.IsalError,),  # type: ignore[return-value]  # stubbed as an instance
        )
    if kind == "zstd":
        zstd = zstd_module()
        options = {zstd.DecompressionParameter.window_log_max: _ZSTD_WINDOW}
        return lambda: zstd.ZstdDecompressor(options=options), (zstd.ZstdError,)
    if kind == "bzip2":
        import bz2

        return bz2.BZ2Decompressor, (OSError, ValueError)
    import lzma

    return (
        lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=_XZ_MEMORY),
        (lzma.LZMAError,),
    )


def zstd_module() -> Any:
    """The zstd module, which has two homes, and stubs in neither."""
    try:
        from compression import zstd
    except ImportError:
        from backports import zstd
    return zstd


class _Expanded(io.RawIOBase):
    """The pieces of `expand` as a file."""

    def __init__(self, pieces: Iterator[bytes]) -> None:
        self._pieces = pieces
        self._rest = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        target = memoryview(buffer).cast("B")  # type: ignore[arg-type]
        while not self._rest:
            piece = next(self._pieces, None)
            if piece is None:
                return 0
            self._rest = memoryview(piece)
        count = min(len(target), len(self._rest))
        target[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count


def decompressed(stream: BinaryIO, kind: Kind | None = None) -> BinaryIO:
    """The plain bytes of `stream` as a file; closing it leaves `stream` open."""
    return io.BufferedReader(_Expanded(expand(stream.read, kind)), _READ)


class Sink(Protocol):
    """Whatever takes bytes in order."""

    def write(self, data: bytes, /) -> object: ...


class Compressor:
    """A file-like end of a pipe: plain bytes in by `write`, compressed bytes out to `out`.

    `close` finishes the stream and leaves `out` open; without it the stream is cut short.
    Levels: gzip 0 to 9 (0 to 3 are isal's, above zlib's), zstd -7 to 22. `threads` share the work
    and never change the bytes.
    """

    def __init__(self, out: Sink, kind: Kind, level: int | None = None, threads: int = 1) -> None:
        coder: GzipCoder | _ZstdCoder | None
        if kind == "gzip":
            from lamina.layer.deflate import GzipCoder

            coder = GzipCoder(1 if level is None else level, threads)
        elif kind == "zstd":
            coder = _ZstdCoder(3 if level is None else level, threads)
        elif kind == "none":
            coder = None
        else:
            raise Invalid(f'layers are not written as "{kind}"', hint="use gzip, zstd or none")
        self._coder = coder
        self._out = out
        self._closed = False

    def write(self, data: Data, /) -> int:
        if self._coder is None:
            self._out.write(bytes(data))
            return len(data)
        for coded in self._coder.write(data):
            self._out.write(coded)
        return len(data)

    def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        if self._coder is not None:
            for coded in self._coder.finish():
                self._out.write(coded)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            self.close()
        elif self._coder is not None:
            self._coder.abandon()


class _ZstdCoder:
    def __init__(self, level: int, threads: int) -> None:
        zstd = zstd_module()
        parameter = zstd.CompressionParameter
        low, high = parameter.compression_level.bounds()
        if not max(low, -7) <= level <= high:
            raise Invalid(f"zstd has no level {level}", hint=f"levels are -7 to {high}")
        # With one worker or more the frame is cut into jobs at fixed sizes, and comes out the
        # same however many work on it; without workers it would differ.
        self._zstd = zstd.ZstdCompressor(
            options={
                parameter.compression_level: level,
                parameter.checksum_flag: 1,
                parameter.nb_workers: max(1, threads),
            }
        )

    def write(self, data: Data) -> Iterator[bytes]:
        if coded := bytes(self._zstd.compress(data)):
            yield coded

    def finish(self) -> Iterator[bytes]:
        yield bytes(self._zstd.flush())

    def abandon(self) -> None:
        pass


def processors() -> int:
    """How many threads of a `Compressor` this process could keep busy."""
    return len(os.sched_getaffinity(0))
