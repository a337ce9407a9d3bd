"""A blob on its way from a registry, taken up again where the connection broke."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import BinaryIO

from lamina.errors import Corrupt, Error, Unavailable
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.distribution.range import BadRange, parse_content_range
from lamina.remote.retry import Patience
from lamina.remote.transport import Answer, Broken

Ask = Callable[[int], Answer]  # the blob from a byte on: status 200 or 206

_SKIP = 1 << 20  # bytes


class Download(io.RawIOBase):
    """The bytes of a blob from `start` on, never more than the descriptor says.

    Broken connections are made again, up to `patience` without a byte of progress. The digest is
    the reader's to check; `Checked` does.
    """

    def __init__(
        self,
        descriptor: Descriptor,
        ask: Ask,
        *,
        start: int = 0,
        patience: Patience,
        wait: Callable[[int], None],
    ) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._ask = ask
        self._at = start
        self._patience = patience
        self._wait = wait
        self._answer: Answer | None = None  # for `close`, if there is none
        self._answer = self._opened()

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes, as they come; b"" once all are read."""
        left = self._descriptor.size - self._at
        if left <= 0:
            self._finish()
            return b""
        wanted = left if size < 0 else min(size, left)
        tried = 0
        while True:
            try:
                if self._answer is None:
                    self._answer = self._opened()
                data = self._answer.read(min(wanted, _SKIP))
                if not data:
                    # A shorter body than announced comes as Broken, so this is what there is.
                    raise Broken("the answer ended too early")
            except (Broken, Unavailable) as error:
                tried += 1
                self._drop()
                if tried >= self._patience.tries:
                    raise Unavailable(
                        f'"{self._descriptor.digest}" broke off after {self._at} of'
                        f" {self._descriptor.size} bytes: {error}",
                        hint=error.hint or "try again: what has come is kept",
                    ) from None
                self._wait(tried)
                continue
            self._at += len(data)
            return data

    def close(self) -> None:
        if not self.closed:
            self._drop()
        super().close()

    def _opened(self) -> Answer:
        """The answer that goes on at `_at`; Corrupt if it cannot be of this blob."""
        answer = self._ask(self._at)
        size, length = self._descriptor.size, answer.length
        try:
            if answer.status == 206:
                start, _, whole = parse_content_range(answer.header("Content-Range"))
                if start != self._at or (whole is not None and whole != size):
                    raise BadRange("another part than the one asked for")
                return answer
            if length is not None and length != size:
                raise Corrupt(
                    f'"{self._descriptor.digest}" would have {length} bytes where {size} are stated'
                )
            # Ranges are not spoken here: what is known already goes by.
            skip = self._at
            while skip and (data := answer.read(min(skip, _SKIP))):
                skip -= len(data)
        except BadRange as error:
            answer.abandon()
            raise Corrupt(f'"{self._descriptor.digest}": {error}') from None
        except BaseException:
            answer.abandon()
            raise
        return answer

    def _finish(self) -> None:
        """See that nothing follows; the connection serves others then."""
        answer, self._answer = self._answer, None
        if answer is None:
            return
        try:
            more = answer.read(1) if self._descriptor.size else b""
        except Error:
            return
        if more:
            answer.abandon()
            raise Corrupt(
                f'"{self._descriptor.digest}" has more than the {self._descriptor.size} bytes'
                " that are stated"
            )
        answer.close()

    def _drop(self) -> None:
        if self._answer is not None:
            self._answer.abandon()
            self._answer = None


class Checked(io.RawIOBase):
    """A blob from its first byte on; at its end Corrupt if it has another digest."""

    def __init__(self, inner: BinaryIO, descriptor: Descriptor) -> None:
        super().__init__()
        self._inner = inner
        self._descriptor = descriptor
        self._hash = descriptor.digest.hasher()
        self._done = False

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1, /) -> bytes:
        if size < 0:
            return b"".join(iter(lambda: self.read(_SKIP), b""))
        data = self._inner.read(size)
        if data:
            self._hash.update(data)
        elif size and not self._done:
            self._done = True
            if Digest.done(self._hash) != self._descriptor.digest:
                raise Corrupt(
                    f'the bytes of "{self._descriptor.digest}" have the digest'
                    f' "{Digest.done(self._hash)}"',
                    hint="the registry, or somebody on the way to it, sends something else",
                )
        return data

    def close(self) -> None:
        self._inner.close()
        super().close()
