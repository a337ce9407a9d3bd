"""What every runtime does alike: our own, crun and runc. Nothing of the host changes."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import pytest

import containers
from containers import Box
from lamina.runtime import cgroups
from mount_table import mount_table


@pytest.fixture(scope="module")
def lower() -> Iterator[Path]:
    with containers.alpine() as path:
        (path / "usr/bin/plain").write_text("#!/bin/sh\n")
        (path / "usr/bin/plain").chmod(0o644)
        (path / "usr/bin/lost").write_text("#!/no/such/interpreter\n")
        (path / "usr/bin/lost").chmod(0o755)
        yield path


@pytest.fixture(params=["native", "native-beside-threads", "crun", "runc"])
def box(request: pytest.FixtureRequest, lower: Path) -> Iterator[Box]:
    """Checks too that nothing of the host has changed when the test is over."""
    name, _, rest = request.param.partition("-")
    with _another_thread() if rest else nullcontext(), containers.box(name, lower) as made:
        before = _traces(lower, made.upper.parent)
        yield made
        assert _traces(lower, made.upper.parent) == before
    assert not containers.children()


@contextmanager
def _another_thread() -> Iterator[None]:
    """Within it, this process is not to be cloned."""
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _traces(*places: Path) -> tuple[list[str], list[str], tuple[int, ...]]:
    """The mount table, control groups and bundles of containers of these tests; /dev/null."""
    groups = [
        f"{h.path}/lamina/{name}"
        for h in cgroups.hierarchies()
        if os.path.isdir(f"{h.path}/lamina")
        for name in os.listdir(f"{h.path}/lamina")
        if name.startswith(f"test-{os.getpid()}-") and os.path.isdir(f"{h.path}/lamina/{name}")
    ]
    bundles = [str(p) for p in Path("/run/lamina").glob(f"*-bundles/test-{os.getpid()}-*")]
    null = os.stat("/dev/null")
    whose = (null.st_mode, null.st_uid, null.st_gid, null.st_ino)
    return mount_table(*places), groups + bundles, whose
