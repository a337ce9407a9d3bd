"""One walk over a graph of content, from one place to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import BinaryIO, cast

from lamina.image import graph
from lamina.oci.content import Fetcher, Pusher
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index
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
) -> Copied:
    """Copy `root` and all it leads to; nothing is copied that `target` has.

    Children go first, so that a copy cut short leaves no pointer to nothing, and can be repeated.
    `sparse` and `choose` are `image.graph.walk`'s. NotFound if something is not in `source`,
    Corrupt if it is not what its descriptor says.
    """
    moved = size = present = 0
    for descriptor in graph.walk(source, root, sparse=sparse, choose=choose):
        if target.has(descriptor.digest):
            present += 1
            if tell is not None:
                tell(Event(descriptor, Outcome.PRESENT, descriptor.size))
            continue
        with source.open(descriptor) as stream:
            target.push(descriptor, watched(stream, descriptor, tell) if tell else stream)
        moved, size = moved + 1, size + descriptor.size
        if tell is not None:
            tell(Event(descriptor, Outcome.DONE, descriptor.size))
    return Copied(root, moved, size, present)


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
