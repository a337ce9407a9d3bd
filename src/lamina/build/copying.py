"""What COPY and ADD do: choose files of a context, and put them into an image's root.

    spec ──select(context)──▶ Selection ──digests()──▶ part of the cache key
                                  └──────copy(root)──▶ files in the root

`select` walks once; hashing and copying use what it saw, and a file that changed since is an
error, never a mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

from lamina.build.context import Context
from lamina.oci.digest import Digest


@dataclass(frozen=True, slots=True)
class CopySpec:
    """COPY or ADD after expansion of variables; paths as written, not yet resolved."""

    sources: tuple[str, ...]
    destination: str
    working_dir: str = "/"
    chown: str | None = None  # "user[:group]", names or numbers
    chmod: str | None = None  # octal or symbolic
    parents: bool = False
    excludes: tuple[str, ...] = ()
    link: bool = False
    unpack: bool = False  # archives are taken apart: ADD, unless --unpack=false
    inline: tuple[tuple[str, bytes], ...] = ()  # heredocs: name, content


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What counts of one file in a cache key; times never do."""

    path: str  # relative to the destination, as it will be named there
    type: str  # "file", "dir", "symlink", "char", "block", "fifo"
    mode: int
    uid: int
    gid: int
    size: int  # bytes; 0 unless a file
    digest: Digest | None  # of a file's content
    link: str  # target of a symlink; "major:minor" of a device
    xattrs: Digest | None  # of all extended attributes that are copied


@dataclass(frozen=True, slots=True)
class Selection:
    """The files that a spec takes from a context, seen once."""

    context: Context
    spec: CopySpec


def check(spec: CopySpec) -> None:
    """Refuse what needs no context to be refused: chmod that does not parse, a file for a
    destination when several sources are given, remote sources. Invalid or Unsupported."""
    raise NotImplementedError


def select(context: Context, spec: CopySpec) -> Selection:
    """Which files, under which names. Changes nothing.

    NotFound names the source; the hint names the ignore rule that hid it.
    """
    raise NotImplementedError


class HashCache:
    """Digests of files that have not changed since they were hashed.

    Held by (dev, ino, size, mtime_ns, ctime_ns). `load` a blob, hash, `dump` it again; a file
    whose mtime is not older than the moment of hashing is not remembered.
    """

    @classmethod
    def load(cls, blob: bytes | None) -> HashCache:
        """An empty or damaged blob gives an empty cache."""
        raise NotImplementedError

    def dump(self) -> bytes:
        raise NotImplementedError

    @property
    def changed(self) -> bool:
        """Whether there is anything new to dump."""
        raise NotImplementedError


def digests(selection: Selection, cache: HashCache | None = None) -> tuple[FileRecord, ...]:
    """The records of everything selected, in a stable order; hashes what `cache` lacks.

    Inline files are in it. Conflict if a file changes while it is hashed.
    """
    raise NotImplementedError


def copy(selection: Selection, root_fd: int, *, epoch: int | None = None) -> None:
    """Put the selected files into the root.

    `root_fd`: the merged tree, open for changes; its /etc/passwd and /etc/group translate names
    in --chown. `epoch`: seconds; mtime of everything written, instead of the sources' own.
    Not atomic: a failed copy leaves what was written so far, and the caller drops the draft.
    """
    raise NotImplementedError
