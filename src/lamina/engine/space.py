"""What takes space in a store, and taking away what nothing uses."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from lamina.engine import layers, local
from lamina.errors import Conflict, NotFound
from lamina.oci.digest import Digest
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine.engine import Engine
    from lamina.engine.local import Local, Use
    from lamina.run.container import Container
    from lamina.run.ground import Ground
    from lamina.run.state import State
    from lamina.snapshot.snapshotter import Snapshotter
    from lamina.store import Store
    from lamina.store.gc import Report
    from lamina.store.usage import Row

# Kinds that `build.cache` keeps, and `engine.again`.
BUILD_RECORDS = ("build-step", "build-key", "build-last", "build-known", "build-answer")
_STEP = BUILD_RECORDS[0]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was taken away."""

    untagged: tuple[str, ...] = ()  # full references
    images: tuple[Digest, ...] = ()  # image IDs
    containers: tuple[str, ...] = ()
    cache: tuple[str, ...] = ()  # keys of build cache records
    reclaimed: int = 0  # bytes


def usage(
    store: Store,
    snapshotter: Snapshotter,
    containers: Sequence[tuple[Container, State]],
    root: Path,
) -> list[Row]:
    """Images, containers, volumes and build cache, with what could be freed of each."""
    from lamina.store.usage import Container as Tree
    from lamina.store.usage import summary

    trees = {chain: snapshotter.usage(chain) for chain in snapshotter.chains()}
    drafts = set(snapshotter.drafts())
    standing = [
        Tree(
            container.manifest,
            snapshotter.draft_usage(container.draft_key) if container.draft_key in drafts else 0,
            state.is_running,
        )
        for container, state in containers
    ]
    images, of_containers, cache = summary(
        store,
        containers=standing,
        trees=trees,
        cache_kinds=BUILD_RECORDS[:1],
        cache_size=disk_size(root / "cache-mounts"),
    )
    return [images, of_containers, _volumes(root / "volumes", containers), cache]


def _volumes(root: Path, containers: Sequence[tuple[Container, State]]) -> Row:
    from lamina.run import volumes
    from lamina.store.usage import Row

    sizes = {name: disk_size(root / name / "_data") for name in volumes.names(root)}
    used = {mount.name for container, _ in containers for mount in container.mounts}
    free = sum(size for name, size in sizes.items() if name not in used)
    return Row("Local Volumes", len(sizes), len(used & sizes.keys()), sum(sizes.values()), free)


def disk_size(directory: Path) -> int:
    """Bytes of disk that a directory and all below it take; 0 if it is not there."""
    total, waiting = 0, [str(directory)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as inside:
                for entry in inside:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if entry.is_dir(follow_symlinks=False):
                        waiting.append(entry.path)
        except FileNotFoundError:
            continue  # it is being removed
    return total


def _blobs(store: Store, digest: Digest) -> set[Digest]:
    from lamina.store.reach import reach

    return reach(store.blobs, [digest])


def _is_of(use: Use, image: Local) -> bool:
    """Whether the container stands on the image."""
    return use.manifest == image.named.descriptor.digest or use.image_id in image.named.image_ids


def prune(
    engine: Engine,
    *,
    containers: bool,
    images: Callable[[Local], bool] | None,
    cache: bool,
    volumes: bool,
    every: bool,
    unused_ns: int | None,
) -> Pruned:
    """See `Engine.prune`; containers go first, for they hold images."""
    store = engine.store
    gone, freed = _stopped(engine.ground) if containers else ([], 0)
    if volumes:
        freed += _prune_volumes(engine.ground)
    forgotten = Pruned()
    if images is not None:
        forgotten = _prune_images(store, engine.uses(), every=every, wanted=images)
    keys = _prune_cache(store, every=every, unused_ns=unused_ns) if cache else []
    if cache and every and unused_ns is None:
        freed += _empty(engine.root / "cache-mounts")
    freed += engine.collect().bytes
    return replace(forgotten, containers=tuple(gone), cache=tuple(keys), reclaimed=freed)


def _stopped(ground: Ground) -> tuple[list[str], int]:
    """Remove every container that does not run; their IDs, and the bytes that frees."""
    from lamina.run.removal import reconcile, remove

    reconcile(ground)
    gone, freed = [], 0
    for container, state in ground.ledger.all():
        if state.is_running:
            continue
        try:
            size = ground.snapshotter().draft_usage(container.draft_key)
            remove(ground, container)
        except (Conflict, NotFound):
            continue  # it was started, or removed, meanwhile
        gone.append(container.id)
        freed += size
    return gone, freed


def _prune_volumes(ground: Ground) -> int:
    """Remove the volumes that nobody named and no container has; the bytes that frees."""
    from lamina.run import volumes

    used = {mount.name for container, _ in ground.ledger.all() for mount in container.mounts}
    freed = 0
    for name in volumes.names(ground.volumes):
        if name not in used and volumes.read(ground.volumes, name).anonymous:
            freed += disk_size(Path(ground.volumes, name))
            volumes.remove(ground.volumes, name)
    return freed


def _empty(directory: Path) -> int:
    """Remove all that is in a directory; the bytes that frees."""
    from lamina.fs.root import Root

    size = disk_size(directory)
    if directory.is_dir():
        with Root.at(directory) as root:
            for name in os.listdir(directory):
                root.remove(name)
    return size


def _prune_images(
    store: Store, uses: Sequence[Use], *, every: bool, wanted: Callable[[Local], bool]
) -> Pruned:
    """Forget images that no container uses: those without a name, or `every` one.

    The blobs stay until a gc.
    """
    untagged: list[str] = []
    deleted: list[Digest] = []
    seen: set[Digest] = set()
    for image in local.listing(store, None, with_sizes=False):
        digest = image.named.descriptor.digest
        if digest in seen or (image.named.name is not None and not every):
            continue
        if any(_is_of(use, image) for use in uses) or not wanted(image):
            continue
        seen.add(digest)
        try:
            untagged += store.names.drop(digest)
        except NotFound:
            continue  # another process was faster
        deleted += image.named.image_ids or (digest,)
    return Pruned(untagged=tuple(untagged), images=tuple(deleted))


def _prune_cache(store: Store, *, every: bool, unused_ns: int | None) -> list[str]:
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
    return gone


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
        from lamina.transfer.known import Known

        Known(store.records, time.time_ns).forget_old()
    return report
