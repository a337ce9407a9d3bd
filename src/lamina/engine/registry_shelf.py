"""Images for the pages: those of a registry, or of the store served as one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, BinaryIO

from lamina.engine import contents
from lamina.engine.shelves import COSIGN, attached, described, offered, read
from lamina.engine.sight import Sight, plain, read_digested
from lamina.errors import Corrupt, Invalid, NotFound
from lamina.image import view
from lamina.image.view import Image, Layer
from lamina.layer.limits import Limits
from lamina.oci import media_type as types
from lamina.oci import platform as platforms
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.registry import LocalRegistry, Registry
from lamina.registry.failures import NoManifest
from lamina.registry.local import LocalRepository
from lamina.serve.web.shelf import SCHEMA1, Document, Group, Referrer, Sheet, Tagged

if TYPE_CHECKING:
    from lamina.layer.entry import Entry
    from lamina.registry.repository import Repository
    from lamina.serve.old import Old

_FIRST = 8  # tags of a repository on the page of all repositories
_BATCH = 1000
_REFERRERS = 1000
_DOCUMENTS = types.MANIFESTS | types.INDEXES | types.SCHEMAS1


class RegistryShelf:
    """The repositories of a registry. What a repository does not have is not shown in it."""

    def __init__(self, registry: Registry | LocalRegistry, *, old: Old | None = None) -> None:
        self._registry = registry
        self._old = old

    def holder(self, reference: str) -> str | None:
        return _split(reference)[0]

    def groups(
        self, *, query: str, after: str, limit: int, may_see: Callable[[str], bool]
    ) -> list[Group]:
        found: list[Group] = []
        more = True
        while more and len(found) < limit:
            names = self._registry.repositories(after=after, limit=_BATCH)
            more = len(names) == _BATCH
            for name in names:
                if query in name and may_see(name) and len(found) < limit:
                    found.append(self._group(name))
            after = names[-1] if names else after
        return found

    def _group(self, name: str) -> Group:
        try:
            tags = self.tags(name, after="", limit=_FIRST + 1)
        except NotFound:  # gone since
            tags = []
        return Group(name, tags[:_FIRST], more=len(tags) > _FIRST)

    def tags(self, repository: str, *, after: str, limit: int) -> list[Tagged]:
        place = self._registry.repository(repository)
        found = []
        for tag in place.tags(after=after, limit=limit):
            try:
                entry = place.manifest(tag)
            except NotFound:
                continue
            kind = "index" if entry.media_type in types.INDEXES else ""
            kind = kind or ("image" if entry.media_type in types.MANIFESTS else "artifact")
            kind = SCHEMA1 if entry.media_type in (types.SCHEMA1, types.SCHEMA1_SIGNED) else kind
            found.append(Tagged(f"{repository}:{tag}", tag, entry.digest, kind))
        return found

    def sheet(self, reference: str, platform: str | None) -> Sheet:
        name, text = _split(reference)
        place = _Place(self._registry.repository(name))
        entry = place.repository.manifest(text)
        root = Descriptor(entry.media_type, entry.digest, entry.size)
        wanted = platforms.parse(platform) if platform else None
        documents, image, problem = read(place, root, lambda: _load(place, root, wanted))
        digest = image.descriptor.digest if image is not None else root.digest
        return Sheet(
            reference=reference,
            key=f"{name}@{digest}",
            documents=documents,
            sight=Sight(image, place) if image is not None else None,
            problem=problem,
            platforms=offered(place, documents[0]),
            entries=lambda layer, limits: self._entries(place, layer, limits),
            seconds={},
            referrers=lambda: _referrers(place.repository, root.digest, image),
            old=self._offered(place.repository, text),
        )

    def prepare(self, reference: str, entries: int, stopped: Callable[[], bool]) -> None:
        if isinstance(self._registry, LocalRegistry) or self._registry.indexes is None:
            return
        sheet = self.sheet(reference, None)
        for layer in sheet.sight.image.layers if sheet.sight is not None else ():
            if self._registry.indexes.has(layer.descriptor.digest):
                continue
            for count, _ in enumerate(sheet.entries(layer, Limits(entries=entries))):
                if count % 1000 == 0 and stopped():
                    return

    def close(self) -> None:
        self._registry.close()

    def _offered(
        self, repository: Repository | LocalRepository, text: str
    ) -> Callable[[], Document | None] | None:
        """What old clients get under a tag; None where they are not spoken with."""
        old = self._old
        if old is None or isinstance(repository, LocalRepository) or ":" in text:
            return None

        def make() -> Document | None:
            try:
                offer = old.offer(repository, repository.manifest(text), text, embedded=True)
            except NoManifest:
                return None
            return Document("schema1", offer.media_type, offer.digest, offer.body)

        return make

    def _entries(self, place: _Place, layer: Layer, limits: Limits) -> Iterable[Entry]:
        digest = layer.descriptor.digest
        if isinstance(self._registry, LocalRegistry):
            place.repository.blob(str(digest))
            return contents.kept(self._registry.store, layer, limits)
        return contents.remembered(self._registry.indexes, place, layer, limits)


class _Place:
    """A repository as a place to read content from (`oci.content.Fetcher`, `sight.Reach`)."""

    def __init__(self, repository: Repository | LocalRepository) -> None:
        self.repository = repository

    def open(self, descriptor: Descriptor) -> BinaryIO:
        from io import BytesIO

        text = str(descriptor.digest)
        if descriptor.media_type in _DOCUMENTS:
            return BytesIO(self.repository.read(self.repository.manifest(text)))
        self.repository.blob(text)  # whether it is of this repository at all
        try:
            return self.repository.open(descriptor.digest)
        except (OSError, NotFound) as error:
            raise Corrupt(
                f'the registry has lost the blob "{text}"', hint="push it again"
            ) from error

    def entries(self, layer: Layer) -> list[Entry]:
        raise AssertionError("the pages ask the sheet for entries, which are bounded")

    def sizes(self, layer: Layer) -> None:
        """Not known: a registry does not read what it serves."""

    def digested(self, layer: Layer) -> Iterable[Entry]:
        return read_digested(self, layer)

    @contextmanager
    def plain(self, layer: Layer) -> Iterator[BinaryIO]:
        """The plain tar of a layer."""
        with self.open(layer.descriptor) as stream, plain(stream) as found:
            yield found


def _load(place: _Place, root: Descriptor, wanted: platforms.Platform | None) -> Image:
    """The image for the platform; where none is asked for, the first that is there."""
    from lamina.image import fetch, select
    from lamina.oci.manifest import Index

    try:
        return view.load(place, root, platform=wanted)
    except select.NoSuchPlatform:
        if wanted is not None:
            raise
        index = fetch.manifest(place, root)
        assert isinstance(index, Index)
        for one in select.manifests(place, index):
            try:
                return view.load(place, one)
            except NotFound:
                continue
        raise


def _referrers(
    repository: Repository | LocalRepository, root: Digest, image: Image | None
) -> list[Referrer]:
    found = attached(image)
    targets = [root]
    if image is not None and image.descriptor.digest != root:
        targets.append(image.descriptor.digest)
    for target in targets:
        for _, text in repository.referrers(str(target), limit=_REFERRERS):
            found.append(described(text, "subject"))
        for word in COSIGN:
            tag = f"{target.replace(':', '-')}.{word}"
            try:
                entry = repository.manifest(tag)
            except (NoManifest, Invalid):
                continue
            found.append(Referrer(f"tag {tag}", entry.media_type, entry.digest, entry.size))
    return found


def _split(reference: str) -> tuple[str, str]:
    """The repository, and the tag or digest in it; `latest` if the reference says neither."""
    name, at, digest = reference.partition("@")
    if at:
        return name.partition(":")[0], digest
    name, _, tag = name.partition(":")
    return name, tag or "latest"
