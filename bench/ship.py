"""How fast images travel: pull with unpacking, and push, beside podman, skopeo and umoci.

    python -m bench ship [--runs N] [--root DIRECTORY]

The registry is our own, on loopback. Two images of one gzipped layer: 44,000 small files, and
1 GiB in eight. Each round every tool pulls into a new store and pushes into a new registry, in
turn (A B A B ...). skopeo does not unpack, so it is measured alone, and with umoci after it.
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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from bench.docker import daemon
from bench.serve import Server, lamina
from bench.workloads import large_files, layout, node_modules

Action = Callable[[Path, str], float]  # where to work, the image's name -> seconds

LAMINA = shutil.which("lamina", path=os.path.dirname(sys.executable)) or "lamina"


def _timed(*commands: list[str]) -> float:
    begun = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")
    return time.perf_counter() - begun


def _podman(place: Path) -> list[str]:
    command = ["podman", "--root", f"{place}/root", "--runroot", f"{place}/run"]
    return [*command, "--storage-driver", "overlay", "--events-backend", "file"]


def _pulls(docker: list[str] | None) -> dict[str, Action]:
    """What each tool types to have an image unpacked in an empty place."""

    def skopeo(place: Path, name: str) -> list[str]:
        source = f"docker://{name}"
        return ["skopeo", "copy", "--src-tls-verify=false", source, f"oci:{place}/oci:latest"]

    unpack = ["umoci", "raw", "unpack", "--image"]
    found: dict[str, tuple[str, Action]] = {
        "lamina": (LAMINA, lambda at, of: _timed([LAMINA, "--root", f"{at}/l", "pull", "-q", of])),
        "podman": (
            "podman",
            lambda at, of: _timed([*_podman(at), "pull", "-q", "--tls-verify=false", of]),
        ),
        "skopeo, no unpacking": ("skopeo", lambda at, of: _timed(skopeo(at, of))),
        "skopeo and umoci": (
            "umoci",
            lambda at, of: _timed(skopeo(at, of), [*unpack, f"{at}/oci:latest", f"{at}/tree"]),
        ),
    }
    if docker is not None:
        words = docker

        def pull(place: Path, name: str) -> float:
            subprocess.run([*words, "image", "rm", "-f", name], capture_output=True, check=False)
            return _timed([*words, "pull", "-q", name])

        found["docker"] = (words[0], pull)
    return {name: act for name, (binary, act) in found.items() if shutil.which(binary)}


def _pushes(stores: Path, source: str, oci: Path, docker: list[str] | None) -> dict[str, Action]:
    """What each tool types to push the image that its store has; stores are filled here."""
    found: dict[str, Action] = {}
    store = [LAMINA, "--root", f"{stores}/lamina"]
    _timed([*store, "pull", "-q", source])

    def ours(place: Path, name: str) -> float:
        _timed([*store, "tag", source, name])
        return _timed([*store, "push", "-q", name])

    found["lamina"] = ours
    if shutil.which("podman"):
        command = _podman(stores / "podman")
        _timed([*command, "pull", "-q", "--tls-verify=false", source])
        found["podman"] = lambda at, of: _timed(
            [*command, "push", "-q", "--tls-verify=false", source, of]
        )
    if docker is not None:
        words = docker

        def theirs(place: Path, name: str) -> float:
            _timed([*words, "tag", source, name])
            return _timed([*words, "push", "-q", name])

        found["docker"] = theirs
    if shutil.which("skopeo"):
        copy = ["skopeo", "copy", "--dest-tls-verify=false", f"oci:{oci}:latest"]
        found["skopeo, of a layout"] = lambda at, of: _timed([*copy, f"docker://{of}"])
    return found


@contextmanager
def _place(root: Path) -> Iterator[Path]:
    path = Path(tempfile.mkdtemp(prefix="lamina-bench-", dir=root))
    try:
        yield path
    finally:
        # podman leaves its store mounted on itself.
        subprocess.run(["umount", f"{path}/root/overlay"], check=False, capture_output=True)
        shutil.rmtree(path)


def _table(title: str, found: dict[str, list[float]]) -> None:
    ours = statistics.median(found["lamina"])
    for name, values in found.items():
        middle = statistics.median(values)
        spread = f"{min(values):.2f}..{max(values):.2f}"
        print(f"{title:28} {name:22} {middle:7.2f} s {spread:>14} {middle / ours:7.2f}", flush=True)


def _measure(
    title: str, runs: int, root: Path, server: Server, oci: Path, docker: list[str] | None
) -> None:
    name = f"127.0.0.1:{server.port}/{title.split()[0]}/image:latest"
    subprocess.run(
        [
            "skopeo",
            "copy",
            "-q",
            "--dest-tls-verify=false",
            f"oci:{oci}:latest",
            f"docker://{name}",
        ],
        check=True,
    )
    pulls = _pulls(docker)
    found: dict[str, list[float]] = {tool: [] for tool in pulls}
    for _ in range(runs):
        for tool, pull in pulls.items():
            with _place(root) as place:
                found[tool].append(pull(place, name))
    _table(f"pull {title}", found)
    with _place(root) as stores:
        pushes = _pushes(stores, name, oci, docker)
        found = {tool: [] for tool in pushes}
        for _ in range(runs):
            for tool, push in pushes.items():
                with _place(root) as place, lamina(place) as fresh:
                    found[tool].append(push(place, f"127.0.0.1:{fresh.port}/pushed:latest"))
        subprocess.run(
            ["umount", f"{stores}/podman/root/overlay"], check=False, capture_output=True
        )
    _table(f"push {title}", found)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=5, help="of each tool")
    parser.add_argument("--root", type=Path, default=Path("/dev/shm"), help="where to work")
    asked = parser.parse_args()
    if not shutil.which("skopeo") or os.geteuid() != 0:
        print("this needs root and skopeo", file=sys.stderr)
        return 1
    with _place(asked.root) as place, lamina(place) as server, ExitStack() as stack:
        docker: list[str] | None = None
        try:
            docker = stack.enter_context(daemon(place))
        except OSError as error:
            print(f"# docker is left out: {error}")
        for title, make in (("small files", node_modules), ("large files", large_files)):
            scratch = place / title.split()[0]
            scratch.mkdir()
            tar, blob = scratch / "layer.tar", scratch / "layer.tar.gz"
            with tar.open("wb") as out:
                make(out)
            plain = tar.read_bytes()
            tar.unlink()
            blob.write_bytes(gzip.compress(plain, 6, mtime=0))
            oci = layout(scratch, blob, plain)
            del plain
            _measure(title, asked.runs, asked.root, server, oci, docker)
    print(f"# medians of {asked.runs}; in {asked.root}; load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
