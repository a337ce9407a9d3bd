"""Layers laid onto trees: the rules of image-spec, and hostile archives that get nowhere."""

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

from lamina.errors import Denied, Unavailable
from lamina.layer import extract
from lamina.layer.apply import Applied, apply
from lamina.layer.compress import Compressor
from lamina.layer.limits import BadArchive, BadCompression, BadEntry, Limits, TooMuch
from lamina.layer.tar import BLOCK, CHAR, DIR, FIFO, FILE, HARDLINK, SYMLINK, Entry, TarWriter
from lamina.oci.digest import Digest

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root")

Member = Entry | tuple[Entry, bytes]


def file(path: str, data: bytes = b"", **fields: object) -> tuple[Entry, bytes]:
    return Entry(path, FILE, size=len(data), **fields), data


def folder(path: str, mode: int = 0o755, **fields: object) -> Entry:
    return Entry(path, DIR, mode, **fields)


def tar(*members: Member) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    for member in members:
        entry, data = member if isinstance(member, tuple) else (member, b"")
        writer.add(entry, data)
    writer.close()
    return out.getvalue()


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The tree; beside it is `outside`, which must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/victim").write_text("alive")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture(params=[extract.MANY, 0], ids=["alone", "with a mate"])
def lay(root: Path, request: pytest.FixtureRequest) -> Callable[..., Applied]:
    """Applies layers to `root`, and checks that nothing beside it changed."""

    def lay(*members: Member, blob: bytes | None = None, **options: object) -> Applied:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        before = len(os.listdir("/proc/self/fd"))
        options.setdefault("many", request.param)
        try:
            return apply(io.BytesIO(tar(*members) if blob is None else blob), fd, **options)
        finally:
            assert len(os.listdir("/proc/self/fd")) == before
            os.close(fd)
            assert (root.parent / "outside/victim").read_text() == "alive"
            assert os.listdir(root.parent / "outside") == ["victim"]
            assert stat.S_IMODE((root.parent / "outside").stat().st_mode) == 0o755

    return lay


def names(root: Path) -> list[str]:
    return sorted(str(path.relative_to(root)) for path in root.rglob("*"))


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


# --- whiteouts


LOWER = [folder("d"), file("d/x"), file("d/y"), folder("d/sub"), file("d/sub/z"), file("a")]


@pytest.mark.parametrize(
    ("layer", "left"),
    [
        ([file(".wh.a")], ["d", "d/sub", "d/sub/z", "d/x", "d/y"]),
        ([file("d/.wh.x", b"content")], ["a", "d", "d/sub", "d/sub/z", "d/y"]),
        ([file(".wh.d")], ["a"]),
        ([file(".wh.nothing"), file("no/.wh.such"), file("a/.wh.b")], None),
        ([file(".wh.a"), file("a", b"new")], None),
        ([file("a", b"new"), file(".wh.a")], None),
        ([file("d/.wh..wh..opq")], ["a", "d"]),
        ([file("d/new"), file("d/.wh..wh..opq")], ["a", "d", "d/new"]),
        ([file("d/.wh..wh..opq"), file("d/new")], ["a", "d", "d/new"]),
        ([file("d/sub/q"), file("d/.wh..wh..opq")], ["a", "d", "d/sub", "d/sub/q"]),
        ([folder("d/e"), file("d/.wh..wh..opq")], ["a", "d", "d/e"]),
        ([file("d/new"), file(".wh.d")], ["a", "d", "d/new"]),
        ([folder("d"), file("d/new"), file(".wh.d")], ["a", "d", "d/new"]),
        ([file(".wh.d"), folder("d", 0o700)], ["a", "d"]),
        ([file(".wh..wh..opq")], []),
        ([file("new"), file(".wh..wh..opq")], ["new"]),
        ([file("no/.wh..wh..opq"), file("a/.wh..wh..opq")], None),
        ([Entry("a", CHAR)], ["d", "d/sub", "d/sub/z", "d/x", "d/y"]),
        ([file(".wh..wh.aufs"), folder(".wh..wh.orph"), file(".wh..wh.orph/x")], None),
        ([Entry(".wh.a", SYMLINK, link="d")], ["d", "d/sub", "d/sub/z", "d/x", "d/y"]),
        ([folder(".wh.d")], ["a"]),
    ],
    ids=lambda value: (
        "-".join((m[0] if isinstance(m, tuple) else m).path for m in value)
        if isinstance(value, list) and value and not isinstance(value[0], str)
        else ""
    ),
)
def test_whiteouts(
    root: Path, lay: Callable[..., Applied], layer: list[Member], left: list[str] | None
) -> None:
    lay(*LOWER)
    before = names(root)
    lay(*layer)
    assert names(root) == (before if left is None else left)


@pytest.mark.parametrize("path", [".wh.", ".wh..", ".wh...", "d/.wh...", ".wh.d/x", "d/.wh.x/y"])
def test_whiteouts_of_nothing_that_has_a_name_are_refused(
    root: Path, lay: Callable[..., Applied], path: str
) -> None:
    lay(*LOWER)
    with pytest.raises(BadEntry, match="whiteout"):
        lay(file(path))


def test_aufs_links_are_followed_and_gone(root: Path, lay: Callable[..., Applied]) -> None:
    lay(
        folder(".wh..wh.plnk"),
        file(".wh..wh.plnk/1.2", b"x"),
        Entry("a", HARDLINK, link=".wh..wh.plnk/1.2"),
        Entry("b", HARDLINK, link=".wh..wh.plnk/1.2"),
    )
    assert names(root) == ["a", "b"]
    assert (root / "a").samefile(root / "b")


def test_whiteout_does_not_follow_a_link(root: Path, lay: Callable[..., Applied]) -> None:
    lay(file("d/x"), Entry("l", SYMLINK, link="d"))
    lay(file(".wh.l"))
    assert names(root) == ["d", "d/x"]


def test_whiteout_through_a_link_stays_inside(root: Path, lay: Callable[..., Applied]) -> None:
    lay(Entry("l", SYMLINK, link="../outside"), Entry("m", SYMLINK, link=str(root.parent)))
    lay(file("l/.wh.victim"), file("l/.wh..wh..opq"), file("m/outside/.wh.victim"))


def test_in_a_plain_archive_whiteouts_are_names(root: Path, lay: Callable[..., Applied]) -> None:
    lay(*LOWER)
    lay(file(".wh.a"), file("d/.wh..wh..opq"), file(".wh.d/x"), as_changeset=False)
    assert {".wh.a", "d/.wh..wh..opq", ".wh.d/x", "a", "d/x"} <= set(names(root))


# --- hostile archives


@pytest.mark.parametrize("target", ["../outside", "/../outside", "HOST/outside", "x/../../outside"])
def test_nothing_is_written_through_a_link(
    root: Path, lay: Callable[..., Applied], target: str
) -> None:
    target = target.replace("HOST", str(root.parent))
    lay(Entry("l", SYMLINK, link=target), file("l/victim", b"evil"), folder("l/d"))
    lay(Entry("l2", SYMLINK, link="l"), file("l2/victim", b"more"), file("l2/new/victim"))


def test_a_file_replaces_a_link_and_not_its_target(root: Path, lay: Callable[..., Applied]) -> None:
    victim = str(root.parent / "outside/victim")
    lay(Entry("l", SYMLINK, link=victim), file("l", b"evil"))
    assert (root / "l").read_bytes() == b"evil" and not (root / "l").is_symlink()


def test_a_directory_entry_over_a_link_touches_nothing_outside(
    root: Path, lay: Callable[..., Applied]
) -> None:
    lay(Entry("l", SYMLINK, link=str(root.parent / "outside")), folder("l", 0o000, uid=5))
    assert (root / "l").lstat().st_uid == 5 and not (root / "l").is_symlink()


def test_a_directory_that_turns_into_a_link_midway(root: Path, lay: Callable[..., Applied]) -> None:
    outside = str(root.parent / "outside")
    lay(
        folder("d"),
        file("d/one"),
        Entry("d", SYMLINK, link=outside),
        file("d/victim", b"evil"),
        file("d/two"),
    )
    assert (root / outside.lstrip("/") / "victim").read_bytes() == b"evil"


def test_a_lower_directory_that_turns_into_a_link_of_a_link(
    root: Path, lay: Callable[..., Applied]
) -> None:
    lay(folder("a/b/c"), file("a/b/c/f"))
    lay(
        file("a/b/c/one"),
        Entry("a/b", SYMLINK, link="../e"),
        Entry("e", SYMLINK, link=str(root.parent)),
        file("a/b/outside/victim", b"evil"),
    )


@pytest.mark.parametrize("target", ["../outside/victim", "/etc/passwd", "l/victim", "nothing"])
def test_hard_links_find_nothing_outside(
    root: Path, lay: Callable[..., Applied], target: str
) -> None:
    with pytest.raises(BadEntry):
        lay(
            Entry("l", SYMLINK, link=str(root.parent / "outside")),
            Entry("h", HARDLINK, link=target),
        )


def test_hard_link_to_a_link_out_is_the_link(root: Path, lay: Callable[..., Applied]) -> None:
    victim = str(root.parent / "outside/victim")
    lay(Entry("l", SYMLINK, link=victim), Entry("h", HARDLINK, link="l"))
    assert os.readlink(root / "h") == victim
    assert (root.parent / "outside/victim").stat().st_nlink == 1


@pytest.mark.parametrize(
    "members",
    [
        [folder("d"), Entry("h", HARDLINK, link="d")],
        [Entry("h", HARDLINK, link="h")],
        [Entry("l", SYMLINK, link="l"), file("l/x")],
        [Entry("l", SYMLINK, link="")],
        [file("f"), file("f/x")],
        [file("n" * 256)],
        [Entry(".", SYMLINK, link="x")],
        [Entry("c", CHAR, device=(1 << 40, 0))],
        [file("f", mtime=1 << 100)],
        [file("f", uid=1 << 40)],
        [file("f", uid=-2)],
    ],
    ids=[
        "hard link to a directory",
        "hard link to itself",
        "loop",
        "link without target",
        "below a file",
        "long name",
        "root as link",
        "device number",
        "time",
        "owner",
        "negative owner",
    ],
)
def test_entries_that_cannot_be(lay: Callable[..., Applied], members: list[Member]) -> None:
    with pytest.raises(BadEntry):
        lay(*members)


def test_very_deep_trees(root: Path, lay: Callable[..., Applied]) -> None:
    deep = "/".join(["d"] * 2000)
    lay(file(deep, b"x"))
    lay(file(".wh.d"))
    assert names(root) == []
    lay(file(deep, b"x"))
    lay(file("other"), file(".wh.d"))
    assert names(root) == ["other"]


def test_thousands_of_directories_need_few_descriptors(lay: Callable[..., Applied]) -> None:
    lay(*(file(f"{at}/f") for at in range(300)), *(file(f"{at}/g") for at in range(0, 300, 7)))


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
