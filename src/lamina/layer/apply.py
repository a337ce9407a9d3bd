"""Layer blob -> changed tree, digests and index, in one pass (image-spec, layer.md, "Applying")."""

from __future__ import annotations

import errno
import os
from typing import BinaryIO, Protocol

from lamina.errors import Error, Unavailable
from lamina.fs.faults import translate
from lamina.layer.entry import Entry
from lamina.layer.extract import MANY, Extraction, Leans
from lamina.layer.header import printable
from lamina.layer.index import Index
from lamina.layer.limits import DEFAULT, BadEntry, Limits
from lamina.layer.pipe import Pipe
from lamina.layer.reader import Reader
from lamina.oci.digest import DiffID, Digest
from lamina.values import dataclass

# What the kernel says of a name or a number that no file system could take.
_ENTRY_FAULTS = frozenset(
    {
        errno.ENAMETOOLONG,
        errno.ELOOP,
        errno.ENOTDIR,
        errno.EINVAL,
        errno.EFBIG,
        errno.EOVERFLOW,
        errno.EEXIST,
        errno.EISDIR,
        errno.EILSEQ,
        errno.ERANGE,
        errno.E2BIG,
        errno.EMLINK,
    }
)


@dataclass(frozen=True, slots=True)
class Applied:
    """What one pass over a blob learnt of it."""

    digest: Digest  # of the blob as stored
    size: int  # bytes of the blob as stored
    diff_id: DiffID  # digest of the plain tar
    plain_size: int  # bytes of the plain tar
    index: Index  # a Sequence[Entry] in the tar's order, whiteouts included
    notes: tuple[str, ...] = ()  # what the file system could not keep, in words
    leans: bool = False  # the tree and the index stop short: it must be laid onto the one below


def apply(
    stream: BinaryIO,
    root_fd: int,
    *,
    limits: Limits | None = None,
    as_changeset: bool = True,
    specials: bool = True,
    many: int = MANY,
) -> Applied:
    """Lay the layer `stream`, compressed or not, onto the tree under `root_fd`.

    Names and links resolve inside the root, whatever they say; the host is never touched.
    Whiteouts delete what is there and was not made by this layer, wherever in it they stand; an
    overlay mount under `root_fd` turns that into whiteouts of its own. With `as_changeset` off,
    names that begin with ".wh." are ordinary ones, as in an archive that ADD unpacks. With
    `specials` off, devices and pipes are passed over, and what is in their places stays. After
    `many` files a second process makes a share of them, which changes nothing else.
    The caller checks the digests against what was promised, and throws the tree away on failure:
    it is left half done. Directory times are set last.

    BadArchive, BadCompression (Corrupt), BadEntry, TooMuch (Invalid), Denied where the right to
    make owners or devices is missing, Unavailable where the disk is full.
    """
    extraction = Extraction(root_fd, as_changeset=as_changeset, specials=specials, many=many)
    return lay(stream, extraction, limits or DEFAULT)


class Laying(Protocol):
    """What becomes of a layer's entries."""

    @property
    def late(self) -> Entry | None:
        """The entry that is at fault, where it is an earlier one than the one being added."""

    def add(self, entry: Entry, reader: Reader) -> None:
        """The next entry. `Leans` if it must be laid else."""

    def finish(self) -> tuple[str, ...]:
        """All entries were added; what could not be kept, in words."""

    def close(self) -> None: ...


def lay(stream: BinaryIO, laying: Laying, limits: Limits, *, plain: int | None = None) -> Applied:
    """Hand each entry of the layer to `laying`, which is closed then; raises as `apply`.

    The plain tar of a compressed layer is also written to the open file `plain`, if there is one.
    """
    index = Index()
    entry: Entry | None = None
    leans = False
    notes: tuple[str, ...] = ()
    with Pipe(stream, limits, plain=plain) as pipe:
        try:
            reader = Reader(pipe.read, limits)
            try:
                for entry in reader:
                    laying.add(entry, reader)
                    index.append(entry)
                notes = laying.finish()
            except Leans:
                leans = True
            pipe.drain()
        except OSError as error:
            raise _refusal(error, laying.late or entry) from error
        except OverflowError:
            entry = laying.late or entry
            name = printable(entry.path) if entry else ""
            raise BadEntry(f'"{name}" has an owner or a time that is out of range') from None
        finally:
            laying.close()
    return Applied(pipe.digest, pipe.size, pipe.diff_id, pipe.plain_size, index, notes, leans)


def _refusal(error: OSError, entry: Entry | None) -> Error:
    """What the system's refusal of an entry means to the caller."""
    name = printable(entry.path) if entry else "the layer"
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    if error.errno in _ENTRY_FAULTS:
        return BadEntry(f'"{name}" cannot be unpacked: {reason}')
    return translate(error, name) or Unavailable(f'"{name}" cannot be unpacked: {reason}')
