"""Images of the store into a registry: layers side by side, then the documents.

Layers that are kept as plain tars are compressed while they are sent, in one pass; the manifest
says so, and is the same again the next time, for the compression is.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO, Protocol

from lamina.errors import Invalid, NotFound
from lamina.image import fetch, graph, select
from lamina.layer.compress import Compressor, Kind, processors
from lamina.oci import document
from lamina.oci import media_type as types
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import DiffID, Digest
from lamina.oci.manifest import Index
from lamina.oci.platform import Platform
from lamina.store import Store
from lamina.transfer.copy import Event, Outcome, watched
from lamina.transfer.known import Known
from lamina.transfer.side import Job, Stop, side_by_side
from lamina.values import dataclass, replace

WORKERS = 4  # layers at a time
_COMPRESSED = {
    (types.OCI_LAYER, "gzip"): types.OCI_LAYER_GZIP,
    (types.OCI_LAYER, "zstd"): types.OCI_LAYER_ZSTD,
    (types.DOCKER_LAYER, "gzip"): types.DOCKER_LAYER_GZIP,
    (types.DOCKER_LAYER, "zstd"): types.DOCKER_LAYER_ZSTD,
}
Tell = Callable[[Event], None]


class Target(Protocol):
    """Where images go."""

    def has_blob(self, digest: Digest) -> bool: ...

    def mount(self, digest: Digest) -> bool:
        """Whether it could take the blob from another repository."""
        ...

    def send_blob(self, descriptor: Descriptor, stream: BinaryIO) -> None:
        """Store what `stream` yields, without looking whether it is there."""
        ...

    def push_stream(
        self,
        source: Callable[[int], Iterator[bytes]],
        size: int | None,
        digest: Callable[[], Digest],
    ) -> None: ...

    def put_manifest(self, raw: bytes, media_type: str, reference: str) -> Digest: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How a push is done."""

    compression: Kind = "gzip"  # of layers that are plain; "none" leaves them so
    level: int | None = None  # None: the compression's usual one
    workers: int = WORKERS

    @property
    def method(self) -> str:
        return self.compression if self.level is None else f"{self.compression}-{self.level}"


class NotWhole(NotFound):
    """Of an index, some images are not here."""


def choose(store: Store, root: Descriptor, platform: Platform | None) -> Descriptor:
    """What to push of `root`: of an index the image for `platform`, or all, or the only one here.

    NotWhole where some images of an index are here and some are not.
    """
    if root.media_type not in types.INDEXES:
        return root
    index = fetch.manifest(store.blobs, root)
    assert isinstance(index, Index)
    if platform is not None:
        return select.choose(store.blobs, index, platform)
    every = list(select.manifests(store.blobs, index))
    here = [one for one in every if _is_whole(store, one)]
    lacking = [one for one in graph.walk(store.blobs, root, sparse=True) if not _has(store, one)]
    if not lacking and len(here) == len(every) and _all_documents(store, index):
        return root
    if len(here) == 1:
        return here[0]
    raise NotWhole(
        f'"{root.digest}" has images for {len(every)} platforms, of which {len(here)} are here',
        hint="push one with --platform, or pull the others with --all-platforms first",
    )


def _has(store: Store, descriptor: Descriptor) -> bool:
    return bool(descriptor.urls) or store.blobs.has(descriptor.digest)


def _is_whole(store: Store, descriptor: Descriptor) -> bool:
    try:
        return all(_has(store, one) for one in graph.walk(store.blobs, descriptor))
    except NotFound:
        return False


def _all_documents(store: Store, index: Index) -> bool:
    return all(store.blobs.has(one.digest) for one in index.manifests)


def push(
    store: Store,
    target: Target,
    root: Descriptor,
    reference: str | None,
    manner: Manner,
    *,
    known: Known,
    repository: str,
    tell: Tell,
) -> Descriptor:
    """Send `root` and all below it, give it the tag `reference` if there is one; what it is there.

    `repository` is what `known` calls the target. The caller holds a lease.
    """
    order = list(graph.walk(store.blobs, root))
    job = _Push(store, target, manner, known, repository, tell)
    job.blobs([one for one in order if one.media_type not in graph.DOCUMENTS and _has(store, one)])
    for one in order:
        if one.media_type in graph.DOCUMENTS:
            is_root = one.digest == root.digest
            job.document(one, reference if is_root and reference is not None else None)
    return job.sent[root.digest]


class _Push:
    """One push at work."""

    def __init__(
        self,
        store: Store,
        target: Target,
        manner: Manner,
        known: Known,
        repository: str,
        tell: Tell,
    ) -> None:
        self.store = store
        self.target = target
        self.manner = manner
        self.known = known
        self.repository = repository
        self.tell = tell
        self.stop = Stop()
        self.sent: dict[Digest, Descriptor] = {}  # by the digest here, what it is there
        self._lock = threading.Lock()

    def blobs(self, blobs: Sequence[Descriptor]) -> None:
        jobs: list[Job] = []
        for one in blobs:
            self.tell(Event(one, Outcome.WAITING, 0))
            plain = one.media_type in types.PLAIN and self.manner.compression != "none"
            do = self._compressed if plain else self._as_it_is
            jobs.append(lambda one=one, do=do: do(one))  # type: ignore[misc]
        side_by_side(jobs, self.manner.workers, self.stop)
        self.known.remember_place((one.digest for one in self.sent.values()), self.repository)

    def document(self, descriptor: Descriptor, reference: str | None) -> None:
        """Send a manifest or an index, its children as they are there."""
        raw = fetch.document(self.store.blobs, descriptor, limit=document.MANIFEST_LIMIT)
        there = rewritten(raw, self.sent)
        digest = Digest.of(there, descriptor.digest.algorithm)
        self.target.put_manifest(there, descriptor.media_type, reference or digest)
        self.sent[descriptor.digest] = replace(descriptor, digest=digest, size=len(there))

    def _as_it_is(self, descriptor: Descriptor) -> None:
        if not self._is_there(descriptor, descriptor):
            with self.store.blobs.open(descriptor) as blob:
                self.target.send_blob(descriptor, watched(blob, descriptor, self._told))
            self.tell(Event(descriptor, Outcome.DONE, descriptor.size))
        self._set(descriptor, descriptor)

    def _compressed(self, descriptor: Descriptor) -> None:
        diff_id, method = DiffID(descriptor.digest), self.manner.method
        media_type = _COMPRESSED[descriptor.media_type, self.manner.compression]
        known = self.known.compressed(diff_id, method)
        there = None
        if known is not None:
            there = replace(descriptor, media_type=media_type, digest=known[0], size=known[1])
        if there is None or not self._is_there(descriptor, there):
            source = Compressing(self.store, descriptor, self.manner, self.tell, self.stop)
            self.target.push_stream(source, None, source.digest)
            there = replace(
                descriptor, media_type=media_type, digest=source.digest(), size=source.size
            )
            self.known.remember_compressed(diff_id, method, there.digest, there.size)
            self.tell(Event(descriptor, Outcome.DONE, descriptor.size))
        self._set(descriptor, there)

    def _is_there(self, descriptor: Descriptor, there: Descriptor) -> bool:
        """Whether the target has, or could mount, the blob that `descriptor` is `there`."""
        if self.target.has_blob(there.digest):
            outcome = Outcome.PRESENT
        elif self.target.mount(there.digest):
            outcome = Outcome.MOUNTED
        else:
            return False
        self.tell(Event(descriptor, outcome, descriptor.size))
        return True

    def _told(self, event: Event) -> None:
        self.stop.check()
        self.tell(event)

    def _set(self, descriptor: Descriptor, there: Descriptor) -> None:
        with self._lock:
            self.sent[descriptor.digest] = there


class Compressing:
    """A plain layer as compressed bytes, made anew from its beginning each time it is asked for."""

    def __init__(
        self, store: Store, descriptor: Descriptor, manner: Manner, tell: Tell, stop: Stop
    ) -> None:
        self._store = store
        self._descriptor = descriptor
        self._manner = manner
        self._tell = tell
        self._stop = stop
        self._digest: Digest | None = None
        self.size = 0  # bytes, once all are made

    def digest(self) -> Digest:
        """Of the compressed bytes; once all are made."""
        if self._digest is None:
            raise Invalid(f'"{self._descriptor.digest}" was not sent to its end')
        return self._digest

    def __call__(self, offset: int) -> Iterator[bytes]:
        made, size = hashlib.sha256(), 0
        for piece in self._pieces():
            made.update(piece)
            before, size = size, size + len(piece)
            if size > offset:
                yield piece[max(0, offset - before) :]
        self._digest, self.size = Digest.done(made), size

    def _pieces(self) -> Iterator[bytes]:
        descriptor = self._descriptor
        check, done = self._store.crcs.check(descriptor.digest), 0
        out = _Pieces()
        with (
            self._store.blobs.open(descriptor) as blob,
            Compressor(
                out, self._manner.compression, self._manner.level, threads=processors()
            ) as compressor,
        ):
            while data := blob.read(fetch.CHUNK):
                self._stop.check()
                check.update(data)
                compressor.write(data)
                done += len(data)
                self._tell(Event(descriptor, Outcome.MOVING, done))
                yield from out.take()
            check.end()
        yield from out.take()


class _Pieces:
    """Takes what is written, and gives it away."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []

    def write(self, data: bytes, /) -> int:
        self._pieces.append(data)
        return len(data)

    def take(self) -> Iterator[bytes]:
        pieces, self._pieces = self._pieces, []
        return (piece for piece in pieces if piece)


def rewritten(raw: bytes, there: dict[Digest, Descriptor]) -> bytes:
    """The document with the descriptors of what is below it as they are `there`; else the same."""
    found = document.load(raw, "manifest")
    changed = False
    for key in ("layers", "manifests"):
        below = found.get(key)
        if not isinstance(below, list):
            continue
        for one in below:
            new = there.get(Digest(one["digest"]))
            if new is not None and new.digest != one["digest"]:
                one.update(mediaType=new.media_type, digest=str(new.digest), size=new.size)
                changed = True
    return document.dump(found) if changed else raw
