from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from tests.registry import Registry, serving

from lamina.oci import reference
from lamina.remote.hosts import Endpoint
from lamina.remote.keychain import Credential
from lamina.remote.repository import Repository
from lamina.remote.session import Session
from lamina.remote.transport import Options, Transport

Open = Callable[..., Repository]


@pytest.fixture
def registry() -> Iterator[Registry]:
    with serving() as registry:
        yield registry


@pytest.fixture
def pauses() -> list[float]:
    """The seconds that the transport was to wait, in order; it does not."""
    return []


@pytest.fixture
def transport(pauses: list[float]) -> Iterator[Transport]:
    transport = Transport(Options(sleep=pauses.append, random=lambda: 1.0, read_seconds=5))
    yield transport
    transport.close()


def session(
    registry: Registry,
    transport: Transport,
    name: str = "x",
    credential: Credential | None = None,
    is_mirror: bool = False,
) -> Session:
    endpoint = Endpoint(
        ("http",), "127.0.0.1", registry.port, name, registry.host, is_mirror=is_mirror
    )
    return Session(endpoint, transport, lambda host, path: credential)


@pytest.fixture
def repository(registry: Registry, transport: Transport) -> Open:
    def open_(
        name: str = "x", credential: Credential | None = None, origins: tuple[str, ...] = ()
    ) -> Repository:
        return Repository(
            reference.parse(f"{registry.host}/{name}"),
            [session(registry, transport, name, credential)],
            origins=lambda digest: origins,
        )

    return open_
