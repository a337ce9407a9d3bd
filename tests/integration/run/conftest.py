"""One engine for the containers of a module, and a box that removes what a test has made."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from boxes import BUSYBOX, Box
from lamina.engine import Engine, Settings, containers
from lamina.run import lifecycle
from lamina.run.ground import Ground


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    with Engine(Settings(tmp_path_factory.mktemp("root"))) as engine:
        with BUSYBOX.open("rb") as stream:
            engine.import_tar(stream, "box")
        yield engine
        for container, _ in containers.listing(engine):
            lifecycle.discard(containers.ground_of(engine), container, force=True)


@pytest.fixture
def ground(engine: Engine) -> Ground:
    return containers.ground_of(engine)


@pytest.fixture
def box(engine: Engine, tmp_path: Path) -> Iterator[Box]:
    before = {container.id for container, _ in containers.listing(engine)}
    box = Box(engine, tmp_path)
    yield box
    for container, _ in containers.listing(engine):
        if container.id not in before:
            lifecycle.discard(box.ground, container, force=True, with_volumes=True)
