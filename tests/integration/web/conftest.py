"""Pages over loopback: of a store, and of a registry."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.registries import Client

from lamina.engine import Engine, Settings
from lamina.engine.registry_shelf import RegistryShelf
from lamina.engine.shelves import Analyst, StoreShelf
from lamina.registry import Registry, open_registry
from lamina.serve.access import Access
from lamina.serve.app import EVERYBODY, App
from lamina.serve.server import Running
from lamina.serve.web.site import Alone, Site


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    with Engine(Settings(root=tmp_path / "store", platform="linux/amd64")) as found:
        yield found


@pytest.fixture
def faults() -> list[Exception]:
    """What went wrong by a fault of ours; empty after each test."""
    return []


@pytest.fixture
def pages(engine: Engine, faults: list[Exception]) -> Iterator[Client]:
    """The pages of the store."""
    site = Site(StoreShelf(engine), Analyst())
    app = Alone(site, failed=faults.append)
    with Running(app) as server:
        yield Client(server.url)
    app.close()
    assert faults == []


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return open_registry(tmp_path / "registry")


@pytest.fixture
def serve(registry: Registry) -> Iterator[Callable[..., Client]]:
    """Serves the registry with its pages, for whom `access` lets in."""
    running: list[tuple[Running, App]] = []

    def start(access: Access = EVERYBODY) -> Client:
        site = Site(RegistryShelf(registry), Analyst(), access=access)
        app = App(registry, access=access, site=site)
        server = Running(app)
        server.__enter__()
        running.append((server, app))
        return Client(server.url)

    yield start
    for server, app in running:
        server.__exit__(None, None, None)
        app.close()
