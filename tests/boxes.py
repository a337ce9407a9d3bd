"""A box that makes containers with the real kernel, and the engine in this process."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lamina.engine import Engine, containers
from lamina.run import lifecycle, output
from lamina.run.attach import View
from lamina.run.container import Container
from lamina.run.options import Options

BUSYBOX = Path(__file__).parents[1] / "../shared/images/busybox-musl-x86_64-rootfs.tar.gz"

NEEDS = [
    pytest.mark.skipif(os.geteuid() != 0, reason="containers need root"),
    pytest.mark.skipif(not BUSYBOX.exists(), reason="../shared/images is missing"),
    pytest.mark.skipif(os.uname().machine != "x86_64", reason="the busybox here is x86_64"),
]


# For a container that is to run until the test says so, with the test's place at /in.
UNTIL_GO = "while [ ! -e /in/go ]; do usleep 10000; done"


class Box:
    """Makes containers of the test image, and looks at what they print."""

    def __init__(self, engine: Engine, place: Path) -> None:
        self.engine = engine
        self.ground = containers.ground_of(engine)
        self.place = place

    def create(self, *command: str, image: str = "box", **options: Any) -> Container:
        options.setdefault("network", "none")
        asked = Options(image=image, command=command, **options)
        return containers.create(self.engine, asked)

    def start(self, *command: str, **options: Any) -> Container:
        container = self.create(*command, attached=False, **options)
        lifecycle.start(self.ground, container, None)
        return container

    def run(self, *command: str, **options: Any) -> tuple[int, str]:
        """Exit status and all output, of a container that is removed then."""
        return self.look(self.create(*command, remove=True, **options))

    def look(self, container: Container) -> tuple[int, str]:
        path = self.place / "output"
        with path.open("wb") as out:
            view = View(stdout=out.fileno(), stderr=out.fileno(), proxy_signals=False)
            status = lifecycle.start(self.ground, container, view)
        assert isinstance(status, int)
        return status, path.read_text()

    def state(self, container: Container) -> Any:
        return lifecycle.state_of(self.ground, container)

    def has_printed(self, container: Container) -> bool:
        return any(True for _ in output.records(self.ground, container))


def eventually(claim: Callable[[], bool]) -> None:
    until = time.monotonic() + 10
    while not claim():
        assert time.monotonic() < until, "it did not come true"
        time.sleep(0.01)
