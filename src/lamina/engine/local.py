"""The images here: listed, found, described and removed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from lamina.errors import Conflict, Corrupt, Invalid, NotFound, Unsupported
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.image.view import Image, Layer
    from lamina.oci.platform import Platform
    from lamina.oci.reference import Reference
    from lamina.store import Named, Store


@dataclass(frozen=True, slots=True)
class Use:
    """A container that stands on an image."""

    container: str  # its ID
    image_id: Digest
    manifest: Digest
    is_running: bool


@dataclass(frozen=True, slots=True)
class Local:
    """An image here under one name or none; `image` is None where it cannot be read."""

    named: Named
    image: Image | None
    size: int | None  # bytes of all files in its layers; None where that cannot be known

    @property
    def id(self) -> Digest:
        """The image ID; the manifest's digest where there is no config."""
        return self.image.id if self.image is not None else self.named.descriptor.digest


@dataclass(frozen=True, slots=True)
class Removed:
    """What a removal came to, in order."""

    untagged: tuple[str, ...]  # full references
    deleted: tuple[Digest, ...]  # image IDs


def load(store: Store, descriptor: Descriptor, platform: Platform | None) -> Image:
    """The image for `platform`; where none is asked for, any that is here rather than none."""
    from lamina.image import select, view

    try:
        return view.load(store.blobs, descriptor, platform=platform)
    except select.NoSuchPlatform:
        if platform is not None:
            raise
    from lamina.image import fetch
    from lamina.oci.manifest import Index

    index = fetch.manifest(store.blobs, descriptor)
    if isinstance(index, Index):
        for one in select.manifests(store.blobs, index):
            if store.blobs.has(one.digest):
                return view.load(store.blobs, one)
    raise NotFound(f'no image of "{descriptor.digest}" is here')


def listing(store: Store, platform: Platform | None, *, with_sizes: bool = True) -> list[Local]:
    """Every name here, then every image without one."""
    found = []
    known: dict[Digest, tuple[Image | None, int | None]] = {}
    for named in store.names.list():
        digest = named.descriptor.digest
        if digest not in known:
            known[digest] = _glance(store, named.descriptor, platform, with_sizes=with_sizes)
        found.append(Local(named, *known[digest]))
    return found


def _glance(
    store: Store, descriptor: Descriptor, platform: Platform | None, *, with_sizes: bool
) -> tuple[Image | None, int | None]:
    try:
        image = load(store, descriptor, platform)
        return image, content_size(store, image.layers) if with_sizes else None
    except (NotFound, Corrupt, Invalid, Unsupported):
        # One image that is damaged, or an artifact, must not hide the others.
        return None, None


def content_size(store: Store, below: Iterable[Layer]) -> int:
    """Bytes of all files in the layers, as Docker counts an image's size."""
    from lamina.engine import layers

    return sum(layers.sizes(store, layer).content for layer in below)


def find(store: Store, text: str, platform: Platform | None) -> tuple[Descriptor, Image]:
    """What `text` names here, and the image in it for `platform`; NotFound."""
    descriptor = store.names.find(text)
    return descriptor, load(store, descriptor, platform)


def tag(store: Store, source: str, target: str) -> None:
    """Give the image that `source` means the name `target` too."""
    store.names.tag(str(full_name(target)), store.names.find(source))


def full_name(text: str) -> Reference:
    """The reference to tag with: `latest` if it says no tag; Invalid with a digest."""
    from lamina.oci import reference

    found = reference.parse(text)
    if found.digest is not None:
        raise Invalid(f'"{text}" cannot be a name to give: it has a digest')
    return found.with_default_tag()


def remove(store: Store, text: str, *, force: bool, uses: Sequence[Use]) -> Removed:
    """Take a name away, or by its ID an image with all its names, as `docker rmi` does.

    Conflict if a container uses the image: a stopped one gives way to `force`, a running one
    never. The blobs stay until a gc.
    """
    descriptor = store.names.find(text)
    digest = descriptor.digest
    names = store.names.names_of(digest)
    here = [one for one in store.names.list() if one.descriptor.digest == digest]
    ids = here[0].image_ids if here else ()
    name = _as_name(text, names)
    if name is not None and len(names) > 1:
        store.names.untag(name)
        return Removed((name,), ())
    if name is None and len({one.rpartition(":")[0] for one in names}) > 1 and not force:
        raise Conflict(
            f'image "{text}" has names in several repositories',
            hint="remove it by each name, or all of them with --force",
        )
    users = [use for use in uses if use.manifest == digest or use.image_id in ids]
    _refuse_used(text, users, force=force)
    if users:
        # The container goes on standing on it: nothing but its names can go.
        if not names:
            raise Conflict(
                f'image "{text}" is used by the container "{users[0].container[:12]}"',
                hint="remove that container first",
            )
        for one in names:
            store.names.untag(one, keep=True)
        return Removed(names, ())
    return Removed(store.names.drop(digest), ids or (digest,))


def _as_name(text: str, names: Sequence[str]) -> str | None:
    """Which of `names` the text spells; None if it is an ID."""
    from lamina.oci import reference

    try:
        found = reference.parse(text)
    except Invalid:
        return None
    full = str(found.with_default_tag())
    return full if found.digest is None and full in names else None


def _refuse_used(text: str, users: Sequence[Use], *, force: bool) -> None:
    for use in users:
        if use.is_running:
            raise Conflict(
                f'image "{text}" is used by the running container "{use.container[:12]}"',
                hint=f'stop it first: "lamina stop {use.container[:12]}"',
            )
        if not force:
            raise Conflict(
                f'image "{text}" is used by the stopped container "{use.container[:12]}"',
                hint="remove that container first, or use --force",
            )


def to_save(
    store: Store, texts: Sequence[str], platform: Platform | None
) -> list[tuple[Descriptor, list[str]]]:
    """What to write for `texts`: a tag alone, or all tags of a repository named without one.

    Asked for by an ID, an image goes without names, as `docker save` does.
    """
    from lamina.oci import reference

    chosen: dict[Digest, tuple[Descriptor, list[str]]] = {}

    def add(descriptor: Descriptor, names: Iterable[str]) -> None:
        if platform is not None:
            descriptor = load(store, descriptor, platform).descriptor
        entry = chosen.setdefault(descriptor.digest, (descriptor, []))
        entry[1].extend(name for name in names if name not in entry[1])

    for text in texts:
        descriptor = store.names.find(text)
        name = _as_name(text, store.names.names_of(descriptor.digest))
        repository = reference.parse(text) if name is not None else None
        if repository is None or not repository.is_name_only:
            add(descriptor, [name] if name is not None else [])
            continue
        for named in store.names.list():
            if named.name is not None and named.name.rpartition(":")[0] == repository.name:
                add(named.descriptor, [named.name])
    return list(chosen.values())
