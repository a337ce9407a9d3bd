"""One walk over a graph of content, from one place to another."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import BinaryIO, cast

from lamina.image import graph
from lamina.oci.content import Fetcher, Pusher
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index
from lamina.transfer.side import Stop, side_by_side
from lamina.values import dataclass


class Outcome(StrEnum):
    """What has become of one blob."""

    WAITING = "waiting"
    MOVING = "moving"
    DONE = "done"
    PRESENT = "present"  # it was there already
    MOUNTED = "mounted"  # from another repository of the registry
    UNPACKING = "unpacking"  # from the store
    UNPACKED = "unpacked"


@dataclass(frozen=True, slots=True)
class Event:
    """A moment of a transfer."""

    descriptor: Descriptor
    outcome: Outcome
    done: int  # bytes of it so far
    note: str = ""  # why it begins anew, or where it came from


@dataclass(frozen=True, slots=True)
class Copied:
    """What a copy came to."""

    root: Descriptor
    moved: int  # blobs
    bytes: int  # of the blobs moved
    present: int  # blobs that were there already


def copy(
    source: Fetcher,
    target: Pusher,
    root: Descriptor,
    *,
    sparse: bool = False,
    choose: Callable[[Index], Iterable[Descriptor]] | None = None,
    tell: Callable[[Event], None] | None = None,
    workers: int = 1,
) -> Copied:
    """Copy `root` and all it leads to; nothing is copied that `target` has.

    Children go first, so that a copy cut short leaves no pointer to nothing, and can be repeated;
    blobs of one document go side by side. `sparse` and `choose` are `image.graph.walk`'s.
    NotFound if something is not in `source`, Corrupt if it is not what its descriptor says.
    """
    work = _Copy(source, target, tell or _nobody)
    waiting: list[Descriptor] = []
    for descriptor in graph.walk(source, root, sparse=sparse, choose=choose):
        if workers > 1 and descriptor.media_type not in graph.DOCUMENTS:
            waiting.append(descriptor)
            continue
        work.all(waiting, workers)
        waiting = []
        work.one(descriptor)
    work.all(waiting, workers)
    return Copied(root, work.moved, work.bytes, work.present)


def _nobody(event: Event) -> None:
    """Nobody listens."""


class _Copy:
    """One copy at work, and what it has come to."""

    def __init__(self, source: Fetcher, target: Pusher, tell: Callable[[Event], None]) -> None:
        self._source = source
        self._target = target
        self._listener = tell
        self._stop = Stop()
        self._lock = threading.Lock()
        self.moved = self.bytes = self.present = 0

    def all(self, descriptors: Sequence[Descriptor], workers: int) -> None:
        jobs = [lambda one=one: self.one(one) for one in descriptors]
        side_by_side(jobs, workers, self._stop)

    def one(self, descriptor: Descriptor) -> None:
        if self._target.has(descriptor.digest):
            with self._lock:
                self.present += 1
            self._tell(Event(descriptor, Outcome.PRESENT, descriptor.size))
            return
        with Reopened(self._source, descriptor) as stream:
            readable = cast("BinaryIO", stream)
            self._target.push(descriptor, watched(readable, descriptor, self._tell))
        with self._lock:
            self.moved += 1
            self.bytes += descriptor.size
        self._tell(Event(descriptor, Outcome.DONE, descriptor.size))

    def _tell(self, event: Event) -> None:
        self._stop.check()
        self._listener(event)


class Reopened:
    """Content that can be read again from its beginning, for the source is asked again then.

    It is asked for nothing before the first read, as a registry may have a better way.
    """

    def __init__(self, source: Fetcher, descriptor: Descriptor) -> None:
        self._source = source
        self._descriptor = descriptor
        self._stream: BinaryIO | None = None

    def __enter__(self) -> Reopened:
        return self

    def __exit__(self, *_: object) -> None:
        if self._stream is not None:
            self._stream.close()

    def read(self, size: int = -1, /) -> bytes:
        if self._stream is None:
            self._stream = self._source.open(self._descriptor)
        return self._stream.read(size)

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return 0

    def seek(self, offset: int) -> int:
        """Go back to the beginning, which is the only place to go to."""
        assert offset == 0
        if self._stream is not None:
            self._stream.close()
        self._stream = None
        return 0


def watched(stream: BinaryIO, descriptor: Descriptor, tell: Callable[[Event], None]) -> BinaryIO:
    """The same stream, telling of each read; it can be read again if `stream` can."""
    return cast("BinaryIO", _Watched(stream, descriptor, tell))


class _Watched:
    """A stream that tells of each read."""

    def __init__(
        self, stream: BinaryIO, descriptor: Descriptor, tell: Callable[[Event], None]
    ) -> None:
        self._stream = stream
        self._descriptor = descriptor
        self._tell = tell
        self._done = 0

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        self._done += len(data)
        self._tell(Event(self._descriptor, Outcome.MOVING, self._done))
        return data

    def seekable(self) -> bool:
        seekable = getattr(self._stream, "seekable", None)
        return bool(seekable and seekable())

    def seek(self, offset: int) -> int:
        self._done = self._stream.seek(offset)
        return self._done

    def tell(self) -> int:
        return self._stream.tell()


class Told:
    """A Pusher in front of another, which tells of what goes through it."""

    def __init__(self, target: Pusher, tell: Callable[[Event], None]) -> None:
        self._target = target
        self._tell = tell

    def has(self, digest: Digest) -> bool:
        return self._target.has(digest)

    def push(self, descriptor: Descriptor, stream: BinaryIO) -> None:
        self._target.push(descriptor, watched(stream, descriptor, self._tell))
        self._tell(Event(descriptor, Outcome.DONE, descriptor.size))
