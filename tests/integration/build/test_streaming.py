"""A COPY whose layer is written from the files is the one that a copied tree would give."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from copies import files
from lamina.build import streaming
from lamina.build.context import LocalContext, TreeContext
from lamina.build.copying import Changed, CopySpec, Selection, copy, select
from lamina.dockerfile.ignore import Ignore
from lamina.errors import Invalid
from lamina.fs import mounts
from lamina.layer.diff import Packed, pack
from lamina.oci.digest import ChainID, Digest
from lamina.snapshot import ErofsSnapshotter, OverlaySnapshotter, drawing, erofs_fault
from lamina.snapshot.choice import overlay_fault
from shelves import A, picture, reading, writing

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="owners and mounts need root")
Fill = Callable[[Path], None]
NEW, OLD = (ChainID(Digest.of(name)) for name in (b"new", b"old"))


@pytest.fixture
def shelf(tmp_path: Path) -> OverlaySnapshotter:
    fault = overlay_fault(tmp_path)
    if fault is not None:
        pytest.skip(f"overlay does not work here: {fault}")
    if erofs_fault(tmp_path) is not None:
        return OverlaySnapshotter(tmp_path / "shelf")
    return ErofsSnapshotter(tmp_path / "shelf")


def _below(root: Path) -> None:
    """What the image has already."""
    files(root, "etc/motd", "full/kept", "full/same")
    (root / "etc/passwd").write_text("app:x:12:34::/:/bin/sh\n")
    for name in ("empty", "odd", "sticky"):
        (root / name).mkdir()
    os.chown(root / "odd", 7, 8)
    (root / "odd").chmod(0o2700)
    (root / "sticky").chmod(0o1777)
    os.setxattr(root / "odd", "user.note", b"of the image")
    (root / "link").symlink_to("/etc/../empty")
    (root / "way").mkdir()
    (root / "way/in").symlink_to("nowhere")
    (root / "dangling").symlink_to("nowhere/yet")
    for name in ("empty", "odd", "."):
        os.utime(root / name, ns=(0, 1_500_000_000_123_456_789))


def _small(context: Path) -> None:
    files(context, "d/f", "d/s/g", "d/s/deep/er", "d/z", "d.x")


def _odd(context: Path) -> None:
    """One of everything that such a COPY may take."""
    _small(context)
    here = context / "d"
    (here / "nothing").write_bytes(b"")
    (here / "hollow").mkdir(0o700)
    os.link(here / "f", here / "s" / "again")
    os.link(here / "z", context / "elsewhere")
    (here / "to").symlink_to("../etc/motd")
    os.chown(here / "to", 3, 4, follow_symlinks=False)
    (here / os.fsdecode(b"caf\xe9 \n")).write_bytes(b"odd")
    os.chown(here / "f", 5, 6)
    (here / "f").chmod(0o4755)
    (here / "s").chmod(0o3711)
    os.setxattr(here / "s", "user.note", b"on a directory")
    os.setxattr(here / "z", "user.note", b"\0\xff")
    os.setxattr(here / "nothing", "user.note", b"on an empty file")
    capability = bytes.fromhex("0100000200040000000000000000000000000000")
    os.setxattr(here / "z", "security.capability", capability)
    with open(here / "sparse", "wb") as out:
        out.truncate(8 << 20)
        out.seek(5 << 20)
        out.write(b"middle")
    (here / "large").write_bytes(os.urandom((2 << 20) + 7))
    for name in ("f", "s", "to", "hollow", "large"):
        os.utime(here / name, ns=(0, -1_000_000_007), follow_symlinks=False)


def _spec(source: str, destination: str, **options: object) -> CopySpec:
    return CopySpec(sources=(source,), destination=destination, working_dir="/w", **options)  # type: ignore[arg-type]


def _base(shelf: OverlaySnapshotter) -> None:
    draft = shelf.prepare("base", None)
    with writing(draft) as root:
        _below(root)
    shelf.commit(draft, A)


def _both(
    shelf: OverlaySnapshotter, selection: Selection, clamp: int | None = None
) -> tuple[bytes, bytes | None, Packed | None]:
    """The layer of a tree that was copied, and of the files alone, if that can be."""
    draft = shelf.prepare("slow", A)
    with mounts.opened(draft.plan) as fd:
        copy(selection, fd)
    slow, fast = io.BytesIO(), io.BytesIO()
    pack(shelf.changes(draft), slow, clamp=clamp)
    shelf.commit(draft, OLD)
    draft = shelf.prepare("fast", A)
    try:
        with mounts.opened(draft.plan) as fd:
            streamed = streaming.stream(selection, fd)
            if streamed is None:
                return slow.getvalue(), None, None
        with selection.context.open_root() as source:
            packed = pack(streamed.changes(source), fast, clamp=clamp)
            streamed.check(source)
        return slow.getvalue(), fast.getvalue(), packed
    finally:
        shelf.discard(draft)


@pytest.mark.parametrize("fill", [_small, _odd], ids=["plain", "odd"])
@pytest.mark.parametrize(
    ("source", "destination", "options"),
    [
        pytest.param("d", "/new", {}, id="a-new-directory"),
        pytest.param("d", "some/way/down/", {}, id="a-way-to-be-made"),
        pytest.param("d", "/empty", {}, id="an-empty-directory"),
        pytest.param("d", "/odd", {}, id="an-odd-one"),
        pytest.param("d", "/sticky/x/", {}, id="in-another"),
        pytest.param("d", "/link", {}, id="by-a-link"),
        pytest.param("d", "/dangling", {}, id="to-where-a-link-leads"),
        pytest.param("d", "/new", {"chown": "app"}, id="chown"),
        pytest.param("d", "/new", {"chown": "9:10", "chmod": "u=rwX,go="}, id="chmod"),
        pytest.param("d", "/new", {"excludes": ("**/g",)}, id="exclude"),
        pytest.param("d/s/deep", "/new/", {"parents": True}, id="parents"),
        pytest.param(".", "/new/", {}, id="all"),
        pytest.param("d", "/full", {}, id="beside-others"),
        pytest.param(".", "/", {}, id="into-the-root"),
        pytest.param("d.x", "/etc/motd", {}, id="in-the-place-of-a-file"),
        pytest.param("d.x", "/way/in", {}, id="in-the-place-of-a-link"),
        pytest.param("d/f", "/new", {}, id="a-file"),
        pytest.param("d/f", "/odd/", {}, id="a-file-into-one"),
        pytest.param("d/z", "way/to/it", {}, id="a-file-and-its-way"),
    ],
)
def test_the_layer_is_the_same(
    shelf: OverlaySnapshotter,
    tmp_path: Path,
    source: str,
    destination: str,
    options: dict[str, object],
    fill: Fill,
) -> None:
    _base(shelf)
    context = tmp_path / "context"
    context.mkdir()
    fill(context)
    selection = select(LocalContext(context), _spec(source, destination, **options))
    slow, fast, packed = _both(shelf, selection)
    assert fast == slow
    assert packed is not None
    if isinstance(shelf, ErofsSnapshotter) and drawing.land(
        shelf, packed.index, NEW, A, _kept(tmp_path, slow)
    ):
        with reading(shelf, OLD) as old, reading(shelf, NEW) as new:
            seen, expected = picture(new), picture(old)
        assert {path: _whole(facts) for path, facts in seen.items()} == {
            path: _whole(facts) for path, facts in expected.items()
        }


def _again(context: Path) -> None:
    """Nothing."""


def _changed(context: Path) -> None:
    (context / "d/s/g").write_text("another")
    (context / "d/s/new").mkdir()
    (context / "d/z").unlink()
    (context / "d/z").symlink_to("f")
    os.utime(context / "d/s/deep", ns=(5, 5))


def _rights(context: Path) -> None:
    (context / "d/s/deep").chmod(0o700)
    (context / "d/f").chmod(0o600)
    os.setxattr(context / "d/s", "user.more", b"x")


def _touched(context: Path) -> None:
    os.utime(context / "d/s/deep/er", ns=(5, 5))
    os.utime(context / "d/s", ns=(7, 7))


def _linked(context: Path) -> None:
    os.link(context / "d/f", context / "d/a")
    os.link(context / "d/f", context / "d/zz")


@pytest.mark.parametrize("change", [_again, _changed, _rights, _touched, _linked])
@pytest.mark.parametrize(
    ("first", "options"),
    [
        pytest.param({}, {}, id="as-it-is"),
        pytest.param({}, {"chown": "12:34"}, id="chown"),
        pytest.param({"chmod": "0700"}, {"chmod": "u=rwX"}, id="chmod"),
        pytest.param({}, {"parents": True}, id="parents"),
        pytest.param({"excludes": ("**/er",)}, {}, id="more-than-before"),
        pytest.param({"excludes": ("d/s",)}, {"excludes": ("d/z",)}, id="other-parts"),
    ],
)
def test_what_was_there_is_told_from_what_is_new(
    shelf: OverlaySnapshotter,
    tmp_path: Path,
    change: Fill,
    first: dict[str, object],
    options: dict[str, object],
) -> None:
    context = tmp_path / "context"
    context.mkdir()
    _odd(context)
    draft = shelf.prepare("base", None)
    with mounts.opened(draft.plan) as fd:
        with writing(draft) as root:
            _below(root)
        copy(select(LocalContext(context), _spec(".", "/app", **first)), fd)
    shelf.commit(draft, A)
    change(context)
    source = "d/s" if "parents" in options else "."
    selection = select(LocalContext(context), _spec(source, "/app", **options))
    slow, fast, packed = _both(shelf, selection)
    assert fast == slow
    assert packed is not None
    if change is _again and not first and not options:
        assert len(packed.index) == 0
    if isinstance(shelf, ErofsSnapshotter) and drawing.land(
        shelf, packed.index, NEW, A, _kept(tmp_path, slow)
    ):
        with reading(shelf, OLD) as old, reading(shelf, NEW) as new:
            assert sorted(picture(new)) == sorted(picture(old))


@pytest.mark.parametrize(
    ("source", "destination"), [("d", "/full"), ("d.x", "/way/"), (".", "/x/")]
)
def test_what_is_in_the_way_is_said_by_who_copies(
    shelf: OverlaySnapshotter, tmp_path: Path, source: str, destination: str
) -> None:
    draft = shelf.prepare("base", None)
    with writing(draft) as root:
        _below(root)
        files(root, "full/s", "x/d", "way/d.x/in")
    shelf.commit(draft, A)
    context = tmp_path / "context"
    context.mkdir()
    _small(context)
    selection = select(LocalContext(context), _spec(source, destination))
    draft = shelf.prepare("fast", A)
    with mounts.opened(draft.plan) as fd:
        assert streaming.stream(selection, fd) is None
        with pytest.raises(Invalid):
            copy(selection, fd)


def _kept(place: Path, data: bytes) -> Path:
    path = place / "blob"
    path.write_bytes(data)
    return path


def _whole(facts: tuple[object, ...]) -> tuple[object, ...]:
    """With times as a layer has them, in whole seconds."""
    *others, when = facts
    return (*others, when // 10**9 if isinstance(when, int) else when)


@pytest.mark.parametrize(
    ("source", "destination", "options"),
    [
        pytest.param("d", "/new", {"link": True}, id="link"),
        pytest.param("d*", "/new/", {}, id="two-sources"),
        pytest.param("p", "/new/", {}, id="a-pipe"),
    ],
)
def test_what_is_not_plain_is_copied_after_all(
    shelf: OverlaySnapshotter,
    tmp_path: Path,
    source: str,
    destination: str,
    options: dict[str, object],
) -> None:
    _base(shelf)
    context = tmp_path / "context"
    context.mkdir()
    _small(context)
    (context / "p").mkdir()
    os.mkfifo(context / "p" / "pipe")
    selection = select(LocalContext(context), _spec(source, destination, **options))
    slow, fast, _ = _both(shelf, selection)
    assert fast is None
    draft = shelf.prepare("after", A)
    with mounts.opened(draft.plan) as fd:
        assert streaming.stream(selection, fd) is None
        copy(selection, fd)
    after = io.BytesIO()
    pack(shelf.changes(draft), after)
    assert after.getvalue() == slow


def test_a_directory_that_gives_its_rights_away_is_copied_into(
    shelf: OverlaySnapshotter, tmp_path: Path
) -> None:
    _base(shelf)
    draft = shelf.prepare("acl", A)
    with writing(draft) as root:
        # user::rwx, group::r-x, other::r-x, as getfacl would say it, for what is made inside
        acl = b"\x02\0\0\0" + b"".join(
            tag.to_bytes(2, "little") + bits.to_bytes(2, "little") + b"\xff\xff\xff\xff"
            for tag, bits in ((1, 7), (4, 5), (32, 5))
        )
        os.setxattr(root / "empty", "system.posix_acl_default", acl)
    context = tmp_path / "context"
    context.mkdir()
    _small(context)
    with mounts.opened(draft.plan) as fd:
        selection = select(LocalContext(context), _spec("d", "/empty"))
        assert streaming.stream(selection, fd) is None


def test_ignored_files_are_in_neither(shelf: OverlaySnapshotter, tmp_path: Path) -> None:
    _base(shelf)
    context = tmp_path / "context"
    context.mkdir()
    _small(context)
    ignore = Ignore.parse("d/s\n!d/s/deep/er\n")
    selection = select(LocalContext(context, ignore), _spec(".", "/new"))
    slow, fast, packed = _both(shelf, selection)
    assert fast == slow
    assert packed is not None
    assert [entry.path for entry in packed.index if entry.path.startswith("new/d/s")] == [
        "new/d/s",
        "new/d/s/deep",
        "new/d/s/deep/er",
    ]


def test_files_of_a_stage_keep_their_owners(shelf: OverlaySnapshotter, tmp_path: Path) -> None:
    _base(shelf)
    context = tmp_path / "context"
    context.mkdir()
    _odd(context)

    def opener() -> AbstractContextManager[int]:
        return mounts.opened(mounts.Bind(context, read_only=True))

    selection = select(TreeContext(opener, "stage"), _spec("d", "/new"))
    slow, fast, packed = _both(shelf, selection, clamp=1_000_000_000)
    assert fast == slow
    assert packed is not None
    owners = {entry.path: (entry.uid, entry.gid) for entry in packed.index}
    assert (owners["new/f"], owners["new/to"]) == ((5, 6), (3, 4))
    assert max(entry.mtime for entry in packed.index) <= 10**18


@pytest.mark.parametrize("when", ["before", "while", "after"])
def test_a_file_that_changes_is_never_half_new(
    shelf: OverlaySnapshotter, tmp_path: Path, when: str
) -> None:
    _base(shelf)
    context = tmp_path / "context"
    context.mkdir()
    _small(context)
    selection = select(LocalContext(context), _spec("d", "/new"))
    draft = shelf.prepare("fast", A)
    with mounts.opened(draft.plan) as fd:
        streamed = streaming.stream(selection, fd)
    assert streamed is not None
    if when == "before":
        (context / "d/z").unlink()
    with selection.context.open_root() as source, pytest.raises(Changed, match="d/"):
        for change in streamed.changes(source):
            if change.path == "new/s/g" and when == "while":
                (context / "d/z").write_text("another")
            if change.entry.size:
                os.close(change.open())
        if when == "after":
            (context / "d/f").write_text("another")
        streamed.check(source)


def test_a_whiteouts_name_is_refused(shelf: OverlaySnapshotter, tmp_path: Path) -> None:
    _base(shelf)
    context = tmp_path / "context"
    context.mkdir()
    files(context, "d/.wh.f")
    selection = select(LocalContext(context), _spec("d", "/new"))
    draft = shelf.prepare("fast", A)
    with mounts.opened(draft.plan) as fd:
        streamed = streaming.stream(selection, fd)
    assert streamed is not None
    with (
        selection.context.open_root() as source,
        pytest.raises(Invalid, match="cannot be in a layer"),
    ):
        pack(streamed.changes(source), io.BytesIO())
