"""Changes -> a layer's plain tar, its diff ID and its index, in one pass."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

from lamina.layer.changes import Change
from lamina.layer.index import Index
from lamina.oci.digest import DiffID


class Sink(Protocol):
    """Whatever takes bytes in order."""

    def write(self, data: bytes | memoryview, /) -> object: ...


@dataclass(frozen=True, slots=True)
class Packed:
    """What was written."""

    diff_id: DiffID
    size: int  # bytes of the plain tar
    index: Index  # a Sequence[Entry], whiteouts included


def pack(changes: Iterable[Change], out: Sink, *, clamp: int | None = None) -> Packed:
    raise NotImplementedError
