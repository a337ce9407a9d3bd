from __future__ import annotations

import os
import zlib

import pytest

from lamina.layer.crc import Crc


@pytest.mark.parametrize("size", [0, 1, 1 << 16, (1 << 16) + 1, 300_000])
def test_it_is_the_crc_of_gzip_whichever_library_takes_it(size: int) -> None:
    data = os.urandom(size)
    assert Crc().plus(data) == Crc(zlib.crc32(data), size)


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_pieces_come_to_what_the_whole_does(kind: type) -> None:
    data = os.urandom(500_000)
    crc = Crc()
    for start, end in ((0, 10), (10, 200_000), (200_000, 200_000), (200_000, 500_000)):
        crc = crc.plus(kind(data[start:end]))
    assert crc == Crc().plus(data)


def test_zeros_at_the_end_make_another_one() -> None:
    assert Crc().plus(bytes(10)) != Crc().plus(bytes(11))
    assert Crc() != Crc().plus(bytes(1))
