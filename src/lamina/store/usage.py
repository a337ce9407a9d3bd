"""How much disk each kind of thing takes, and how much of it could be had back (docker df)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from lamina.oci.digest import ChainID, Digest
from lamina.store.reach import image_ids, reach
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.store import Store


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of thing."""

    kind: str
    total: int  # how many there are
    active: int  # how many are in use
    size: int  # bytes of disk
    reclaimable: int  # bytes that removing what is not in use would free


@dataclass(frozen=True, slots=True)
class Container:
    """What `summary` needs to know of a container."""

    image: Digest  # of the manifest, or the image's ID
    size: int  # bytes of its writable tree
    running: bool


def summary(
    store: Store,
    *,
    containers: Collection[Container] = (),
    trees: Mapping[ChainID, int] | None = None,
    cache_kinds: Iterable[str] = (),
    cache_size: int = 0,
) -> tuple[Row, Row, Row]:
    """Images, containers, build cache, in this order.

    `trees` is the size of each snapshot; it counts for the images that it belongs to, else for
    the build cache. `cache_kinds` are the kinds of records that make up the build cache, and
    `cache_size` the bytes that it has elsewhere (cache mounts).
    """
    sizes = {digest: found.st_size for digest, found in store.blobs.all()}
    for chain, size in (trees or {}).items():
        sizes[chain] = sizes.get(chain, 0) + size
    images, of_all, of_used = _images(store, {container.image for container in containers})
    records = [record for kind in cache_kinds for record in store.records.items(kind)]
    of_cache = reach(store.blobs, {digest for record in records for digest in record.refs})

    def weigh(digests: Iterable[Digest]) -> int:
        return sum(sizes.get(digest, 0) for digest in digests)

    cache = weigh(of_cache - of_all) + cache_size
    return (
        Row("Images", *images, weigh(of_all), weigh(of_all - of_used - of_cache)),
        _containers(containers),
        Row("Build Cache", len(records), 0, cache, cache),
    )


def _images(store: Store, in_use: set[Digest]) -> tuple[tuple[int, int], set[Digest], set[Digest]]:
    """How many there are and are in use, what all of them lead to, and what those in use do."""
    everything: set[Digest] = set()
    used: set[Digest] = set()
    active = 0
    digests = {named.descriptor.digest for named in store.names.list()}
    for digest in sorted(digests):
        led_to = reach(store.blobs, [digest])
        everything |= led_to
        if digest in in_use or not in_use.isdisjoint(image_ids(store.blobs, digest)):
            active += 1
            used |= led_to
    return (len(digests), active), everything, used


def _containers(containers: Collection[Container]) -> Row:
    stopped = sum(container.size for container in containers if not container.running)
    return Row(
        "Containers",
        len(containers),
        sum(container.running for container in containers),
        sum(container.size for container in containers),
        stopped,
    )
