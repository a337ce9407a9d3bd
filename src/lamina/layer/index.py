"""A layer's table of contents, kept beside it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import overload

from lamina.layer.entry import Entry


class Index(Sequence[Entry]):
    """The entries of a layer, in the tar's order, held compactly and decoded when asked for."""

    def __len__(self) -> int:
        raise NotImplementedError

    @overload
    def __getitem__(self, at: int) -> Entry: ...
    @overload
    def __getitem__(self, at: slice) -> list[Entry]: ...
    def __getitem__(self, at: int | slice) -> Entry | list[Entry]:
        raise NotImplementedError

    def __iter__(self) -> Iterator[Entry]:
        raise NotImplementedError

    def to_bytes(self) -> bytes:
        raise NotImplementedError


def encode(entries: Iterable[Entry]) -> bytes:
    raise NotImplementedError


def decode(data: bytes) -> list[Entry]:
    raise NotImplementedError
