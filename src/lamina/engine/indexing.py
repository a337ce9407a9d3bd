"""An index made in a registry of images that are in registries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from lamina.errors import Invalid, NotFound
from lamina.image import fetch, select, view
from lamina.oci import media_type as types
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.manifest import Index
from lamina.transfer.copy import copy
from lamina.values import replace

if TYPE_CHECKING:
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
