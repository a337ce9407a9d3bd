"""The graph of content below a descriptor: indexes, manifests, configs, layers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from lamina.errors import Invalid, NotFound
from lamina.image import fetch
from lamina.oci import media_type
from lamina.oci.content import Fetcher
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index, Manifest

_DEPTH_LIMIT = 8
DOCUMENTS = media_type.MANIFESTS | media_type.INDEXES


def children(found: Manifest | Index) -> tuple[Descriptor, ...]:
    """What a document points at: a manifest's config and layers, an index's manifests."""
    if isinstance(found, Index):
        return found.manifests
    return (found.config, *found.layers)


def walk(
    fetcher: Fetcher,
    descriptor: Descriptor,
    *,
    sparse: bool = False,
    choose: Callable[[Index], Iterable[Descriptor]] | None = None,
) -> Iterator[Descriptor]:
    """Everything below `descriptor` and then itself: children first, each digest once.

    Whoever copies in this order never leaves a pointer to nothing.
    `sparse` passes over an index's manifests that are not there, as after the pull of one platform;
    otherwise a missing document is NotFound. `choose` says which of an index's manifests to follow.
    """
    yield from _walk(fetcher, descriptor, sparse, choose, set(), 0)


def _walk(
    fetcher: Fetcher,
    descriptor: Descriptor,
    sparse: bool,
    choose: Callable[[Index], Iterable[Descriptor]] | None,
    seen: set[Digest],
    depth: int,
) -> Iterator[Descriptor]:
    if descriptor.digest in seen:
        return
    if depth > _DEPTH_LIMIT:
        raise Invalid(f"manifests lie more than {_DEPTH_LIMIT} deep in one another")
    seen.add(descriptor.digest)
    if descriptor.media_type in DOCUMENTS:
        try:
            found = fetch.manifest(fetcher, descriptor)
        except NotFound:
            if sparse and depth > 0:
                return
            raise
        below: Iterable[Descriptor] = children(found)
        if choose is not None and isinstance(found, Index):
            below = choose(found)
        for child in below:
            yield from _walk(fetcher, child, sparse, choose, seen, depth + 1)
    yield descriptor
