"""A build of eight instructions in two stages: from nothing, fully cached, last COPY changed.

Lamina beside docker, buildah and podman where they are installed, each with its own cache, in turn
(A B A B) after a warm-up; whole processes, wall time, medians, and the memory of the largest
process, which of docker is the client. Then a context of 50,000 files, none of which has changed;
`lamina --version` and `lamina images` beside a bare interpreter; last, on an ext4 in memory that
is synced before each, what takes more than its start: four commands that each make a layer of
60 MB in 6,000 files, and COPY of 20,000 files and of one of 512 MiB.
"""

from __future__ import annotations

import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path

from bench import carriers
from bench.carriers import scene
from bench.docker import daemon
from bench.spent import Cost, spent
from bench.workloads import context as large_context
from bench.workloads import node_modules

ROOTFS = Path(__file__).parents[2] / "shared/images/alpine-minirootfs-3.20.3-x86_64.tar.gz"
RUNS = 5
SLOW = ("buildah", "podman")  # they take a minute for each build of the large context
DOCKERFILE = """FROM localhost/bench:base AS made
COPY first /first
RUN cat /first > /second
FROM localhost/bench:base
COPY --from=made /second /second
RUN echo built > made
COPY last /last
CMD ["cat", "/last"]
"""
COMMANDS = """FROM localhost/bench:base
COPY made.tar /
RUN mkdir /a && tar xf /made.tar -C /a
RUN mkdir /b && tar xf /made.tar -C /b
RUN mkdir /c && tar xf /made.tar -C /c
RUN mkdir /d && tar xf /made.tar -C /d
"""
LAMINA = (shutil.which("lamina", path=os.path.dirname(sys.executable)) or "lamina",)


def timed(command: Sequence[str]) -> Cost | None:
    """What one run took; None if it fails."""
    try:
        return spent(command)
    except RuntimeError:
        return None


Builder = Callable[[Path, bool], list[str]]
"""The command line that builds a context; True is without the cache."""


def builders(place: Path, stack: ExitStack) -> dict[str, Builder]:
    """By name, how to build with everything that is kept below `place`."""
    lamina = [*LAMINA, "--root", str(place / "lamina")]
    storage = ["--root", str(place / "root"), "--runroot", str(place / "run")]
    subprocess.run([*lamina, "import", str(ROOTFS), "localhost/bench:base"], check=True)
    found = {
        "lamina": lambda context, fresh: [
            *lamina, "build", "-q", *_flags(fresh), "-t", "bench:one", str(context)
        ]
    }  # fmt: skip
    try:
        docker = stack.enter_context(daemon(place))
    except OSError as error:
        print(f"# docker is left out: {error}")
    else:
        importing = [*docker, "import", str(ROOTFS), "localhost/bench:base"]
        subprocess.run(importing, check=True, capture_output=True)
        # Its daemon has no bridge here; the host's network is what the others use too.
        building = [*docker, "build", "-q", "--network=host"]
        found["docker, BuildKit"] = lambda context, fresh: [
            *building,
            *_flags(fresh),
            "-t",
            "bench:one",
            str(context),
        ]
    for name in ("buildah", "podman"):
        program = shutil.which(name)
        if program is None or shutil.which("podman") is None:
            continue
        base = [str(program), *storage, "--storage-driver", "overlay"]
        importing = ["podman", *base[1:], "import", "-q", str(ROOTFS), "localhost/bench:base"]
        subprocess.run(importing, check=False, capture_output=True)
        found[name] = lambda context, fresh, base=base: [
            *base, "build", "-q", "--isolation", "chroot", "--layers",
            *_flags(fresh), "-t", "bench:one", str(context),
        ]  # fmt: skip
    return found


def _flags(fresh: bool) -> list[str]:
    return ["--no-cache"] if fresh else []


def main() -> None:
    """Print the table."""
    if os.geteuid() != 0 or not ROOTFS.exists():
        print(f"skipped: needs root, and {ROOTFS}")
        return
    with tempfile.TemporaryDirectory(prefix="lamina-bench-") as directory, ExitStack() as stack:
        place = Path(directory)
        context = place / "small"
        context.mkdir()
        (context / "Dockerfile").write_text(DOCKERFILE)
        (context / "first").write_text("first\n")
        (context / "last").write_text("last\n")
        commands = builders(place, stack)
        for title, fresh, change in (
            ("uncached", True, False),
            ("fully cached", False, False),
            ("last COPY changed", False, True),
        ):
            report(title, measure(commands, context, fresh=fresh, change=change))
        large = large_context(place)
        quick = {name: command for name, command in commands.items() if name not in SLOW}
        report("unchanged context of 50,000 files", measure(quick, large))
        images = [*LAMINA, "--root", str(place / "lamina"), "images"]
        bare = [sys.executable, "-I", "-c", "pass"]
        for name, command in (
            ("lamina --version", [*LAMINA, "--version"]),
            ("lamina images", images),
        ):
            pair = measure_pair(command, bare)
            report("start-up", dict(zip((name, "python -I -c pass"), pair, strict=True)))
    for title, context in (
        ("uncached, four large layers", _commands),
        ("uncached, COPY of 20,000 files", _many),
        ("uncached, COPY of 512 MiB", _one),
    ):
        with scene(None) as root, carriers.place(root) as place, ExitStack() as stack:
            commands = builders(place, stack)
            made = context(place / "context")
            report(title, measure(commands, made, fresh=True, settle=True))


def _commands(context: Path) -> Path:
    context.mkdir()
    (context / "Dockerfile").write_text(COMMANDS)
    with (context / "made.tar").open("wb") as out:
        node_modules(out, entries=6_000, size=60_000_000)
    return context


def _many(context: Path) -> Path:
    (context / "files").mkdir(parents=True)
    (context / "Dockerfile").write_text("FROM localhost/bench:base\nCOPY files /files\n")
    packed = context.parent / "packed.tar"
    with packed.open("wb") as out:
        node_modules(out, entries=20_000, size=100_000_000)
    subprocess.run(["tar", "xf", packed, "-C", context / "files"], check=True)
    packed.unlink()
    return context


def _one(context: Path) -> Path:
    context.mkdir()
    (context / "Dockerfile").write_text("FROM localhost/bench:base\nCOPY large /large\n")
    with (context / "large").open("wb") as out:
        for _ in range(512):
            out.write(os.urandom(1 << 20))
    return context


def measure(
    commands: dict[str, Builder],
    context: Path,
    *,
    fresh: bool = False,
    change: bool = False,
    settle: bool = False,
) -> dict[str, list[Cost]]:
    """What each run took, by builder, in turn; the first round warms up.

    `settle`: the disk has nothing left to do from the run before.
    """
    costs: dict[str, list[Cost]] = {name: [] for name in commands}
    for number in range(RUNS + 1):
        for name, command in commands.items():
            if change:
                (context / "last").write_text(f"{name} {number}\n")
            if settle:
                os.sync()
            cost = timed(command(context, fresh))
            if number and cost is not None:
                costs[name].append(cost)
    return costs


def measure_pair(one: list[str], other: list[str]) -> tuple[list[Cost], list[Cost]]:
    """What two commands took, in turn."""
    pairs = [(spent(one), spent(other)) for _ in range(RUNS + 1)][1:]
    return [pair[0] for pair in pairs], [pair[1] for pair in pairs]


def report(title: str, costs: dict[str, list[Cost]]) -> None:
    """A line a tool: median, spread, the ratio to the first, and the most memory."""
    print(f"{title}:")
    first: float | None = None
    for name, found in costs.items():
        values = [cost.seconds for cost in found]
        if not values:
            print(f"  {name:<18} failed here")
            continue
        median = statistics.median(values)
        first = first or median
        print(
            f"  {name:<18} {median * 1000:7.0f} ms"
            f"  ({min(values) * 1000:.0f} to {max(values) * 1000:.0f})  x{median / first:.2f}"
            f"  {max(cost.memory for cost in found):.0f} MiB"
        )


if __name__ == "__main__":
    main()
