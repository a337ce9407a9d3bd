"""How soon a layer can be run from, pointed into or extracted, and how fast its files are read.

    python -m bench erofs [--runs N] [--entries N] [DIRECTORY ...]

A layer of many small files and one of few large ones, each plain and as gzip, become snapshots by
the EROFS and by the overlay snapshotter in turn (A B A B ...), in each DIRECTORY: if none is
given, /dev/shm and a new journaled ext4 in a file. Ready is when the tree is mounted and its root
listed; both take the same digests and keep the same index. Then every file is read through that
mount twice. Seconds of the wall clock, and of the processors in brackets, are medians.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path

from bench.carriers import ext4
from bench.workloads import large_files, node_modules

TAKE = """
import gc, os, sys, time
from pathlib import Path
from lamina.fs import mounts
from lamina.layer.apply import apply
from lamina.oci.digest import ChainID, Digest
from lamina.snapshot import ErofsSnapshotter, OverlaySnapshotter, erofs_fault, unpack
from lamina.snapshot.drawing import draw

kind, blob, place = sys.argv[1:]
chain = ChainID(Digest.of(b"chain"))

def lap():
    global wall, cpu
    begun, used = wall, cpu
    wall, cpu = time.perf_counter(), time.process_time()
    print(wall - begun, cpu - used)

def read(root):
    for directory, _, files in os.walk(f"/proc/self/fd/{root}"):
        for name in files:
            try:
                fd = os.open(f"{directory}/{name}", os.O_RDONLY | os.O_NOFOLLOW)
            except OSError:
                continue
            while os.read(fd, 1 << 20):
                pass
            os.close(fd)

gc.collect()
wall, cpu = time.perf_counter(), time.process_time()
with open(blob, "rb") as stream:
    if kind == "erofs":
        by_loop = erofs_fault(Path(place).parent) is not None  # tmpfs is not mounted from
        shelf = ErofsSnapshotter(Path(place), by_loop=by_loop)
        assert draw(shelf, stream).land(chain, None, blob=Path(blob))
    else:
        shelf = OverlaySnapshotter(Path(place))
        unpack(shelf, chain, None, lambda root: apply(stream, root))
with mounts.opened(shelf.view(chain)) as root:
    os.listdir(f"/proc/self/fd/{root}")
    lap()
    read(root)
    lap()
    read(root)
    lap()
"""
LAPS = ("ready", "read once", "read again")
KINDS = ("erofs", "overlay")


def _round(blob: Path, where: Path) -> dict[str, list[tuple[float, float]]]:
    found = {}
    for kind in KINDS:
        place = tempfile.mkdtemp(prefix="lamina-bench-", dir=where)
        try:
            # On the same file system, as the store has it.
            kept = shutil.copy(blob, f"{place}/blob")
            told = subprocess.run(
                [sys.executable, "-c", TAKE, kind, kept, f"{place}/shelf"],
                check=True,
                capture_output=True,
                text=True,
            ).stdout
            found[kind] = [
                (float(wall), float(cpu)) for wall, cpu in map(str.split, told.splitlines())
            ]
        finally:
            shutil.rmtree(place)
            os.sync()
    return found


def _report(title: str, rounds: list[dict[str, list[tuple[float, float]]]]) -> None:
    print(title, flush=True)
    for at, lap in enumerate(LAPS):
        shown = []
        for kind in KINDS:
            wall, cpu = (
                statistics.median(one[kind][at][part] for one in rounds) for part in (0, 1)
            )
            shown.append(f"{kind} {wall:6.3f} s ({cpu:6.3f})")
        print(f"  {lap:10} {'   '.join(shown)}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--entries", type=int, default=44_000)
    parser.add_argument("where", nargs="*", type=Path)
    options = parser.parse_args()
    if os.geteuid() != 0:
        print("needs root, to mount")
        return
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="lamina-bench-")))
        small, large = scratch / "small.tar", scratch / "large.tar"
        with small.open("wb") as out:
            count = node_modules(out, entries=options.entries)
        with large.open("wb") as out:
            large_files(out)
        places = options.where
        if not places:
            places = [Path("/dev/shm")]
            if shutil.which("mkfs.ext4"):
                places.append(stack.enter_context(ext4(scratch)))
        print(f"{count} entries in the first layer")
        for tar in (small, large):
            subprocess.run(["gzip", "-1", "-k", tar], check=True)
            for blob in (tar, tar.with_suffix(".tar.gz")):
                for where in places:
                    kind = subprocess.run(
                        ["stat", "-f", "-c", "%T", where],
                        capture_output=True,
                        text=True,
                        check=True,
                    ).stdout.strip()
                    title = f"{blob.name}, {blob.stat().st_size >> 20} MiB, on {kind}"
                    _report(title, [_round(blob, where) for _ in range(options.runs)])


if __name__ == "__main__":
    main()
