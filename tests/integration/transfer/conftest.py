from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.registry import Registry, serving

from lamina.engine import Engine, Settings
from lamina.remote.retry import Patience
from lamina.remote.settings import RemoteSettings

MakeEngine = Callable[..., Engine]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as registry:
        yield registry


def settings(root: Path, snapshotter: str | None = None) -> Settings:
    """Of an engine that is patient, but does not wait."""
    remote = RemoteSettings(patience=Patience(first=0.0))
    return Settings(root=root, snapshotter=snapshotter, source_date_epoch=0, remote=lambda: remote)


@pytest.fixture
def engine_at(tmp_path: Path) -> Iterator[MakeEngine]:
    made: list[Engine] = []

    def make(name: str = "store", snapshotter: str | None = None) -> Engine:
        made.append(Engine(settings(tmp_path / name, snapshotter)))
        return made[-1]

    yield make
    for engine in made:
        engine.close()


@pytest.fixture
def engine(engine_at: MakeEngine) -> Engine:
    return engine_at()
