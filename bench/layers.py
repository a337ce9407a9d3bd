"""Images of ten layers and of a hundred: pulled, and a program of them run, beside the peers.

    python -m bench layers [--runs N] [--root DIRECTORY]

The lowest layer is a busybox, each other one fifty small files of its own. The registry is our
own, on loopback; every tool pulls into a new store, in turn (A B A B ...). They work in a new ext4
in memory, as a host has it on a disk, or where `--root` says.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

from bench.carriers import place, pulls, scene, starts
from bench.docker import daemon
from bench.run import BUSYBOX
from bench.serve import lamina
from bench.ship import measure
from bench.workloads import layout, small_layer

COUNTS = (10, 100)


def layers(count: int) -> Iterator[tuple[bytes, bytes]]:
    """Each gzipped and plain."""
    box = BUSYBOX.read_bytes()
    yield box, gzip.decompress(box)
    for serial in range(1, count):
        out = io.BytesIO()
        small_layer(out, serial=serial)
        yield gzip.compress(out.getvalue(), 6, mtime=0), out.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each tool")
    parser.add_argument("--root", type=Path, help="where to work")
    asked = parser.parse_args()
    if not shutil.which("skopeo") or os.geteuid() != 0 or not BUSYBOX.exists():
        print(f"this needs root, skopeo, and {BUSYBOX}", file=sys.stderr)
        return 1
    with ExitStack() as stack:
        root = stack.enter_context(scene(asked.root))
        at = stack.enter_context(place(root))
        server = stack.enter_context(lamina(at))
        docker: list[str] | None = None
        try:
            docker = stack.enter_context(daemon(at))
        except OSError as error:
            print(f"# docker is left out: {error}")
        for count in COUNTS:
            name = f"127.0.0.1:{server.port}/layers/{count}:latest"
            (at / str(count)).mkdir()
            made = layout(at / str(count), layers(count))
            copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{made}:latest"]
            subprocess.run([*copy, f"docker://{name}"], check=True)
            for title, tools in (("pull", pulls(docker)), ("pull and run", starts(docker))):
                measure(f"{title}, {count} layers", tools, name, asked.runs, root)
    where = asked.root or "memory"
    print(f"# medians of {asked.runs}; in {where}; load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
