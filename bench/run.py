"""What it costs to run `true` in a container, beside podman, docker and crun.

    python -m bench run [--runs N] [--root DIRECTORY]

Every tool runs once in turn (A B C A B C ...), so that what else the machine does falls on all of
them alike; the medians are printed, with their ratio to ours. Everything is counted, from the
start of the command to its end: for Lamina and podman that is making the container and removing
it, for crun only a bundle that was made before. The image is a busybox of 400 files; no network.
Memory is that of a tool's largest process, which of docker is the client.

Tools that are missing, or that cannot run here, are left out and named.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.docker import daemon
from bench.spent import Cost, spent

BUSYBOX = Path(__file__).parents[1] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"
UNIFIED = "/sys/fs/cgroup/unified"


@contextmanager
def lamina(place: Path) -> Iterator[dict[str, list[str]]]:
    command = [sys.executable, "-m", "lamina", "--root", str(place / "lamina")]
    script = shutil.which("lamina", path=os.path.dirname(sys.executable))
    if script:
        command[:3] = [script]
    _quiet([*command, "import", str(BUSYBOX), "box"])
    run = [*command, "run", "--rm", "--network", "none"]
    _quiet([*command, "run", "-d", "--name", "warm", "--network", "none", "box", "sleep", "999"])
    yield {
        "lamina run": [*run, "box", "true"],
        "lamina run --runtime crun": [*run, "--runtime", "crun", "box", "true"],
        "lamina exec": [*command, "exec", "warm", "true"],
    }
    _quiet([*command, "rm", "-f", "warm"])


@contextmanager
def podman(place: Path) -> Iterator[dict[str, list[str]]]:
    root = place / "podman"
    command = ["podman", "--root", f"{root}/root", "--runroot", f"{root}/run"]
    command += ["--events-backend", "file", "--storage-driver", "overlay"]
    with gzip.open(BUSYBOX) as plain:
        subprocess.run(
            [*command, "import", "-", "box"], input=plain.read(), check=True, capture_output=True
        )
    # Its defaults ask for more than root may have on small machines.
    limits = ["--ulimit", "nofile=1024:1024", "--ulimit", "nproc=1024:1024"]
    try:
        yield {
            "podman run": hiding(
                [*command, "run", "--rm", "--network", "none", *limits, "box", "true"]
            )
        }
    finally:
        subprocess.run(["umount", f"{root}/root/overlay"], check=False, capture_output=True)


@contextmanager
def docker(place: Path) -> Iterator[dict[str, list[str]]]:
    with daemon(place) as words, gzip.open(BUSYBOX) as plain:
        subprocess.run(
            [*words, "import", "-", "box"], input=plain.read(), check=True, capture_output=True
        )
        yield {"docker run": [*words, "run", "--rm", "--network", "none", "box", "true"]}


@contextmanager
def crun(place: Path) -> Iterator[dict[str, list[str]]]:
    bundle = place / "bundle"
    (bundle / "rootfs").mkdir(parents=True)
    _quiet(["tar", "xzf", str(BUSYBOX), "-C", f"{bundle}/rootfs"])
    _quiet(["crun", "spec", "-b", str(bundle)])
    config = json.loads((bundle / "config.json").read_text())
    config["process"] |= {"args": ["true"], "terminal": False, "rlimits": []}
    (bundle / "config.json").write_text(json.dumps(config))
    command = ["crun", "--root", f"{place}/crun", "run", "-b", str(bundle), "bench"]
    yield {"crun on a bundle": hiding(command)}


@contextmanager
def bare(place: Path) -> Iterator[dict[str, list[str]]]:
    python = sys.executable
    yield {"python -I -c pass": [python, "-I", "-c", "pass"]}


def hiding(command: list[str]) -> list[str]:
    """crun refuses a cgroup2 beside version 1 groups unless it is out of its sight."""
    if not os.path.exists(f"{UNIFIED}/cgroup.controllers"):
        return command
    return ["unshare", "-m", "sh", "-c", f'umount -l {UNIFIED}; exec "$@"', "sh", *command]


def _quiet(command: list[str]) -> None:
    subprocess.run(command, check=True, capture_output=True)


def measure(runs: int, place: Path) -> dict[str, list[Cost]]:
    """What each run took of each tool that works here."""
    with ExitStack() as stack:
        commands: dict[str, list[str]] = {}
        for tool in (lamina, podman, docker, crun, bare):
            try:
                found = stack.enter_context(tool(place))
                for name, command in found.items():
                    _quiet(command)
                    commands[name] = command
            except (OSError, subprocess.CalledProcessError) as error:
                detail = getattr(error, "stderr", None) or str(error).encode()
                said = detail.decode(errors="replace").strip().splitlines()
                print(f"# {tool.__name__} is left out: {said[-1] if said else error}")
        taken: dict[str, list[Cost]] = {name: [] for name in commands}
        for _ in range(runs):
            for name, command in commands.items():
                taken[name].append(spent(command))
    return taken


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="of each tool")
    parser.add_argument("--root", type=Path, default=Path("/dev/shm"), help="where to work")
    asked = parser.parse_args()
    if not BUSYBOX.exists() or os.geteuid() != 0:
        print("this needs root, and ../shared/images", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(dir=asked.root) as place:
        taken = measure(asked.runs, Path(place))
    ours = statistics.median(cost.seconds for cost in taken["lamina run"])
    heads = f"{'median ms':>10} {'least':>7} {'most':>7} {'to ours':>8} {'MiB':>5}"
    print(f"{'true in a container, no network':34} {heads}")
    for name, costs in taken.items():
        times = [cost.seconds * 1000 for cost in costs]
        middle, memory = statistics.median(times), max(cost.memory for cost in costs)
        print(
            f"{name:34} {middle:10.1f} {min(times):7.1f} {max(times):7.1f}"
            f" {middle / ours / 1000:8.2f} {memory:5.0f}"
        )
    print(f"# {asked.runs} runs of each in turn, in {asked.root}; load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
