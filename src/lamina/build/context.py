"""Where COPY, ADD and bind mounts take their files from: one Protocol, several places.

A context is opened as a directory descriptor and read through it; paths inside are relative
("" is the root), and links never lead out of it.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Protocol

from lamina.dockerfile.ignore import Ignore


class Context(Protocol):
    """A tree of input files."""

    @property
    def name(self) -> str:
        """How messages call it: "build context", "stage 2", "context 'docs'"."""
        ...

    @property
    def ignore(self) -> Ignore | None:
        """What is left out, whatever is asked for; None where no ignore file applies."""
        ...

    @property
    def keeps_owners(self) -> bool:
        """Whether uid and gid of its files count; files from a client belong to 0:0."""
        ...

    def open_root(self) -> AbstractContextManager[int]:
        """A descriptor of the root directory, closed on exit."""
        ...


@dataclass(frozen=True, slots=True)
class LocalContext:
    """A directory of this host."""

    path: Path
    ignore: Ignore | None = None
    name: str = "build context"

    @property
    def keeps_owners(self) -> bool:
        return False

    def open_root(self) -> AbstractContextManager[int]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class TreeContext:
    """The root of a stage or of an image; `opener` opens it anew each time."""

    opener: Callable[[], AbstractContextManager[int]]
    name: str
    ignore: Ignore | None = None

    @property
    def keeps_owners(self) -> bool:
        return True

    def open_root(self) -> AbstractContextManager[int]:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class EmptyContext:
    """No files at all: the Dockerfile came on standard input without a context."""

    name: str = "build context"
    ignore: Ignore | None = None

    @property
    def keeps_owners(self) -> bool:
        return False

    def open_root(self) -> AbstractContextManager[int]:
        raise NotImplementedError


def unpacked(
    stream: BinaryIO, spool: Path, *, name: str = "build context"
) -> AbstractContextManager[LocalContext]:
    """A tar (of any known compression) as a context: unpacked into a private directory under
    `spool`, removed on exit. No ignore rules yet: the caller loads them from what came out."""
    raise NotImplementedError


def load_ignore(context: Context, dockerfile: str | None = None) -> Ignore | None:
    """The ignore rules of a context: "<dockerfile>.dockerignore" first, else ".dockerignore".

    `dockerfile` is its path relative to the context, or None if it lies elsewhere.
    """
    raise NotImplementedError


def materialised(
    context: Context, source: str, spool: Path
) -> AbstractContextManager[Path]:
    """`source` inside the context as a path of this host that may be bind mounted.

    The files themselves where nothing is ignored and owners are right as they are; otherwise a
    copy under `spool` (reflinked where possible), removed on exit. NotFound if `source` is not
    there.
    """
    raise NotImplementedError
