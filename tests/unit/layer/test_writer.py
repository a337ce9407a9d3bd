"""What we write: read back by ourselves, by `tarfile` and by GNU tar."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from lamina.layer.tar import (
    BLOCK,
    CHAR,
    DIR,
    FIFO,
    FILE,
    HARDLINK,
    SYMLINK,
    Entry,
    TarWriter,
    read,
)
from lamina.layer.writer import headers, quick_header

NANO = 1_000_000_000
ENTRIES = [
    Entry(".", DIR, 0o755),
    Entry("plain", FILE, 0o4755, 1, 2, 3, 5 * NANO, uname="me", gname="us"),
    Entry("nobody", FILE, 0o000, size=0),
    Entry("n" * 100, FILE, 0o644, size=1),
    Entry("n" * 101, FILE, 0o644, size=2),
    Entry("p" * 90 + "/" + "n" * 90, FILE, size=4),
    Entry("d" * 99, DIR),
    Entry("d" * 100, DIR),
    Entry("ünïcödé", FILE, size=1),
    Entry("caf\udce9/\udcff", SYMLINK, 0o777, link="\udcfe" * 150),
    Entry("numbers", FILE, 0o7777, 1 << 31, 1 << 40, 1, mtime=(1 << 35) * NANO),
    Entry("past", FILE, size=0, mtime=-1_500_000_000),
    Entry("fraction", FILE, size=0, mtime=123_456_789),
    Entry("hard", HARDLINK, link="plain"),
    Entry("harder", HARDLINK, link="x" * 300),
    Entry("char", CHAR, device=(1, 3)),
    Entry("block", BLOCK, device=(8, 1 << 25)),
    Entry("fifo", FIFO),
    Entry("xattrs", FILE, size=2, xattrs={"user.a": b"\n=\0\xff", "user.b": b""}),
    Entry("holes", FILE, size=1 << 20, sparse=((0, 512), (4096, 1024), (1 << 19, 1))),
    Entry("hollow", FILE, size=1 << 40, sparse=()),
    Entry("users", FILE, uname="ü", gname="g" * 40),
]


def written(entries: list[Entry]) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    for entry in entries:
        writer.add(entry, b"q" * entry.stored if entry.type is FILE else b"")
    writer.close()
    assert writer.offset == len(out.getvalue())
    return out.getvalue()


def test_what_is_written_is_read_back() -> None:
    data = written(ENTRIES)
    found = [entry for entry, _ in read(io.BytesIO(data))]
    assert found == ENTRIES


def test_tarfile_reads_the_same() -> None:
    data = written(ENTRIES)
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        members = tar.getmembers()
    for entry, member in zip(ENTRIES, members, strict=True):
        assert member.name == entry.path
        assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
        assert (member.uname, member.gname) == (entry.uname, entry.gname)
        assert member.mtime == pytest.approx(entry.mtime / NANO)
        assert member.linkname == entry.link
        assert member.size == (entry.size if entry.type is FILE else 0)
        assert (member.devmajor, member.devminor) == entry.device
        assert member.issparse() is (entry.sparse is not None)


@pytest.mark.skipif(not shutil.which("tar") or os.geteuid() != 0, reason="needs tar, and root")
def test_gnu_tar_extracts_it(tmp_path: Path) -> None:
    small = [e for e in ENTRIES if e.path not in ("harder", "hollow", "numbers", "block", "char")]
    command = ["tar", "--xattrs", "--xattrs-include=*", "-C", str(tmp_path), "-xpf", "-"]
    subprocess.run(command, input=written(small), check=True)
    for entry in small:
        found = os.lstat(os.path.join(os.fspath(tmp_path), entry.path))
        if entry.type is not HARDLINK and entry.type is not SYMLINK:
            assert found.st_mode & 0o7777 == entry.mode
            assert found.st_uid == entry.uid
        if entry.type is FILE and entry.path != "plain":
            assert found.st_size == entry.size
            assert found.st_mtime_ns == entry.mtime
    assert os.getxattr(tmp_path / "xattrs", "user.a") == b"\n=\0\xff"
    holes = (tmp_path / "holes").read_bytes()
    assert holes.count(b"q") == 1537 and holes[4096:5120] == b"q" * 1024


def test_same_entries_give_the_same_bytes() -> None:
    turned = [
        Entry("x", xattrs={"user.b": b"2", "user.a": b"1"}),
        Entry("x", xattrs={"user.a": b"1", "user.b": b"2"}),
    ]
    assert written(turned[:1]) == written(turned[1:])


def test_plain_entries_need_no_extended_header() -> None:
    plain = [
        Entry("a" * 100, mtime=NANO),
        Entry("d/" * 40 + "d", DIR),
        Entry("l", SYMLINK, link="x"),
    ]
    assert len(written(plain)) == 5 * 512


@pytest.mark.parametrize("entry", ENTRIES, ids=lambda entry: entry.path[:12])
def test_short_path_writes_what_the_long_one_does(entry: Entry) -> None:
    quick = quick_header(entry)
    assert not quick or ("", quick, "") == tuple(
        part if at == 1 else part.decode() for at, part in enumerate(headers(entry))
    )


def test_data_of_a_wrong_length_is_a_mistake() -> None:
    for source in (b"12", b"1234", [b"1", b"2"]):
        with pytest.raises(ValueError, match="3 bytes"):
            TarWriter(io.BytesIO().write).add(Entry("f", FILE, size=3), source)


def test_data_comes_in_pieces() -> None:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    writer.add(Entry("f", FILE, size=6), iter([b"12", b"", memoryview(b"345"), bytearray(b"6")]))
    out.seek(0)
    assert next(iter(read(out)))[1].content() == b"123456"
