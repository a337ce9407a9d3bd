"""Compressed bytes and plain bytes, both ways."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import random
import zlib
from functools import cache

import pytest

from lamina.errors import Invalid
from lamina.layer.compress import Compressor, Kind, decompressed, sniff, zstd_module
from lamina.layer.limits import BadCompression

PLAIN = (b"the quick brown fox %d " * 200_000) + os.urandom(100_000)
SKIPPED = b"\x53\x2a\x4d\x18\x04\0\0\0skip"


def compressed(kind: Kind, data: bytes = PLAIN, **options: int) -> bytes:
    out = io.BytesIO()
    with Compressor(out, kind, **options) as compressor:
        for at in range(0, len(data), 77_777):
            assert compressor.write(memoryview(data)[at : at + 77_777]) > 0
    return out.getvalue()


def expanded(data: bytes, kind: Kind | None = None) -> bytes:
    with decompressed(io.BytesIO(data), kind) as stream:
        return stream.read()


PACKERS = {
    "none": bytes,
    "gzip": gzip.compress,
    "zstd": zstd_module().compress,
    "bzip2": bz2.compress,
    "xz": lzma.compress,
}


@cache  # whoever only collects the tests does not wait for it
def packed(kind: str) -> bytes:
    return bytes(PACKERS[kind](PLAIN))


@pytest.mark.parametrize("kind", PACKERS)
def test_every_kind_is_recognised_and_read(kind: str) -> None:
    assert sniff(packed(kind)[:512]) == kind
    assert expanded(packed(kind)) == PLAIN
    assert expanded(packed(kind), kind) == PLAIN


def test_a_tar_is_a_tar_whatever_its_first_name() -> None:
    block = bytearray(512)
    block[:2], block[257:262] = b"\x1f\x8b", b"ustar"
    assert sniff(bytes(block)) == "none"
    assert sniff(b"BZhello") == "none"
    assert sniff(b"") == "none"


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
@pytest.mark.parametrize("data", [b"", b"x", PLAIN], ids=["empty", "short", "long"])
def test_what_we_write_others_read(kind: Kind, data: bytes) -> None:
    made = compressed(kind, data)
    assert expanded(made) == data
    other = gzip.decompress if kind == "gzip" else zstd_module().decompress
    assert other(made) == data


@pytest.mark.parametrize("level", range(10))
def test_every_level_of_gzip(level: int) -> None:
    assert zlib.decompress(compressed("gzip", level=level), 31) == PLAIN


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_threads_never_change_the_bytes(kind: Kind) -> None:
    assert len({compressed(kind, threads=count) for count in (1, 2, 3)}) == 1


def noise(size: int) -> bytes:
    return random.Random(size).randbytes(size)


MIXED = {
    "dense": noise(3_000_000),
    "dense after text": PLAIN[:1_500_000] + noise(2_000_000),
    "text after dense": noise(1_500_000) + PLAIN,
    "both in one block": (noise(300_000) + PLAIN[:300_000]) * 4,
    "whole blocks": noise(1 << 20) + PLAIN[: 1 << 20],
    "seen before": noise(20_000) * 60,
}


@pytest.mark.parametrize("level", [0, 1, 3, 6])
@pytest.mark.parametrize("name", MIXED)
def test_what_does_not_shrink_comes_back_whole(name: str, level: int) -> None:
    made = compressed("gzip", MIXED[name], level=level)
    assert gzip.decompress(made) == MIXED[name]
    assert expanded(made) == MIXED[name]
    assert compressed("gzip", MIXED[name], level=level, threads=3) == made


def test_what_does_not_shrink_hardly_grows() -> None:
    assert len(compressed("gzip", MIXED["dense"])) < len(MIXED["dense"]) * 1.0005


def test_text_between_what_is_dense_shrinks() -> None:
    data = (noise(1 << 18) + PLAIN[: 1 << 18]) * 8
    assert len(compressed("gzip", data)) < len(data) * 0.6


def test_how_it_is_written_never_changes_the_bytes() -> None:
    data = MIXED["text after dense"]
    made = set()
    for size in (1000, 1 << 20, (1 << 20) + 1, 3 << 20, len(data)):
        out = io.BytesIO()
        with Compressor(out, "gzip", threads=2) as compressor:
            for at in range(0, len(data), size):
                compressor.write(data[at : at + size])
        made.add(out.getvalue())
    assert len(made) == 1


def test_gzip_header_holds_neither_name_nor_time() -> None:
    assert compressed("gzip")[:10] == b"\x1f\x8b\x08\0\0\0\0\0\0\xff"


@pytest.mark.parametrize(("kind", "level"), [("gzip", 10), ("gzip", -1), ("zstd", 99), ("xz", 1)])
def test_what_is_not_written_is_refused(kind: Kind, level: int) -> None:
    with pytest.raises(Invalid):
        Compressor(io.BytesIO(), kind, level)


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_members_one_after_the_other_are_one_stream(kind: str) -> None:
    assert expanded(packed(kind) * 2) == PLAIN * 2


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_streams_that_end_early_are_refused(kind: str) -> None:
    for size in (20, len(packed(kind)) // 2, len(packed(kind)) - 1):
        with pytest.raises(BadCompression):
            expanded(packed(kind)[:size], kind)


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_damage_shows(kind: str) -> None:
    # zstd's own default has no checksum, ours has.
    data = bytearray(compressed("zstd") if kind == "zstd" else packed(kind))
    for at in range(len(data) // 2, len(data) // 2 + 50):
        data[at] ^= 0x55
    with pytest.raises(BadCompression):
        expanded(bytes(data), kind)


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_garbage_after_the_end_is_refused(kind: str) -> None:
    with pytest.raises(BadCompression):
        expanded(packed(kind) + b"garbage that is nothing at all", kind)


def test_zeros_after_gzip_are_padding() -> None:
    assert expanded(packed("gzip") + bytes(100_000)) == PLAIN
    assert expanded(packed("gzip") + bytes(600) + packed("gzip")) == PLAIN * 2


def test_empty_members_and_skippable_frames_hold_nothing() -> None:
    assert expanded(gzip.compress(b"") + packed("gzip") + gzip.compress(b"")) == PLAIN
    assert sniff(SKIPPED) == "zstd"
    assert expanded(SKIPPED + packed("zstd") + SKIPPED) == PLAIN


@pytest.mark.parametrize("kind", ["gzip", "zstd", "bzip2", "xz"])
def test_nothing_is_not_a_compressed_stream(kind: Kind) -> None:
    with pytest.raises(BadCompression, match="empty"):
        expanded(b"", kind)
    assert expanded(b"") == b""


@pytest.mark.parametrize("kind", ["gzip", "zstd"])
def test_bombs_are_read_piece_by_piece(kind: Kind) -> None:
    bomb = compressed(kind, bytes(50_000_000))
    with decompressed(io.BytesIO(bomb)) as stream:
        assert stream.read(1000) == bytes(1000)


def test_an_unfinished_stream_is_cut_short() -> None:
    out = io.BytesIO()
    with pytest.raises(KeyError), Compressor(out, "gzip", threads=2) as compressor:
        compressor.write(PLAIN)
        raise KeyError
    with pytest.raises(BadCompression):
        expanded(out.getvalue(), "gzip")
