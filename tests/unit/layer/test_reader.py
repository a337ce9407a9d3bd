"""Our reader against Python's `tarfile` and GNU tar, entry by entry."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from lamina.layer.header import number
from lamina.layer.limits import BadArchive, BadEntry, Limits, TooMuch
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
    read_index,
)
from lamina.oci.digest import Digest

TYPES = {
    tarfile.REGTYPE: FILE,
    tarfile.AREGTYPE: FILE,
    tarfile.CONTTYPE: FILE,
    tarfile.GNUTYPE_SPARSE: FILE,
    tarfile.DIRTYPE: DIR,
    tarfile.SYMTYPE: SYMLINK,
    tarfile.LNKTYPE: HARDLINK,
    tarfile.CHRTYPE: CHAR,
    tarfile.BLKTYPE: BLOCK,
    tarfile.FIFOTYPE: FIFO,
}
needs_gnu_tar = pytest.mark.skipif(
    "GNU tar" not in subprocess.run(["tar", "--version"], capture_output=True, text=True).stdout
    if shutil.which("tar")
    else True,
    reason="GNU tar is not installed",
)
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="devices need root")


class Dripping(io.RawIOBase):
    """A stream that yields a few bytes at a time, as a network may."""

    def __init__(self, data: bytes, count: int) -> None:
        self._data, self._count = io.BytesIO(data), count

    def read(self, _size: int = -1) -> bytes:
        return self._data.read(self._count)


def contents(data: bytes, drip: int | None = None) -> list[tuple[Entry, bytes]]:
    stream = io.BytesIO(data) if drip is None else Dripping(data, drip)
    return [(entry, reader.content()) for entry, reader in read(stream)]


def agrees_with_tarfile(data: bytes) -> list[Entry]:
    """Read with both, compare all that both know, and return ours."""
    ours = contents(data)
    assert contents(data, 700) == ours
    with tarfile.open(fileobj=io.BytesIO(data)) as theirs:
        members = theirs.getmembers()
        assert len(members) == len(ours)
        for member, (entry, content) in zip(members, ours, strict=True):
            assert entry.path == os.path.normpath(member.name.lstrip("/"))
            assert entry.type is TYPES[member.type]
            assert entry.mode == member.mode & 0o7777
            assert (entry.uid, entry.gid) == (member.uid, member.gid)
            assert (entry.uname, entry.gname) == (member.uname, member.gname)
            assert entry.mtime == pytest.approx(member.mtime * 1e9, abs=1000)
            if entry.type is FILE:
                assert entry.size == member.size
                file = theirs.extractfile(member)
                assert file is not None and file.read() == content
                if entry.sparse is None and entry.size:
                    assert data[entry.offset : entry.offset + entry.size] == content
            elif entry.type in (SYMLINK, HARDLINK):
                assert entry.link == member.linkname
            elif entry.type in (CHAR, BLOCK):
                assert entry.device == (member.devmajor, member.devminor)
    return [entry for entry, _ in ours]


def made(format_: int, members: list[tuple[tarfile.TarInfo, bytes]], **options: object) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=format_, **options) as tar:
        for info, data in members:
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return out.getvalue()


def info(name: str, type_: bytes = tarfile.REGTYPE, **fields: object) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type = type_
    for key, value in fields.items():
        setattr(member, key, value)
    return member


ODDITIES = [
    (info("plain", mode=0o4755, uid=7, gid=8, uname="root", gname="wheel", mtime=1234567890), b"x"),
    (info("empty", mode=0), b""),
    (info("a" * 99), b"1" * 511),
    (info("b" * 100), b"2" * 512),
    (info("d", tarfile.DIRTYPE, mode=0o1777), b""),
    (info("d/" + "c" * 97), b"3" * 513),
    (info("s", tarfile.SYMTYPE, linkname="../d/./x//y"), b""),
    (info("h", tarfile.LNKTYPE, linkname="plain"), b""),
    (info("c", tarfile.CHRTYPE, devmajor=1, devminor=3), b""),
    (info("b", tarfile.BLKTYPE, devmajor=8, devminor=65), b""),
    (info("p", tarfile.FIFOTYPE), b""),
    (info("new\nline \t\x1b[31m"), b"odd"),
    (info("large"), bytes(range(256)) * 5000),
]
LONG = [
    (info("/".join(["deep"] * 60), mtime=5), b"x"),
    (info("n" * 300), b"y"),
    (info("l", tarfile.SYMTYPE, linkname="t" * 400), b""),
    (info("long/" * 40, tarfile.DIRTYPE), b""),
    (info("caf\udce9-\udcff"), b"z"),
    (info("ünïcödé/名前"), b"zz"),
]
BEYOND = [
    (info("numbers", uid=1 << 31, gid=1 << 40, mtime=1 << 34), b""),
    (info("past", mtime=-86400), b"old"),
]


@pytest.mark.parametrize("format_", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_every_type_in_every_format(format_: int) -> None:
    agrees_with_tarfile(made(format_, ODDITIES))


@pytest.mark.parametrize("format_", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
def test_long_names_and_large_numbers(format_: int) -> None:
    entries = agrees_with_tarfile(made(format_, LONG + BEYOND + ODDITIES))
    assert entries[4].path == "caf\udce9-\udcff"


def test_ustar_prefixes() -> None:
    name = "p" * 100 + "/" + "n" * 100
    assert agrees_with_tarfile(made(tarfile.USTAR_FORMAT, [(info(name), b"x")]))[0].path == name


def test_fractions_of_a_second() -> None:
    data = made(tarfile.PAX_FORMAT, [(info("f", mtime=1.5), b""), (info("g", mtime=-1.25), b"")])
    assert [entry.mtime for entry, _ in contents(data)] == [1_500_000_000, -1_250_000_000]


def test_global_pax_headers_hold_for_all_that_follow() -> None:
    data = made(
        tarfile.PAX_FORMAT,
        [(info("a"), b"1"), (info("b", pax_headers={"gname": "mine"}), b"")],
        pax_headers={"gname": "all", "comment": "ignored"},
    )
    assert [entry.gname for entry, _ in contents(data)] == ["all", "mine"]


def test_extended_attributes_keep_every_byte() -> None:
    records = {"SCHILY.xattr.user.b": "\udcff\n=\udc80", "SCHILY.xattr.user.a": ""}
    data = made(tarfile.PAX_FORMAT, [(info("f", pax_headers=records), b"")])
    assert contents(data)[0][0].xattrs == {"user.b": b"\xff\n=\x80", "user.a": b""}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        (b"0000644\0", 0o644),
        (b"   644 \0", 0o644),
        (b"\0" * 8, 0),
        (b" " * 8, 0),
        (b"77777777", 0o77777777),
        (b"\x80\0\0\0\0\1\0\0", 65536),
        (b"\xff\xff\xff\xff\xff\xff\xff\xff", -1),
        (b"644\0junk", 0o644),
    ],
)
def test_numbers(field: bytes, value: int) -> None:
    assert number(field, "size") == value


@pytest.mark.parametrize(
    "field", [b"-000001\0", b"+1\0\0\0\0\0\0", b"1_0\0\0\0\0\0", b"9\0\0\0\0\0\0\0"]
)
def test_numbers_that_are_none(field: bytes) -> None:
    with pytest.raises(BadArchive, match="octal"):
        number(field, "size")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Files with holes, long names, and links, for GNU tar to archive."""
    top = tmp_path / "tree"
    top.mkdir()
    with (top / "holes").open("wb") as file:
        file.write(b"begin")
        for at in range(1, 40):
            file.seek(at * 100_000)
            file.write(b"%d" % at * 3)
        file.truncate(5_000_000)
    with (top / "hollow").open("wb") as file:
        file.truncate(1_000_000)
    (top / ("long" * 50)).write_bytes(b"x" * 1000)
    (top / ("long" * 50 + "link")).symlink_to("target/" * 50)
    os.link(top / ("long" * 50), top / "hard")
    (top / os.fsdecode(b"\xff\xfe")).write_text("bytes")
    (top / "d").mkdir()
    (top / "d/empty").touch()
    return top


@needs_gnu_tar
@pytest.mark.parametrize(
    "options",
    [
        ["--format=v7"],
        ["--format=oldgnu", "--sparse"],
        ["--format=gnu", "--sparse"],
        ["--format=ustar"],
        ["--format=posix"],
        ["--format=posix", "--sparse", "--sparse-version=0.0"],
        ["--format=posix", "--sparse", "--sparse-version=0.1"],
        ["--format=posix", "--sparse", "--sparse-version=1.0"],
        ["--format=gnu", "--label=volume"],
    ],
    ids=" ".join,
)
def test_what_gnu_tar_writes(tree: Path, options: list[str]) -> None:
    command = ["tar", "-C", str(tree), *options, "-c", "."]
    data = subprocess.run(command, capture_output=True, check=False).stdout
    found = {entry.path: (entry, content) for entry, content in contents(data)}
    assert contents(data, 300) == contents(data)
    listed = subprocess.run(
        ["tar", "-t", "--quoting-style=literal"], input=data, capture_output=True, check=True
    ).stdout
    names = {os.path.normpath(os.fsdecode(name)) for name in listed.splitlines()}
    assert names - {"volume"} == set(found)
    for name, (entry, content) in found.items():
        path = tree / name
        if entry.type is FILE:
            assert content == path.read_bytes()
        elif entry.type is SYMLINK:
            assert entry.link == os.readlink(path)
        assert entry.mtime // 10**9 == int(path.lstat().st_mtime)
    if "--sparse" in options:
        entry = found["holes"][0]
        assert entry.sparse is not None and entry.stored < 1_000_000
        assert found["hollow"][0].stored == 0


@needs_gnu_tar
def test_what_gnu_tar_writes_of_attributes(tmp_path: Path) -> None:
    (tmp_path / "f").write_text("x")
    os.setxattr(tmp_path / "f", "user.one", b"\0\1\xff")
    command = ["tar", "-C", str(tmp_path), "--xattrs", "-c", "f"]
    data = subprocess.run(command, capture_output=True, check=True).stdout
    assert contents(data)[0][0].xattrs == {"user.one": b"\0\1\xff"}


def with_checksum(block: bytearray, *, signed: bool = False) -> bytes:
    block[148:156] = b" " * 8
    total = sum(byte - 256 if signed and byte > 127 else byte for byte in block)
    block[148:156] = b"%06o\0 " % total
    return bytes(block)


def test_checksums_of_signed_bytes_are_right_too() -> None:
    data = bytearray(made(tarfile.GNU_FORMAT, [(info("caf\udce9" * 10), b"")]))
    data[:512] = with_checksum(data[:512], signed=True)
    assert contents(bytes(data))[0][0].path == "caf\udce9" * 10


def test_checksums_of_many_high_bytes() -> None:
    name = "\udcff" * 100
    data = bytearray(made(tarfile.GNU_FORMAT, [(info(name, tarfile.SYMTYPE, linkname=name), b"")]))
    data[265:329] = b"\xfe" * 64
    data[345:500] = b"\xfd" * 155
    data[:512] = with_checksum(data[:512])
    assert contents(bytes(data))[0][0].link == name


def test_seventh_edition_headers_have_no_magic() -> None:
    data = bytearray(made(tarfile.USTAR_FORMAT, [(info("old", mode=0o600), b"x")]))
    data[156:157] = b"\0"
    data[257:512] = bytes(255)
    data[:512] = with_checksum(data[:512])
    agrees_with_tarfile(bytes(data))


@pytest.mark.parametrize("flag", [b"0", b"\0"])
def test_file_whose_name_ends_in_a_slash_is_a_directory(flag: bytes) -> None:
    data = bytearray(made(tarfile.USTAR_FORMAT, [(info("d"), b"ignored")]))
    data[1:2], data[156:157] = b"/", flag
    data[:512] = with_checksum(data[:512])
    [(entry, _)] = contents(bytes(data))
    assert (entry.path, entry.type, entry.size) == ("d", DIR, 0)


@pytest.mark.parametrize("flag", [b"7", b"Z", b"\xff"])
def test_unknown_flags_are_files(flag: bytes) -> None:
    data = bytearray(made(tarfile.USTAR_FORMAT, [(info("f"), b"abc"), (info("g"), b"d")]))
    data[156:157] = flag
    data[:512] = with_checksum(data[:512])
    assert [(entry.type, content) for entry, content in contents(bytes(data))] == [
        (FILE, b"abc"),
        (FILE, b"d"),
    ]


@pytest.mark.parametrize("flag", [b"M", b"N"])
def test_formats_that_are_no_whole_file_are_refused(flag: bytes) -> None:
    data = bytearray(made(tarfile.GNU_FORMAT, [(info("f"), b"abc")]))
    data[156:157] = flag
    data[:512] = with_checksum(data[:512])
    with pytest.raises(BadEntry):
        contents(bytes(data))


def test_links_have_no_data_whatever_their_size_says() -> None:
    link = info("l", tarfile.LNKTYPE, linkname="f")
    data = bytearray(made(tarfile.USTAR_FORMAT, [(link, b""), (info("f"), b"abc")]))
    data[124:136] = b"00000001000\0"
    data[:512] = with_checksum(data[:512])
    assert [entry.size for entry, _ in contents(bytes(data))] == [0, 3]


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("./a", "a"),
        ("/a", "a"),
        ("a//b/./c", "a/b/c"),
        ("a/../b", "b"),
        (".", "."),
        ("./", "."),
        ("..a/.b", "..a/.b"),
    ],
)
def test_names_are_cleaned(name: str, path: str) -> None:
    assert contents(made(tarfile.GNU_FORMAT, [(info(name), b"")]))[0][0].path == path


@pytest.mark.parametrize("name", ["..", "../x", "a/../../x", "/../x", "./../x"])
def test_names_that_climb_out_are_refused(name: str) -> None:
    with pytest.raises(BadEntry, match="climbs out"):
        contents(made(tarfile.GNU_FORMAT, [(info(name), b"")]))
    with pytest.raises(BadEntry, match="climbs out"):
        contents(made(tarfile.GNU_FORMAT, [(info("l", tarfile.LNKTYPE, linkname=name), b"")]))


FILE_OF_THREE_BLOCKS = made(tarfile.GNU_FORMAT, [(info("f"), b"x" * 1200)])


def test_archive_without_its_end_is_whole() -> None:
    for size in (512 + 1200, 512 + 1536):
        assert len(contents(FILE_OF_THREE_BLOCKS[:size])) == 1
    assert contents(b"") == []


@pytest.mark.parametrize("size", [1, 511, 513, 1000, 512 + 1199])
def test_archives_that_are_cut_short_are_refused(size: int) -> None:
    for drip in (None, 100):
        with pytest.raises(BadArchive):
            contents(FILE_OF_THREE_BLOCKS[:size], drip)


def test_what_follows_the_end_is_not_read() -> None:
    assert len(contents(FILE_OF_THREE_BLOCKS + b"garbage" * 1000)) == 1


def test_one_lonely_block_of_zeros_is_not_an_end() -> None:
    data = FILE_OF_THREE_BLOCKS[:2048] + bytes(512) + FILE_OF_THREE_BLOCKS
    with pytest.raises(BadArchive, match="zeros"):
        contents(data)


@pytest.mark.parametrize(
    ("record", "kind"),
    [
        (b"8 a=bc\n", BadArchive),
        (b"99 a=b\n", BadArchive),
        (b"6 a=b ", BadArchive),
        (b"x a=b\n", BadArchive),
        (b"5 =b\n", BadArchive),
        (b"6 abc\n", BadArchive),
        (b"10 path=\0\n", BadEntry),
        (b"12 size=abc\n", BadArchive),
        (b"13 mtime=1.x\n", BadArchive),
        (b"18 size=-99999999\n", BadArchive),
    ],
)
def test_broken_pax_records_are_refused(record: bytes, kind: type[Exception]) -> None:
    data = bytearray(made(tarfile.PAX_FORMAT, [(info("x"), record), (info("f"), b"")]))
    data[156:157] = b"x"
    data[:512] = with_checksum(data[:512])
    with pytest.raises(kind):
        contents(bytes(data))


SPARSE = {"GNU.sparse.size": "100", "GNU.sparse.name": "f"}


@pytest.mark.parametrize(
    "map_",
    ["0,5,4,5", "95,10", "-1,10", "0,-10,0,20", "0,9", "0,11", "0", "0,a", "200,10"],
)
def test_sparse_maps_that_lie_are_refused(map_: str) -> None:
    records = {**SPARSE, "GNU.sparse.map": map_}
    data = made(tarfile.PAX_FORMAT, [(info("f", pax_headers=records), b"x" * 10)])
    with pytest.raises((BadArchive, BadEntry)):
        contents(data)


@pytest.mark.parametrize("text", [b"", b"x\n", b"1\n0\n", b"99999999999\n", b"1\n0\n10\n", b"-1\n"])
def test_sparse_maps_in_the_data_that_lie_are_refused(text: bytes) -> None:
    records = {"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "100"}
    data = made(tarfile.PAX_FORMAT, [(info("f", pax_headers=records), text)])
    with pytest.raises((BadArchive, BadEntry)):
        contents(data)


def test_sparse_file_of_an_impossible_size_is_refused() -> None:
    records = {"GNU.sparse.size": str(1 << 70), "GNU.sparse.map": "0,1"}
    data = made(tarfile.PAX_FORMAT, [(info("f", pax_headers=records), b"x")])
    with pytest.raises(BadEntry, match="size"):
        next(iter(read(io.BytesIO(data))))


def test_limits_are_kept() -> None:
    many = made(tarfile.GNU_FORMAT, [(info(str(i)), b"") for i in range(20)])
    with pytest.raises(TooMuch, match="entries"):
        list(read(io.BytesIO(many), Limits(entries=19)))
    long = made(tarfile.PAX_FORMAT, [(info("n" * 5000), b"")])
    with pytest.raises(BadEntry, match="longer"):
        list(read(io.BytesIO(long)))
    with pytest.raises(TooMuch, match="extended"):
        list(read(io.BytesIO(long), Limits(extended=1000)))


def test_extended_headers_without_end_are_refused() -> None:
    header = made(tarfile.PAX_FORMAT, [(info("n" * 300), b"")])[:1536]
    with pytest.raises(TooMuch):
        list(read(io.BytesIO(header * 100), Limits(entries=50)))


def test_messages_cannot_steer_a_terminal() -> None:
    with pytest.raises(BadEntry) as raised:
        contents(made(tarfile.GNU_FORMAT, [(info("../\x1b]0;evil\x07"), b"")]))
    assert "\x1b" not in str(raised.value) and "\\x1b" in str(raised.value)


def test_an_index_has_the_digests_of_files_with_their_holes_as_zeros() -> None:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    members = (
        (Entry("a", FILE, size=1), b"x"),
        (Entry("sparse", FILE, size=10_000, sparse=((4096, 4096),)), b"q" * 4096),
        (Entry("hollow", FILE, size=1 << 42, sparse=()), b""),
        (Entry("d", DIR), b""),
        (Entry("large", FILE, size=3_000_000), bytes(3_000_000)),
    )
    for entry, data in members:
        writer.add(entry, data)
    writer.close()
    found = read_index(io.BytesIO(out.getvalue()))
    assert [entry.digest for entry in found] == [
        Digest.of(b"x"),
        Digest.of(bytes(4096) + b"q" * 4096 + bytes(10_000 - 8192)),
        None,  # beyond belief
        None,
        Digest.of(bytes(3_000_000)),
    ]
