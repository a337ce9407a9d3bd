"""Images from a registry into the store: documents first, then the layers side by side.

A layer is written, hashed, expanded and unpacked while it arrives. Nothing is named before all of
it is here and is what it should be; what has come of a blob when a pull breaks off is kept
(`store.partial`), and the next one goes on from there.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Sequence
from typing import BinaryIO, Protocol, cast

from lamina.errors import Corrupt, Invalid
from lamina.image import fetch, graph, select, view
from lamina.image.view import Layer
from lamina.layer.crc import Crc
from lamina.oci import media_type as types
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.document import CONFIG_LIMIT, MANIFEST_LIMIT
from lamina.oci.manifest import Index
from lamina.oci.platform import Platform
from lamina.snapshot.snapshotter import Snapshotter
from lamina.store import Store
from lamina.store.partial import Partial
from lamina.transfer.copy import Event, Outcome
from lamina.transfer.landing import Keep, Landing, Read, wrong_layer
from lamina.transfer.side import Job, Stop, Watched, side_by_side
from lamina.values import dataclass

WORKERS = 4  # layers at a time
_LIMIT = max(MANIFEST_LIMIT, CONFIG_LIMIT)
Tell = Callable[[Event], None]


class Source(Protocol):
    """Where images come from."""

    def resolve(self, name: str) -> Descriptor: ...

    def open(self, descriptor: Descriptor) -> BinaryIO: ...

    def size(self, digest: Digest) -> int:
        """Bytes of a blob."""
        ...

    def download(self, descriptor: Descriptor, start: int = 0) -> BinaryIO:
        """The bytes of a blob from `start` on; who reads checks the digest."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which images of an index, and what is done with them."""

    platform: Platform  # the one whose tree is unpacked
    every: bool = False  # keep all of an index, and not the image for `platform` alone
    snapshotter: Snapshotter | None = None  # None: nothing is unpacked
    workers: int = WORKERS


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a pull came to; nothing is named yet."""

    root: Descriptor
    moved: int  # bytes that came over the network


def pull(
    store: Store, source: Source, name: str, wanted: Wanted, *, keep: Keep, tell: Tell
) -> Pulled:
    """Get what `name` means at `source`, and all it leads to; the caller holds a lease."""
    root = source.resolve(name)
    through = Through(store, source)
    job = _Pull(store, source, through, wanted, keep, tell)
    if root.media_type in types.SCHEMAS1:
        from lamina.transfer import old

        root = old.converted(store, source, root, job.bring)
    moved = job.run(root, _choose(through, root, wanted))
    return Pulled(Descriptor(root.media_type, root.digest, root.size), moved)


def _choose(
    through: Through, root: Descriptor, wanted: Wanted
) -> Callable[[Index], Iterable[Descriptor]] | None:
    """Which of an index's manifests to follow: None for all."""
    if wanted.every:
        return None
    found = fetch.manifest(through, root) if root.media_type in types.INDEXES else None
    if not isinstance(found, Index):
        return None
    one = select.choose(through, found, wanted.platform)

    def follow(index: Index) -> Iterable[Descriptor]:
        """The chosen manifest, and the indexes that may lead to it."""
        return [
            each
            for each in index.manifests
            if each.digest == one.digest or each.media_type in types.INDEXES
        ]

    return follow


class Through:
    """A Fetcher of documents: those of the store, and of the source, which the store keeps."""

    def __init__(self, store: Store, source: Source) -> None:
        self._store = store
        self._source = source

    def open(self, descriptor: Descriptor) -> BinaryIO:
        blobs = self._store.blobs
        if blobs.has(descriptor.digest):
            return blobs.open(descriptor)
        raw = fetch.document(self._source, descriptor, limit=_LIMIT)
        blobs.push(descriptor, io.BytesIO(raw))
        return io.BytesIO(raw)


class _Pull:
    """One pull at work."""

    def __init__(
        self,
        store: Store,
        source: Source,
        through: Through,
        wanted: Wanted,
        keep: Keep,
        tell: Tell,
    ) -> None:
        self.store = store
        self.source = source
        self.through = through
        self.wanted = wanted
        self.keep = keep
        self.tell = tell
        self.stop = Stop()
        self.moved = 0

    def run(self, root: Descriptor, choose: Callable[[Index], Iterable[Descriptor]] | None) -> int:
        order = list(graph.walk(self.through, root, choose=choose))
        landing = self._landing(root, order)
        layers = landing.layers if landing is not None else ()
        numbers: dict[Digest, list[int]] = {}
        for at, layer in enumerate(layers):
            numbers.setdefault(layer.descriptor.digest, []).append(at)
        blobs = [one for one in order if one.media_type not in graph.DOCUMENTS]
        jobs = self._jobs(blobs, landing, numbers)
        try:
            side_by_side(jobs, self.wanted.workers, self.stop)
        finally:
            if landing is not None:
                landing.close()
        return self.moved

    def bring(self, blobs: Sequence[Descriptor]) -> None:
        """Get blobs that are not here, and unpack none of them."""
        side_by_side(self._jobs(blobs, None, {}), self.wanted.workers, self.stop)

    def _landing(self, root: Descriptor, order: Sequence[Descriptor]) -> Landing | None:
        """The trees of the image for the platform; None if there is nothing to be unpacked."""
        if not any(one.media_type in types.CONFIGS for one in order):
            return None  # an artifact
        try:
            image = view.load(self.through, root, platform=self.wanted.platform)
        except select.NoSuchPlatform:
            return None
        snapshotter = self.wanted.snapshotter
        if snapshotter is None:
            return None
        return Landing(self.store, snapshotter, image.layers, self.keep, self._unpacked)

    def _unpacked(self, layer: Layer) -> None:
        self.tell(Event(layer.descriptor, Outcome.UNPACKED, layer.descriptor.size))

    def _jobs(
        self, blobs: Sequence[Descriptor], landing: Landing | None, numbers: dict[Digest, list[int]]
    ) -> list[Job]:
        jobs: list[Job] = []
        for descriptor in blobs:
            places = numbers.get(descriptor.digest, [])
            here = self.store.blobs.has(descriptor.digest)
            if landing is not None:
                # A tree that is here needs nothing; the first of those that are not is read into.
                places.sort(key=landing.has_tree)
            self.tell(
                Event(
                    descriptor,
                    Outcome.PRESENT if here else Outcome.WAITING,
                    descriptor.size if here else 0,
                )
            )
            if here and (landing is None or all(map(landing.has_tree, places))):
                continue
            if landing is not None and places:
                jobs.append(lambda one=descriptor, at=places: self._layer(one, landing, at))  # type: ignore[misc]
            else:
                jobs.append(lambda one=descriptor: self._blob(one))  # type: ignore[misc]
        return jobs

    # --- one blob

    def _blob(self, descriptor: Descriptor) -> None:
        """Get a blob that is not unpacked here."""

        def read(stream: BinaryIO) -> tuple[Digest, Callable[[bool], None]]:
            hasher = descriptor.digest.hasher()
            while data := stream.read(fetch.CHUNK):
                hasher.update(data)
            return Digest.done(hasher), lambda good: None

        self._get(descriptor, read)

    def _layer(self, descriptor: Descriptor, landing: Landing, places: Sequence[int]) -> None:
        """Get a layer of the image that is unpacked, and unpack it as it comes.

        An image may have the same layer in several places, above all the empty one.
        """
        first, *others = places

        def read(stream: BinaryIO) -> tuple[Digest, Callable[[bool], None]]:
            hashed = _Hashed(stream, descriptor.digest)
            found, end = landing.read(first, cast("BinaryIO", hashed))
            for place in places:
                if found.diff_id != landing.layers[place].diff_id:
                    end(False)
                    raise wrong_layer(landing.layers[place], found.diff_id)

            def end_all(good: bool) -> None:
                end(good)
                for place in others if good else ():
                    landing.arrived(place)

            return hashed.digest(found), end_all

        if not self.store.blobs.has(descriptor.digest):
            self._get(descriptor, read)
            return
        with self.store.blobs.open(descriptor) as blob:
            told = self._telling(descriptor, Outcome.UNPACKING)
            digest, end = read(cast("BinaryIO", Watched(blob, told, self.stop)))
        self._settle(descriptor, digest, end, None)

    def _get(
        self,
        descriptor: Descriptor,
        read: Callable[[BinaryIO], tuple[Digest, Callable[[bool], None]]],
    ) -> None:
        with self.store.partial(descriptor.digest) as partial:
            if self.store.blobs.has(descriptor.digest):
                partial.discard()  # another process has brought it meanwhile
                with self.store.blobs.open(descriptor) as blob:
                    digest, end = read(blob)
                self._settle(descriptor, digest, end, None)
                return
            if partial.size > descriptor.size:
                partial.restart()
            kept = partial.size
            try:
                self._arrive(descriptor, partial, read)
            except (Corrupt, Invalid) as error:
                partial.restart()
                if not kept:
                    partial.discard()
                    raise
                # What an earlier pull had left may have been what was wrong.
                self.tell(Event(descriptor, Outcome.WAITING, 0, str(error)))
                try:
                    self._arrive(descriptor, partial, read)
                except (Corrupt, Invalid):
                    partial.discard()
                    raise

    def _arrive(
        self,
        descriptor: Descriptor,
        partial: Partial,
        read: Callable[[BinaryIO], tuple[Digest, Callable[[bool], None]]],
    ) -> None:
        with _Arriving(self, descriptor, partial) as arriving:
            digest, end = read(cast("BinaryIO", arriving))

        def commit() -> None:
            partial.commit()
            if descriptor.media_type in types.PLAIN:
                self.store.crcs.put(descriptor.digest, arriving.crc)

        self._settle(descriptor, digest, end, commit)

    def _settle(
        self,
        descriptor: Descriptor,
        digest: Digest,
        end: Callable[[bool], None],
        commit: Callable[[], None] | None,
    ) -> None:
        """Let a blob that has been read stay if it is the one; else nothing of it does."""
        try:
            if digest != descriptor.digest:
                raise Corrupt(
                    f'the bytes of "{descriptor.digest}" have the digest "{digest}"',
                    hint="the registry, or somebody on the way to it, sends something else",
                )
            self.stop.check()
            if commit is not None:
                commit()
                self.tell(Event(descriptor, Outcome.DONE, descriptor.size))
        except BaseException:
            end(False)
            raise
        end(True)

    def _telling(self, descriptor: Descriptor, outcome: Outcome) -> Callable[[int], None]:
        return lambda done: self.tell(Event(descriptor, outcome, done))


class _Hashed:
    """A stream hashed by another algorithm than SHA-256, where its blob's name needs that."""

    def __init__(self, stream: BinaryIO, expected: Digest) -> None:
        self._stream = stream
        self._hash = expected.hasher() if expected.algorithm != "sha256" else None

    def read(self, size: int = -1, /) -> bytes:
        data = self._stream.read(size)
        if self._hash is not None:
            self._hash.update(data)
        return data

    def digest(self, found: Read) -> Digest:
        return found.digest if self._hash is None else Digest.done(self._hash)


class _Arriving:
    """A blob as one stream: what is kept of it, then what comes, which is kept too."""

    def __init__(self, pull: _Pull, descriptor: Descriptor, partial: Partial) -> None:
        self._pull = pull
        self._descriptor = descriptor
        self._partial = partial
        self._kept: BinaryIO | None = partial.reader() if partial.size else None
        self._left = partial.size  # of what is kept, not yet read
        self._rest: BinaryIO | None = None
        self._done = 0
        self.crc = Crc()

    def __enter__(self) -> _Arriving:
        return self

    def __exit__(self, *_: object) -> None:
        for stream in (self._kept, self._rest):
            if stream is not None:
                stream.close()

    def read(self, size: int = -1, /) -> bytes:
        self._pull.stop.check()
        if self._left and self._kept is not None:
            data = self._kept.read(min(fetch.CHUNK if size < 0 else size, self._left))
            if not data:
                raise Corrupt(f'what was kept of "{self._descriptor.digest}" has become shorter')
            self._left -= len(data)
        else:
            data = self._come(size)
        self._done += len(data)
        self.crc = self.crc.plus(data)
        self._pull.tell(Event(self._descriptor, Outcome.MOVING, self._done))
        return data

    def _come(self, size: int) -> bytes:
        if self._done >= self._descriptor.size:
            return b""
        if self._rest is None:
            self._rest = self._pull.source.download(self._descriptor, self._done)
        data = self._rest.read(fetch.CHUNK if size < 0 else size)
        self._partial.write(data)
        self._pull.moved += len(data)
        return data
