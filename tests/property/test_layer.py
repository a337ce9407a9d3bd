"""Write and read, apply and diff, compress and expand are inverses."""

from __future__ import annotations

import io
import os
import shutil
import stat
import tarfile
import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lamina.errors import Error
from lamina.fs.metadata import read_xattrs
from lamina.layer.apply import apply
from lamina.layer.changes import tree_changes
from lamina.layer.compress import Compressor, decompressed
from lamina.layer.diff import pack
from lamina.layer.index import decode, encode
from lamina.layer.limits import Limits
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

SCRATCH = "/dev/shm" if Path("/dev/shm").is_dir() else None
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")

names = st.one_of(
    st.sampled_from(["a", "b", "c", "d" * 60, "e" * 120, "ü", ".hidden", "-rf", "new\nline"]),
    st.binary(min_size=1, max_size=20)
    .filter(lambda raw: b"/" not in raw and b"\0" not in raw and raw not in (b".", b".."))
    .map(os.fsdecode),
).filter(lambda name: not name.startswith(".wh."))
paths = st.lists(names, min_size=1, max_size=4).map("/".join)
targets = st.binary(min_size=1, max_size=200).filter(lambda raw: b"\0" not in raw).map(os.fsdecode)
numbers = st.one_of(
    st.integers(0, 70000), st.sampled_from([0, (1 << 21) - 1, 1 << 21, (1 << 32) - 2])
)
seconds = st.one_of(
    st.integers(-(1 << 31), 1 << 33), st.sampled_from([0, 1, (1 << 33) - 1, 1 << 33])
)
xattrs = st.dictionaries(
    st.sampled_from(["user.a", "user.b=c", "user.ü"]).filter(lambda name: "=" not in name),
    st.binary(max_size=40),
    max_size=2,
)


@st.composite
def entries(draw: st.DrawFn) -> tuple[Entry, bytes]:
    """Any entry that a tar can hold, with its stored data."""
    kind = draw(st.sampled_from([FILE, FILE, DIR, SYMLINK, HARDLINK, CHAR, BLOCK, FIFO]))
    entry = Entry(
        draw(paths),
        kind,
        draw(st.integers(0, 0o7777)),
        draw(numbers),
        draw(numbers),
        mtime=draw(st.one_of(seconds.map(lambda n: n * 10**9), st.integers(-(10**18), 10**19))),
        xattrs=draw(xattrs),
        uname=draw(st.sampled_from(["", "root", "ü", "u" * 40])),
        gname=draw(st.sampled_from(["", "wheel"])),
    )
    if kind is SYMLINK:
        entry.link = draw(targets)
    elif kind is HARDLINK:
        entry.link = draw(paths)
    elif kind is CHAR or kind is BLOCK:
        entry.device = draw(st.integers(0, 1 << 12)), draw(st.integers(0, 1 << 22))
    data = draw(st.binary(max_size=3000)) if kind is FILE else b""
    entry.size = len(data)
    if data and draw(st.booleans()):
        cut = len(data) // 1024 * 512
        pieces = [(4096, cut), (4096 + cut + 512, len(data) - cut)]
        entry.sparse = tuple(piece for piece in pieces if piece[1])
        entry.size = 4096 + cut + 512 + len(data) + draw(st.integers(0, 5000))
    return entry, data


def written(members: list[tuple[Entry, bytes]]) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    for entry, data in members:
        writer.add(entry, data)
    writer.close()
    return out.getvalue()


@given(st.lists(entries(), max_size=6))
def test_what_is_written_is_read(members: list[tuple[Entry, bytes]]) -> None:
    found = []
    for entry, reader in read(io.BytesIO(written(members))):
        found.append((entry, b"".join(piece for _, piece in reader.chunks())))
    assert found == members


@given(entries())
def test_short_and_long_way_of_a_header_agree(member: tuple[Entry, bytes]) -> None:
    quick = quick_header(member[0])
    assert not quick or headers(member[0]) == (b"", quick, b"")


@given(st.lists(entries(), max_size=5))
def test_tarfile_reads_what_is_written(members: list[tuple[Entry, bytes]]) -> None:
    with tarfile.open(fileobj=io.BytesIO(written(members))) as tar:
        found = tar.getmembers()
        assert [member.name for member in found] == [entry.path for entry, _ in members]
        for member, (entry, data) in zip(found, members, strict=True):
            assert (member.mode, member.uid, member.gid) == (entry.mode, entry.uid, entry.gid)
            if entry.type is FILE and entry.sparse is None:
                file = tar.extractfile(member)
                assert file is not None and file.read() == data


@given(st.lists(entries(), max_size=8))
def test_an_index_keeps_every_entry(members: list[tuple[Entry, bytes]]) -> None:
    index = [entry for entry, _ in members]
    assert decode(encode(index)) == index


@given(st.binary(max_size=5000), st.sampled_from(["gzip", "zstd"]), st.integers(1, 4))
def test_what_is_compressed_is_expanded(data: bytes, kind: str, repeats: int) -> None:
    out = io.BytesIO()
    with Compressor(out, kind) as compressor:
        for _ in range(repeats):
            compressor.write(data * 100)
    assert decompressed(io.BytesIO(out.getvalue())).read() == data * 100 * repeats


@given(st.lists(entries(), max_size=3), st.data())
@settings(max_examples=300)
def test_damaged_archives_end_in_an_error_of_ours(
    members: list[tuple[Entry, bytes]], data: st.DataObject
) -> None:
    raw = bytearray(written(members))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        raw[at] = data.draw(st.integers(0, 255))
        if data.draw(st.booleans()):  # with a checksum that is right again
            at -= at % 512
            block = raw[at : at + 512]
            block[148:156] = b" " * 8
            raw[at + 148 : at + 156] = b"%06o\0 " % sum(block)
    try:
        for _, reader in read(io.BytesIO(bytes(raw)), Limits(entries=1000)):
            for _ in reader.chunks():
                pass
    except Error:
        pass


# --- trees

Shape = dict[str, tuple]


@st.composite
def shapes(draw: st.DrawFn) -> Shape:
    """A tree as {path: (what, mode, owner, group, time, content or target)}."""
    shape: Shape = {}
    for _ in range(draw(st.integers(0, 8))):
        parts = draw(
            st.lists(st.sampled_from(["a", "b", "c", "caf\udce9", ".d"]), min_size=1, max_size=3)
        )
        for depth in range(1, len(parts)):
            above = "/".join(parts[:depth])
            if shape.get(above, ("dir",))[0] != "dir":
                break
            shape.setdefault(above, ("dir", 0o755, 0, 0, 1, ""))
        else:
            what = draw(st.sampled_from(["file", "file", "dir", "link", "pipe", "device", "hard"]))
            path = "/".join(parts)
            if path in shape:
                continue
            files = sorted(name for name, value in shape.items() if value[0] == "file")
            if what == "hard" and not files:
                what = "file"
            shape[path] = (
                what,
                draw(st.sampled_from([0o644, 0o755, 0o4711, 0o2755, 0o1777, 0, 0o777])),
                draw(st.sampled_from([0, 5, 100000])),
                draw(st.sampled_from([0, 7])),
                draw(st.integers(-5, 5)) * 1000,
                draw(st.sampled_from(files)) if what == "hard" else draw(st.text("xy", max_size=3)),
            )
    return shape


def build(root: Path, shape: Shape) -> None:
    root.mkdir()
    root.chmod(0o755)
    for path, (what, mode, uid, gid, _, content) in shape.items():
        place = root / path
        if what == "hard":
            os.link(root / content, place)
            continue
        if what == "dir":
            place.mkdir()
        elif what == "link":
            place.symlink_to(content or "nowhere")
        elif what == "pipe":
            os.mkfifo(place)
        elif what == "device":
            os.mknod(place, stat.S_IFCHR | mode, os.makedev(1, 3))
        else:
            place.write_text(content)
            if content:
                os.setxattr(place, "user.x", content.encode())
        os.chown(place, uid, gid, follow_symlinks=False)
        if what != "link":
            place.chmod(mode)
    for path, (what, _, _, _, time, _) in reversed(shape.items()):
        if what != "hard":
            os.utime(root / path, (time, time), follow_symlinks=False)


def seen(root: Path) -> dict[str, tuple]:
    """A tree as far as layers keep it: hard links by what they share, no times of directories."""
    found = {}
    inodes: dict[int, str] = {}
    for place in sorted(root.rglob("*")):
        status = place.lstat()
        is_file = stat.S_ISREG(status.st_mode)
        found[str(place.relative_to(root))] = (
            status.st_mode,
            status.st_uid,
            status.st_gid,
            status.st_rdev,
            0 if stat.S_ISDIR(status.st_mode) else status.st_mtime_ns,
            place.read_bytes() if is_file else b"",
            os.readlink(place) if place.is_symlink() else "",
            read_xattrs(str(place)),
            inodes.setdefault(status.st_ino, str(place.relative_to(root))) if is_file else "",
        )
    return found


def lay(layer: bytes, root: Path) -> None:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        apply(io.BytesIO(layer), fd)
    finally:
        os.close(fd)


def diff(lower: Path | None, tree: Path) -> bytes:
    out = io.BytesIO()
    pack(tree_changes(lower, tree), out)
    return out.getvalue()


@needs_root
@given(shapes())
@settings(deadline=None)
def test_tree_to_layer_to_tree(shape: Shape) -> None:
    with tempfile.TemporaryDirectory(dir=SCRATCH) as scratch:
        one, two = Path(scratch, "one"), Path(scratch, "two")
        build(one, shape)
        build(two, {})
        layer = diff(None, one)
        lay(layer, two)
        assert seen(two) == seen(one)
        assert diff(None, two) == layer


@needs_root
@given(shapes(), shapes())
@settings(deadline=None)
def test_what_differs_makes_one_tree_into_the_other(before: Shape, after: Shape) -> None:
    with tempfile.TemporaryDirectory(dir=SCRATCH) as scratch:
        one, two = Path(scratch, "one"), Path(scratch, "two")
        build(one, before)
        build(two, after)
        layer = diff(one, two)
        wanted = seen(two)
        lay(layer, one)
        changed = seen(one)
        # Which names share a file is known within a layer only.
        assert {path: value[:-1] for path, value in changed.items()} == {
            path: value[:-1] for path, value in wanted.items()
        }
        assert not list(tree_changes(one, two))
        shutil.rmtree(one)
        shutil.rmtree(two)
