"""Plain bytes -> gzip, by several threads, and the same bytes by however many.

The bytes are cut into blocks, and these into slices, at fixed sizes. What is done with a slice
depends on its block, the 32 KiB before it, and the level.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

from lamina.errors import Invalid

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from concurrent.futures import Future, ThreadPoolExecutor
    from typing import Any

Data = bytes | memoryview

_BLOCK = 1 << 20  # plain bytes compressed at a time, each after the last 32 KiB before it
_WINDOW = 1 << 15
_SLICE = 1 << 17  # of a block, which may be stored where the one before it did not shrink
_TRIAL = 1 << 12  # at the beginning and in the middle of such a slice
# No name, no time; XFL 0, OS 255 (unknown), RFC 1952 2.3.
_HEAD = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"


class GzipCoder:
    """One gzip member, deflated in blocks of a fixed size that do not wait for each other."""

    def __init__(self, level: int, threads: int) -> None:
        if not 0 <= level <= 9:
            raise Invalid(f"gzip has no level {level}", hint="levels are 0 to 9")
        from isal import isal_zlib

        self._crc32 = isal_zlib.crc32
        self._level = level
        self._threads = threads
        self._most = 2 * threads  # blocks that wait for the one that goes first
        self._pool: ThreadPoolExecutor | None = None
        self._waiting: deque[Future[bytes]] = deque()
        self._block = bytearray()  # less than one
        self._window: Data = b""
        self._crc = 0
        self._size = 0

    def write(self, data: Data) -> Iterator[bytes]:
        if not self._size and data:
            yield _HEAD
        self._crc = self._crc32(data, self._crc)
        self._size += len(data)
        view, at = memoryview(data), 0
        if self._block:
            at = _BLOCK - len(self._block)
            self._block += view[:at]
            if len(self._block) < _BLOCK:
                return
            yield from self._code(bytes(self._block))
            self._block = bytearray()
        while len(view) - at >= _BLOCK:
            # bytes() of bytes is no copy, and nobody changes them.
            whole = len(view) == _BLOCK
            yield from self._code(bytes(data if whole else view[at : at + _BLOCK]))
            at += _BLOCK
        self._block += view[at:]

    def finish(self) -> Iterator[bytes]:
        if not self._size:
            yield _HEAD
        while self._waiting:
            yield self._waiting.popleft().result()
        if self._pool is not None:
            self._pool.shutdown()
        yield _deflate(bytes(self._block), self._window, self._level, last=True)
        yield self._crc.to_bytes(4, "little") + (self._size & 0xFFFFFFFF).to_bytes(4, "little")

    def abandon(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(cancel_futures=True)

    def _code(self, block: bytes) -> Iterator[bytes]:
        window, self._window = self._window, memoryview(block)[-_WINDOW:]
        if self._threads < 2:
            yield _deflate(block, window, self._level, last=False)
            return
        from concurrent.futures import Future, ThreadPoolExecutor

        if self._pool is None:
            self._pool = ThreadPoolExecutor(self._threads - 1, "lamina-gzip")
        if sum(not one.done() for one in self._waiting) < self._threads:
            one = self._pool.submit(_deflate, block, window, self._level, last=False)
        else:  # the others have enough to do: this one is for the thread that is here
            one = Future()
            one.set_result(_deflate(block, window, self._level, last=False))
        self._waiting.append(one)
        while self._waiting and (self._waiting[0].done() or len(self._waiting) > self._most):
            yield self._waiting.popleft().result()


def _deflate(block: bytes, window: Data, level: int, *, last: bool) -> bytes:
    """`block` as raw deflate that may look back into `window`, ended on a byte boundary.

    What is compressed already stays as it is: after a slice that did not shrink, one whose trials
    do not shrink either is stored.
    """
    if level <= 3:
        from isal import isal_zlib as zlib
    else:
        import zlib  # type: ignore[no-redef]

    parts: list[Data] = []
    view = memoryview(block)
    coder = None
    shrinks = True
    for at in range(0, len(block), _SLICE):
        piece = view[at : at + _SLICE]
        if not shrinks and _is_dense(piece):
            parts += _stored(piece)
            coder = None  # for it would have to see what was stored
            continue
        if coder is None:
            before = view[max(0, at - _WINDOW) : at] if at else window
            coder = _coder(zlib, level, before)
        coded = [coder.compress(piece), coder.flush(zlib.Z_SYNC_FLUSH)]
        shrinks = sum(map(len, coded)) < len(piece)
        parts += coded
    if last:
        parts.append((coder or _coder(zlib, level, b"")).flush(zlib.Z_FINISH))
    return b"".join(parts)


def _coder(zlib: Any, level: int, window: Data) -> Any:
    if not window:
        return zlib.compressobj(level, zlib.DEFLATED, -15)
    return zlib.compressobj(level, zlib.DEFLATED, -15, zdict=window)


def _is_dense(piece: memoryview) -> bool:
    """Whether what is tried of `piece` does not shrink."""
    from isal import isal_zlib

    middle = len(piece) // 2
    trial = b"".join((piece[:_TRIAL], piece[middle : middle + _TRIAL]))
    return len(isal_zlib.compress(trial, 1, -15)) >= len(trial)


def _stored(piece: memoryview) -> Iterator[Data]:
    """`piece` in blocks of deflate that are not compressed (RFC 1951, 3.2.4)."""
    for at in range(0, len(piece), 0xFFFF):
        part = piece[at : at + 0xFFFF]
        size = len(part)
        yield b"\x00" + size.to_bytes(2, "little") + (size ^ 0xFFFF).to_bytes(2, "little")
        yield part
