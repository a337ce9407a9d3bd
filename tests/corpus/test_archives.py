"""Layouts whose layers are traps: what the specs promise of them, and the host untouched.

Each is read by `lamina.image`, and its layers laid one onto the other, on a plain tree, on a
stack of overlay mounts, and as images that point into their tars where they can be.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

import pytest

from lamina.errors import Corrupt, Error
from lamina.fs.metadata import data_extents, read_xattrs
from lamina.fs.root import Root
from lamina.layer.apply import MANY, Applied, apply
from lamina.snapshot import erofs_fault

CASES = Path(__file__).parents[2] / "../shared/cases/archives/cases"
CANARY = Path("/tmp/heldout_escape_canary")
NAMES = sorted(path.name for path in CASES.iterdir()) if CASES.exists() else []
MEMORY = 150 << 20  # bytes that this process may have grown to, tests and all

pytestmark = [
    pytest.mark.skipif(not NAMES, reason="../shared/cases is not here"),
    pytest.mark.skipif(os.geteuid() != 0, reason="owners and devices need root"),
]


def _layers(case: Path) -> Iterator[tuple[object, object]]:
    """(layer, opened blob) of the image in the layout `case`, bottom first."""
    from lamina.image import view
    from lamina.image.archive import LayoutFetcher, read_layout
    from lamina.image.members import DirectoryMembers
    from lamina.oci.platform import Platform

    members = DirectoryMembers(str(case))
    fetcher = LayoutFetcher(members)
    descriptor = read_layout(members).manifests[0]
    image = view.load(fetcher, descriptor, platform=Platform("linux", "amd64"))
    for layer in image.layers:
        with fetcher.open(layer.descriptor) as stream:
            yield layer, stream


def _lay(layer: object, stream: object, fd: int, many: int = MANY) -> Applied:
    """Apply one layer, and check what it claims."""
    applied = apply(stream, fd, many=many)
    _check(applied, layer)
    return applied


def _check(applied: Applied, layer: object) -> None:
    descriptor = layer.descriptor
    if (applied.digest, applied.size) != (descriptor.digest, descriptor.size):
        raise Corrupt(f'the blob is "{applied.digest}", {applied.size} bytes')
    if applied.diff_id != layer.diff_id:
        raise Corrupt(f'the layer is "{applied.diff_id}"')


@contextmanager
def _plain(case: Path, place: Path, many: int = MANY) -> Iterator[int]:
    """The merged tree of `case` as one directory of the host."""
    tree = place / "tree"
    tree.mkdir()
    fd = os.open(tree, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for layer, stream in _layers(case):
            _lay(layer, stream, fd, many)
        yield fd
    finally:
        os.close(fd)


@contextmanager
def _overlaid(case: Path, place: Path) -> Iterator[int]:
    """The merged tree of `case` as overlayfs shows it, every layer in a directory of its own."""
    from lamina.fs import mounts

    lower: tuple[Path, ...] = ()
    (place / "bottom").mkdir()
    for serial, (layer, stream) in enumerate(_layers(case)):
        upper, work = place / f"upper-{serial}", place / f"work-{serial}"
        upper.mkdir()
        work.mkdir()
        with mounts.opened(mounts.Overlay(lower or (place / "bottom",), upper, work)) as fd:
            _lay(layer, stream, fd)
        lower = (upper, *lower)
    with mounts.opened(mounts.Overlay((*lower, place / "bottom"), None, None)) as fd:
        yield fd


@contextmanager
def _pointed(case: Path, place: Path) -> Iterator[int]:
    """The merged tree of `case` as the EROFS snapshotter shows it."""
    from lamina.fs import mounts
    from lamina.oci.digest import ChainID
    from lamina.snapshot import ErofsSnapshotter, unpack
    from lamina.snapshot.drawing import draw

    shelf = ErofsSnapshotter(place)
    parent: ChainID | None = None
    for serial, (layer, stream) in enumerate(_layers(case)):
        raw = stream.read()
        (place / f"blob-{serial}").write_bytes(raw)
        drawn = draw(shelf, io.BytesIO(raw))
        _check(drawn.applied, layer)
        chain = layer.chain_id
        if not drawn.land(chain, parent, blob=place / f"blob-{serial}"):
            unpack(shelf, chain, parent, lambda fd, raw=raw: apply(io.BytesIO(raw), fd))
        parent = chain
    with mounts.opened(shelf.view(parent)) as fd:
        yield fd


def _shared(case: Path, place: Path) -> AbstractContextManager[int]:
    """As `_plain`, with a second process for the files from the first one on."""
    return _plain(case, place, many=0)


WAYS = {"plain": _plain, "mate": _shared, "overlay": _overlaid, "erofs": _pointed}


def _look(root: Root, path: str) -> dict[str, object] | None:
    """What is at `path`, in the words of expect.json; None if nothing is."""
    try:
        fd, name = root.resolve(path)
    except (FileNotFoundError, NotADirectoryError):
        return None
    try:
        found = os.stat(name, dir_fd=fd, follow_symlinks=False)
        target = f"/proc/self/fd/{fd}/{name}"
        seen: dict[str, object] = {
            "mode": f"{found.st_mode & 0o7777:04o}",
            "uid": found.st_uid,
            "gid": found.st_gid,
            "xattrs": {key: value.hex() for key, value in read_xattrs(target).items()},
            "mtime": found.st_mtime_ns // 1_000_000_000,
        }
        if stat.S_ISREG(found.st_mode):
            data = Path(target).read_bytes()
            seen |= {
                "type": "file",
                "size": found.st_size,
                "sha256": hashlib.sha256(data).hexdigest(),
                "stored": _stored(target, found),
            }
        elif stat.S_ISDIR(found.st_mode):
            seen["type"] = "dir"
        elif stat.S_ISLNK(found.st_mode):
            seen |= {"type": "symlink", "linkname": os.readlink(name, dir_fd=fd)}
        else:
            seen["type"] = "other"
        return seen
    except FileNotFoundError:
        return None
    finally:
        os.close(fd)


def _stored(path: str, found: os.stat_result) -> int:
    """Bytes of a file that are no holes; EROFS counts holes as blocks, and still knows them."""
    fd = os.open(path, os.O_RDONLY)
    try:
        told = sum(length for _, length in data_extents(fd, found.st_size))
    finally:
        os.close(fd)
    return min(told, found.st_blocks * 512)


def _differences(root: Root, expect: dict) -> list[str]:
    wrong = []
    wanted = [*expect["files"], *expect.get("files_if_present", ())]
    for item in expect.get("files_bytes", ()):
        wanted.append({**item, "path": os.fsdecode(bytes.fromhex(item["path_hex"]))})
    for item in wanted:
        seen = _look(root, item["path"])
        if seen is None:
            wrong.append(f"{item['path']!r} is not there")
            continue
        for key, value in item.items():
            if key not in ("path", "path_hex") and seen.get(key) != value:
                wrong.append(f"{item['path']!r}: {key} is {seen.get(key)!r}, not {value!r}")
    for path in (*expect["absent"], *expect.get("absent_by_spec", ())):
        if _look(root, path) is not None:
            wrong.append(f"{path!r} is there")
    for path, mtime in expect.get("mtimes", {}).items():
        if (_look(root, path) or {}).get("mtime") != mtime:
            wrong.append(f"{path!r} does not have the time {mtime}")
    if expect["files_complete"]:
        known = {item["path"].strip("/").partition("/")[0] for item in wanted}
        fd = root.open("", os.O_RDONLY | os.O_DIRECTORY)
        wrong += [f"{name!r} is there" for name in os.listdir(fd) if name not in known]
        os.close(fd)
    if "sparse_bytes_in_tar" in expect:
        seen = _look(root, "/sparse") or {}
        if seen.get("stored", 0) >= seen.get("size", 0):
            wrong.append("the holes are gone")
    return wrong


def _canary() -> list[tuple[object, ...]]:
    if not CANARY.exists():
        return []
    found = []
    for path in (CANARY, *sorted(CANARY.rglob("*"))):
        status = path.lstat()
        content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
        found.append((str(path), status.st_mode, status.st_uid, status.st_mtime_ns, content))
    return found


def verdict(name: str, way: str) -> str | None:
    """Why `name` does not come out as stated; None if it does."""
    case = CASES / name
    expect = json.loads((case / "expect.json").read_text())
    CANARY.mkdir(exist_ok=True)
    (CANARY / "victim").write_text("alive")
    before = _canary()
    outcome, wrong = "ok", []
    with tempfile.TemporaryDirectory(prefix="lamina-archives-") as place:
        try:
            with WAYS[way](case, Path(place)) as fd:
                wrong = _differences(Root(fd), expect)
        except Error as error:
            outcome = "reject"
            wrong = [] if expect["outcome"] != "ok" else [f"refused: {error}"]
    if _canary() != before:
        return "the host was touched"
    if outcome == "ok" and expect["outcome"] == "reject":
        return "accepted"
    return "; ".join(wrong) or None


@pytest.mark.parametrize("name", NAMES)
def test_layout_comes_out_as_stated(name: str) -> None:
    assert verdict(name, "plain") is None


@pytest.mark.parametrize("name", NAMES)
def test_layout_comes_out_as_stated_by_two_processes(name: str) -> None:
    assert verdict(name, "mate") is None


@pytest.mark.parametrize("name", NAMES)
def test_layout_comes_out_as_stated_on_overlay(name: str) -> None:
    assert verdict(name, "overlay") is None


@pytest.mark.parametrize("name", NAMES)
def test_layout_comes_out_as_stated_on_erofs(name: str, tmp_path: Path) -> None:
    if (fault := erofs_fault(tmp_path)) is not None:
        pytest.skip(f"EROFS does not work here: {fault}")
    assert verdict(name, "erofs") is None


def test_memory_stays_bounded_whatever_a_layer_expands_to() -> None:
    """In a process of its own, for this one may have been large before."""
    bombs = [name for name in NAMES if name.startswith("bomb")]
    script = (
        "import sys; from tests.corpus.test_archives import verdict\n"
        "for way in ('plain', 'mate', 'erofs'):\n"
        "    for name in sys.argv[1:]: verdict(name, way)\n"
        "print(open('/proc/self/status').read())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, *bombs],
        cwd=Path(__file__).parents[2],
        env={**os.environ, "PYTHONPATH": "src:tests:."},
        capture_output=True,
        text=True,
        check=True,
    )
    (peak,) = re.findall(r"VmHWM:\s+(\d+) kB", done.stdout)
    assert int(peak) <= MEMORY >> 10


def score() -> list[tuple[str, int, int, list[str]]]:
    """(kind, passed, total, failing ids) of each kind; empty where the cases are missing."""
    if not NAMES or os.geteuid() != 0:
        return []
    scores = []
    for way in WAYS:
        failing = [name for name in NAMES if verdict(name, way)]
        scores.append((f"archives: {way}", len(NAMES) - len(failing), len(NAMES), failing))
    return scores
