"""Layer blob -> changed tree, digests and index, in one pass (image-spec, layer.md, "Applying")."""

from __future__ import annotations

from dataclasses import dataclass
from typing import BinaryIO

from lamina.layer.index import Index
from lamina.layer.limits import Limits
from lamina.oci.digest import DiffID, Digest


@dataclass(frozen=True, slots=True)
class Applied:
    """What one pass over a blob learnt of it."""

    digest: Digest  # of the blob as stored
    size: int  # bytes of the blob as stored
    diff_id: DiffID  # digest of the plain tar
    plain_size: int  # bytes of the plain tar
    index: Index  # a Sequence[Entry] in the tar's order, whiteouts included
    notes: tuple[str, ...] = ()  # what the file system could not keep, in words


def apply(
    stream: BinaryIO,
    root_fd: int,
    *,
    limits: Limits | None = None,
    as_changeset: bool = True,
) -> Applied:
    raise NotImplementedError
