"""Repositories of other registries: fetched when they are asked for, and kept as our own.

A tag is believed for a while and then asked for again; when the upstream cannot be reached, what
is here is given, as old as it may be. Blobs and manifests by digest never change, and are fetched
once. Nothing is pushed to a repository that is a mirror.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence

from lamina.errors import Denied, Error, NotFound, Unavailable
from lamina.oci import reference as references
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest
from lamina.oci.reference import Reference
from lamina.registry.failures import NoBlob, NoManifest, ReadOnly
from lamina.registry.registry import Registry
from lamina.registry.repository import parse_digest
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO, TypeVar

    from lamina.registry.blobs import Upload
    from lamina.remote.repository import Repository as Source

    T = TypeVar("T")

_REMEMBERED = 1000  # mirrors, and tags of each
_CHUNK = 1 << 20  # bytes
_PATIENCE = 3600.0  # seconds to wait for a blob that another request is fetching
_OCTETS = "application/octet-stream"


class UpstreamFailed(Unavailable):
    """The registry that this one mirrors cannot be reached, or refuses."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """A registry to fetch from."""

    registry: str  # as references spell it: "docker.io", "ghcr.io"
    prefix: str  # of the names here of its repositories
    namespaces: frozenset[str]  # values of `?ns=` that mean it
    fresh: int  # ns that a tag is believed
    open: Callable[[Reference], Source]

    def reference(self, name: str) -> Reference | None:
        """The repository there that is called `name` here; None if it is not one of its."""
        if not name.startswith(f"{self.prefix}/"):
            return None
        return references.parse(f"{self.registry}/{name[len(self.prefix) + 1 :]}")


class Mirrors:
    """All that one registry mirrors; safe for many threads."""

    def __init__(self, registry: Registry, upstreams: Sequence[Upstream]) -> None:
        self._registry = registry
        self._upstreams = sorted(upstreams, key=lambda one: -len(one.prefix))
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Mirror] = OrderedDict()

    def located(self, name: str, namespace: str | None) -> str:
        """The name here of a repository that a client asks for in a namespace."""
        for upstream in self._upstreams:
            if namespace in upstream.namespaces:
                return f"{upstream.prefix}/{name}"
        return name

    def of(self, name: str) -> Mirror | None:
        """The mirror called `name`; None if it is a repository of our own."""
        known = self._known.get(name)
        if known is not None:
            return known
        for upstream in self._upstreams:
            found = upstream.reference(name)
            if found is not None:
                return self._remember(name, Mirror(self._registry, upstream, name, found))
        return None

    def require_own(self, name: str) -> None:
        """ReadOnly if `name` is a mirror."""
        mirror = self.of(name)
        if mirror is not None:
            raise ReadOnly(
                f'"{name}" mirrors "{mirror.reference.name}", and cannot be changed here'
            )

    def _remember(self, name: str, mirror: Mirror) -> Mirror:
        with self._lock:
            mirror = self._known.setdefault(name, mirror)
            while len(self._known) > _REMEMBERED:
                self._known.popitem(last=False)
        return mirror


class Mirror:
    """One repository of an upstream, and what is here of it."""

    def __init__(
        self, registry: Registry, upstream: Upstream, name: str, reference: Reference
    ) -> None:
        self.name = name
        self.reference = reference
        self._registry = registry
        self._upstream = upstream
        self._source = upstream.open(reference)
        self._lock = threading.Lock()
        self._confirmed: OrderedDict[str, int] = OrderedDict()  # tag -> ns since 1970
        self._coming: dict[Digest, threading.Event] = {}

    # -- manifests -----------------------------------------------------------------------------

    def freshen(self, reference: str) -> bool:
        """See that the manifest of a tag or digest is here; whether it may be out of date.

        NoManifest if the upstream has none, UpstreamFailed if there is none here and no word
        from the upstream.
        """
        here = self._here(reference)
        if ":" in reference:
            if here is None:
                digest = parse_digest(reference)
                self._fetch_manifest(replace(self.reference, digest=digest), tag=None)
            return False
        confirmed = self._confirmed.get(reference, 0)
        if here is not None and self._registry.now() - confirmed < self._upstream.fresh:
            return False
        try:
            self._fetch_manifest(self.reference.with_tag(reference), tag=reference, here=here)
        except UpstreamFailed:
            if here is None:
                raise
            return True
        self._confirm(reference)
        return False

    def _here(self, reference: str) -> Digest | None:
        try:
            return self._registry.repository(self.name).manifest(reference).digest
        except NotFound:
            return None

    def _fetch_manifest(
        self, wanted: Reference, *, tag: str | None, here: Digest | None = None
    ) -> None:
        descriptor = self._ask(
            lambda: self._source.resolve(str(wanted)), NoManifest(self.name, tag or "by digest")
        )
        if descriptor.digest == here:
            return
        raw = self._ask(
            lambda: _whole(self._source.open(descriptor)),
            NoManifest(self.name, descriptor.digest),
        )
        self._registry.repository(self.name).put_manifest(
            raw,
            descriptor.media_type,
            digest=descriptor.digest,
            tags=[tag] if tag is not None else [],
            complete=False,
        )

    def _confirm(self, tag: str) -> None:
        with self._lock:
            self._confirmed[tag] = self._registry.now()
            self._confirmed.move_to_end(tag)
            while len(self._confirmed) > _REMEMBERED:
                self._confirmed.popitem(last=False)

    # -- lists ---------------------------------------------------------------------------------

    def tags(self) -> list[str] | None:
        """The upstream's tags, in case-insensitive order; None if it does not answer."""
        try:
            return sorted(self._source.tags(), key=lambda tag: (tag.lower(), tag))
        except Error:
            return None

    def referrers(self, subject: Digest, artifact_type: str | None) -> list[Descriptor] | None:
        """What the upstream says refers to a manifest; None if it does not answer."""
        try:
            return list(self._source.referrers(subject, artifact_type))
        except Error:
            return None

    # -- blobs ---------------------------------------------------------------------------------

    def has(self, digest: Digest) -> bool:
        """Whether the blob is here."""
        return self._registry.metadata.blob(self.name, digest) is not None

    def size(self, digest: Digest) -> int:
        """Bytes of a blob of the upstream; NoBlob or UpstreamFailed."""
        return self._ask(lambda: self._source.size(digest), NoBlob(self.name, digest))

    def fetch(self, digest: Digest) -> Fetch | None:
        """The blob on its way, to be read while it comes; None once it is here.

        Waits while another request fetches it. NoBlob or UpstreamFailed.
        """
        while not self.has(digest):
            with self._lock:
                coming = self._coming.get(digest)
                if coming is None:
                    self._coming[digest] = threading.Event()
            if coming is None:
                return self._begun(digest)
            if not coming.wait(_PATIENCE):
                raise UpstreamFailed(f'"{digest}" does not come')
        return None

    def _begun(self, digest: Digest) -> Fetch:
        try:
            size = self.size(digest)
            descriptor = Descriptor(_OCTETS, digest, size)
            stream = self._ask(lambda: self._source.open(descriptor), NoBlob(self.name, digest))
            repository = self._registry.repository(self.name)
            upload = repository.resume(repository.begin(digest.algorithm))
        except BaseException:
            self.ended(digest)
            raise
        return Fetch(self, digest, size, stream, upload)

    def keep(self, upload: Upload, digest: Digest) -> None:
        """Make what was fetched a blob of this repository."""
        self._registry.repository(self.name).finish(upload, digest)

    def ended(self, digest: Digest) -> None:
        """Let those go on who wait for a blob, come or not."""
        with self._lock:
            self._coming.pop(digest).set()

    # ------------------------------------------------------------------------------------------

    def _ask(self, question: Callable[[], T], missing: NotFound) -> T:
        """The upstream's answer; `missing` if it has none, UpstreamFailed if it gives none."""
        try:
            return question()
        except NotFound:
            raise missing from None
        except (Denied, Unavailable) as error:
            raise UpstreamFailed(f'"{self.reference.domain}": {error.message}') from error


class Fetch:
    """A blob that is kept while it is read; a stream to read it from.

    Whoever closes it early leaves the rest to a thread, for others may wait for it.
    """

    def __init__(
        self, mirror: Mirror, digest: Digest, size: int, stream: BinaryIO, upload: Upload
    ) -> None:
        self.size = size
        self._mirror = mirror
        self._digest = digest
        self._stream = stream
        self._upload = upload
        self._got = 0
        self._is_over = False

    def read(self, count: int = -1, /) -> bytes:
        """The next bytes; the last ones only once all are found right, and kept."""
        if self._is_over:
            return b""
        try:
            data = self._stream.read(_CHUNK if count < 0 else count)
            if data:
                self._upload.append([data])
                self._got += len(data)
            if not data or self._got >= self.size:
                self._stream.read(1)  # at its end the stream says whether the digest is right
                self._mirror.keep(self._upload, self._digest)
                self._end()
        except BaseException:
            self._upload.discard()
            self._end()
            raise
        return data

    def finish(self) -> None:
        """Read what is left."""
        while self.read(_CHUNK):
            pass

    def close(self) -> None:
        if not self._is_over:
            threading.Thread(target=self._finish_quietly, daemon=True).start()

    def _finish_quietly(self) -> None:
        try:
            self.finish()
        except Error:
            pass  # whoever waits for it asks again, and hears why

    def _end(self) -> None:
        self._is_over = True
        self._upload.__exit__()
        self._stream.close()
        self._mirror.ended(self._digest)


def _whole(stream: BinaryIO) -> bytes:
    with stream:
        return stream.read()


def as_stream(fetch: Fetch) -> BinaryIO:
    return fetch  # type: ignore[return-value]  # it has what is asked of a stream
