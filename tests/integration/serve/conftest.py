"""A registry in a temporary directory, served on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.registries import Client

from lamina.registry import Registry, open_registry
from lamina.serve.app import App
from lamina.serve.server import Running


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(tmp_path / "registry")


@pytest.fixture
def lines() -> list[dict[str, object]]:
    return []


@pytest.fixture(params=[True, False], ids=["fast", "plain"])
def client(
    request: pytest.FixtureRequest,
    registry: Registry,
    lines: list[dict[str, object]],
) -> Iterator[Client]:
    """Of a server that remembers answers, and of one that does not."""
    app = App(registry, log=lines.append, remembers=request.param)
    with Running(app) as server:
        yield Client(server.url)
    app.close()
