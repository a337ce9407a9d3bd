"""Images for the pages: those of the store, and what analysis says of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamina import analysis
from lamina.engine import contents, local
from lamina.engine.sight import is_same
from lamina.engine.sight import local as local_sight
from lamina.errors import Corrupt, Error, Invalid, NotFound, Unsupported
from lamina.image import fetch, select
from lamina.image.view import Image
from lamina.late import json
from lamina.oci import media_type as types
from lamina.oci import platform as platforms
from lamina.oci import reference as references
from lamina.oci.content import Fetcher
from lamina.oci.descriptor import Descriptor
from lamina.oci.document import MANIFEST_LIMIT
from lamina.oci.manifest import Index, Manifest
from lamina.serve.web.shelf import Document, Group, Referrer, Sheet, Sight, Tagged

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.engine.engine import Engine
    from lamina.image.stack import Node, Stack
    from lamina.oci.config import ImageConfig
    from lamina.oci.digest import DiffID
    from lamina.store import Store

_DAMAGED = (NotFound, Corrupt, Invalid, Unsupported)
_SCHEMA1 = frozenset({types.SCHEMA1, types.SCHEMA1_SIGNED})
COSIGN = ("sig", "att", "sbom")  # tags "sha256-HEX.sig" (cosign, "Signature Specification")
_PACKAGE_FILES = 500  # read for one list of packages
_PACKAGE_BYTES = 64 << 20  # of all of them


class Analyst:
    """What `lamina.analysis` says, for pages."""

    def waste(self, stack: Stack) -> analysis.Waste:
        return analysis.waste(stack)

    def settings(self, before: ImageConfig, after: ImageConfig) -> Sequence[analysis.Setting]:
        return analysis.compare_settings(before, after)

    def packages(self, sight: Sight, stack: Stack) -> Sequence[analysis.Package]:
        left = [_PACKAGE_FILES, _PACKAGE_BYTES]

        def read(node: Node) -> bytes:
            left[0] -= 1
            left[1] -= node.entry.size
            if min(left) < 0:
                raise Unsupported("the lists of packages in this image are too large to be read")
            return sight.read_whole(node, _PACKAGE_BYTES)

        return analysis.packages(stack, read)

    def differences(
        self, before: tuple[Sight, Stack], after: tuple[Sight, Stack]
    ) -> Sequence[analysis.Difference]:
        (one, old), (two, new) = before, after
        return analysis.compare(old, new, is_same(one, two))


class StoreShelf:
    """The images of the store, where who may run this command may see everything."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @property
    def _store(self) -> Store:
        return self._engine.store

    def holder(self, reference: str) -> str | None:
        return None

    def groups(
        self, *, query: str, after: str, limit: int, may_see: Callable[[str], bool]
    ) -> list[Group]:
        found: dict[str, list[Tagged]] = {}
        for one in self._engine.images(with_sizes=False):
            tagged = _tagged(one)
            repository = _repository(one.named.name)
            if repository > after and query in f"{repository}:{tagged.label}":
                found.setdefault(repository, []).append(tagged)
        # What has no name comes last, as if its repository were called so.
        names = sorted(found)[:limit]
        return [Group(name, found[name]) for name in names]

    def tags(self, repository: str, *, after: str, limit: int) -> list[Tagged]:
        found = [
            _tagged(one)
            for one in self._engine.images(with_sizes=False)
            if _repository(one.named.name) == repository
        ]
        if not found:
            raise NotFound(f'there is no repository "{repository}" here')
        return sorted((one for one in found if one.label > after), key=lambda one: one.label)[
            :limit
        ]

    def sheet(self, reference: str, platform: str | None) -> Sheet:
        if self._engine.is_empty:  # none is made only to be looked into
            raise NotFound(f'no image "{reference}" here')
        store = self._store
        root = store.names.find(reference)
        wanted = platforms.parse(platform) if platform else self._engine.asked_platform
        documents, image, problem = read(store.blobs, root, lambda: local.load(store, root, wanted))
        return Sheet(
            reference=reference,
            key=str(image.descriptor.digest if image is not None else root.digest),
            documents=documents,
            sight=local_sight(store, image) if image is not None else None,
            problem=problem,
            platforms=offered(store.blobs, documents[0]),
            entries=lambda layer, limits: contents.kept(store, layer, limits),
            seconds=_seconds(store, image),
            referrers=lambda: self._referrers(root, image),
        )

    def prepare(self, reference: str, entries: int, stopped: Callable[[], bool]) -> None:
        """Nothing: who makes layers for the store keeps what is in them."""

    def close(self) -> None:
        self._engine.close()

    def _referrers(self, root: Descriptor, image: Image | None) -> list[Referrer]:
        """Images here whose subject it is, and what its index files beside it."""
        targets = {root.digest} | ({image.descriptor.digest} if image is not None else set())
        tags = {f"{one.replace(':', '-')}.{word}" for one in targets for word in COSIGN}
        found = attached(image)
        for named in self._store.names.list():
            tag = named.name.rpartition(":")[2] if named.name is not None else ""
            try:
                manifest = fetch.manifest(self._store.blobs, named.descriptor)
            except _DAMAGED:
                continue
            if manifest.subject is not None and manifest.subject.digest in targets:
                found.append(_referrer(manifest, named.descriptor, "subject"))
            elif tag in tags:
                found.append(_referrer(manifest, named.descriptor, f"tag {tag}"))
        return found


def read(
    place: Fetcher, root: Descriptor, load: Callable[[], Image]
) -> tuple[list[Document], Image | None, Error | None]:
    """The documents that `root` leads to as far as they are there, and the image or why not."""
    top = _top(place, root)
    kind = "index" if root.media_type in types.INDEXES else "manifest"
    documents = [Document(kind, root.media_type, root.digest, top)]
    try:
        image = load()
    except _DAMAGED as error:
        return documents, None, error
    for kind, pointer in (("manifest", image.descriptor), ("config", image.manifest.config)):
        if pointer.digest != root.digest:
            raw = fetch.document(place, pointer)
            documents.append(Document(kind, pointer.media_type, pointer.digest, raw))
    return documents, image, None


def _top(place: Fetcher, root: Descriptor) -> bytes:
    """The manifest itself, verified; a signed one of schema 1 has the digest of its payload."""
    if root.media_type not in _SCHEMA1:
        return fetch.document(place, root)
    from lamina.oci import schema1

    with place.open(root) as stream:
        raw = fetch.read_at_most(stream, MANIFEST_LIMIT)
    if schema1.digest(raw) != root.digest:
        raise Corrupt(f'the manifest "{root.digest}" is damaged', hint="push it again")
    return raw


def offered(place: Fetcher, top: Document) -> list[str]:
    """The platforms of an index."""
    from lamina.oci import manifest

    if top.kind != "index":
        return []
    try:
        index = manifest.parse(top.raw, top.media_type)
        assert isinstance(index, Index)
        found = [one.platform for one in select.manifests(place, index)]
    except _DAMAGED:
        return []
    return list(dict.fromkeys(str(one) for one in found if one is not None))


def attached(image: Image | None) -> list[Referrer]:
    """What BuildKit files beside an image in its index: attestations of how it was made."""
    if image is None or image.index is None:
        return []
    return [
        Referrer(
            "index",
            one.artifact_type or one.annotations.get("vnd.docker.reference.type", ""),
            one.digest,
            one.size,
            one.annotations,
        )
        for one in image.index.manifests
        if one.annotations.get("vnd.docker.reference.digest") == image.descriptor.digest
    ]


def _referrer(manifest: Manifest | Index, descriptor: Descriptor, how: str) -> Referrer:
    kind = manifest.artifact_type or ""
    if not kind and isinstance(manifest, Manifest):
        kind = manifest.config.media_type
    return Referrer(how, kind, descriptor.digest, descriptor.size, manifest.annotations)


def described(text: str, how: str) -> Referrer:
    """The referrer that a JSON descriptor, as registries keep it, tells of."""
    from lamina.oci import descriptor

    found = descriptor.parse(json.loads(text))
    return Referrer(
        how, found.artifact_type or found.media_type, found.digest, found.size, found.annotations
    )


def _seconds(store: Store, image: Image | None) -> dict[DiffID, float]:
    from lamina.build import report
    from lamina.oci.digest import DiffID, Digest

    found = report.find(store, str(image.id)) if image is not None else None
    if found is None:
        return {}
    return {
        DiffID(Digest(step.layer)): step.seconds
        for step in found.steps
        if step.layer is not None and step.seconds is not None
    }


def _repository(name: str | None) -> str:
    return references.parse(name).familiar_name if name is not None else _NAMELESS


_NAMELESS = "~"  # sorts after every name, and is none


def _tagged(one: local.Local) -> Tagged:
    digest = one.named.descriptor.digest
    is_index = one.named.descriptor.media_type in types.INDEXES
    name = references.parse(one.named.name) if one.named.name is not None else None
    image = one.image
    return Tagged(
        reference=name.familiar() if name is not None else str(digest),
        label=(name.tag or str(name.digest)) if name is not None else one.id.short,
        digest=digest,
        kind="index" if is_index else "image" if image is not None else "",
        platform=str(image.platform) if image is not None else "",
        created=image.config.created if image is not None else None,
        size=image.size if image is not None else None,
    )
