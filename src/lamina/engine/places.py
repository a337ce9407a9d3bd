"""Places that images are copied between, by the words for them.

docker://host/name:tag          a repository of a registry
host/name:tag                   the same: a reference that says its host
name:tag, local:name:tag        the store
oci:DIRECTORY[:tag]             an OCI image layout
oci-archive:FILE[:tag]          one in a tar
docker-archive:FILE[:name:tag]  what `docker save` writes
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from enum import StrEnum

from lamina.engine import local
from lamina.errors import Invalid, NotFound, Unsupported
from lamina.oci import media_type as types
from lamina.oci import reference as references
from lamina.oci.content import Fetcher
from lamina.oci.descriptor import Descriptor
from lamina.oci.reference import Reference
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine.engine import Engine
    from lamina.oci.platform import Platform
    from lamina.remote.repository import Repository
    from lamina.transfer.archive import Format
    from lamina.transfer.copy import Event

_REF_NAME = "org.opencontainers.image.ref.name"
_IMAGE_NAME = "io.containerd.image.name"
_DEPTH = 4  # referrers of referrers
WORKERS = 4  # blobs at a time


class Kind(StrEnum):
    """What a place is."""

    REGISTRY = "docker"
    LOCAL = "local"
    OCI = "oci"
    OCI_ARCHIVE = "oci-archive"
    DOCKER_ARCHIVE = "docker-archive"


@dataclass(frozen=True, slots=True)
class Place:
    """One end of a copy, as it was spelled."""

    kind: Kind
    text: str  # a reference, or the path
    label: str | None = None  # of a layout or an archive: which image in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What of the source is copied, and how."""

    platform: Platform | None = None
    every: bool = False  # all of an index
    referrers: bool = False
    workers: int = WORKERS


@dataclass(frozen=True, slots=True)
class Source:
    """An image where it comes from."""

    fetcher: Fetcher
    root: Descriptor
    name: Reference | None
    repository: Repository | None = None


def parse(text: str) -> Place:
    """The place that `text` spells."""
    if text.startswith("docker://"):
        return Place(Kind.REGISTRY, text.removeprefix("docker://"))
    head, colon, rest = text.partition(":")
    if colon and head == Kind.LOCAL:
        return Place(Kind.LOCAL, rest)
    if colon and head in (Kind.OCI, Kind.OCI_ARCHIVE, Kind.DOCKER_ARCHIVE):
        path, label = rest, None
        if not os.path.exists(rest) and ":" in rest:
            path, _, label = rest.partition(":")
        if not path:
            raise Invalid(f'"{text}" names no file', hint=f'expected "{head}:PATH[:TAG]"')
        return Place(Kind(head), path, label or None)
    first, slash, _ = text.partition("/")
    is_host = slash and (first == "localhost" or set(first) & set(".:"))
    return Place(Kind.REGISTRY if is_host else Kind.LOCAL, text)


def is_spelled_out(text: str) -> bool:
    """Whether `text` says what kind of place it is of, and is not only a name."""
    if text.startswith("docker://"):
        return True
    head, colon, _ = text.partition(":")
    return bool(colon) and head in tuple(Kind) and head != Kind.REGISTRY


def copy(
    engine: Engine, source: Place, target: Place, wish: Wish, tell: Callable[[Event], None]
) -> Descriptor:
    """Copy an image, its digests kept, and give it the target's name; what it is there."""
    if wish.referrers and target.kind in (Kind.LOCAL, Kind.DOCKER_ARCHIVE):
        raise Unsupported(
            f'referrers are not kept in "{target.kind}"', hint="copy to a registry, or to oci:"
        )
    with ExitStack() as stack:
        if Kind.LOCAL in (source.kind, target.kind) or source.kind is Kind.DOCKER_ARCHIVE:
            stack.enter_context(engine.store.lease("copy"))
        found = opened(engine, source, stack)
        if target.kind is Kind.LOCAL:
            return _into_store(engine, found, target, wish, tell)
        found = replace(found, root=_chosen(engine, found, wish))
        more = _referrers(found, wish) if wish.referrers else []
        if target.kind is Kind.REGISTRY:
            return _into_registry(engine, found, target, more, wish, tell)
        return _into_file(found, target, more)


# --- sources


def opened(engine: Engine, place: Place, stack: ExitStack) -> Source:
    """The image at a place; what must be closed is in `stack`. NotFound."""
    match place.kind:
        case Kind.REGISTRY:
            name = references.parse_pullable(place.text)
            repository = engine.remotes.repository(name)
            return Source(repository, repository.resolve(str(name)), name, repository)
        case Kind.LOCAL:
            root = engine.store.names.find(place.text)
            return Source(engine.store.blobs, root, _name_of(engine, place.text))
        case Kind.DOCKER_ARCHIVE:
            return _open_docker(engine, place)
    return _open_layout(place, stack)


def _name_of(engine: Engine, text: str) -> Reference | None:
    try:
        found = references.parse(text).with_default_tag()
        engine.store.names.resolve(str(found))
    except (Invalid, NotFound):
        return None
    return found


def _open_layout(place: Place, stack: ExitStack) -> Source:
    from lamina.image.archive import LayoutFetcher, read_layout
    from lamina.image.members import opened

    members = stack.enter_context(opened(place.text))
    entries = [
        one
        for one in read_layout(members).manifests
        if one.media_type in types.MANIFESTS | types.INDEXES
        and (place.label is None or place.label in _labels(one))
    ]
    if place.label is None and len(entries) > 1:
        # Referrers lie beside the image that they refer to, and have no name.
        entries = [one for one in entries if _labels(one)] or entries
    one = _only(place, entries)
    name = next(iter(_references(one.annotations.get(_IMAGE_NAME))), None)
    bare = Descriptor(one.media_type, one.digest, one.size, one.platform)
    return Source(LayoutFetcher(members), bare, name)


def _labels(entry: Descriptor) -> list[str]:
    found = [entry.annotations.get(key) for key in (_REF_NAME, _IMAGE_NAME)]
    return [text for text in found if text]


def _references(text: str | None) -> list[Reference]:
    try:
        return [references.parse(text).with_default_tag()] if text else []
    except Invalid:
        return []


def _open_docker(engine: Engine, place: Place) -> Source:
    """Its layers get their digests only when they are read, so the store takes them in first."""
    from lamina.image.archive import read_archive

    loaded = read_archive(place.text, engine.store.blobs)
    wanted = _references(place.label)
    if place.label is not None:
        names = {str(one) for one in wanted}
        loaded = [one for one in loaded if names & set(one.names)]
    root = _only(place, [one.descriptor for one in loaded])
    names_there = next(one.names for one in loaded if one.descriptor == root)
    name = wanted[0] if wanted else next(iter(_references(next(iter(names_there), None))), None)
    return Source(engine.store.blobs, root, name)


def _only(place: Place, found: Sequence[Descriptor]) -> Descriptor:
    if len(found) == 1:
        return found[0]
    what = f' of "{place.label}"' if place.label is not None else ""
    if not found:
        raise NotFound(f'"{place.text}" has no image{what}')
    raise Invalid(
        f'"{place.text}" has {len(found)} images{what}', hint=f'say which: "{place.kind}:PATH:TAG"'
    )


def _chosen(engine: Engine, source: Source, wish: Wish) -> Descriptor:
    """What to copy of an index: the image for one platform, unless all are asked for."""
    from lamina.image import fetch, select
    from lamina.oci.manifest import Index

    if wish.every or source.root.media_type not in types.INDEXES:
        return source.root
    index = fetch.manifest(source.fetcher, source.root)
    assert isinstance(index, Index)
    return select.choose(source.fetcher, index, wish.platform or engine.platform)


def _referrers(source: Source, wish: Wish) -> list[Descriptor]:
    """What refers to the image, to its manifests, and to those again, nearest first."""
    from lamina.image import graph

    if source.repository is None:
        raise Unsupported("referrers are known to registries only", hint="copy from docker://")
    found: dict[str, Descriptor] = {}
    waiting = [
        one for one in graph.walk(source.fetcher, source.root) if one.media_type in graph.DOCUMENTS
    ]
    for _ in range(_DEPTH):
        below = []
        for subject in waiting:
            for one in source.repository.referrers(subject.digest):
                if one.digest not in found:
                    found[one.digest] = one
                    below.append(one)
        waiting = below
    return list(found.values())


# --- targets


def _into_registry(
    engine: Engine,
    source: Source,
    target: Place,
    more: Sequence[Descriptor],
    wish: Wish,
    tell: Callable[[Event], None],
) -> Descriptor:
    from lamina.transfer.copy import copy as walk

    name = references.parse(target.text).with_default_tag()
    if name.digest is not None and name.digest != source.root.digest:
        raise Invalid(f'"{target.text}" has another digest than "{source.root.digest}"')
    origin = [source.name.name] if source.name is not None and source.repository else []
    repository = engine.remotes.repository(name, for_push=True, origins=lambda digest: origin)
    for root in (source.root, *more):
        walk(source.fetcher, repository, root, tell=tell, workers=wish.workers)
    if name.tag is not None:
        repository.tag(str(replace(name, digest=None)), source.root)
    return source.root


def _into_store(
    engine: Engine, source: Source, target: Place, wish: Wish, tell: Callable[[Event], None]
) -> Descriptor:
    from lamina.engine import shipping
    from lamina.transfer.copy import copy as walk

    name = local.full_name(target.text)
    if source.repository is not None and source.name is not None:
        got = shipping.pull(
            engine,
            source.name,
            platform=wish.platform,
            every=wish.every,
            workers=wish.workers,
            tell=tell,
            given=name,
        )
        return got.descriptor
    root = _chosen(engine, source, wish)
    walk(source.fetcher, engine.store.blobs, root, sparse=True, tell=tell, workers=wish.workers)
    engine.store.names.tag(str(name), root)
    return root


def _into_file(source: Source, target: Place, more: Sequence[Descriptor]) -> Descriptor:
    from lamina.transfer import archive

    images = [(source.root, _names_in_file(source, target)), *((one, list[str]()) for one in more)]
    archive.save(source.fetcher, images, target.text, _format(target.kind))
    return source.root


def _format(kind: Kind) -> Format:
    from lamina.transfer.archive import Format

    return {
        Kind.OCI: Format.OCI_DIR,
        Kind.OCI_ARCHIVE: Format.OCI,
        Kind.DOCKER_ARCHIVE: Format.DOCKER,
    }[kind]


def _names_in_file(source: Source, target: Place) -> list[str]:
    """What a layout or an archive is to call the image: what was asked for, or as it was called."""
    name, label = source.name, target.label
    if label is None:
        return [str(name)] if name is not None and name.tag is not None else []
    is_tag = "/" not in label and ":" not in label
    if target.kind is Kind.DOCKER_ARCHIVE or not is_tag:
        return [str(references.parse(label).with_default_tag())]
    return [str(replace(name, digest=None).with_tag(label)) if name is not None else f":{label}"]
