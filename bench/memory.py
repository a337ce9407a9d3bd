"""The most memory that a layer of ten gigabytes takes: built, pushed, served and pulled.

    python -m bench memory [--size GIB] [--root DIRECTORY]

The layer is one file of text that deflates to a third; four times its size is needed on the disk.
What is counted is the largest resident set of each process, as the kernel reports it at its end.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from bench.carriers import LAMINA, place
from bench.serve import lamina
from bench.spent import spent
from bench.workloads import text

STEP = 64 << 20


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", type=int, default=10, metavar="GIB", help="of the layer")
    parser.add_argument("--root", type=Path, default=Path("/var/tmp"), help="where to work")
    asked = parser.parse_args()
    if os.geteuid() != 0:
        print("this needs root", file=sys.stderr)
        return 1
    block = text(STEP)
    with place(asked.root) as at, lamina(at) as server:
        (at / "context").mkdir()
        with (at / "context/large").open("wb") as file:
            for _ in range((asked.size << 30) // STEP):
                file.write(block)
        (at / "context/Dockerfile").write_text("FROM scratch\nCOPY large /\n")
        name = f"127.0.0.1:{server.port}/large:latest"
        here, there = ("--root", f"{at}/here"), ("--root", f"{at}/there")
        answers = {"build": spent([LAMINA, *here, "build", "-q", "-t", name, f"{at}/context"])}
        os.unlink(at / "context/large")
        answers["push"] = spent([LAMINA, *here, "push", "-q", name])
        answers["prune"] = spent([LAMINA, *here, "system", "prune", "-af"])
        answers["pull"] = spent([LAMINA, *there, "pull", "-q", name])
        for verb, cost in answers.items():
            print(f"{verb:8} {cost.memory:7.0f} MiB {cost.seconds:8.1f} s")
        peak = Path(f"/proc/{server.pid}/status").read_text().partition("VmHWM:")[2].split()[0]
        print(f"{'serve':8} {int(peak) / 1024:7.0f} MiB")
    print(f"# a layer of {asked.size} GiB, in {asked.root}; load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
