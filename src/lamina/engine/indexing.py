"""Indexes in registries: made of images that are in registries, and their entries described."""

from __future__ import annotations

from collections.abc import Sequence

from lamina.errors import Invalid, NotFound
from lamina.image import fetch, select, view
from lamina.oci import media_type as types
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.manifest import Index
from lamina.transfer.copy import copy
from lamina.values import replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

    from lamina.engine.engine import Engine
    from lamina.oci.reference import Reference
    from lamina.remote.repository import Repository


def create(
    engine: Engine, target: str, sources: Sequence[str], *, amend: bool = False
) -> Descriptor:
    """Tag an index of `sources` as `target`, to whose repository they are copied; what it is.

    Of a source that is an index its images are taken. With `amend` those that the target has
    already stay, but for those of the same platform.
    """
    name = references.parse(target).with_default_tag()
    if name.tag is None or name.digest is not None:
        raise Invalid(f'"{target}" has a digest: an index is given a tag')
    origins: list[str] = []
    repository = engine.remotes.repository(name, for_push=True, origins=lambda digest: origins)
    found = _old(repository, name) if amend else []
    for text in sources:
        source = references.parse_pullable(text)
        place = engine.remotes.repository(source)
        origins[:] = [source.name]
        for one in _images(place, place.resolve(str(source))):
            if source.name != name.name:
                copy(place, repository, one, workers=4)
            found = [each for each in found if each.platform != one.platform] + [one]
    index = Index.make(tuple(found))
    repository.put_manifest(index.raw, index.media_type, name.tag)
    return index.descriptor()


def annotate(engine: Engine, target: str, image: str, **said: Any) -> Descriptor:
    """Say of `image` in the index `target` what it runs on, and tag the new index; what it is.

    `said` are fields of a Platform; the others stay. NotFound if the index has no such image.
    """
    name, repository, index = _index(engine, target)
    wanted = _digest_of(engine, image)
    if all(one.digest != wanted for one in index.manifests):
        raise NotFound(
            f'"{target}" has no image "{image}"',
            hint=f"it has {', '.join(sorted(str(one.digest) for one in index.manifests))}",
        )

    def described(one: Descriptor) -> Descriptor:
        if one.digest != wanted:
            return one
        before = one.platform or view.load(repository, one).platform
        platform = replace(before, **said)
        platforms.require_known(platform)
        return replace(one, platform=platform)

    made = Index.make(
        tuple(map(described, index.manifests)),
        media_type=index.media_type,
        annotations=index.annotations,
    )
    repository.put_manifest(made.raw, made.media_type, str(name.tag))
    return made.descriptor()


def pushed(engine: Engine, target: str) -> Descriptor:
    """The index that `create` has made in its registry; NotFound if there is none."""
    return _index(engine, target)[2].descriptor()


def _index(engine: Engine, target: str) -> tuple[Reference, Repository, Index]:
    name = references.parse(target).with_default_tag()
    if name.tag is None or name.digest is not None:
        raise Invalid(f'"{target}" has a digest: an index is changed by its tag')
    repository = engine.remotes.repository(name, for_push=True)
    found = repository.resolve(str(name))
    if found.media_type not in types.INDEXES:
        raise Invalid(
            f'"{target}" is one image and not an index',
            hint='make an index of it with "lamina manifest create"',
        )
    index = fetch.manifest(repository, found)
    assert isinstance(index, Index)
    return name, repository, index


def _digest_of(engine: Engine, image: str) -> Digest:
    if image.startswith("sha256:"):
        return Digest.parse(image)
    name = references.parse_pullable(image)
    return name.digest or engine.remotes.repository(name).resolve(str(name)).digest


def _old(repository: Repository, name: Reference) -> list[Descriptor]:
    try:
        return _images(repository, repository.resolve(str(name)))
    except NotFound:
        return []


def _images(place: Repository, root: Descriptor) -> list[Descriptor]:
    """The manifests of an index, or the one, each with its platform."""
    if root.media_type in types.INDEXES:
        index = fetch.manifest(place, root)
        assert isinstance(index, Index)
        return list(select.manifests(place, index))
    image = view.load(place, root)
    return [replace(root, platform=image.platform)]
