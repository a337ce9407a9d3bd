"""What takes space in a store, and taking away what nothing uses."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lamina.engine import layers, local
from lamina.errors import NotFound
from lamina.oci.digest import Digest

if TYPE_CHECKING:
    from lamina.engine.local import Local, Use
    from lamina.oci.platform import Platform
    from lamina.snapshot.snapshotter import Snapshotter
    from lamina.store import Store
    from lamina.store.gc import Report

BUILD_RECORDS = ("build-step", "build-key", "build-last")  # kinds that `build.cache` keeps
_STEP = BUILD_RECORDS[0]


@dataclass(frozen=True, slots=True)
class Usage:
    """One line of `df`; sizes in bytes."""

    kind: str  # as Docker calls it
    total: int
    active: int
    size: int
    reclaimable: int


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken away."""

    untagged: tuple[str, ...] = ()  # full references
    images: tuple[Digest, ...] = ()  # image IDs
    containers: tuple[str, ...] = ()
    cache: tuple[str, ...] = ()  # keys of build cache records
    reclaimed: int = 0  # bytes


def blob_size(store: Store, digests: Iterable[Digest]) -> int:
    """Bytes of those blobs of `digests` that are here."""
    total = 0
    for digest in digests:
        try:
            total += store.blobs.size(digest)
        except NotFound:
            pass  # of an index, only some platforms may be here
    return total


def image_usage(store: Store, uses: Sequence[Use], images: Sequence[Local]) -> Usage:
    """The images' line: what no container uses could be freed, but for what it shares."""
    by_digest = {one.named.descriptor.digest: one for one in images}
    used = {digest for digest, one in by_digest.items() if any(is_of(use, one) for use in uses)}
    blobs = {digest: _blobs(store, digest) for digest in by_digest}
    everything = set().union(*blobs.values()) if blobs else set()
    needed = set().union(*(blobs[digest] for digest in used)) if used else set()
    size = blob_size(store, everything)
    return Usage(
        "Images", len(by_digest), len(used), size, size - blob_size(store, everything & needed)
    )


def _blobs(store: Store, digest: Digest) -> set[Digest]:
    from lamina.store.reach import reach

    return reach(store.blobs, [digest])


def cache_usage(store: Store, images: Sequence[Local]) -> Usage:
    """The build cache's line: what images have too counts for them, and not here."""
    records = store.records.items(_STEP)
    blobs = {ref for record in records for ref in record.refs}
    needed: set[Digest] = set()
    for digest in {one.named.descriptor.digest for one in images}:
        needed |= _blobs(store, digest)
    size = blob_size(store, blobs - needed)
    active = sum(1 for record in records if needed.issuperset(record.refs))
    return Usage("Build Cache", len(records), active, size, size)


def is_of(use: Use, image: Local) -> bool:
    """Whether the container stands on the image."""
    return use.manifest == image.named.descriptor.digest or use.image_id in image.named.image_ids


def prune_images(
    store: Store,
    uses: Sequence[Use],
    *,
    platform: Platform | None,
    every: bool,
    wanted: Callable[[Local], bool] = lambda image: True,
) -> Pruned:
    """Forget images that no container uses: those without a name, or `every` one.

    The blobs stay until a gc.
    """
    untagged: list[str] = []
    deleted: list[Digest] = []
    seen: set[Digest] = set()
    for image in local.listing(store, platform, with_sizes=False):
        digest = image.named.descriptor.digest
        if digest in seen or (image.named.name is not None and not every):
            continue
        if any(is_of(use, image) for use in uses) or not wanted(image):
            continue
        seen.add(digest)
        try:
            untagged += store.names.drop(digest)
        except NotFound:
            continue  # another process was faster
        deleted += image.named.image_ids or (digest,)
    return Pruned(untagged=tuple(untagged), images=tuple(deleted))


def prune_cache(store: Store, *, every: bool, unused_ns: int | None = None) -> Pruned:
    """Forget build cache: what no image has, or `every` record; not used for `unused_ns`.

    The blobs stay until a gc.
    """
    kept: set[Digest] = set()
    if not every:
        for named in store.names.list():
            kept |= _blobs(store, named.descriptor.digest)
    horizon = None if unused_ns is None else time.time_ns() - unused_ns
    gone = []
    with store.records.batch():
        for record in store.records.items(_STEP):
            shared = bool(record.refs) and kept.issuperset(record.refs)
            if shared or (horizon is not None and record.used > horizon):
                continue
            store.records.delete(_STEP, record.key)
            gone.append(record.key)
        if every and horizon is None:
            for kind in BUILD_RECORDS[1:]:
                for record in store.records.items(kind):
                    store.records.delete(kind, record.key)
    return Pruned(cache=tuple(gone))


def collect(
    store: Store,
    snapshotter: Snapshotter | None,
    containers: Iterable[str],
    *,
    dry_run: bool = False,
) -> Report:
    """Free what nobody needs any more; `containers` are the IDs of all that exist."""
    keys = {f"container-{id}" for id in containers}
    report = store.gc(trees=snapshotter, kept=keys.__contains__, dry_run=dry_run)
    if not dry_run:
        layers.forget_sizes(store)
    return report
