"""Which image of an index suits a platform."""

from __future__ import annotations

from collections.abc import Iterator

from lamina.errors import Invalid, NotFound
from lamina.image import fetch
from lamina.oci import config as configs
from lamina.oci import media_type
from lamina.oci import platform as platforms
from lamina.oci.content import Fetcher
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Index
from lamina.oci.platform import Platform

_DEPTH_LIMIT = 4  # indexes within indexes


class NoSuchPlatform(NotFound):
    """An index has no image for the platform that was asked for."""


def choose(fetcher: Fetcher, index: Index, wanted: Platform | None = None) -> Descriptor:
    """The manifest of `index` that suits `wanted` (this host if None) best; NoSuchPlatform if none.

    Indexes within the index are searched too.
    A manifest that the index gives no platform is asked for its config's.
    """
    wanted = wanted if wanted is not None else platforms.default()
    found = list(manifests(fetcher, index))
    said = [(one, one.platform) for one in found if one.platform is not None]
    at = platforms.best(wanted, [platform for _, platform in said])
    if at is not None:
        return said[at][0]
    silent = [(one, _platform(fetcher, one)) for one in found if one.platform is None]
    at = platforms.best(wanted, [platform for _, platform in silent])
    if at is not None:
        return silent[at][0]
    there = sorted({platforms.format_all(platform) for _, platform in said + silent})
    raise NoSuchPlatform(
        f'no image for platform "{wanted}"',
        hint=f"there is {', '.join(there)}" if there else "the index has no image at all",
    )


def manifests(fetcher: Fetcher, index: Index, *, depth: int = 0) -> Iterator[Descriptor]:
    """The image manifests of `index` and of the indexes in it, in order, without attestations."""
    if depth >= _DEPTH_LIMIT:
        raise Invalid(f"indexes lie more than {_DEPTH_LIMIT} deep in one another")
    for one in index.manifests:
        if one.media_type in media_type.INDEXES:
            try:
                inner = fetch.manifest(fetcher, one)
            except NotFound:
                continue  # a place may hold some platforms of an index only
            if isinstance(inner, Index):
                yield from manifests(fetcher, inner, depth=depth + 1)
        elif one.media_type in media_type.MANIFESTS and not is_attestation(one):
            yield one


def is_attestation(descriptor: Descriptor) -> bool:
    """Whether it is what BuildKit files beside images: a statement about one of them."""
    if "vnd.docker.reference.type" in descriptor.annotations:
        return True
    return descriptor.platform is not None and descriptor.platform.os == "unknown"


def _platform(fetcher: Fetcher, descriptor: Descriptor) -> Platform:
    try:
        manifest = fetch.manifest(fetcher, descriptor)
        if not isinstance(manifest, Index) and manifest.is_image:
            return configs.parse(fetch.document(fetcher, manifest.config)).platform
    except NotFound:
        pass  # not all of an index need be here
    return Platform("unknown", "unknown")
