"""One suite for every snapshotter: a layer's tar becomes the same tree, extracted or not."""

from __future__ import annotations

import gzip
import io
import os
import re
import shutil
import stat
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.contract.killing import every_kill

from lamina.errors import Invalid
from lamina.fs import mounts
from lamina.layer.apply import apply
from lamina.layer.tar import read_index
from lamina.oci.config import RunConfig
from lamina.oci.digest import ChainID, Digest
from lamina.oci.platform import Platform
from lamina.snapshot import ErofsSnapshotter, Snapshotter, unpack
from lamina.snapshot.drawing import draw
from lamina.snapshot.shelf import DATA, IMAGE
from lamina.store import Store
from lamina.transfer.tarball import import_tar
from shelves import (
    CAPABILITY,
    ODD,
    A,
    B,
    picture,
    reading,
    said,
    writing,
)

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="needs root: owners, devices, mounts")


class Tar:
    """A layer that is being written."""

    def __init__(self, kind: int = tarfile.PAX_FORMAT) -> None:
        self._out = io.BytesIO()
        self._tar = tarfile.open(  # noqa: SIM115
            fileobj=self._out, mode="w", format=kind, errors="surrogateescape"
        )

    def add(
        self, name: str, kind: bytes = tarfile.REGTYPE, data: bytes = b"", **more: object
    ) -> Tar:
        info = tarfile.TarInfo(name)
        info.type, info.size, info.mtime = kind, len(data), 1_000_000_000
        info.mode = 0o755 if kind == tarfile.DIRTYPE else 0o644
        for key, value in more.items():
            setattr(info, key, value)
        self._tar.addfile(info, io.BytesIO(data))
        return self

    def xattrs(self, name: str, kind: bytes, values: dict[str, bytes]) -> Tar:
        records = {
            f"SCHILY.xattr.{key}": value.decode("utf-8", "surrogateescape")
            for key, value in values.items()
        }
        return self.add(
            name, kind, pax_headers=records, linkname="" if kind != tarfile.SYMTYPE else "x"
        )

    def bytes(self) -> bytes:
        self._tar.close()
        return self._out.getvalue()


def everything() -> bytes:
    """A layer with one of everything."""
    tar = Tar()
    tar.add(".", tarfile.DIRTYPE, mode=0o1777, uid=5)
    tar.add("dir", tarfile.DIRTYPE, mode=0o2751, gid=70_000, pax_headers={"mtime": "-5.000000007"})
    tar.add("dir/file", data=b"content", mode=0o4755, pax_headers={"mtime": "1.123456789"})
    tar.add("dir/hard", tarfile.LNKTYPE, linkname="dir/file", mode=0o4755)
    tar.add("dir/empty", uid=4_000_000_000, gid=4_000_000_001)
    tar.add("dir/block", data=bytes(range(256)) * 2)
    tar.add("dir/large", data=os.urandom(300_001))
    tar.add("dir/link", tarfile.SYMTYPE, linkname="../nowhere", uid=3, gid=4)
    tar.add("dir/far", tarfile.SYMTYPE, linkname="t" * 4095)
    tar.add("odd link", tarfile.SYMTYPE, linkname=ODD)
    tar.add(ODD, data=b"odd")
    tar.add("n" * 255, data=b"long")
    tar.add(os.fsdecode(b"\xff" * 255), tarfile.DIRTYPE)
    for name in ("-", "!", "..a", ".a", "~", "\x01"):
        tar.add(name, data=name.encode())
    tar.add("null", tarfile.CHRTYPE, devmajor=1, devminor=3, mode=0o666)
    tar.add("disk", tarfile.BLKTYPE, devmajor=259, devminor=70_000, mode=0o660)
    tar.add("pipe", tarfile.FIFOTYPE, mode=0o640, uid=1)
    note = {"user.note": b"a note", "trusted.note": b"n" * 900, "user.empty": b""}
    tar.xattrs("noted", tarfile.REGTYPE, note)
    tar.xattrs("noted dir", tarfile.DIRTYPE, note)
    tar.xattrs("noted link", tarfile.SYMTYPE, {"trusted.note": b"on a link"})
    tar.xattrs("ping", tarfile.REGTYPE, {"security.capability": CAPABILITY})
    tar.xattrs("lies", tarfile.DIRTYPE, {"trusted.overlay.opaque": b"y"})
    tar.add("implied/deep/file", data=b"x")
    return tar.bytes()


def take(
    shelf: Snapshotter, chain: ChainID, parent: ChainID | None, stored: bytes, place: Path
) -> bool:
    """Make the layer a snapshot as the engine does; whether it was not extracted."""
    blob = place / f"blob-{Digest.of(stored).short}"
    blob.write_bytes(stored)
    indexer = shelf.indexer()
    if indexer is not None and draw(indexer, io.BytesIO(stored)).land(chain, parent, blob=blob):
        return True
    unpack(shelf, chain, parent, lambda root: apply(io.BytesIO(stored), root))
    return False


def as_is(stored: bytes) -> bytes:
    return stored


def gzipped(stored: bytes) -> bytes:
    return gzip.compress(stored, 1)


def seen(root: Path) -> dict[str, tuple[object, ...]]:
    """The picture, without the times of directories that only extracting gives a time."""
    return {
        path: (*rest, None) if path.startswith("./implied") else (*rest, time)
        for path, (*rest, time) in picture(root).items()
    }


@pytest.mark.parametrize("stored_as", [as_is, gzipped])
def test_everything_that_a_layer_can_hold(shelf: Snapshotter, tmp_path: Path, stored_as) -> None:  # type: ignore[no-untyped-def]
    raw = everything()
    (tmp_path / "plain").mkdir()
    fd = os.open(tmp_path / "plain", os.O_RDONLY)
    apply(io.BytesIO(raw), fd)
    os.close(fd)
    is_drawn = take(shelf, A, None, stored_as(raw), tmp_path)
    assert is_drawn == isinstance(shelf, ErofsSnapshotter)
    with reading(shelf, A) as root:
        assert seen(root) == seen(tmp_path / "plain")
        assert stat.S_IMODE(os.stat(root).st_mode) == 0o1777
    take(shelf, B, A, stored_as(Tar().add("upper", data=b"x").bytes()), tmp_path)
    with reading(shelf, B) as root:
        shown = seen(root)
        del shown["./upper"]
        assert shown == seen(tmp_path / "plain")
        assert (os.stat(root).st_mode & 0o7777, os.stat(root).st_uid) == (0o1777, 5)
        files = [f"{root}/{name}" for name in ("upper", "null", "dir/large", "odd link", "dir")]
        assert len({os.lstat(name).st_dev for name in files}) == 1, "rsync -x passes over some"


def test_a_draft_on_a_layer_changes_and_is_committed(shelf: Snapshotter, tmp_path: Path) -> None:
    take(shelf, A, None, everything(), tmp_path)
    with reading(shelf, A) as root:
        before = picture(root)
    draft = shelf.prepare("upon", A)
    with writing(draft) as root:
        (root / "dir" / "hard").write_bytes(b"other")
        os.unlink(root / "dir" / "link")
        shutil.rmtree(root / "noted dir")
        os.mkdir(root / "noted dir")
        os.chmod(root / "null", 0o600)
    changes = said(shelf, draft)
    assert ("deleted", "dir/link") in changes
    assert ("modified", "null") in changes
    shelf.commit(draft, B)
    with reading(shelf, B) as root:
        assert (root / "dir" / "hard").read_bytes() == b"other"
        assert not os.path.lexists(root / "dir" / "link")
        assert os.listxattr(root / "noted dir") == []
    with reading(shelf, A) as root:
        assert picture(root) == before


def test_a_hundred_and_twenty_tars(shelf: Snapshotter, tmp_path: Path) -> None:
    parent: ChainID | None = None
    for number in range(120):
        data = b"%d" % number
        tar = Tar().add(f"f{number}", data=data).add("same", data=data)
        if number:
            tar.add(f".wh.f{number - 1}")
        chain = ChainID(Digest.of(data))
        take(shelf, chain, parent, tar.bytes(), tmp_path)
        parent = chain
    with reading(shelf, parent) as root:
        assert sorted(os.listdir(root)) == ["f119", "same"]
        assert (root / "same").read_bytes() == b"119"
    draft = shelf.prepare("top", parent)
    with writing(draft) as root:
        os.unlink(root / "f119")
    assert said(shelf, draft) == [("deleted", "f119")]


def test_a_layer_killed_at_any_step_is_there_or_not(shelf: Snapshotter, tmp_path: Path) -> None:
    take(shelf, A, None, Tar().add("below", data=b"1").bytes(), tmp_path)
    stored = gzip.compress(Tar().add("above", data=b"2").add(".wh.nothing").bytes())

    def check() -> None:
        if shelf.has(B):
            assert shelf.parent(B) == A
            with reading(shelf, B) as root:
                assert sorted(os.listdir(root)) == ["above", "below"]
            shelf.remove(B)
        shelf.retire({A}, kept=lambda key: False)
        shelf.purge()
        assert (shelf.drafts(), shelf.chains()) == ([], [A])

    assert every_kill(lambda: take(shelf, B, A, stored, tmp_path), check) > 5


# --- what only images have


@pytest.fixture
def images(shelf: Snapshotter) -> ErofsSnapshotter:
    if not isinstance(shelf, ErofsSnapshotter):
        pytest.skip("this snapshotter extracts")
    return shelf


def files(shelf: ErofsSnapshotter, chain: ChainID) -> tuple[Path, Path]:
    directory = Path(shelf.shelf.chain_directory(chain))
    assert not (directory / "tree").exists()
    return directory / IMAGE, directory / DATA


def test_a_plain_blob_is_kept_once(images: ErofsSnapshotter, tmp_path: Path) -> None:
    raw = Tar().add("file", data=os.urandom(200_000)).bytes()
    assert take(images, A, None, raw, tmp_path)
    blob = next(tmp_path.glob("blob-*"))
    _, data = files(images, A)
    assert os.path.samefile(blob, data)
    assert images.usage(A) < 10_000
    assert images.usage(A, with_blobs=True) > 200_000
    assert (images.forms().tars, images.forms().spare) == (1, 0)
    blob.unlink()
    assert images.usage(A) > 200_000, "the tar is the snapshot's alone now"
    with reading(images, A) as root:
        assert len((root / "file").read_bytes()) == 200_000
    assert images.retire([], kept=lambda key: False)[A] > 200_000


def test_a_compressed_blob_leaves_its_tar_with_the_snapshot(
    images: ErofsSnapshotter, tmp_path: Path
) -> None:
    raw = Tar().add("file", data=os.urandom(200_000)).bytes()
    assert take(images, A, None, gzip.compress(raw), tmp_path)
    _, data = files(images, A)
    assert data.read_bytes() == raw
    assert images.forms().spare >= len(raw)
    assert images.usage(A) > 200_000


def test_a_tar_cut_after_its_last_byte(images: ErofsSnapshotter, tmp_path: Path) -> None:
    raw = Tar().add("file", data=b"x" * 700).bytes()[: 512 + 700]
    assert take(images, A, None, gzip.compress(raw), tmp_path)
    # A blob is never changed, so this one is extracted.
    assert not take(images, B, None, raw, tmp_path)
    for chain in (A, B):
        with reading(images, chain) as root:
            assert (root / "file").read_bytes() == b"x" * 700


def test_nothing_is_left_in_the_mount_table(images: ErofsSnapshotter, tmp_path: Path) -> None:
    take(images, A, None, everything(), tmp_path)
    with reading(images, A):
        assert "erofs" not in Path("/proc/self/mounts").read_text()


def test_attributes_that_other_file_systems_have_no_room_for(
    images: ErofsSnapshotter, tmp_path: Path
) -> None:
    values = {f"user.{number}": b"%d" % number * 30_000 for number in range(4)}
    assert take(images, A, None, Tar().xattrs("file", tarfile.REGTYPE, values).bytes(), tmp_path)
    with reading(images, A) as root:
        for name, value in values.items():
            assert os.getxattr(root / "file", name) == value


def test_a_file_of_more_than_four_gibibytes(images: ErofsSnapshotter, tmp_path: Path) -> None:
    size = (5 << 30) + 7
    with open(tmp_path / "big", "wb") as file:
        file.truncate(size)
        for at in (0, 1 << 30, (4 << 30) + 4096):
            file.seek(at)
            file.write(b"here")
        file.seek(size - 4)
        file.write(b"last")
    tar = tmp_path / "big.tar"
    subprocess.run(["tar", "--sparse", "-cf", tar, "-C", tmp_path, "big"], check=True)
    assert take(images, A, None, tar.read_bytes(), tmp_path)
    with reading(images, A) as root, open(root / "big", "rb") as file:
        assert os.fstat(file.fileno()).st_size == size
        for at in (0, 1 << 30, (4 << 30) + 4096):
            file.seek(at)
            assert file.read(4) == b"here"
        file.seek(size - 4)
        assert file.read() == b"last"


@pytest.mark.slow
def test_a_directory_of_a_hundred_thousand_names(images: ErofsSnapshotter, tmp_path: Path) -> None:
    tar = Tar()
    for number in range(100_000):
        tar.add(f"d/{number:x}", data=b"%d" % number)
    assert take(images, A, None, tar.bytes(), tmp_path)
    with reading(images, A) as root:
        assert len(os.listdir(root / "d")) == 100_000
        for number in range(0, 100_000, 97):
            assert (root / "d" / f"{number:x}").read_bytes() == b"%d" % number


def test_the_real_checker_finds_nothing(images: ErofsSnapshotter, tmp_path: Path) -> None:
    _need_checker()
    assert take(images, A, None, everything(), tmp_path)
    below = Tar().add("dir", tarfile.DIRTYPE).add("dir/.wh..wh..opq").add(".wh.pipe").bytes()
    assert take(images, B, A, below, tmp_path)
    for chain in (A, B):
        image, data = files(images, chain)
        extracted = tmp_path / f"extracted-{chain.short}"
        options = ["--extract=" + str(extracted), "--xattrs", f"--device={data}"]
        done = subprocess.run(
            ["fsck.erofs", *options, image], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        with mounts.opened(mounts.Erofs(image, data)) as root:
            shown = picture(Path(f"/proc/self/fd/{root}"))
        mine = picture(extracted)
        assert {path: one[:4] for path, one in mine.items()} == {
            path: one[:4] for path, one in shown.items()
        }
        told = subprocess.run(
            ["dump.erofs", "-s", f"--device={data}", image],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        assert re.search(r"blocksize: +512\b", told)


def _need_checker() -> None:
    if shutil.which("fsck.erofs") is None:
        pytest.skip("fsck.erofs is not installed")
    told = subprocess.run(["fsck.erofs", "-V"], capture_output=True, text=True, check=False)
    found = re.search(r"(\d+)\.(\d+)", told.stdout + told.stderr)
    if found is None or tuple(map(int, found.groups())) < (1, 6):
        pytest.skip("this fsck.erofs knows no blocks of 512 bytes (before 1.6)")


def imported(images: ErofsSnapshotter, store: Store, raw: bytes) -> ChainID:
    """The chain of an archive that was imported."""
    with store.lease("import"):
        layer = import_tar(
            store,
            io.BytesIO(raw),
            platform=Platform("linux", "amd64"),
            config=RunConfig(),
            created="1970-01-01T00:00:00Z",
            comment="",
            snapshotter=images,
        ).layer
    assert [entry.path for entry in layer.entries] == [
        entry.path for entry in read_index(io.BytesIO(raw))
    ]
    return ChainID(layer.diff_id)


def test_an_imported_archive_is_drawn(images: ErofsSnapshotter, tmp_path: Path) -> None:
    store = Store.open(tmp_path / "store")
    raw = Tar().add("file", data=b"content").bytes()
    chain = imported(images, store, raw)
    _, data = files(images, chain)
    assert os.path.samefile(store.blobs.path(Digest.of(raw)), data)
    with reading(images, chain) as root:
        assert (root / "file").read_bytes() == b"content"
    assert images.drafts() == []


def test_an_imported_archive_that_leans_is_extracted(
    images: ErofsSnapshotter, tmp_path: Path
) -> None:
    raw = Tar().add("file", data=b"first").add("file", data=b"second").add("last").bytes()
    chain = imported(images, Store.open(tmp_path / "store"), raw)
    with reading(images, chain) as root:
        assert (root / "file").read_bytes() == b"second"
    assert images.forms().extracted == 1
    assert images.drafts() == []


def test_nothing_of_an_empty_archive_stays(images: ErofsSnapshotter, tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="is empty"):
        imported(images, Store.open(tmp_path / "store"), Tar().bytes())
    assert images.drafts() == [] and images.chains() == []
