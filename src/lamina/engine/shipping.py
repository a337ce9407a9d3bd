"""Images pulled and pushed: the store, the registries and the snapshotter meet here."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from contextlib import AbstractContextManager

from lamina.engine import layers
from lamina.errors import Error, Invalid, NotFound
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.reference import Reference
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine.engine import Engine
    from lamina.image.view import Image
    from lamina.oci.platform import Platform
    from lamina.snapshot.snapshotter import Snapshotter
    from lamina.store import Store
    from lamina.transfer.copy import Event
    from lamina.transfer.known import Known
    from lamina.transfer.push import Manner

Tell = Callable[["Event"], None]
Watched = AbstractContextManager[tuple[Tell, Callable[["Got"], None]]]
Watch = Callable[[Reference], Watched]
"""Shows a pull while the block lasts: gives who listens to events, and to what came of it."""


@dataclass(frozen=True, slots=True)
class Got:
    """One image that was pulled."""

    reference: Reference  # tagged, or with a digest
    descriptor: Descriptor  # of its manifest or index
    is_new: bool  # whether anything has changed here


@dataclass(frozen=True, slots=True)
class Sent:
    """One image that was pushed."""

    reference: Reference
    descriptor: Descriptor  # as it is in the registry


def known(engine: Engine) -> Known:
    from lamina.transfer.known import Known

    return Known(engine.store.records, time.time_ns)


def wanted_name(engine: Engine, text: str) -> Reference:
    """The reference to pull, by its alias if it has one; a digest beats a tag, as in Docker."""
    return references.parse_pullable(engine.remotes.hosts.registries.expanded(text))


def ensure(
    engine: Engine,
    text: str,
    platform: Platform | None,
    *,
    always: bool = False,
    watch: Watch | None = None,
) -> tuple[Descriptor, Image]:
    """The image that `text` means: the one here, or else, or `always`, its registry's."""
    if not always:
        try:
            return engine.image(text, platform)
        except NotFound as error:
            missing = error
    try:
        name = wanted_name(engine, text)
    except Invalid:
        # An ID can be looked for here only.
        if always:
            return engine.image(text, platform)
        raise missing from None
    try:
        if watch is None:
            engine.pull(name, platform=platform)
        else:
            with watch(name) as (tell, done):
                done(engine.pull(name, platform=platform, tell=tell))
    except Error as error:
        error.message = f'image "{text}" cannot be pulled: {error.message}'
        raise
    return engine.image(str(name), platform)


def tags_of(engine: Engine, text: str) -> list[Reference]:
    """Every tag of the repository, as references; Invalid if `text` says a tag itself."""
    name = references.parse(text)
    if not name.is_name_only:
        raise Invalid(
            f'"{text}" has a tag or a digest, and all tags are asked for',
            hint=f'say "{name.familiar_name}"',
        )
    found = [name.with_tag(tag) for tag in engine.remotes.repository(name).tags()]
    if not found:
        raise NotFound(f'the repository "{name.familiar_name}" has no tags')
    return found


def pull(
    engine: Engine,
    name: Reference,
    *,
    platform: Platform | None,
    every: bool,
    workers: int | None,
    tell: Tell,
    given: Reference | None = None,
) -> Got:
    """Get the image `name` means, with all its layers, unpacked where this user may.

    It is called so here too, or as `given` says; by a digest alone it has no name.
    """
    from lamina.transfer import pull as verb

    store = engine.store
    repository = engine.remotes.repository(name)
    wanted = verb.Wanted(
        platform=platform or engine.platform,
        every=every,
        snapshotter=_snapshotter(engine),
        workers=workers or verb.WORKERS,
    )
    with store.lease("pull"):
        pulled = verb.pull(store, repository, str(name), wanted, keep=_keeper(store), tell=tell)
        called = given or name
        is_new = _is_new(store, called, pulled.root) or pulled.moved > 0
        if called.tag is not None:
            store.names.tag(str(called), pulled.root)
        else:
            store.names.keep(pulled.root)
        _remember(engine, pulled.root, name)
    return Got(name, pulled.root, is_new)


def _is_new(store: Store, name: Reference, root: Descriptor) -> bool:
    try:
        return store.names.find(str(name)).digest != root.digest
    except NotFound:
        return True


def _snapshotter(engine: Engine) -> Snapshotter | None:
    """Who may own files unpacks on the way; for others that waits for the first use."""
    return engine.snapshotter if os.geteuid() == 0 else None


def _keeper(store: Store) -> Callable[..., None]:
    return lambda digest, diff_id, entries, plain: layers.keep(
        store, digest, diff_id, entries, plain
    )


def _remember(engine: Engine, root: Descriptor, name: Reference) -> None:
    """That the repository has these blobs, so that they can be mounted from it."""
    from lamina.image import graph

    here = graph.walk(engine.store.blobs, root, sparse=True)
    known(engine).remember_place((one.digest for one in here), name.name)


def to_push(engine: Engine, text: str, *, every: bool) -> list[Reference]:
    """The names here to push: `text`, tagged `latest` if it says nothing, or every tag of it."""
    name = references.parse(text)
    if name.digest is not None:
        raise Invalid(
            f'"{text}" has a digest: a push gives a tag', hint="tag the image, and push the tag"
        )
    if not every:
        return [name.with_default_tag()]
    if name.tag is not None:
        raise Invalid(f'"{text}" has a tag, and all tags are asked for')
    found = []
    for named in engine.store.names.list():
        if named.name is not None:
            here = references.parse(named.name)
            if here.name == name.name and here.tag is not None:
                found.append(here)
    if not found:
        raise NotFound(f'no image of "{name.familiar_name}" here')
    return found


def push(
    engine: Engine,
    name: Reference,
    manner: Manner,
    *,
    platform: Platform | None,
    tell: Tell,
) -> Sent:
    """Send the image that is here as `name` to the registry that the name says."""
    from lamina.transfer import push as verb

    store, notes = engine.store, known(engine)
    root = store.names.resolve(str(name))
    repository = engine.remotes.repository(name, for_push=True, origins=notes.places)
    with store.lease("push"):
        chosen = verb.choose(store, root, platform)
        there = verb.push(
            store,
            repository,
            chosen,
            name.tag,
            manner,
            known=notes,
            repository=name.name,
            tell=tell,
        )
    return Sent(name, there)


def look(
    engine: Engine, text: str, platform: Platform | None
) -> tuple[Reference, Descriptor, Image]:
    """The image that `text` means in its registry, without its layers."""
    from lamina.image import view

    name = references.parse_pullable(text)
    repository = engine.remotes.repository(name)
    root = repository.resolve(str(name))
    return name, root, view.load(repository, root, platform=platform or engine.platform)
