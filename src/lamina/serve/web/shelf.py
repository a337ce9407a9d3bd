"""What is looked at, as values and Protocols: the engine brings what is behind them.

`serve` may not know `analysis`, nor the store: so a shelf hands out sheets, each with all that can
be asked of one image, and an analyst answers questions about what was read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Protocol

from lamina.errors import Error
from lamina.image.stack import Node, Stack
from lamina.image.view import Image, Layer
from lamina.layer.entry import Entry
from lamina.layer.limits import Limits
from lamina.oci.config import ImageConfig
from lamina.oci.digest import DiffID, Digest
from lamina.values import dataclass, field

SCHEMA1 = "schema 1"  # kind of what is tagged


@dataclass(frozen=True, slots=True)
class Tagged:
    """One image by one of its names."""

    reference: str
    label: str  # the tag, or what stands for one
    digest: Digest  # of its manifest or index
    kind: str  # image, index, artifact or schema 1; "" where that is not known
    platform: str = ""
    created: str | None = None  # RFC 3339
    size: int | None = None  # bytes of its layers as stored


@dataclass(frozen=True, slots=True)
class Group:
    """A repository with its tags, or the first of them."""

    repository: str
    tags: Sequence[Tagged]
    more: bool = False


@dataclass(frozen=True, slots=True)
class Document:
    """A manifest, config or index, as it is to the byte."""

    kind: str  # "manifest", "config", "index", "schema1"
    media_type: str
    digest: Digest
    raw: bytes


@dataclass(frozen=True, slots=True)
class Referrer:
    """Something that says something about an image: a signature, an attestation, a list."""

    how: str  # by what it is known to belong: "subject", "tag …", "index"
    artifact_type: str
    digest: Digest
    size: int
    annotations: Mapping[str, str] = field(default_factory=dict)


class Sight(Protocol):
    """An image whose files can be read."""

    @property
    def image(self) -> Image: ...

    def read(self, node: Node) -> Iterator[bytes]:
        """The bytes of a file, in pieces; Corrupt or NotFound if its layer is damaged or gone."""
        ...

    def read_whole(self, node: Node, limit: int) -> bytes:
        """The bytes of a file; NotFound if they are more than `limit`."""
        ...

    def digest(self, node: Node) -> Digest:
        """Of the bytes of a file."""
        ...


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a reference names. Its documents are read, its layers only when `entries` is called."""

    reference: str
    key: str  # the same for the same content and the same rights
    documents: Sequence[Document]  # the one that is named first
    sight: Sight | None  # None where it is no image, or not all of it is here
    problem: Error | None  # why there is no image
    platforms: Sequence[str]  # of an index, what can be asked for
    entries: Callable[[Layer, Limits], Iterable[Entry]]
    seconds: Mapping[DiffID, float]  # that building its layers took, where it was built here
    referrers: Callable[[], Sequence[Referrer]]
    # As clients get it that know Docker schema 1 only; None from it if it cannot be said in that.
    old: Callable[[], Document | None] | None = None


class Shelf(Protocol):
    """A place of images. Safe for many threads."""

    def holder(self, reference: str) -> str | None:
        """The repository whose rights decide; None where everybody may see everything."""
        ...

    def groups(
        self, *, query: str, after: str, limit: int, may_see: Callable[[str], bool]
    ) -> list[Group]:
        """Repositories after `after` whose names hold `query`, in order, with their first tags."""
        ...

    def tags(self, repository: str, *, after: str, limit: int) -> list[Tagged]:
        """Tags after `after`, in order; NotFound if there is no such repository."""
        ...

    def sheet(self, reference: str, platform: str | None) -> Sheet:
        """What `reference` names; NotFound, Invalid."""
        ...

    def prepare(self, reference: str, entries: int, stopped: Callable[[], bool]) -> None:
        """Keep what is in the image's layers, of up to so many entries, for when it is asked for.

        Ends early once `stopped`.
        """
        ...

    def close(self) -> None:
        """Let go of what the calling thread has open."""
        ...


# What an analyst says, in the words of `lamina.analysis`.


class Unseen(Protocol):
    """A file of one layer that no name in the finished tree leads to."""

    @property
    def path(self) -> str: ...
    @property
    def layer(self) -> int: ...
    @property
    def hidden_by(self) -> int: ...
    @property
    def size(self) -> int: ...


class Waste(Protocol):
    """What all layers write together, and how much of it stays in sight."""

    @property
    def written(self) -> int: ...
    @property
    def unseen(self) -> Sequence[Unseen]: ...
    @property
    def wasted(self) -> int: ...
    @property
    def efficiency(self) -> float: ...
    def by_hider(self) -> Mapping[int, int]: ...


class Difference(Protocol):
    """One path at which two trees differ."""

    @property
    def path(self) -> str: ...
    @property
    def change(self) -> str: ...
    @property
    def before(self) -> Entry | None: ...
    @property
    def after(self) -> Entry | None: ...
    @property
    def parts(self) -> Sequence[str]: ...
    @property
    def growth(self) -> int: ...


class Setting(Protocol):
    """One thing that two configs say differently."""

    @property
    def name(self) -> str: ...
    @property
    def before(self) -> str | None: ...
    @property
    def after(self) -> str | None: ...


class Package(Protocol):
    """One installed package."""

    @property
    def kind(self) -> str: ...
    @property
    def name(self) -> str: ...
    @property
    def version(self) -> str: ...


@dataclass(frozen=True, slots=True)
class PackageChange:
    """A package that only one of two images has, or has in another version."""

    kind: str
    name: str
    before: str | None
    after: str | None


@dataclass(frozen=True, slots=True)
class Compared:
    """In what one image differs from another."""

    files: Sequence[Difference]
    packages: Sequence[PackageChange]


class Analyst(Protocol):
    """Who answers questions about images."""

    def waste(self, stack: Stack) -> Waste: ...

    def settings(self, before: ImageConfig, after: ImageConfig) -> Sequence[Setting]: ...

    def packages(self, sight: Sight, stack: Stack) -> Sequence[Package]: ...

    def differences(
        self, before: tuple[Sight, Stack], after: tuple[Sight, Stack]
    ) -> Sequence[Difference]: ...
