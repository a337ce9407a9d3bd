"""How fast a layer of many small files is unpacked, beside GNU tar and umoci.

    python -m bench unpack [--runs N] [--entries N] [DIRECTORY ...]

Each round unpacks the same tar.gz with every tool in turn (A B C A B C ...), into a new directory
in each DIRECTORY given (/dev/shm, and the working directory's file system, if none is), and the
medians are printed with the ratio to ours. Ours also takes two digests of the whole, and
keeps an index; tar and umoci do not. Packing is measured beside `tar | sha256sum`.
"""

from __future__ import annotations

import argparse
import gzip
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from bench.workloads import layout, node_modules

OURS = """
import os, sys, time
from lamina.layer.apply import apply
fd = os.open(sys.argv[2], os.O_RDONLY | os.O_DIRECTORY)
begun = time.perf_counter()
with open(sys.argv[1], "rb") as stream:
    apply(stream, fd)
seconds = time.perf_counter() - begun
# Not ru_maxrss, which begins with what the parent had when it forked.
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print(seconds, status["VmHWM"].split()[0])
"""
PACK = """
import sys, time
from pathlib import Path
from lamina.layer.changes import tree_changes
from lamina.layer.diff import pack
begun = time.perf_counter()
with open("/dev/null", "wb") as out:
    pack(tree_changes(None, Path(sys.argv[1])), out)
print(time.perf_counter() - begun, 0)
"""


def _timed(command: list[str]) -> float:
    begun = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - begun


def _ours(script: str, *arguments: str) -> tuple[float, int]:
    """Seconds without the interpreter's start, and KiB of memory at most."""
    command = [sys.executable, "-c", script, *arguments]
    seconds, memory = subprocess.run(
        command, check=True, capture_output=True, text=True
    ).stdout.split()
    return float(seconds), int(memory)


def _round(tools: dict[str, Callable[[str], float]], where: Path) -> dict[str, float]:
    seconds = {}
    for name, tool in tools.items():
        place = tempfile.mkdtemp(prefix="lamina-bench-", dir=where)
        try:
            seconds[name] = tool(place)
        finally:
            shutil.rmtree(place)
    return seconds


def _report(title: str, rounds: list[dict[str, float]]) -> None:
    print(title)
    medians = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    ours = medians["lamina"]
    for name, median in medians.items():
        print(f"  {name:20} {median:7.3f} s   {median / ours:5.2f} x lamina")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--entries", type=int, default=44_000)
    parser.add_argument("where", nargs="*", type=Path, default=[Path("/dev/shm"), Path.cwd()])
    options = parser.parse_args()
    memory = 0

    def unpack(place: str) -> float:
        nonlocal memory
        seconds, used = _ours(OURS, str(blob), place)
        memory = max(memory, used)
        return seconds

    with tempfile.TemporaryDirectory(prefix="lamina-bench-", dir=options.where[0]) as scratch:
        tar, blob = Path(scratch, "layer.tar"), Path(scratch, "layer.tar.gz")
        with tar.open("wb") as out:
            count = node_modules(out, entries=options.entries)
        plain = tar.read_bytes()
        blob.write_bytes(gzip.compress(plain, 6, mtime=0))
        print(f"{count} entries, {len(plain)} bytes, {blob.stat().st_size} compressed")
        tools: dict[str, Callable[[str], float]] = {"lamina": unpack}
        if shutil.which("tar"):
            tools["tar xzf"] = lambda place: _timed(["tar", "xzf", str(blob), "-C", place])
        if shutil.which("umoci"):
            image = layout(Path(scratch), [(blob.read_bytes(), plain)])
            tools["umoci raw unpack"] = lambda place: _timed(
                ["umoci", "raw", "unpack", "--image", f"{image}:latest", f"{place}/root"]
            )
        for where in options.where:
            _report(f"unpack in {where}", [_round(tools, where) for _ in range(options.runs)])
        print(f"  lamina's memory at most: {memory // 1024} MiB")
        tree = Path(scratch, "tree")
        tree.mkdir()
        subprocess.run(["tar", "xf", str(tar), "-C", str(tree)], check=True)
        pipe = f"tar cf - -C {tree} . | sha256sum"
        packers: dict[str, Callable[[str], float]] = {
            "lamina": lambda _: _ours(PACK, str(tree))[0],
            "tar c | sha256sum": lambda _: _timed(["sh", "-c", pipe]),
        }
        _report("pack", [_round(packers, Path(scratch)) for _ in range(options.runs)])


if __name__ == "__main__":
    os.environ.pop("PYTHONPATH", None)
    main()
