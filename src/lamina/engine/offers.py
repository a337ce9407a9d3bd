"""What a Dockerfile offers to who builds it, told without a build."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lamina.build import BaseImage, NamedContext
from lamina.build import outline as outlines
from lamina.engine.building import readable
from lamina.errors import NotFound
from lamina.image import view
from lamina.image.edit import Assembly

if TYPE_CHECKING:
    from lamina.build.outline import Offer, Outline
    from lamina.dockerfile.source import Source
    from lamina.engine.building import BuildRequest
    from lamina.engine.engine import Engine
    from lamina.oci.platform import Platform


def targets(engine: Engine, request: BuildRequest) -> tuple[Source, list[Offer]]:
    """The stages that a Dockerfile offers to build."""
    with readable(engine, request) as dockerfile:
        return dockerfile.source, outlines.targets(dockerfile)


def outline(engine: Engine, request: BuildRequest) -> tuple[Source, Outline]:
    """The parameters of what is asked for.

    Nothing is pulled: of an image that is not here neither variables nor triggers are known.
    """

    def find(name: str, platform: Platform) -> BaseImage:
        try:
            return BaseImage(name, engine.image(name, platform)[1])
        except NotFound:
            manifest, config = Assembly(platform=platform).make()
            return BaseImage(name, view.join(manifest.descriptor(), manifest, config))

    with readable(engine, request) as dockerfile:
        contexts = {name: NamedContext(None) for name in request.named_contexts}
        found = outlines.outline(dockerfile, request.options, resolve=find, contexts=contexts)
        return dockerfile.source, found
