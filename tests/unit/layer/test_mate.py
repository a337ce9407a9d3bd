"""Layers of many files, made by two processes: whole, in order, whatever becomes of the second."""

from __future__ import annotations

import io
import os
import random
import select
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from lamina.layer.apply import apply
from lamina.layer.tar import DIR, FILE, HARDLINK, SYMLINK, Entry, TarWriter

needs_two = pytest.mark.skipif(len(os.sched_getaffinity(0)) < 2, reason="one processor: no mate")
COUNT = 3000


def contents() -> dict[str, bytes]:
    """Files of all sizes, larger ones than a buffer among them, and many that are empty."""
    random_ = random.Random(3)
    noise = random_.randbytes(1 << 16)
    sizes = [0, 1, 511, 512, 5000, 70_000, 700_000]
    found = {}
    for serial in range(COUNT):
        size = random_.choices(sizes, [9, 9, 9, 9, 60, 3, 0.1])[0]
        found[f"d{serial % 200}/file-{serial}"] = (noise * (size // len(noise) + 1))[:size]
    return found


def layer(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    writer = TarWriter(out.write)
    for serial in range(200):
        writer.add(Entry(f"d{serial}", DIR, 0o750, mtime=10**9), b"")
    for serial, (path, data) in enumerate(files.items()):
        writer.add(
            Entry(path, FILE, 0o640 + serial % 8, size=len(data), mtime=serial * 10**9), data
        )
        if serial % 100 == 0:
            writer.add(Entry(f"{path}.hard", HARDLINK, 0o600, mtime=5 * 10**9, link=path), b"")
            writer.add(Entry(f"{path}.soft", SYMLINK, link=path), b"")
    writer.close()
    return out.getvalue()


def mates() -> list[int]:
    """The processes that this one has started."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


class Slow(io.BytesIO):
    """A layer that does something at every read."""

    def __init__(self, data: bytes, act: object) -> None:
        super().__init__(data)
        self._act = act

    def read(self, size: int | None = -1, /) -> bytes:
        self._act()  # type: ignore[operator]
        return super().read(size)


def lay(root: Path, stream: io.BytesIO) -> None:
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
    try:
        apply(stream, fd, many=100)
    finally:
        os.close(fd)


def check(root: Path, files: dict[str, bytes]) -> None:
    for serial, (path, data) in enumerate(files.items()):
        assert (root / path).read_bytes() == data
        found = (root / path).stat()
        wanted = (0o600, 5) if serial % 100 == 0 else (0o640 + serial % 8, serial)
        assert (found.st_mode & 0o7777, found.st_mtime) == wanted
    assert (root / "d7").stat().st_mtime == 1


def test_many_files_come_out_whole(tmp_path: Path) -> None:
    files = contents()
    before = mates()
    lay(tmp_path, io.BytesIO(layer(files)))
    check(tmp_path, files)
    assert mates() == before


def test_a_layer_over_the_same_files_replaces_them(tmp_path: Path) -> None:
    files = contents()
    lay(tmp_path, io.BytesIO(layer(dict.fromkeys(files, b"old"))))
    (tmp_path / "d3/file-3").unlink()
    (tmp_path / "d3/file-3").mkdir()
    (tmp_path / "d4/file-4").unlink()
    (tmp_path / "d4/file-4").symlink_to("/etc/passwd")
    lay(tmp_path, io.BytesIO(layer(files)))
    check(tmp_path, files)


@needs_two
def test_what_a_killed_mate_had_is_made_all_the_same(tmp_path: Path) -> None:
    files = contents()
    killed: list[int] = []

    def kill() -> None:
        for pid in mates() if not killed else ():
            killed.append(pid)
            os.kill(pid, signal.SIGKILL)

    lay(tmp_path, Slow(layer(files), kill))
    assert killed
    check(tmp_path, files)


@needs_two
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT])
def test_no_mate_outlives_its_process(tmp_path: Path, number: signal.Signals) -> None:
    script = (
        "import os, sys; from tests.unit.layer.test_mate import *\n"
        "def act():\n"
        "    if mates():\n"
        "        print(*mates(), flush=True)\n"
        f"        os.kill(os.getpid(), {int(number)})\n"
        f"lay(Path({str(tmp_path)!r}), Slow(layer(contents()), act))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=Path(__file__).parents[3],
        env={**os.environ, "PYTHONPATH": "src:."},
        capture_output=True,
        text=True,
    )
    assert done.returncode != 0
    pid = int(done.stdout.split()[0])
    try:
        ended = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    try:
        assert select.select([ended], [], [], 20)[0]
    finally:
        os.close(ended)
