"""A repository over HTTP: a Fetcher, Pusher, Resolver, Tagger and ReferrerLister.

What is read is looked for at each endpoint in turn, mirrors first; what is written goes to the
registry itself. Nothing that comes is believed before its digest is checked, but which digest a
tag has now, for that is the registry's to say.
"""

from __future__ import annotations

import io
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import BinaryIO, TypeVar, cast

from lamina.errors import Corrupt, Error, Invalid, NotFound
from lamina.oci import document
from lamina.oci import manifest as manifests
from lamina.oci import media_type as types
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.distribution.endpoint import Endpoint, Kind
from lamina.oci.document import MANIFEST_LIMIT
from lamina.oci.document import Kind as DocumentKind
from lamina.oci.reference import Reference
from lamina.remote import listing
from lamina.remote.download import Checked, Download
from lamina.remote.session import NotAllowed, NotBuilt, NotThere, Session
from lamina.remote.source import StreamSource, checked, digest_of, read_checked
from lamina.remote.transport import Answer
from lamina.remote.upload import Source, Upload, upload

T = TypeVar("T")

ACCEPTED = (
    types.OCI_INDEX,
    types.OCI_MANIFEST,
    types.DOCKER_LIST,
    types.DOCKER_MANIFEST,
    types.SCHEMA1_SIGNED,
    types.SCHEMA1,
)
DOCUMENTS = frozenset(ACCEPTED)
_ACCEPT = {"Accept": ", ".join((*ACCEPTED, "*/*;q=0.1"))}
_SMALL = 1 << 20  # bytes of a blob that is sent in one piece
_REMEMBERED = 64  # documents


class Repository:
    """One repository at its endpoints; safe for many threads.

    `origins` says in which other repositories of the registry a blob is known to be.
    """

    def __init__(
        self,
        name: Reference,
        sessions: Sequence[Session],
        *,
        origins: Callable[[Digest], Iterable[str]] = lambda digest: (),
    ) -> None:
        self.name = name.repository()
        self.origins = origins
        self._sessions = tuple(sessions)
        self._lock = threading.Lock()
        self._documents: dict[Digest, tuple[str, bytes]] = {}

    # --- reading

    def resolve(self, name: str) -> Descriptor:
        """What the full reference `name` means; its digest beats its tag. NotFound if nothing."""
        found = references.parse(name)
        return self._first(lambda session: self._resolve(session, found))

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """The bytes, whose size and digest are checked on the way; the caller closes."""
        if descriptor.media_type in DOCUMENTS:
            return io.BytesIO(self._document(descriptor))
        return cast("BinaryIO", Checked(self.download(descriptor), descriptor))

    def download(self, descriptor: Descriptor, start: int = 0) -> BinaryIO:
        """The bytes of a blob from `start` on, with its size checked, not its digest."""
        opened = self._first(lambda session: self._download(session, descriptor, start))
        return cast("BinaryIO", opened)

    def size(self, digest: Digest) -> int:
        """Bytes of a blob; NotFound if it is not there."""

        def ask(session: Session) -> int:
            path = Endpoint(Kind.BLOB, session.endpoint.repository, digest).path
            answer = session.send("HEAD", path, scopes=self._scopes(session, "pull"))
            answer.close()
            if answer.length is None:
                raise Invalid(f'the registry "{session.host}" does not say how large "{digest}" is')
            return answer.length

        return self._first(ask)

    def tags(self) -> Iterator[str]:
        """Every tag, in the registry's order."""
        session = self._sessions[-1]
        path = Endpoint(Kind.TAGS, session.endpoint.repository).path
        return listing.pages(session, path, "tags", self._scopes(session, "pull"))

    def referrers(self, digest: Digest, artifact_type: str | None = None) -> list[Descriptor]:
        """What refers to `digest` as its subject (distribution-spec, "Listing Referrers")."""
        session = self._sessions[-1]
        name, scopes = session.endpoint.repository, self._scopes(session, "pull")
        found = listing.referrers(session, name, digest, artifact_type, scopes)
        if found is None:
            found = self._tagged_referrers(digest)
        if artifact_type is None:
            return found
        return [one for one in found if one.artifact_type == artifact_type]

    # --- writing

    def has(self, digest: Digest) -> bool:
        """Whether the registry has the blob, or the manifest."""
        session = self._sessions[-1]
        return any(self._head(session, kind, digest) for kind in (Kind.BLOB, Kind.MANIFEST))

    def has_blob(self, digest: Digest) -> bool:
        return self._head(self._sessions[-1], Kind.BLOB, digest)

    def push(self, descriptor: Descriptor, stream: BinaryIO) -> None:
        """Store what `stream` yields; Corrupt unless it has the descriptor's digest and size."""
        if descriptor.media_type in DOCUMENTS:
            raw = read_checked(stream, descriptor, MANIFEST_LIMIT)
            self.put_manifest(raw, descriptor.media_type, descriptor.digest)
            return
        if not self.has_blob(descriptor.digest) and not self.mount(descriptor.digest):
            self.send_blob(descriptor, stream)

    def send_blob(self, descriptor: Descriptor, stream: BinaryIO) -> None:
        """Store a blob that is not there, as `push` does but without looking."""
        if descriptor.size <= _SMALL:
            self._push_small(descriptor.digest, read_checked(stream, descriptor, _SMALL))
            return
        source = StreamSource(stream, descriptor)
        self.push_stream(source, descriptor.size, lambda: descriptor.digest)

    def mount(self, digest: Digest) -> bool:
        """Whether the registry could take the blob from another repository that has it."""
        for origin in self.origins(digest):
            begun = self._upload()
            if begun.begin(digest, origin):
                return True
            begun.cancel()
            return False
        return False

    def push_stream(self, source: Source, size: int | None, digest: Callable[[], Digest]) -> None:
        """Send a blob that is made while it goes; `digest` is asked when all is sent."""

        def begin() -> Upload:
            begun = self._upload()
            begun.begin()
            return begun

        upload(begin, source, size, digest)

    def put_manifest(self, raw: bytes, media_type: str, reference: str) -> Digest:
        """Store a manifest under a tag or its own digest; its digest."""
        digest = digest_of(raw, media_type, "sha256")
        session = self._sessions[-1]
        answer = session.send(
            "PUT",
            Endpoint(Kind.MANIFEST, session.endpoint.repository, reference).path,
            scopes=self._scopes(session, "pull,push"),
            headers={"Content-Type": media_type},
            body=raw,
            expect=(201, 200, 202, 204),
        )
        answer.close()
        self._remember(digest, media_type, raw)
        if not answer.header("OCI-Subject"):
            self._refer(raw, media_type, digest)
        return digest

    def tag(self, name: str, descriptor: Descriptor) -> None:
        """Let the tag of the full reference `name` mean `descriptor`, which the registry has."""
        found = references.parse(name)
        if found.tag is None or found.digest is not None:
            raise Invalid(f'"{name}" is not a name to give: expected a tag, and no digest')
        raw = self._document(descriptor)
        self.put_manifest(raw, descriptor.media_type, found.tag)

    def delete(self, reference: str, *, blob: bool = False) -> None:
        """Delete a manifest by its digest, a tag, or a blob; NotFound if it is not there."""
        session = self._sessions[-1]
        kind = Kind.BLOB if blob else Kind.MANIFEST
        session.send(
            "DELETE",
            Endpoint(kind, session.endpoint.repository, reference).path,
            scopes=self._scopes(session, "delete,pull"),
            expect=(202, 200, 204),
        ).close()

    # --- inside

    def _first(self, ask: Callable[[Session], T]) -> T:
        """The first endpoint's answer; a mirror that fails, in whatever way, is passed over."""
        for session in self._sessions[:-1]:
            try:
                return ask(session)
            except Error:
                continue
        return ask(self._sessions[-1])

    def _scopes(self, session: Session, actions: str) -> tuple[str, ...]:
        return (f"repository:{session.endpoint.repository}:{actions}",)

    def _head(self, session: Session, kind: Kind, digest: Digest) -> bool:
        try:
            session.send(
                "HEAD",
                Endpoint(kind, session.endpoint.repository, digest).path,
                scopes=self._scopes(session, "pull,push"),
                headers=_ACCEPT if kind is Kind.MANIFEST else None,
            ).close()
        except NotThere:
            return False
        return True

    def _resolve(self, session: Session, found: Reference) -> Descriptor:
        wanted = found.digest or found.tag or references.DEFAULT_TAG
        path = Endpoint(Kind.MANIFEST, session.endpoint.repository, wanted).path
        scopes = self._scopes(session, "pull")
        try:
            answer = session.send("HEAD", path, scopes=scopes, headers=_ACCEPT)
            answer.close()
            described = _described(answer, found.digest)
            if described is not None:
                return described
        except (NotBuilt, NotAllowed):
            pass  # some registries know GET only
        except NotThere:
            raise _no_manifest(session, found) from None
        try:
            answer = session.send("GET", path, scopes=scopes, headers=_ACCEPT)
        except NotThere:
            raise _no_manifest(session, found) from None
        raw = answer.whole(MANIFEST_LIMIT)
        media_type = _media_type(answer, raw)
        digest = digest_of(raw, media_type, found.digest.algorithm if found.digest else "sha256")
        if found.digest is not None and digest != found.digest:
            raise Corrupt(f'"{found}" came with the digest "{digest}"')
        self._remember(digest, media_type, raw)
        return Descriptor(media_type, digest, len(raw))

    def _document(self, descriptor: Descriptor) -> bytes:
        """The manifest, whole and checked."""
        with self._lock:
            known = self._documents.get(descriptor.digest)
        if known is not None and len(known[1]) == descriptor.size:
            return known[1]
        if descriptor.size > MANIFEST_LIMIT:
            raise Invalid(
                f'"{descriptor.digest}" would be {descriptor.size} bytes long: expected a manifest'
                f" of at most {MANIFEST_LIMIT}"
            )

        def ask(session: Session) -> bytes:
            answer = session.send(
                "GET",
                Endpoint(Kind.MANIFEST, session.endpoint.repository, descriptor.digest).path,
                scopes=self._scopes(session, "pull"),
                headers=_ACCEPT,
            )
            return checked(answer.whole(MANIFEST_LIMIT), descriptor)

        raw = self._first(ask)
        self._remember(descriptor.digest, descriptor.media_type, raw)
        return raw

    def _remember(self, digest: Digest, media_type: str, raw: bytes) -> None:
        with self._lock:
            while len(self._documents) >= _REMEMBERED:
                self._documents.pop(next(iter(self._documents)))
            self._documents[digest] = (media_type, raw)

    def _download(self, session: Session, descriptor: Descriptor, start: int) -> Download:
        path = Endpoint(Kind.BLOB, session.endpoint.repository, descriptor.digest).path
        options = session.transport.options

        def ask(at: int) -> Answer:
            return session.send(
                "GET",
                path,
                scopes=self._scopes(session, "pull"),
                headers={"Range": f"bytes={at}-"} if at else None,
                expect=(200, 206) if at else (200,),
            )

        return Download(
            descriptor,
            ask,
            start=start,
            patience=options.patience,
            wait=lambda tried: options.sleep(options.patience.pause(tried, options.random())),
        )

    def _upload(self) -> Upload:
        session = self._sessions[-1]
        scopes = self._scopes(session, "pull,push")
        return Upload(session, session.endpoint.repository, scopes, self.has_blob)

    def _push_small(self, digest: Digest, data: bytes) -> None:
        begun = self._upload()
        begun.begin()
        begun.commit(digest, data)

    # --- referrers of registries that do not list them

    def _tagged_referrers(self, digest: Digest) -> list[Descriptor]:
        try:
            found = self.resolve(f"{self.name}:{listing.referrers_tag(digest)}")
        except NotFound:
            return []
        index = manifests.parse(self._document(found), found.media_type)
        return list(index.manifests) if isinstance(index, manifests.Index) else []

    def _refer(self, raw: bytes, media_type: str, digest: Digest) -> None:
        """Keep the list of the subject's referrers ("Pushing Manifests with Subject")."""
        try:
            parsed = manifests.parse(raw, media_type)
        except Error:
            return  # schema 1, or whatever else has no subject
        if parsed.subject is None:
            return
        subject = parsed.subject.digest
        session = self._sessions[-1]
        scopes = self._scopes(session, "pull")
        name = session.endpoint.repository
        if listing.referrers(session, name, subject, None, scopes) is not None:
            return
        artifact = parsed.artifact_type
        if artifact is None and isinstance(parsed, manifests.Manifest):
            artifact = parsed.config.media_type
        mine = Descriptor(
            media_type, digest, len(raw), annotations=parsed.annotations, artifact_type=artifact
        )
        others = [one for one in self._tagged_referrers(subject) if one.digest != digest]
        index = manifests.Index.make((*others, mine))
        self.put_manifest(index.raw, index.media_type, listing.referrers_tag(subject))


def _no_manifest(session: Session, name: Reference) -> NotThere:
    """The registry's 404 in the words of whoever asked."""
    return NotThere(
        f'"{name.familiar()}" is not in the registry "{session.host}"',
        hint=f'"lamina tags {name.familiar_name}" lists what is; or it takes a login',
    )


def _described(answer: Answer, wanted: Digest | None) -> Descriptor | None:
    """The descriptor that the headers of a HEAD make; None if they do not suffice."""
    media_type = answer.header("Content-Type").partition(";")[0].strip()
    if media_type not in DOCUMENTS or answer.length is None:
        return None
    if media_type in (types.SCHEMA1, types.SCHEMA1_SIGNED) and wanted is None:
        return None  # its digest is not of the bytes that come
    try:
        digest = wanted or Digest.parse(answer.header("Docker-Content-Digest"))
    except Invalid:
        return None
    return Descriptor(media_type, digest, answer.length)


def _media_type(answer: Answer, raw: bytes) -> str:
    """What the document is by its header, or where that says nothing, by its own words."""
    said = answer.header("Content-Type").partition(";")[0].strip()
    if said in DOCUMENTS:
        return said
    found = document.load(raw, "manifest")
    own = found.get("mediaType")
    if isinstance(own, str) and own in DOCUMENTS:
        return own
    kinds = {
        DocumentKind.INDEX: types.OCI_INDEX,
        DocumentKind.MANIFEST: types.OCI_MANIFEST,
        DocumentKind.SCHEMA1: types.SCHEMA1,
        DocumentKind.SCHEMA1_SIGNED: types.SCHEMA1_SIGNED,
    }
    kind = document.kind(found)
    if kind not in kinds:
        raise Invalid("the registry answers with something that is no manifest")
    return kinds[kind]
