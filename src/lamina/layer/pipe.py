"""A blob becomes plain bytes in threads of its own, both digests taken on the way.

One thread reads, hashes what is stored, and inflates; a second hashes what is plain; the caller
parses and writes. All three spend their time in calls that release the GIL. The first bytes are
made by the caller itself, for most layers are so small that threads only cost.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Thread

from lamina.fs.atomic import write_all
from lamina.layer.compress import HEAD, expand, sniff
from lamina.layer.limits import Limits, TooMuch
from lamina.oci.digest import DiffID, Digest

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

    from lamina.layer.compress import Kind

_SMALL = 1 << 19  # plain bytes that are made without other threads
_AHEAD = 6  # pieces of half a MiB that may wait between two threads
_Item = bytes | BaseException


class Pipe:
    """The plain bytes of a blob, by `read`; once they have ended, what the blob is called.

    A context manager: leaving it early stops the threads. The blob's stream is left open, and
    is read in another thread meanwhile. The plain bytes of a compressed blob are also written to
    the open file `plain`, if there is one.
    """

    def __init__(self, stream: BinaryIO, limits: Limits, *, plain: int | None = None) -> None:
        self._stream = stream
        self._limits = limits
        self._file = plain
        self._stored = hashlib.sha256()
        self._plain = hashlib.sha256()
        self.kind: Kind = "none"
        self.size = 0  # bytes of the blob read so far
        self.plain_size = 0  # bytes of the plain tar made so far
        self._credits: SimpleQueue[bool] = SimpleQueue()
        for _ in range(_AHEAD):
            self._credits.put(True)
        self._inflated: SimpleQueue[_Item] = SimpleQueue()
        self._hashed: SimpleQueue[_Item] = SimpleQueue()
        self._ended = False
        self._pieces = self._expanded()
        self._threads: list[Thread] = []

    def __enter__(self) -> Pipe:
        return self

    def __exit__(self, *_: object) -> None:
        self._ended = True
        self._credits.put(False)
        for thread in self._threads:
            thread.join()

    def read(self, _count: int = -1) -> bytes:
        """The next bytes of the plain tar, some half MiB; b"" at the end. Raises BadCompression."""
        if self._ended:
            return b""
        if not self._threads and self.plain_size < _SMALL:
            return self._made_here()
        if not self._threads:
            self._start()
        item = self._hashed.get()
        if isinstance(item, bytes):
            self._credits.put(True)
            self._ended = not item
            return item
        self._ended = True
        raise item

    def drain(self) -> None:
        """Read to the end: digests count what follows the archive, too."""
        while self.read():
            pass

    @property
    def digest(self) -> Digest:
        """Of the blob; final once `read` has returned b""."""
        return Digest(f"sha256:{self._stored.hexdigest()}")

    @property
    def diff_id(self) -> DiffID:
        """Of the plain tar; final once `read` has returned b""."""
        if self.kind == "none":
            return DiffID(self.digest)
        return DiffID(Digest(f"sha256:{self._plain.hexdigest()}"))

    def _made_here(self) -> bytes:
        self._ended = True  # unless all goes well
        piece = next(self._pieces, b"")
        self._take_in(piece)
        self._ended = not piece
        return piece

    def _start(self) -> None:
        self._threads = [
            Thread(target=self._inflate, name="lamina-inflate", daemon=True),
            Thread(target=self._hash, name="lamina-hash", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    # --- the first thread

    def _inflate(self) -> None:
        credits, put = self._credits, self._inflated.put
        try:
            for piece in self._pieces:
                if not credits.get():
                    put(b"")
                    return
                put(piece)
            put(b"")
        except BaseException as error:  # noqa: BLE001  # carried over to the reader's thread
            put(error)

    def _expanded(self) -> Iterator[bytes]:
        for piece in expand(self._begin(), self.kind):
            self.plain_size += len(piece)
            self._check()
            yield piece

    def _begin(self) -> Callable[[int], bytes]:
        """Sniff the blob; a reader of it from its first byte on."""
        head = b""
        while len(head) < HEAD and (more := self._take(1 << 16)):
            head += more
        self.kind = sniff(head)
        heads = [head]

        def read(count: int) -> bytes:
            return heads.pop() if heads else self._take(count)

        return read

    def _take(self, count: int) -> bytes:
        data = self._stream.read(count)
        self._stored.update(data)
        self.size += len(data)
        return data

    def _check(self) -> None:
        limits = self._limits
        if self.plain_size > limits.plain_size:
            raise TooMuch(f"the layer is larger than {limits.plain_size} bytes when expanded")
        if (
            self.plain_size > limits.ratio_from
            and self.plain_size > limits.ratio * self.size
            and self.kind != "none"
        ):
            raise TooMuch(
                f"the layer expands to more than {limits.ratio} times its size",
                hint="it looks like a decompression bomb",
            )

    # --- the second thread

    def _hash(self) -> None:
        get, put = self._inflated.get, self._hashed.put
        while True:
            item = get()
            if isinstance(item, bytes):
                try:
                    self._take_in(item)
                except OSError as error:
                    put(error)
                    return
            put(item)
            if not isinstance(item, bytes) or not item:
                return

    def _take_in(self, piece: bytes) -> None:
        """Count plain bytes into the digest and the file; else they are the blob's once more."""
        if self.kind != "none":
            self._plain.update(piece)
            if self._file is not None:
                write_all(self._file, memoryview(piece))
