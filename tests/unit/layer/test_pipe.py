"""A blob read as plain bytes, its digests taken on the way."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import threading
from pathlib import Path

import pytest

from lamina.layer.limits import DEFAULT, BadCompression
from lamina.layer.pipe import Pipe

SMALL = os.urandom(1000) * 100
LARGE = os.urandom(10_000) * 1600


def others() -> list[str]:
    """The threads that a pipe has started."""
    names = (thread.name for thread in threading.enumerate())
    return [name for name in names if name in ("lamina-inflate", "lamina-hash")]


@pytest.mark.parametrize("plain", [b"", SMALL, LARGE], ids=["empty", "small", "large"])
@pytest.mark.parametrize("is_packed", [True, False], ids=["gzip", "tar"])
def test_both_digests_are_those_of_the_bytes(plain: bytes, is_packed: bool) -> None:
    blob = gzip.compress(plain) if is_packed else plain
    with Pipe(io.BytesIO(blob), DEFAULT) as pipe:
        assert b"".join(iter(pipe.read, b"")) == plain
        assert pipe.read() == b""
    assert pipe.digest == f"sha256:{hashlib.sha256(blob).hexdigest()}"
    assert pipe.diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
    assert (pipe.size, pipe.plain_size) == (len(blob), len(plain))


def test_a_small_blob_starts_no_threads() -> None:
    with Pipe(io.BytesIO(gzip.compress(SMALL)), DEFAULT) as pipe:
        while pipe.read():
            assert not others()


def test_a_large_blob_is_read_ahead_and_its_threads_end() -> None:
    with Pipe(io.BytesIO(gzip.compress(LARGE)), DEFAULT) as pipe:
        while pipe.plain_size <= 1 << 20:
            pipe.read()
        assert others()
    assert not others()


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_damage_is_told_once(data: bytes) -> None:
    blob = gzip.compress(data)
    with Pipe(io.BytesIO(blob[: len(blob) - 20]), DEFAULT) as pipe:
        with pytest.raises(BadCompression):
            pipe.drain()
        assert pipe.read() == b""


@pytest.mark.parametrize("data", [SMALL, LARGE], ids=["small", "large"])
def test_the_plain_tar_is_kept_where_somebody_wants_it(data: bytes, tmp_path: Path) -> None:
    with (tmp_path / "plain").open("wb") as out:
        with Pipe(io.BytesIO(gzip.compress(data)), DEFAULT, plain=out.fileno()) as pipe:
            pipe.drain()
    assert (tmp_path / "plain").read_bytes() == data
