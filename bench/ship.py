"""How fast images travel: pull with unpacking, and push, beside podman, skopeo and umoci.

    python -m bench ship [--runs N] [--root DIRECTORY] [--only WORDS]

The registry is our own, on loopback. Three images of one gzipped layer: 44,000 small files, 1 GiB
in eight, and a Debian base as mmdebstrap makes it. Each round every tool pulls into a new store
and pushes into a new registry, in turn (A B A B ...). skopeo does not unpack, so it is measured
alone, and with umoci after it.

    pull            from nothing to unpacked
    pull and run    the same, and one program of it in a container without a network
    floor           a pull beside a pipeline of C programs that move, hash and write as much
    push            what was pulled, whose compressed layer the tools may have kept
    push built      what was built here by COPY: a layer that nobody has compressed before

They work in a new ext4 in memory, as a host has it on a disk, or where `--root` says.
`--only` asks those whose title has WORDS in it: `--only "pull and run small"`.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import io
import os
import shutil
import statistics
import subprocess
import sys
import tarfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO

from bench.carriers import (
    Action,
    floors,
    place,
    pulls,
    pushes,
    pushes_of_built,
    scene,
    starts,
)
from bench.docker import daemon
from bench.run import BUSYBOX
from bench.serve import Server, lamina
from bench.spent import Cost
from bench.workloads import debian, large_files, layout, node_modules

QUESTIONS = ("pull", "pull and run", "floor", "push", "push built")
SIZES: dict[str, Callable[[BinaryIO], int]] = {
    "small files": node_modules,
    "large files": large_files,
    "debian base": debian,
}


class Image:
    """One image of one layer, which is made when somebody asks about it."""

    def __init__(self, size: str, scratch: Path, server: Server) -> None:
        self.name = f"127.0.0.1:{server.port}/{size.split()[0]}/image:latest"
        self.tar, self.blob = scratch / "layer.tar", scratch / "layer.tar.gz"
        with self.tar.open("wb") as out:
            SIZES[size](out)
        if size != "debian base":
            self._add_program()
        plain = self.tar.read_bytes()
        packed = gzip.compress(plain, 6, mtime=0)
        self.blob.write_bytes(packed)
        digest = hashlib.sha256(packed).hexdigest()
        self.blob.with_suffix(".digest").write_text(f"sha256:{digest}")
        self.oci = layout(scratch, [(packed, plain)])
        copy = ["skopeo", "copy", "-q", "--dest-tls-verify=false", f"oci:{self.oci}:latest"]
        subprocess.run([*copy, f"docker://{self.name}"], check=True)

    def _add_program(self) -> None:
        with tarfile.open(BUSYBOX) as box, tarfile.open(self.tar, "a:") as tar:
            program = box.extractfile("bin/busybox") or io.BytesIO()
            info = tarfile.TarInfo("bin/true")
            data = program.read()
            info.mode, info.size = 0o755, len(data)
            tar.addfile(info, io.BytesIO(data))

    def context(self) -> Path:
        """The layer's tree, to be copied by a build."""
        made = self.tar.parent / "context"
        if not made.exists():
            (made / "tree").mkdir(parents=True)
            subprocess.run(["tar", "xf", self.tar, "-C", made / "tree"], check=True)
            (made / "Dockerfile").write_text("FROM scratch\nCOPY tree /\n")
        return made


class Asked:
    """What to measure, and where."""

    def __init__(self, runs: int, root: Path, docker: list[str] | None) -> None:
        self.runs = runs
        self.root = root
        self.docker = docker

    def answer(self, question: str, size: str, image: Image) -> None:
        """Measure, and print a table."""
        title = f"{question} {size}"
        if question == "pull":
            measure(title, pulls(self.docker), image.name, self.runs, self.root)
        elif question == "pull and run":
            measure(title, starts(self.docker), image.name, self.runs, self.root)
        elif question == "floor":
            tools = floors(image.blob)
            if not tools:
                print(f"# {title} is left out: it needs bash, curl, openssl, igzip and tar")
                return
            tools = {"lamina": pulls(None)["lamina"], **tools}
            measure(title, tools, image.name, self.runs, self.root)
        else:
            with place(self.root) as stores:
                if question == "push":
                    tools = pushes(stores, image.name, image.oci, self.docker)
                else:
                    tools = pushes_of_built(stores, image.context(), self.docker)
                self._measure_pushes(title, tools)

    def _measure_pushes(self, title: str, tools: dict[str, Action]) -> None:
        found: dict[str, list[Cost]] = {tool: [] for tool in tools}
        for _ in range(self.runs):
            for tool, push in tools.items():
                with place(self.root) as at, lamina(at) as fresh:
                    os.sync()
                    found[tool].append(push(at, f"127.0.0.1:{fresh.port}/pushed:latest"))
        _table(title, found)


def measure(title: str, tools: dict[str, Action], name: str, runs: int, root: Path) -> None:
    """Let every tool do what it does with the image `name`, each in a new place; print a table."""
    found: dict[str, list[Cost]] = {tool: [] for tool in tools}
    for _ in range(runs):
        for tool, act in tools.items():
            with place(root) as at:
                os.sync()  # what the one before has left to be written is not for this one to pay
                found[tool].append(act(at, name))
    _table(title, found)


def _table(title: str, found: dict[str, list[Cost]]) -> None:
    ours = statistics.median(cost.seconds for cost in found["lamina"])
    for name, costs in found.items():
        seconds = [cost.seconds for cost in costs]
        middle = statistics.median(seconds)
        spread = f"{min(seconds):.2f}..{max(seconds):.2f}"
        memory = max(cost.memory for cost in costs)
        print(
            f"{title:28} {name:22} {middle:7.2f} s {spread:>14} {middle / ours:7.2f}"
            f" {memory:7.0f} MiB",
            flush=True,
        )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=3, help="of each tool")
    parser.add_argument("--root", type=Path, help="where to work")
    parser.add_argument("--only", default="", help="a part of the titles to ask")
    parser.add_argument("--no-docker", action="store_true", help="leave docker out")
    asked = parser.parse_args()
    if not shutil.which("skopeo") or os.geteuid() != 0 or not BUSYBOX.exists():
        print(f"this needs root, skopeo, and {BUSYBOX}", file=sys.stderr)
        return 1
    titles = [(one, size) for size in SIZES for one in QUESTIONS if asked.only in f"{one} {size}"]
    if not titles:
        print(f'no title has "{asked.only}"', file=sys.stderr)
        return 1
    with ExitStack() as stack:
        root = stack.enter_context(scene(asked.root))
        at = stack.enter_context(place(root))
        server = stack.enter_context(lamina(at))
        docker: list[str] | None = None
        try:
            if not asked.no_docker:
                docker = stack.enter_context(daemon(at))
        except OSError as error:
            print(f"# docker is left out: {error}")
        here = Asked(asked.runs, root, docker)
        images: dict[str, Image] = {}
        for question, size in titles:
            if size not in images:
                scratch = at / size.split()[0]
                scratch.mkdir(exist_ok=True)
                try:
                    images[size] = Image(size, scratch, server)
                except (OSError, subprocess.CalledProcessError) as error:
                    print(f"# {question} {size} is left out: {error}")
                    continue
            here.answer(question, size, images[size])
    print(f"# medians of {asked.runs}; in {asked.root or 'memory'}; load {os.getloadavg()[0]:.1f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
