"""ADD of archives: told by content, taken apart below the destination."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from lamina.build.archives import is_archive
from lamina.build.context import LocalContext
from lamina.build.copying import CopySpec, copy, select
from lamina.errors import Error, Invalid
from lamina.layer.compress import Compressor

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners need root")


def zstd(data: bytes) -> bytes:
    out = io.BytesIO()
    compressor = Compressor(out, "zstd")
    compressor.write(data)
    compressor.close()
    return out.getvalue()


PACKERS = {"plain": bytes, "gzip": gzip.compress, "bzip2": bz2.compress, "xz": lzma.compress}
packers = pytest.mark.parametrize("pack", [*PACKERS.values(), zstd], ids=[*PACKERS, "zstd"])


def member(name: str, kind: bytes = tarfile.REGTYPE, mode: int = 0o640) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid, info.mtime = kind, mode, 5, 6, 1_000_000_000
    return info


def archive(*members: tarfile.TarInfo) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for info in members:
            info.size = 4 if info.isreg() else 0
            tar.addfile(info, io.BytesIO(b"text") if info.isreg() else None)
    return out.getvalue()


def add(data: bytes, root: Path, *, to: str, name: str = "a.bin", **more: object) -> None:
    context = root.parent / "context"
    context.mkdir(exist_ok=True)
    (context / name).write_bytes(data)
    spec = CopySpec((name,), to, **{"unpack": True, **more})  # type: ignore[arg-type]
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        copy(select(LocalContext(context), spec), fd)
    finally:
        os.close(fd)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir()
    return path


@packers
def test_an_archive_is_told_by_its_content(pack: Callable[[bytes], bytes], root: Path) -> None:
    data = pack(archive(member("d/f", mode=0o4755)))
    assert is_archive(io.BytesIO(data))
    add(data, root, to="/x")
    found = (root / "x/d/f").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (5, 6, 0o4755)
    assert found.st_mtime == 1_000_000_000
    assert ((root / "x").stat().st_mode & 0o777, (root / "x").stat().st_uid) == (0o755, 0)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"text",
        b"\0" * 1024,
        b"x" * 4096,
        gzip.compress(b"text"),
        gzip.compress(archive(member("f")))[:20],
        archive(member("f"))[:511],
        archive(member("f")).replace(b"f", b"g", 1),
    ],
    ids=[
        *("nothing", "short", "zeros", "letters", "compressed-text", "cut-gzip", "cut-header"),
        "wrong-checksum",
    ],
)
def test_what_is_no_archive_is_copied_as_it_is(data: bytes, root: Path) -> None:
    assert not is_archive(io.BytesIO(data))
    add(data, root, to="/x/", name="a.tar.gz")
    assert (root / "x/a.tar.gz").read_bytes() == data


def test_without_unpacking_an_archive_is_a_file(root: Path) -> None:
    data = archive(member("f"))
    add(data, root, to="/x/", unpack=False)
    assert (root / "x/a.bin").read_bytes() == data


def test_an_archive_inside_a_copied_directory_stays_a_file(root: Path) -> None:
    context = root.parent / "context"
    (context / "d").mkdir(parents=True)
    data = archive(member("f"))
    (context / "d/a.tar").write_bytes(data)
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        copy(select(LocalContext(context), CopySpec(("d",), "/x", unpack=True)), fd)
    finally:
        os.close(fd)
    assert (root / "x/a.tar").read_bytes() == data


def test_chown_reaches_what_comes_out_and_keeps_set_id_bits(root: Path) -> None:
    link = member("l", tarfile.SYMTYPE)
    link.linkname = "f"
    add(archive(member("f", mode=0o6755), link), root, to="/x", chown="7:8")
    for path in ("x", "x/f", "x/l"):
        assert ((root / path).lstat().st_uid, (root / path).lstat().st_gid) == (7, 8)
    assert (root / "x/f").stat().st_mode & 0o7777 == 0o6755


@pytest.mark.parametrize("kind", [tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE])
@pytest.mark.parametrize("chown", [None, "7:8"])
def test_devices_and_pipes_are_passed_over(kind: bytes, chown: str | None, root: Path) -> None:
    (root / "x").mkdir()
    (root / "x/here").write_text("kept")
    data = archive(member("here", kind), member("new/there", kind), member("f"))
    add(data, root, to="/x", chown=chown)
    assert (root / "x/here").is_file() and (root / "x/here").read_text() == "kept"
    assert (root / "x/here").stat().st_uid == 0
    assert sorted(os.listdir(root / "x")) == ["f", "here"]


def test_names_of_whiteouts_are_ordinary(root: Path) -> None:
    (root / "x").mkdir()
    (root / "x/f").write_text("kept")
    add(archive(member(".wh.f")), root, to="/x")
    assert sorted(os.listdir(root / "x")) == [".wh.f", "f"]


def test_a_link_in_the_root_is_followed_to_the_destination(root: Path) -> None:
    (root / "link").symlink_to("/new/place")
    add(archive(member("f")), root, to="/link")
    assert (root / "new/place/f").read_bytes() == b"text"


def test_an_archive_over_a_file_is_refused(root: Path) -> None:
    (root / "x").write_text("file")
    with pytest.raises(Invalid, match="in the way"):
        add(archive(member("f")), root, to="/x")


@pytest.mark.parametrize("name", ["../out", "/../../out", "d/../../out"])
def test_a_hostile_archive_leaves_the_outside_untouched(root: Path, name: str) -> None:
    try:
        add(archive(member(name)), root, to="/x/y")
    except Error as error:
        assert 'cannot unpack "a.bin"' in error.message
    assert sorted(os.listdir(root.parent)) == ["context", "root"]
    assert not (root / "out").exists()


def test_a_link_in_an_archive_leads_nowhere_outside(root: Path) -> None:
    outside = root.parent / "outside"
    outside.mkdir()
    link = member("l", tarfile.SYMTYPE)
    link.linkname = str(outside)
    try:
        add(archive(link, member("l/f")), root, to="/x")
    except Error:
        pass
    assert list(outside.iterdir()) == []
