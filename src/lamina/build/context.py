"""Where COPY, ADD and bind mounts take their files from: one Protocol, several places.

A context is opened as a directory descriptor and read through it; paths inside are relative
("" is the root), and links never lead out of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager

from lamina.build.inside import read
from lamina.errors import Invalid, NotFound
from lamina.values import dataclass, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path
    from typing import BinaryIO, Protocol

    from lamina.build.selection import Item
    from lamina.dockerfile.ignore import Ignore
else:
    Protocol = object

IGNORE_FILE = ".dockerignore"
_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_LIMIT = 16 << 20  # bytes of an ignore file


class Context(Protocol):
    """A tree of input files."""

    @property
    def name(self) -> str:
        """How messages call it: "build context", "stage 2", "context 'docs'"."""

    @property
    def ignore(self) -> Ignore | None:
        """What is left out, whatever is asked for; None where no ignore file applies."""

    @property
    def ignore_name(self) -> str:
        """The file that `ignore` was read from."""

    @property
    def keeps_owners(self) -> bool:
        """Whether uid and gid of its files count; files from a client belong to 0:0."""

    def open_root(self) -> AbstractContextManager[int]:
        """A descriptor of the root directory, closed on exit."""


@dataclass(frozen=True, slots=True)
class LocalContext:
    """A directory of this host."""

    path: Path | str
    ignore: Ignore | None = None
    name: str = "build context"
    ignore_name: str = IGNORE_FILE

    @property
    def keeps_owners(self) -> bool:
        return False

    @contextmanager
    def open_root(self) -> Iterator[int]:
        try:
            fd = os.open(self.path, _DIRECTORY)
        except FileNotFoundError:
            raise NotFound(f'{self.name} "{self.path}" does not exist') from None
        except NotADirectoryError:
            raise Invalid(f'{self.name} "{self.path}" is not a directory') from None
        try:
            yield fd
        finally:
            os.close(fd)


@dataclass(frozen=True, slots=True)
class TreeContext:
    """The root of a stage or of an image; `opener` opens it anew each time."""

    opener: Callable[[], AbstractContextManager[int]]
    name: str
    ignore: Ignore | None = None
    ignore_name: str = IGNORE_FILE

    @property
    def keeps_owners(self) -> bool:
        return True

    def open_root(self) -> AbstractContextManager[int]:
        return self.opener()


@dataclass(frozen=True, slots=True)
class EmptyContext:
    """No files at all: the Dockerfile came on standard input without a context."""

    spool: Path | str
    name: str = "build context"
    ignore: Ignore | None = None
    ignore_name: str = IGNORE_FILE

    @property
    def keeps_owners(self) -> bool:
        return False

    @contextmanager
    def open_root(self) -> Iterator[int]:
        with _private_directory(self.spool) as directory:
            fd = os.open(directory, _DIRECTORY)
            try:
                yield fd
            finally:
                os.close(fd)


@contextmanager
def unpacked(
    stream: BinaryIO, spool: Path | str, *, name: str = "build context"
) -> Iterator[LocalContext]:
    """A tar (of any known compression) as a context: unpacked into a private directory under
    `spool`, removed on exit. No ignore rules yet: `with_ignore` reads them from what came out.

    Corrupt or Invalid for a damaged or hostile archive.
    """
    from lamina.layer.apply import apply

    with _private_directory(spool) as directory:
        fd = os.open(directory, _DIRECTORY)
        try:
            apply(stream, fd, as_changeset=False)
        finally:
            os.close(fd)
        yield LocalContext(directory, name=name)


def with_ignore(context: LocalContext, dockerfile: str | None = None) -> LocalContext:
    """`context` with its ignore rules: "<dockerfile>.dockerignore" first, else ".dockerignore".

    `dockerfile` is its path relative to the context, or None if it lies elsewhere. Invalid for a
    rule that makes no sense.
    """
    with context.open_root() as fd:
        names = [f"{dockerfile}{IGNORE_FILE}"] if dockerfile else []
        for name in (*names, IGNORE_FILE):
            text = read_file(fd, name)
            if text is not None:
                from lamina.dockerfile.ignore import Ignore

                return replace(context, ignore=Ignore.parse(text), ignore_name=name)
    return context


def load_ignore(context: Context, dockerfile: str | None = None) -> Ignore | None:
    """The rules that `with_ignore` finds, alone; None where there is no ignore file."""
    if not isinstance(context, LocalContext):
        return None
    return with_ignore(replace(context, ignore=None), dockerfile).ignore


def read_file(root_fd: int, path: str) -> str | None:
    """A small text of a context, links followed inside it; None if it is not a file there."""
    data = read(root_fd, path, _LIMIT)
    if data is not None and len(data) == _LIMIT:
        raise Invalid(f'"{path}" is not smaller than {_LIMIT} bytes')
    return None if data is None else os.fsdecode(data)


@contextmanager
def materialised(context: Context, source: str, spool: Path | str) -> Iterator[Path]:
    """`source` inside the context as a path of this host that may be bind mounted.

    The files themselves where nothing is ignored and everything belongs to root as it is; else
    a copy under `spool`, sharing blocks where the file system can, removed on exit. NotFound if
    `source` is not there.
    """
    from pathlib import Path

    from lamina.build.copying import CopySpec, copy, select

    selection = select(context, CopySpec(sources=(source or "/",), destination="/source"))
    item = selection.items[0]
    if isinstance(context, LocalContext) and _is_as_copied(context, item):
        yield Path(context.path, item.path)
        return
    with _private_directory(spool) as directory:
        fd = os.open(directory, _DIRECTORY)
        try:
            copy(selection, fd)
        finally:
            os.close(fd)
        if item.is_directory:
            os.chmod(directory / "source", item.nodes[0].stat.st_mode & 0o7777)
        yield directory / "source"


def _is_as_copied(context: LocalContext, item: Item) -> bool:
    """Whether a copy of the item would not differ from its files where they lie."""
    from lamina.build.walking import walk

    if any(node.stat.st_uid or node.stat.st_gid for node in item.nodes):
        return False
    if context.ignore is None or not item.is_directory:
        return True
    with context.open_root() as fd:
        return sum(1 for _ in walk(fd, item.path)) == len(item.nodes)


@contextmanager
def _private_directory(spool: Path | str) -> Iterator[Path]:
    """A new directory, its owner's alone, removed with all that is in it on exit."""
    import tempfile
    from pathlib import Path

    from lamina.fs.root import remove_at

    os.makedirs(spool, exist_ok=True)
    directory = Path(tempfile.mkdtemp(prefix="context-", dir=spool))
    try:
        yield directory
    finally:
        fd = os.open(spool, _DIRECTORY)
        try:
            remove_at(fd, directory.name)
        finally:
            os.close(fd)
