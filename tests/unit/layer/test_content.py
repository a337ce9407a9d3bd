from __future__ import annotations

import io
from typing import BinaryIO, cast

import pytest

from lamina.errors import Corrupt
from lamina.layer.content import PlainTar
from lamina.layer.entry import Entry
from lamina.layer.writer import TarWriter


class Pipe(io.RawIOBase):
    """Bytes that can only be read on."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: object) -> int:
        view = memoryview(buffer)  # type: ignore[arg-type]
        piece = self._data.read(len(view))
        view[: len(piece)] = piece
        return len(piece)


def tar() -> tuple[bytes, list[Entry]]:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    entries = [
        Entry("a", size=3),
        Entry("long" * 60, size=2_000_000),
        Entry("holes", size=5_000, sparse=((1024, 512), (4096, 512))),
        Entry("empty"),
    ]
    for entry, data in zip(entries, [b"abc", b"x" * 2_000_000, b"p" * 1024, b""], strict=True):
        writer.add(entry, data)
    writer.close()
    return out.getvalue(), entries


@pytest.mark.parametrize("seekable", [True, False])
def test_each_file_is_read_whole(seekable: bool) -> None:
    data, entries = tar()
    plain = PlainTar(cast("BinaryIO", io.BytesIO(data) if seekable else Pipe(data)))
    found = [b"".join(plain.read(entry)) for entry in entries]
    holes = bytes(1024) + b"p" * 512 + bytes(2560) + b"p" * 512 + bytes(392)
    assert found == [b"abc", b"x" * 2_000_000, holes, b""]


def test_a_stream_that_can_seek_goes_back() -> None:
    data, entries = tar()
    plain = PlainTar(io.BytesIO(data))
    assert [b"".join(plain.read(entries[at]))[:3] for at in (1, 0)] == [b"xxx", b"abc"]


def test_a_stream_that_cannot_says_so() -> None:
    data, entries = tar()
    plain = PlainTar(cast("BinaryIO", Pipe(data)))
    list(plain.read(entries[1]))
    with pytest.raises(ValueError, match="before"):
        list(plain.read(entries[0]))


def test_a_tar_that_is_cut_is_corrupt() -> None:
    data, entries = tar()
    with pytest.raises(Corrupt):
        list(PlainTar(io.BytesIO(data[:100_000])).read(entries[1]))
