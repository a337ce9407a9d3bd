"""Protocols by which places of content are introduced to each other."""

from __future__ import annotations

from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import Digest

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import BinaryIO, Protocol
else:
    Protocol = object


class Fetcher(Protocol):
    """A place to read content from."""

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """The bytes as stored; the caller closes, and verifies. NotFound if they are not there."""


class Pusher(Protocol):
    """A place to put content."""

    def has(self, digest: Digest) -> bool: ...

    def push(self, descriptor: Descriptor, stream: BinaryIO) -> None:
        """Store what `stream` yields; Corrupt unless it has the descriptor's digest and size."""


class Resolver(Protocol):
    """A place that knows names."""

    def resolve(self, name: str) -> Descriptor:
        """What `name` points at; NotFound if nothing."""


class Tagger(Protocol):
    """A place that gives names."""

    def tag(self, name: str, descriptor: Descriptor) -> None: ...


class ReferrerLister(Protocol):
    """A place that knows what refers to a manifest as its subject."""

    def referrers(
        self, digest: Digest, artifact_type: str | None = None
    ) -> Iterable[Descriptor]: ...
