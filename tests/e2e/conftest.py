"""A store of its own, empty or with an image."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.e2e.machine import (
    Machine,
    docker_archive,
)


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "store")


@pytest.fixture
def loaded(machine: Machine) -> Machine:
    assert machine.out("load", stdin=docker_archive(tags=["two:1"])) == "Loaded image: two:1\n"
    return machine
