"""What is in a tar, with the digests of its files: for who compares them."""

from __future__ import annotations

from hashlib import sha256
from typing import BinaryIO

from lamina.layer.entry import FILE, Entry
from lamina.layer.limits import DEFAULT, Limits
from lamina.layer.reader import Reader
from lamina.oci.digest import Digest

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from hashlib import _Hash

HOLES = 1 << 30  # bytes of holes hashed as zeros per layer; files beyond have no digest
_ZEROS = bytes(1 << 16)


def read_index(stream: BinaryIO, limits: Limits = DEFAULT) -> list[Entry]:
    """All entries of the plain tar `stream`, with the digests of files that have few holes."""
    reader = Reader(stream.read, limits)
    entries = []
    holes = HOLES
    for entry in reader:
        if entry.type is FILE and (hollow := entry.size - entry.stored) <= holes:
            holes -= hollow
            entry.digest = _digest(entry, reader)
        entries.append(entry)
    return entries


def _digest(entry: Entry, reader: Reader) -> Digest:
    hasher = sha256()
    end = 0
    for at, piece in reader.chunks():
        if at != end:
            _hash_zeros(hasher, at - end)
        hasher.update(piece)
        end = at + len(piece)
    _hash_zeros(hasher, entry.size - end)
    return Digest(f"sha256:{hasher.hexdigest()}")


def _hash_zeros(hasher: _Hash, count: int) -> None:
    for _ in range(count // len(_ZEROS)):
        hasher.update(_ZEROS)
    hasher.update(_ZEROS[: count % len(_ZEROS)])
