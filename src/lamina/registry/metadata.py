"""What a registry knows about content, as Protocols: SQLite is behind them here.

Each call is one transaction: all of it or none. Times are nanoseconds since 1970.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence

from lamina.oci.digest import Digest
from lamina.registry.document import Document
from lamina.values import dataclass, field

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Protocol
else:
    Protocol = object


@dataclass(frozen=True, slots=True)
class Entry:
    """A manifest of a repository."""

    digest: Digest
    media_type: str
    size: int  # bytes


@dataclass(frozen=True, slots=True)
class Link:
    """A blob that a repository may see."""

    digest: Digest
    size: int  # bytes
    linked: int  # when somebody last said to need it


class Links(Protocol):
    """Which repository may see which blob."""

    def link(self, name: str, digest: Digest, size: int, *, at: int) -> None:
        """Let `name` see the blob; if it does already, it counts as new."""

    def blob(self, name: str, digest: Digest) -> Link | None: ...

    def renew(self, name: str, digest: Digest, *, at: int) -> bool:
        """Let a blob that `name` sees count as new; whether it still does see it."""

    def mount(self, name: str, digest: Digest, sources: Sequence[str], *, at: int) -> int | None:
        """Let `name` see what the first of `sources` that has it sees; its size, None if none."""

    def holders(self, digest: Digest) -> list[str]:
        """Every repository that may see the blob."""

    def unlink(self, name: str, digest: Digest) -> bool:
        """Let `name` see the blob no more; whether it did."""


class Manifests(Protocol):
    """The manifests of repositories, and their tags."""

    def keep(
        self,
        name: str,
        document: Document,
        tags: Sequence[str],
        *,
        at: int,
        complete: bool = True,
        condition: Callable[[str, Digest | None], None] | None = None,
    ) -> None:
        """Add the manifest, whose bytes are there, and let `tags` mean it; durable on return.

        MissingContent with `complete`, unless what it refers to is in the repository.
        `condition` gets each tag and what it meant before, and may raise to leave all as it was.
        """

    def manifest(self, name: str, digest: Digest) -> Entry | None: ...

    def tagged(self, name: str, tag: str) -> Entry | None: ...

    def drop(self, name: str, digest: Digest) -> bool:
        """Take a manifest away, and every tag that means it; whether it was there."""

    def untag(self, name: str, tag: str) -> bool: ...


class Listings(Protocol):
    """Pages of lists; `after` is the last of the page before, exclusive."""

    def repositories(self, *, after: str, limit: int) -> list[str]:
        """Names in order of code points, of repositories that have a manifest."""

    def tags(self, name: str, *, after: str, limit: int) -> list[str]:
        """Tags in case-insensitive order."""

    def referrers(
        self, name: str, subject: Digest, *, artifact_type: str | None, after: str, limit: int
    ) -> list[tuple[Digest, str]]:
        """Manifests with that subject in order of digests, with their descriptors as JSON."""

    def knows(self, name: str) -> bool:
        """Whether anything was ever pushed to `name` and is still there."""


@dataclass(slots=True)
class Node:
    """A manifest as gc sees it."""

    pushed: int
    subject: Digest | None
    orphanable: bool  # the subject was here once
    blobs: list[Digest] = field(default_factory=list)
    manifests: list[Digest] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Graph:
    """All of one repository."""

    tags: Mapping[str, Digest]
    nodes: Mapping[Digest, Node]
    links: Mapping[Digest, Link]


@dataclass(frozen=True, slots=True)
class Dead:
    """What of one repository nobody needs."""

    manifests: Collection[Digest]
    blobs: Collection[Digest]


class Collectable(Protocol):
    """What gc needs."""

    def names(self) -> list[str]:
        """Every repository, with manifests or with blobs only."""

    def graph(self, name: str) -> Graph: ...

    def sweep(self, name: str, judge: Callable[[Graph], Dead]) -> Dead:
        """Take away what `judge` says of the repository as it then is; no push comes between."""

    def uses(self, digest: Digest) -> int:
        """How many repositories have it, as a blob or as a manifest."""


class Metadata(Links, Manifests, Listings, Collectable, Protocol):
    """All that a registry knows."""

    def version(self) -> object:
        """What differs from what it was before as soon as anybody has changed anything.

        Only what the same thread was told can be compared.
        """

    def close(self) -> None:
        """Close what the calling thread has open."""
