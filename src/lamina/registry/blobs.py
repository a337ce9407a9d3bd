"""Where a registry's bytes are, as Protocols: a file system is behind them here.

A place of blobs knows nothing of repositories. What is new in it is safe from gc for a while.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import AbstractContextManager

from lamina.oci.digest import Digest

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import BinaryIO, Protocol
else:
    Protocol = object


class Blobs(Protocol):
    """Bytes by their digest, never changed."""

    def has(self, digest: Digest) -> bool:
        """Whether they are here; if so, they count as new."""

    def open(self, digest: Digest, start: int = 0) -> BinaryIO:
        """The bytes from `start` on; the caller closes. NotFound if they are not here."""

    def put(self, digest: Digest, data: bytes) -> None:
        """Keep `data`, which is known to have this digest."""

    def settle(self, algorithms: Collection[str]) -> None:
        """Make what has digests of these algorithms last through a power cut."""

    def kept(self) -> AbstractContextManager[None]:
        """Within it gc takes no blob away, so that what is put can be made known."""


class Upload(Protocol):
    """A blob on its way, held by one writer; a context manager that lets go of it.

    What was appended stays for the next writer, unless it is committed or thrown away.
    """

    session: str
    offset: int  # bytes that are here

    def append(self, data: Iterable[bytes]) -> None: ...

    def truncate(self, offset: int) -> None:
        """Forget what came after the first `offset` bytes."""

    def commit(self, digest: Digest) -> int:
        """Make the bytes a blob, synced; its size. WrongDigest unless they have `digest`."""

    def discard(self) -> None: ...

    def __enter__(self) -> Upload: ...

    def __exit__(self, *error: object) -> None: ...


class Uploads(Protocol):
    """Uploads under way; they outlive the process."""

    def begin(self, name: str, algorithm: str) -> str:
        """A new session for the repository `name`, which expects a digest of `algorithm`."""

    def offset(self, name: str, session: str) -> int:
        """How many bytes are here; NoUpload."""

    def resume(self, name: str, session: str) -> Upload:
        """The upload, to be written to; NoUpload, or UploadBusy while another writes."""


class Sweepable(Protocol):
    """What gc needs of a place of blobs."""

    def old(self, before: int) -> Iterator[tuple[Digest, int]]:
        """Blobs that have not been new since `before`, in nanoseconds since 1970; their sizes."""

    def remove(self, digest: Digest, before: int, is_needed: Callable[[Digest], bool]) -> bool:
        """Take a blob away unless it is new again or needed; whether it went.

        From the question to the deed nobody can make it new.
        """

    def leftovers(self, before: int, *, dry_run: bool) -> int:
        """Take away uploads that nobody has gone on with since `before`, and what the dead left.

        Their bytes.
        """


class Place(Blobs, Sweepable, Protocol):
    """All that a place of blobs is."""
