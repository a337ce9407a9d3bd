"""Layers laid onto trees: the rules of image-spec, damage, and limits."""

from __future__ import annotations

import errno
import gzip
import io
import os
import stat
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.archives import file, folder, names, tar

from lamina.errors import Denied, Unavailable
from lamina.layer import extract
from lamina.layer.apply import Applied, apply
from lamina.layer.compress import Compressor
from lamina.layer.limits import BadArchive, BadCompression, Limits, TooMuch
from lamina.layer.tar import BLOCK, CHAR, FIFO, FILE, HARDLINK, SYMLINK, Entry
from lamina.oci.digest import Digest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")


# --- what is kept


def test_every_kind_of_entry(root: Path, lay: Callable[..., Applied]) -> None:
    lay(
        folder("d", 0o3751, uid=1, gid=2, mtime=5 * 10**9),
        file("d/f", b"data", mode=0o6755, uid=3, gid=4, mtime=-(10**9)),
        file("d/zero", mode=0),
        Entry("d/s", SYMLINK, 0o777, 5, 6, mtime=7 * 10**9, link="/else/where"),
        Entry("d/h", HARDLINK, 0o6755, 3, 4, mtime=-(10**9), link="d/f"),
        Entry("d/c", CHAR, 0o640, device=(1, 3)),
        Entry("d/b", BLOCK, 0o600, 7, 8, device=(8, 300)),
        Entry("d/p", FIFO, 0o622),
    )
    found = {name: (root / "d" / name).lstat() for name in os.listdir(root / "d")}
    top = (root / "d").stat()
    assert (stat.S_IMODE(top.st_mode), top.st_uid, top.st_gid) == (0o3751, 1, 2)
    assert top.st_mtime == 5
    assert (stat.S_IMODE(found["f"].st_mode), found["f"].st_uid, found["f"].st_gid) == (
        0o6755,
        3,
        4,
    )
    assert found["f"].st_mtime == -1 and found["f"].st_nlink == 2
    assert found["h"].st_ino == found["f"].st_ino
    assert stat.S_IMODE(found["zero"].st_mode) == 0 and found["zero"].st_gid == 0
    assert os.readlink(root / "d/s") == "/else/where"
    assert (found["s"].st_uid, found["s"].st_gid, found["s"].st_mtime) == (5, 6, 7)
    assert found["c"].st_rdev == os.makedev(1, 3) and stat.S_ISCHR(found["c"].st_mode)
    assert found["b"].st_rdev == os.makedev(8, 300) and stat.S_ISBLK(found["b"].st_mode)
    assert stat.S_IMODE(found["b"].st_mode) == 0o600 and found["b"].st_uid == 7
    assert stat.S_ISFIFO(found["p"].st_mode) and stat.S_IMODE(found["p"].st_mode) == 0o622


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_modes_do_not_depend_on_the_umask(
    root: Path, lay: Callable[..., Applied], umask: int
) -> None:
    old = os.umask(umask)
    try:
        lay(folder("d", 0o777), file("d/f", b"x", mode=0o666), Entry("d/p", FIFO, 0o666))
    finally:
        os.umask(old)
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o777
    assert stat.S_IMODE((root / "d/f").stat().st_mode) == 0o666
    assert stat.S_IMODE((root / "d/p").stat().st_mode) == 0o666


def test_directories_that_give_on_group_or_mode_do_not_decide(
    root: Path, lay: Callable[..., Applied]
) -> None:
    acl = bytes.fromhex("0200000001000700ffffffff04000000ffffffff20000000ffffffff")
    lay(folder("g", 0o2775, gid=50), folder("a", xattrs={"system.posix_acl_default": acl}))
    lay(
        file("g/f", mode=0o644),
        folder("g/d"),
        Entry("g/s", SYMLINK, link="x"),
        file("a/f", mode=0o664),
        folder("a/d", 0o775),
    )
    assert {path.lstat().st_gid for path in (root / "g").iterdir()} == {0}
    assert stat.S_IMODE((root / "g/d").stat().st_mode) == 0o755
    assert stat.S_IMODE((root / "a/f").stat().st_mode) == 0o664
    assert stat.S_IMODE((root / "a/d").stat().st_mode) == 0o775


def test_attributes_are_kept_but_not_overlays(root: Path, lay: Callable[..., Applied]) -> None:
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    xattrs = {"security.capability": capability, "user.a": b"\0", "trusted.overlay.opaque": b"y"}
    applied = lay(
        file("f", b"x", xattrs=xattrs, uid=9), folder("d", xattrs={"trusted.overlay.opaque": b"y"})
    )
    assert os.getxattr(root / "f", "security.capability") == capability
    assert sorted(os.listxattr(root / "f")) == ["security.capability", "user.a"]
    assert os.listxattr(root / "d") == []
    assert applied.notes == ()


def test_attributes_that_cannot_be_kept_are_told(lay: Callable[..., Applied]) -> None:
    link = Entry("l", SYMLINK, link="x", xattrs={"user.a": b"1"})
    assert lay(link).notes == ('the file system cannot keep the attribute "user.a" (1 times)',)


def test_names_that_are_not_utf8(root: Path, lay: Callable[..., Applied]) -> None:
    lay(
        folder("caf\udce9"),
        file("caf\udce9/\udcff", b"x"),
        Entry("l\udcfe", SYMLINK, link="\udcfd"),
    )
    assert (root / "caf\udce9/\udcff").read_bytes() == b"x"
    assert os.readlink(os.fsencode(root) + b"/l\xfe") == b"\xfd"


def test_holes_come_back(root: Path, lay: Callable[..., Applied]) -> None:
    sparse = Entry("f", FILE, size=64 << 20, sparse=((4096, 4096), (32 << 20, 512)))
    lay((sparse, b"q" * 4608))
    found = (root / "f").stat()
    assert found.st_size == 64 << 20 and found.st_blocks * 512 < 1 << 20
    data = (root / "f").read_bytes()
    assert data[4096:8192] == b"q" * 4096 and data.count(b"q") == 4608


def test_holes_beyond_belief_are_left(root: Path, lay: Callable[..., Applied]) -> None:
    lay(Entry("f", FILE, size=1 << 42, sparse=()))
    assert (root / "f").stat().st_size == 1 << 42


def test_large_files_come_in_pieces(root: Path, lay: Callable[..., Applied]) -> None:
    data = os.urandom(3_000_001)
    lay(file("a", b"x"), file("f", data), file("z", b"end"))
    assert (root / "f").read_bytes() == data
    assert (root / "z").read_bytes() == b"end"


# --- what is known afterwards


@pytest.mark.parametrize("kind", ["none", "gzip", "zstd"])
def test_digests_and_sizes(lay: Callable[..., Applied], kind: str) -> None:
    plain = tar(folder("d"), file("d/f", os.urandom(2_000_000))) + b"what follows counts, too"
    out = io.BytesIO()
    with Compressor(out, kind) as compressor:
        compressor.write(plain)
    applied = lay(blob=out.getvalue())
    assert applied.digest == Digest.of(out.getvalue())
    assert applied.diff_id == Digest.of(plain)
    assert (applied.size, applied.plain_size) == (len(out.getvalue()), len(plain))


def test_the_index_says_where_everything_is(lay: Callable[..., Applied]) -> None:
    plain = tar(folder("d"), file("d/.wh.x"), file("d/f", b"content"), file("d/.wh..wh..opq"))
    index = lay(blob=gzip.compress(plain)).index
    assert [entry.path for entry in index] == ["d", "d/.wh.x", "d/f", "d/.wh..wh..opq"]
    assert plain[index[2].offset :][: index[2].size] == b"content"
    assert {entry.digest for entry in index} == {None}  # whoever compares files takes them


def test_an_empty_layer_changes_nothing(root: Path, lay: Callable[..., Applied]) -> None:
    assert len(lay().index) == 0
    assert names(root) == []


# --- what replaces what


def test_parents_that_are_missing_are_made(root: Path, lay: Callable[..., Applied]) -> None:
    lay(file("a/b/c", b"x"))
    assert stat.S_IMODE((root / "a/b").stat().st_mode) == 0o755


def test_directory_keeps_what_is_in_it(root: Path, lay: Callable[..., Applied]) -> None:
    lay(folder("d", xattrs={"user.old": b"1"}), file("d/f", b"x"))
    lay(folder("d", 0o2700, uid=5, xattrs={"user.new": b"2"}))
    assert (root / "d/f").read_bytes() == b"x"
    assert stat.S_IMODE((root / "d").stat().st_mode) == 0o2700
    assert os.listxattr(root / "d") == ["user.new"]


def test_the_root_has_an_entry_too(root: Path, lay: Callable[..., Applied]) -> None:
    lay(folder(".", 0o711, uid=3, mtime=10**9), file("f"))
    found = root.stat()
    assert (stat.S_IMODE(found.st_mode), found.st_uid, found.st_mtime) == (0o711, 3, 1)


KINDS = {
    "file": file("x", b"new"),
    "link": Entry("x", SYMLINK, link="nowhere"),
    "folder": folder("x", 0o700),
    "hard link": Entry("x", HARDLINK, link="other"),
    "pipe": Entry("x", FIFO),
    "device": Entry("x", CHAR, device=(1, 3)),
}


@pytest.mark.parametrize("new", KINDS)
@pytest.mark.parametrize("old", KINDS)
@pytest.mark.parametrize("is_same_layer", [False, True])
def test_the_later_entry_wins(
    root: Path, lay: Callable[..., Applied], old: str, new: str, is_same_layer: bool
) -> None:
    other = file("other", b"linked")
    below = [file("x/in/side")] if old == "folder" else []
    if is_same_layer:
        lay(other, KINDS[old], *below, KINDS[new])
    else:
        lay(other, KINDS[old], *below)
        lay(KINDS[new])
    found = (root / "x").lstat()
    kinds = {
        "file": stat.S_ISREG,
        "link": stat.S_ISLNK,
        "folder": stat.S_ISDIR,
        "hard link": stat.S_ISREG,
        "pipe": stat.S_ISFIFO,
        "device": stat.S_ISCHR,
    }
    assert kinds[new](found.st_mode)
    assert (root / "x/in/side").exists() is (old == new == "folder")
    assert (root / "other").read_bytes() == b"linked"


def test_replaced_file_leaves_its_other_names_alone(
    root: Path, lay: Callable[..., Applied]
) -> None:
    lay(file("a", b"old"), Entry("b", HARDLINK, link="a"))
    lay(file("a", b"new"))
    assert (root / "b").read_bytes() == b"old"


def test_hard_links_reach_lower_layers(root: Path, lay: Callable[..., Applied]) -> None:
    lay(file("d/a", b"x"), Entry("s", SYMLINK, link="d"))
    lay(Entry("b", HARDLINK, link="s/a"), Entry("c", HARDLINK, link="s"))
    assert (root / "b").read_bytes() == b"x"
    assert os.readlink(root / "c") == "d"


def test_the_last_of_a_file_s_headers_counts(root: Path, lay: Callable[..., Applied]) -> None:
    lay(
        file("a", b"x", mode=0o644, uid=1, gid=2, mtime=10**9),
        Entry("b", HARDLINK, 0o4711, 3, 4, mtime=2 * 10**9, link="a", xattrs={"user.a": b"1"}),
    )
    found = (root / "a").stat()
    assert (found.st_uid, found.st_gid, found.st_mode & 0o7777) == (3, 4, 0o4711)
    assert found.st_mtime == 2 and found.st_nlink == 2
    assert os.getxattr(root / "a", "user.a") == b"1"


def test_a_hard_link_s_header_reaches_no_further_than_the_link(
    root: Path, lay: Callable[..., Applied]
) -> None:
    lay(
        Entry("s", SYMLINK, link="../outside/victim"),
        Entry("h", HARDLINK, 0o777, 7, 8, link="s"),
    )
    assert ((root / "s").lstat().st_uid, (root / "s").lstat().st_nlink) == (7, 2)
    assert (root.parent / "outside/victim").stat().st_uid == 0


def test_a_hard_link_to_itself_keeps_the_data(root: Path, lay: Callable[..., Applied]) -> None:
    lay(file("a", b"x"), Entry("a", HARDLINK, link="a"))
    assert (root / "a").read_bytes() == b"x"


# --- damage, limits, and a host that says no


def test_truncated_layers_are_refused(lay: Callable[..., Applied]) -> None:
    plain = tar(file("f", os.urandom(100_000)))
    with pytest.raises(BadArchive):
        lay(blob=plain[:5000])
    with pytest.raises(BadCompression):
        lay(blob=gzip.compress(plain)[:5000])
    with pytest.raises(BadCompression):
        lay(blob=gzip.compress(plain)[:-4])
    with pytest.raises(BadArchive):
        lay(blob=gzip.compress(gzip.compress(plain)))


def test_bombs_are_found_out(lay: Callable[..., Applied]) -> None:
    blob = gzip.compress(tar(file("f", bytes(5_000_000))))
    with pytest.raises(TooMuch, match="times"):
        lay(blob=blob, limits=Limits(ratio=100, ratio_from=1 << 20))
    with pytest.raises(TooMuch, match="larger"):
        lay(blob=blob, limits=Limits(plain_size=1 << 20))
    with pytest.raises(TooMuch, match="entries"):
        lay(file("a"), file("b"), limits=Limits(entries=1))


def test_errors_of_the_stream_come_through(root: Path) -> None:
    class Broken(io.RawIOBase):
        def read(self, _size: int = -1) -> bytes:
            raise ConnectionResetError("gone")

    fd = os.open(root, os.O_RDONLY)
    with pytest.raises(Unavailable, match="cannot be unpacked"):
        apply(Broken(), fd)
    os.close(fd)


@pytest.mark.parametrize(
    ("number", "kind"),
    [(errno.ENOSPC, Unavailable), (errno.EPERM, Denied), (errno.EIO, Unavailable)],
)
def test_what_the_host_refuses(
    lay: Callable[..., Applied], monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(extract, "write_all", refuse)
    with pytest.raises(kind):
        lay(file("f", bytes(2_000_000)))


def test_tars_that_python_writes(root: Path, lay: Callable[..., Applied]) -> None:
    for format_ in (tarfile.GNU_FORMAT, tarfile.PAX_FORMAT):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:xz", format=format_) as made:
            info = tarfile.TarInfo("n" * 200)
            info.size, info.uid = 3, 1 << 21
            made.addfile(info, io.BytesIO(b"abc"))
        lay(blob=out.getvalue())
        assert (root / ("n" * 200)).stat().st_uid == 1 << 21
