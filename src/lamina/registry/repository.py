"""One repository: its manifests, tags and blobs, and what may be done to them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from lamina.errors import Invalid
from lamina.oci.digest import Digest
from lamina.oci.distribution.endpoint import check_tag
from lamina.registry import document
from lamina.registry.document import Document
from lamina.registry.failures import (
    NoBlob,
    NoManifest,
    NoRepository,
    TooLarge,
    WrongDigest,
)
from lamina.registry.metadata import Entry, Link
from lamina.registry.uploads import ALGORITHMS

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

    from lamina.registry.blobs import Upload
    from lamina.registry.registry import Registry

_SMALL = 64 << 10  # bytes

Condition = Callable[[str, Digest | None], None]


class Repository:
    """A repository of a registry that can be changed. Safe for many threads."""

    def __init__(self, registry: Registry, name: str) -> None:
        self._registry = registry
        self._metadata = registry.metadata
        self._blobs = registry.blobs
        self.name = name

    # -- reading -------------------------------------------------------------------------------

    def manifest(self, reference: str) -> Entry:
        """The manifest that a tag or a digest means; NoManifest, or NoRepository."""
        if ":" in reference:
            found = self._metadata.manifest(self.name, parse_digest(reference))
        else:
            found = self._metadata.tagged(self.name, check_tag(reference))
        if found is None:
            if not self._metadata.knows(self.name):
                raise NoRepository(self.name)
            raise NoManifest(self.name, reference)
        return found

    def read(self, entry: Entry) -> bytes:
        """The bytes of a manifest, as they were pushed."""
        return self._registry.documents.read(entry.digest)

    def blob(self, text: str) -> Link:
        """The blob with that digest; NoBlob unless this repository may see it."""
        found = self._metadata.blob(self.name, parse_digest(text))
        if found is None:
            raise NoBlob(self.name, text)
        return found

    def small(self, link: Link) -> bytes | None:
        """All bytes of a small blob, a config perhaps; None of a larger one."""
        return self._registry.documents.read(link.digest) if link.size <= _SMALL else None

    def open(self, digest: Digest, start: int = 0) -> BinaryIO:
        """A blob's bytes from `start` on; the caller closes."""
        return self._blobs.open(digest, start)

    def tags(self, *, after: str = "", limit: int) -> list[str]:
        """Tags after `after`, in case-insensitive order; NoRepository."""
        found = self._metadata.tags(self.name, after=after, limit=limit)
        if not found and not self._metadata.knows(self.name):
            raise NoRepository(self.name)
        return found

    def referrers(
        self, subject: str, *, artifact_type: str | None = None, after: str = "", limit: int
    ) -> list[tuple[Digest, str]]:
        """Manifests whose subject that is, in order of digests, with their JSON descriptors."""
        return self._metadata.referrers(
            self.name,
            parse_digest(subject),
            artifact_type=artifact_type,
            after=after,
            limit=limit,
        )

    # -- pushing -------------------------------------------------------------------------------

    def is_aging(self, link: Link) -> bool:
        """Whether a quarter of the time is over that a blob counts as new."""
        return self._registry.now() - link.linked > self._registry.grace // 4

    def renew(self, link: Link) -> None:
        """Let a blob that somebody relies on count as new again; NoBlob if it is gone.

        Who has seen it is going to push a manifest that refers to it.
        """
        if not self._metadata.renew(self.name, link.digest, at=self._registry.now()):
            raise NoBlob(self.name, link.digest)

    def mount(self, text: str, source: str | None, may_see: Callable[[str], bool]) -> Link | None:
        """Let this repository see a blob of `source`, or of any other; None if there is none.

        Only a repository that `may_see` allows counts.
        """
        digest = parse_digest(text)
        sources = self._metadata.holders(digest) if source is None else [source]
        allowed = [name for name in sources if may_see(name)]
        now = self._registry.now()
        size = self._metadata.mount(self.name, digest, allowed, at=now)
        return None if size is None else Link(digest, size, now)

    def begin(self, algorithm: str = "sha256") -> str:
        """Begin an upload; its session."""
        if algorithm not in ALGORITHMS:
            raise WrongDigest(
                f'digest algorithm "{algorithm[:40]}" is not supported',
                hint=f"use {', '.join(ALGORITHMS)}",
            )
        return self._registry.uploads.begin(self.name, algorithm)

    def offset(self, session: str) -> int:
        """How many bytes of an upload are here; NoUpload."""
        return self._registry.uploads.offset(self.name, session)

    def resume(self, session: str) -> Upload:
        """An upload, to write to; NoUpload, or UploadBusy."""
        return self._registry.uploads.resume(self.name, session)

    def finish(self, upload: Upload, digest: Digest) -> Link:
        """Make an upload a blob of this repository. WrongDigest ends the upload."""
        with self._blobs.kept():
            try:
                size = upload.commit(digest)
            except WrongDigest:
                upload.discard()
                raise
            now = self._registry.now()
            self._metadata.link(self.name, digest, size, at=now)
        return Link(digest, size, now)

    def put_manifest(
        self,
        raw: bytes,
        media_type: str | None,
        *,
        digest: Digest | None = None,
        tags: Sequence[str] = (),
        condition: Condition | None = None,
        complete: bool | None = None,
        schema1: bool = False,
    ) -> Document:
        """Keep a manifest, under its digest and `tags`; what it says.

        `schema1` takes Docker schema 1 too, verified and without its signatures.
        `complete` says whether what it refers to must be here; None as the registry wants it.
        WrongDigest, BadManifest, TooLarge, or MissingContent if it refers to what is not here.
        """
        if len(raw) > self._registry.manifest_limit:
            raise TooLarge("the manifest", self._registry.manifest_limit)
        for tag in tags:
            check_tag(tag)
        found = Digest.of(raw, digest.algorithm if digest is not None else "sha256")
        if digest is not None and found != digest:
            raise WrongDigest(f'the manifest has the digest "{found}", not "{digest}"')
        accepted = document.read(raw, media_type, found, schema1=schema1)
        with self._blobs.kept():
            self._blobs.put(found, raw)
            self._blobs.settle({found.algorithm} | {each.algorithm for each in accepted.blobs})
            self._metadata.keep(
                self.name,
                accepted,
                tags,
                at=self._registry.now(),
                complete=self._registry.complete if complete is None else complete,
                condition=condition,
            )
        return accepted

    # -- deleting ------------------------------------------------------------------------------

    def delete_manifest(self, digest: Digest) -> None:
        """Forget a manifest and its tags; NoManifest."""
        if not self._metadata.drop(self.name, digest):
            raise NoManifest(self.name, digest)

    def delete_tag(self, tag: str) -> None:
        """Forget a tag; the manifest stays. NoManifest."""
        if not self._metadata.untag(self.name, check_tag(tag)):
            raise NoManifest(self.name, tag)

    def delete_blob(self, text: str) -> None:
        """Let the repository see a blob no more; NoBlob."""
        if not self._metadata.unlink(self.name, parse_digest(text)):
            raise NoBlob(self.name, text)


def parse_digest(text: str) -> Digest:
    """The digest that `text` spells; WrongDigest."""
    try:
        return Digest.parse(text)
    except Invalid as error:
        raise WrongDigest(f'"{text[:160]}" cannot be used as a digest', hint=error.hint) from None
