"""The layers of one image becoming snapshots while they arrive, in whatever order they do.

Where the snapshotter points into tars, a layer is only drawn while it comes (`layer.sketch`).
Elsewhere it is laid onto the tree below it where that is there already; apart from it where the
snapshotter can graft it later and the layer does not lean on what is below (`layer.apart`); and
otherwise in its turn, from the kept blob, as is a drawn layer that cannot stand so.
What stands on a layer waits for it, nothing else does.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Sequence
from enum import StrEnum
from typing import BinaryIO

from lamina.errors import Corrupt
from lamina.fs import mounts
from lamina.image.view import Layer
from lamina.layer import apart
from lamina.layer.apply import apply
from lamina.layer.entry import Entry
from lamina.layer.limits import DEFAULT
from lamina.layer.pipe import Pipe
from lamina.oci.digest import ChainID, DiffID, Digest
from lamina.snapshot.snapshotter import Draft, Snapshotter
from lamina.store import Store
from lamina.values import dataclass, field

TYPE_CHECKING = False  # only layers that are drawn need what draws them
if TYPE_CHECKING:
    from lamina.snapshot.drawing import Drawn

_HELD = 256 << 20  # bytes of memory for drawn layers that wait for the ones below

Keep = Callable[[Digest, DiffID, Iterable[Entry], int], None]
"""Remembers what was learnt of a layer: blob, diff ID, entries, bytes of the plain tar."""


class Way(StrEnum):
    """How a layer gets its tree."""

    HERE = "here"  # the snapshot is there
    DRAWN = "drawn"  # to be put on the one below without being unpacked
    ON_TOP = "on top"  # the one below is there, or there is none
    APART = "apart"
    LATER = "later"  # from the blob, when it is its turn


@dataclass(slots=True)
class _Place:
    layer: Layer
    parent: ChainID | None
    arrived: bool = False  # its blob is in the store
    drawn: Drawn | None = None
    leans: bool = False  # it was found that it cannot be drawn
    draft: Draft | None = None  # filled apart
    whiteouts: frozenset[str] = frozenset()
    has_root: bool = False
    landed: bool = False  # its snapshot is there


@dataclass(frozen=True, slots=True)
class Read:
    """What one pass over a layer's blob came to."""

    digest: Digest  # SHA-256
    size: int
    diff_id: DiffID


@dataclass(slots=True)
class Landing:
    """The trees of one image; its methods are for many threads, one for each layer."""

    store: Store
    snapshotter: Snapshotter
    layers: Sequence[Layer]
    keep: Keep
    tell: Callable[[Layer], None]  # a layer is unpacked
    _places: list[_Place] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _is_landing: bool = False
    _held: int = 0  # bytes of memory, by estimate, of drawn layers that wait

    def __post_init__(self) -> None:
        parent: ChainID | None = None
        for layer in self.layers:
            self._places.append(_Place(layer, parent, landed=self.snapshotter.has(layer.chain_id)))
            parent = layer.chain_id

    def has_tree(self, number: int) -> bool:
        """Whether nothing is to be unpacked for a layer, as its tree is there, or the image's."""
        return self._places[number].landed or self._places[-1].landed

    def read(self, number: int, stream: BinaryIO) -> tuple[Read, Callable[[bool], None]]:
        """Read the blob of a layer to its end, unpacking it if that can be done now.

        Also a function to be called once: with True when the blob is in the store and is what it
        should be, which lets the tree land; with False to throw it away.
        """
        place = self._places[number]
        match self._way(place):
            case Way.DRAWN:
                return self._draw(place, stream)
            case Way.ON_TOP:
                return self._on_top(place, stream)
            case Way.APART:
                return self._apart(place, stream)
        with Pipe(stream, DEFAULT) as pipe:
            pipe.drain()
        return Read(pipe.digest, pipe.size, pipe.diff_id), lambda good: self._end(place, good)

    def arrived(self, number: int) -> None:
        """The blob of a layer is in the store, and is what it should be."""
        self._end(self._places[number], True)

    def _way(self, place: _Place) -> Way:
        with self._lock:
            if place.landed:
                return Way.HERE
            if self.snapshotter.indexer() is not None:
                return Way.DRAWN
            if self._is_ground(place):
                return Way.ON_TOP
        return Way.LATER if self.snapshotter.grafter() is None else Way.APART

    def _is_ground(self, place: _Place) -> bool:
        at = self._places.index(place)
        return at == 0 or self._places[at - 1].landed

    def _draw(self, place: _Place, stream: BinaryIO) -> tuple[Read, Callable[[bool], None]]:
        from lamina.snapshot.drawing import draw

        indexer = self.snapshotter.indexer()
        assert indexer is not None
        drawn = draw(indexer, stream)
        applied = drawn.applied

        def end(good: bool) -> None:
            place.leans = applied.leans
            if not good or applied.leans:
                drawn.discard()
            else:
                self.keep(applied.digest, applied.diff_id, applied.index, applied.plain_size)
                self._hold(place, drawn)
            self._end(place, good)

        return Read(applied.digest, applied.size, applied.diff_id), end

    def _on_top(self, place: _Place, stream: BinaryIO) -> tuple[Read, Callable[[bool], None]]:
        draft = self.snapshotter.prepare(_key(), place.parent)
        try:
            with mounts.opened(draft.plan) as root:
                applied = apply(stream, root)
        except BaseException:
            self.snapshotter.discard(draft)
            raise

        def end(good: bool) -> None:
            if good:
                self.keep(applied.digest, applied.diff_id, applied.index, applied.plain_size)
                self.snapshotter.commit(draft, place.layer.chain_id)
                self._landed(place)
            else:
                self.snapshotter.discard(draft)
            self._end(place, good)

        return Read(applied.digest, applied.size, applied.diff_id), end

    def _apart(self, place: _Place, stream: BinaryIO) -> tuple[Read, Callable[[bool], None]]:
        draft = self.snapshotter.prepare(_key(), None)
        try:
            with mounts.opened(draft.plan) as root:
                found = apart.apply(stream, root)
        except BaseException:
            self.snapshotter.discard(draft)
            raise
        applied = found.applied

        def end(good: bool) -> None:
            if not good or applied.leans:
                self.snapshotter.discard(draft)
            else:
                self.keep(applied.digest, applied.diff_id, applied.index, applied.plain_size)
                place.draft, place.whiteouts = draft, found.whiteouts
                place.has_root = found.has_root
            self._end(place, good)

        return Read(applied.digest, applied.size, applied.diff_id), end

    def _end(self, place: _Place, good: bool) -> None:
        """The blob is here: whatever can land now, does, one after the other.

        One thread at a time lands, and what arrives meanwhile is its business too.
        """
        if not good:
            return
        with self._lock:
            place.arrived = True
            if self._is_landing:
                return
            self._is_landing = True
        try:
            while (ready := self._ready()) is not None:
                self._land(ready)
        except BaseException:
            self._is_landing = False
            raise

    def _ready(self) -> _Place | None:
        """The lowest layer that is here without its tree, if the one below has its own."""
        with self._lock:
            for place in self._places:
                if not place.landed:
                    if place.arrived:
                        return place
                    break
            self._is_landing = False
        return None

    def _land(self, place: _Place) -> None:
        chain, parent, draft = place.layer.chain_id, place.parent, place.draft
        grafter = self.snapshotter.grafter()
        if self._land_drawn(place):
            self._landed(place)
            return
        if draft is not None and parent is not None and grafter is not None:
            place.draft = None
            try:
                grafter.graft(
                    draft, chain, parent, whiteouts=place.whiteouts, has_root=place.has_root
                )
            except BaseException:
                self.snapshotter.discard(draft)
                raise
        else:
            self._unpack(place)
        self._landed(place)

    def _hold(self, place: _Place, drawn: Drawn) -> None:
        """Keep a drawn layer for its turn, unless too much waits: it is drawn once more then."""
        with self._lock:
            is_held = self._held + drawn.sketch.memory <= _HELD
            if is_held:
                self._held += drawn.sketch.memory
                place.drawn = drawn
        if not is_held:
            drawn.discard()

    def _land_drawn(self, place: _Place) -> bool:
        """Put a layer on the one below without unpacking it; False if that cannot be."""
        indexer = self.snapshotter.indexer()
        if indexer is None or place.leans:
            return False
        layer = place.layer
        drawn, place.drawn = place.drawn, None
        if drawn is not None:
            with self._lock:
                self._held -= drawn.sketch.memory
        else:
            from lamina.snapshot.drawing import draw

            with self.store.blobs.open(layer.descriptor) as blob:
                drawn = draw(indexer, blob)
            applied = drawn.applied
            if applied.diff_id != layer.diff_id:
                drawn.discard()
                raise wrong_layer(layer, applied.diff_id)
            if not applied.leans:
                self.keep(layer.descriptor.digest, layer.diff_id, applied.index, applied.plain_size)
        blob_path = self.store.blobs.path(layer.descriptor.digest)
        return drawn.land(layer.chain_id, place.parent, blob=blob_path)

    def _unpack(self, place: _Place) -> None:
        """Lay the layer's blob onto the tree below."""
        layer = place.layer
        draft = self.snapshotter.prepare(_key(), place.parent)
        try:
            with self.store.blobs.open(layer.descriptor) as blob:
                with mounts.opened(draft.plan) as root:
                    applied = apply(blob, root)
            if applied.diff_id != layer.diff_id:
                raise wrong_layer(layer, applied.diff_id)
            self.keep(layer.descriptor.digest, layer.diff_id, applied.index, applied.plain_size)
            self.snapshotter.commit(draft, layer.chain_id)
        except BaseException:
            self.snapshotter.discard(draft)
            raise

    def _landed(self, place: _Place) -> None:
        with self._lock:
            place.landed = True
        self.tell(place.layer)

    def close(self) -> None:
        """Throw away what was unpacked and can land no more."""
        for place in self._places:
            draft, place.draft = place.draft, None
            if draft is not None:
                self.snapshotter.discard(draft)
            drawn, place.drawn = place.drawn, None
            if drawn is not None:
                drawn.discard()


def wrong_layer(layer: Layer, found: DiffID) -> Corrupt:
    """The error for a blob whose plain tar is not what the config says."""
    return Corrupt(
        f'layer "{layer.descriptor.digest}" unpacks to "{found}",'
        f' but the config says "{layer.diff_id}"',
        hint="the image is broken or forged: nothing can be built or run from it",
    )


def _key() -> str:
    return f"unpack-{os.getpid()}-{os.urandom(8).hex()}"
