"""pytest fixtures: `lamina_registry` and `image_factory`. They need `lamina[serve]`, and no root.

    def test_my_deployment(lamina_registry, image_factory):
        reference = lamina_registry.push(image_factory({"/app/run": "…"}), "team/app:1")
        lamina_registry.faults.answer(503, path="/manifests/", times=2)
        deploy(reference)

`make_lamina_registry` makes more of them, or one that asks for a login.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from lamina.testing.images import Made
    from lamina.testing.registry import TestRegistry


@pytest.fixture
def make_lamina_registry(
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Callable[..., TestRegistry]]:
    """Registries that live as long as the test; see `TestRegistry` for what can be asked for."""
    from lamina.testing.registry import TestRegistry

    with ExitStack() as stack:

        def make(**options: Any) -> TestRegistry:
            root = tmp_path_factory.mktemp("lamina-registry")
            return stack.enter_context(TestRegistry(root, **options))

        yield make


@pytest.fixture
def lamina_registry(make_lamina_registry: Callable[..., TestRegistry]) -> TestRegistry:
    """A registry of the test's own, empty, where everybody may do everything."""
    return make_lamina_registry()


@pytest.fixture
def image_factory() -> Callable[..., Made]:
    """Makes images of values: `image_factory({"/path": "content"}, config=…, platform=…)`.

    See `lamina.testing.images.image`.
    """
    from lamina.testing.images import image

    return image
