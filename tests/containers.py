"""A real root file system, and a box to run commands in, for the suites about runtimes."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from lamina.fs.mounts import Bind, Overlay, RootPlan
from lamina.oci.config import RunConfig
from lamina.runtime import command, host
from lamina.runtime.accounts import read_accounts
from lamina.runtime.container import Process, Runtime, Stdio
from lamina.runtime.native import Native
from lamina.runtime.runc import Runc, find_program

IMAGES = Path(__file__).parents[1] / "../shared/images"
ALPINE = IMAGES / f"alpine-minirootfs-3.20.3-{os.uname().machine}.tar.gz"
# Memory, for a suite that makes and removes thousands of files.
PLACE = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None

_numbers = itertools.count()


def runtime(name: str) -> Runtime:
    """A runtime by name; skips where it is not installed, or this user has no right to run."""
    if os.geteuid() != 0 or "CAP_SYS_ADMIN" not in host.look().capabilities:
        pytest.skip("needs root with CAP_SYS_ADMIN")
    if name == "native":
        return Native()
    if find_program(name) is None:
        pytest.skip(f"{name} is not installed")
    return Runc(name)


@contextmanager
def alpine() -> Iterator[Path]:
    """Alpine's tree, to be used as a lower directory."""
    if not ALPINE.exists():
        pytest.skip(f"no {ALPINE.name} in ../shared/images")
    with TemporaryDirectory(dir=PLACE) as directory:
        subprocess.run(["tar", "xzf", ALPINE, "-C", directory], check=True)
        yield Path(directory)


@dataclass(frozen=True)
class Ended:
    """What a command left behind."""

    status: int | None
    out: str
    err: str
    process: Process
    notices: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        return self.out.splitlines()


@dataclass(frozen=True)
class Box:
    """A writable copy of a tree and a runtime to run commands in it."""

    runtime: Runtime
    root: RootPlan
    upper: Path
    config: RunConfig = field(default_factory=RunConfig)

    def plan(self, *args: str, **options: object) -> command.Plan:
        name = f"test-{os.getpid()}-{next(_numbers)}"
        asked = command.Options(args=args, **options)  # type: ignore[arg-type]
        found = host.look(devices=asked.privileged)
        return command.plan(name, self.config, asked, read_accounts(self.root), found)

    def start(self, stdio: Stdio, *args: str, **options: object) -> Process:
        """Start a command; the caller closes."""
        return self.runtime.start(self.plan(*args, **options).bundle, self.root, stdio)

    def run(self, *args: str, stdin: bytes | None = None, **options: object) -> Ended:
        """Run a command to its end, with its output caught."""
        plan = self.plan(*args, **options)
        return self.run_plan(plan, stdin)

    def run_plan(self, plan: command.Plan, stdin: bytes | None = None) -> Ended:
        with TemporaryDirectory(dir=PLACE) as directory:
            paths = [os.path.join(directory, name) for name in ("in", "out", "err")]
            for path in paths:
                Path(path).write_bytes(b"")
            if stdin is not None:
                Path(paths[0]).write_bytes(stdin)
            files = [open(path, "r+b") for path in paths]  # noqa: SIM115
            try:
                streams = (files[0].fileno() if stdin is not None else None,)
                stdio = Stdio(*streams, files[1].fileno(), files[2].fileno())
                with self.runtime.start(plan.bundle, self.root, stdio) as process:
                    status = process.wait()
            finally:
                for file in files:
                    file.close()
            out, err = (Path(p).read_bytes().decode(errors="replace") for p in paths[1:])
        return Ended(status, out, err, process, plan.notices)

    def sh(self, script: str, **options: object) -> Ended:
        return self.run("/bin/sh", "-c", script, **options)

    def on(self, root: RootPlan) -> Box:
        return replace(self, root=root)


@contextmanager
def box(name: str, lower: Path) -> Iterator[Box]:
    """A box over `lower`, gone afterwards."""
    with TemporaryDirectory(dir=PLACE) as directory:
        upper, work = Path(directory, "upper"), Path(directory, "work")
        upper.mkdir(mode=0o755)
        upper.chmod(0o755)
        work.mkdir()
        yield Box(runtime(name), Overlay((lower,), upper, work), upper)


def host_root() -> RootPlan:
    """The host's own tree, read-only: for tests whose probe is a program of the host."""
    return Bind(Path("/"), read_only=True)


def children() -> list[str]:
    """Processes of ours that are still there, zombies included.

    A thread that was joined may stay in the listing for a moment; its children, if it has any,
    are then another thread's, so it is looked once more.
    """
    while True:
        threads = sorted(Path("/proc/self/task").iterdir())
        try:
            return [pid for thread in threads for pid in (thread / "children").read_text().split()]
        except (FileNotFoundError, ProcessLookupError):
            continue
