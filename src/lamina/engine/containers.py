"""The containers of one engine: the run room with its nouns in hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from lamina.errors import NotFound
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

    from lamina.engine.engine import Engine
    from lamina.engine.shipping import Watch
    from lamina.image.view import Image
    from lamina.oci.digest import Digest
    from lamina.run.commit import Wish
    from lamina.run.container import Container
    from lamina.run.copying import Place
    from lamina.run.ground import Ground
    from lamina.run.options import Options
    from lamina.run.state import State


@dataclass(frozen=True, slots=True)
class Sizes:
    """Bytes on disk of a container's tree."""

    own: int  # what it wrote
    image: int  # what it stands on


def ground_of(engine: Engine) -> Ground:
    """What the run room needs of this engine."""
    from lamina.run.ground import Ground

    return Ground(
        root=engine.directory,
        snapshotter=lambda: engine.snapshotter,
        runtime=lambda name: engine.runtime(name),
    )


def find(engine: Engine, text: str) -> Container:
    """The container of that name or ID; NotFound."""
    return ground_of(engine).ledger.find(text)


def listing(engine: Engine) -> list[tuple[Container, State]]:
    """Every container, newest first, as they truly are now."""
    from lamina.run.removal import reconcile

    ground = ground_of(engine)
    reconcile(ground)
    return list(ground.ledger.all())


def create(
    engine: Engine, options: Options, *, starting: bool = False, watch: Watch | None = None
) -> Container:
    """Make a container of an image, pulled and unpacked if need be; `watch` shows a pull."""
    from lamina.run import create as room
    from lamina.run.ground import Base

    image = _image(engine, options, watch)
    chain = image.chain_id
    if chain is not None and not engine.snapshotter.has(chain):
        engine.unpack([(layer.descriptor, layer.diff_id) for layer in image.layers])
    base = Base(image.config, image.descriptor.digest, chain)
    return room.create(ground_of(engine), options, base, starting=starting)


def _image(engine: Engine, options: Options, watch: Watch | None) -> Image:
    from lamina.oci import platform

    asked = platform.parse(options.platform) if options.platform else None
    if options.pull != "always":
        try:
            return engine.image(options.image, asked)[1]
        except NotFound:
            if options.pull == "never":
                raise
    from lamina.engine import shipping

    return shipping.ensure(engine, options.image, asked, always=True, watch=watch)[1]


def commit(engine: Engine, container: Container, wish: Wish, *, pausing: bool) -> Digest:
    """Make an image of the container, which stands still meanwhile if it runs; the image ID."""
    from lamina.image.view import load
    from lamina.oci import platform
    from lamina.oci.descriptor import Descriptor
    from lamina.oci.media_type import OCI_MANIFEST
    from lamina.run import commit as room

    ground = ground_of(engine)
    store = engine.store
    where = Descriptor(OCI_MANIFEST, container.manifest, store.blobs.size(container.manifest))
    image = load(store.blobs, where, platform=platform.parse(container.platform))
    with _still(ground, container, pausing=pausing):
        return room.commit(ground, store, image, container, wish)


@contextmanager
def _still(ground: Ground, container: Container, *, pausing: bool) -> Iterator[None]:
    from lamina.run import lifecycle
    from lamina.run.state import Status

    state = lifecycle.state_of(ground, container)
    if not pausing or state.status is not Status.RUNNING:
        yield
        return
    lifecycle.pause(ground, container)
    try:
        yield
    finally:
        lifecycle.unpause(ground, container)


def sizes(engine: Engine, container: Container) -> Sizes:
    """How much the container's own layer takes, and the image below."""
    image = 0
    chain = container.parent
    while chain is not None:
        image += engine.snapshotter.usage(chain, with_blobs=True)
        chain = engine.snapshotter.parent(chain)
    return Sizes(engine.snapshotter.draft_usage(container.draft_key), image)


@contextmanager
def place(engine: Engine, text: str) -> Iterator[Place]:
    """`container:path`, or a path of this host, as a place to copy from or to."""
    from lamina.run import copying

    name, path = split_place(text)
    if name is None:
        with copying.here(path) as here:
            yield here
    else:
        with copying.inside(ground_of(engine), find(engine, name), path) as inside:
            yield inside


def split_place(text: str) -> tuple[str | None, str]:
    """(container, path) of `container:path`; no container for what begins as a path."""
    name, colon, path = text.partition(":")
    if not colon or text.startswith((".", "/")) or not name:
        return None, text
    return name, path


def export(engine: Engine, container: Container, out: BinaryIO) -> None:
    """Write the container's whole tree as a tar."""
    from lamina.run import changes

    changes.export(ground_of(engine), container, out)
