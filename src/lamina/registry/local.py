"""The image store itself as a registry that nobody can push to.

Each name of the store is a repository under its full name, and under the short one where a
reference may leave the host out: `docker.io/library/alpine` is `library/alpine` too. A repository
shows the blobs of its own images only.
"""

from __future__ import annotations

import os
from functools import lru_cache

from lamina.oci import reference
from lamina.oci.digest import Digest
from lamina.oci.distribution.endpoint import BadName, check_name, check_tag
from lamina.registry.failures import NoBlob, NoManifest, NoRepository
from lamina.registry.metadata import Entry, Link
from lamina.registry.repository import parse_digest
from lamina.store import Store
from lamina.store.reach import reach

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO

_HUB = "docker.io/"


class LocalRegistry:
    """The names of a store as repositories. Safe for many threads."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self.reached = lru_cache(1000)(self._reach)
        self._tags: tuple[int, dict[str, dict[str, Entry]]] = (-1, {})

    def repository(self, name: str) -> LocalRepository:
        """The repository called `name`; BadName."""
        return LocalRepository(self, check_name(name))

    def repositories(self, *, after: str = "", limit: int) -> list[str]:
        """Names after `after`, in order."""
        names = {name for full in self.tags() for name in (full, full.removeprefix(_HUB))}
        return sorted(name for name in names if name > after and _is_name(name))[:limit]

    def tags(self) -> dict[str, dict[str, Entry]]:
        """The images of each repository, by tag; looked up again when a name has changed."""
        (generation,) = self.store.database.one("SELECT generation FROM meta")
        if self._tags[0] != generation:
            self._tags = (generation, self._read_tags())
        return self._tags[1]

    def _read_tags(self) -> dict[str, dict[str, Entry]]:
        found: dict[str, dict[str, Entry]] = {}
        for named in self.store.names.list():
            if named.name is None:
                continue
            parsed = reference.parse(named.name)
            if parsed.tag is not None:
                descriptor = named.descriptor
                entry = Entry(descriptor.digest, descriptor.media_type, descriptor.size)
                found.setdefault(parsed.name, {})[parsed.tag] = entry
        return found

    def close(self) -> None:
        """Close the calling thread's connection to the store."""
        self.store.close()

    def _reach(self, digest: Digest) -> frozenset[Digest]:
        return frozenset(reach(self.store.blobs, [digest]))


class LocalRepository:
    """One of them."""

    def __init__(self, registry: LocalRegistry, name: str) -> None:
        self._registry = registry
        self._blobs = registry.store.blobs
        self.name = name

    def manifest(self, text: str) -> Entry:
        """The manifest that a tag or a digest means; NoManifest, or NoRepository."""
        images = self._images()
        if ":" not in text:
            found = images.get(check_tag(text))
            if found is None:
                raise NoManifest(self.name, text)
            return found
        digest = parse_digest(text)
        for entry in images.values():
            if entry.digest == digest:
                return entry
        if not self._has(digest, images):
            raise NoManifest(self.name, text)
        return _described(digest, self._blobs.read(digest))

    def read(self, entry: Entry) -> bytes:
        """The bytes of a manifest."""
        return self._blobs.read(entry.digest)

    def blob(self, text: str) -> Link:
        """The blob with that digest; NoBlob unless it is of an image of this repository."""
        digest = parse_digest(text)
        if not self._has(digest, self._images()):
            raise NoBlob(self.name, text)
        return Link(digest, self._blobs.size(digest), 0)

    def small(self, link: Link) -> bytes | None:
        """None: the kernel sends even small blobs."""
        return None

    def open(self, digest: Digest, start: int = 0) -> BinaryIO:
        """A blob's bytes from `start` on; the caller closes."""
        found = self._blobs.open_digest(digest)
        found.seek(start)
        return found

    def tags(self, *, after: str = "", limit: int) -> list[str]:
        """Tags after `after`, in case-insensitive order."""
        key = (after.lower(), after)
        return sorted(
            (tag for tag in self._images() if (tag.lower(), tag) > key),
            key=lambda tag: (tag.lower(), tag),
        )[:limit]

    def referrers(
        self, subject: str, *, artifact_type: str | None = None, after: str = "", limit: int
    ) -> list[tuple[Digest, str]]:
        """None: the store does not look for what refers to an image."""
        parse_digest(subject)
        return []

    def _images(self) -> dict[str, Entry]:
        tags = self._registry.tags()
        found = tags.get(self.name) or tags.get(_HUB + self.name)
        if found is None:
            raise NoRepository(self.name)
        return found

    def _has(self, digest: Digest, images: dict[str, Entry]) -> bool:
        is_theirs = any(digest in self._registry.reached(each.digest) for each in images.values())
        return is_theirs and os.path.exists(self._blobs.path(digest))


def _described(digest: Digest, raw: bytes) -> Entry:
    from lamina.oci import manifest

    return Entry(digest, manifest.parse(raw).media_type, len(raw))


def _is_name(text: str) -> bool:
    try:
        check_name(text)
    except BadName:
        return False
    return True
