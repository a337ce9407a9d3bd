"""A tree to lay layers onto."""

from __future__ import annotations

import gc
import io
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.archives import Member, tar

from lamina.layer import extract
from lamina.layer.apply import Applied, apply


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The tree; beside it is `outside`, which must stay as it is."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/victim").write_text("alive")
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture(params=[extract.MANY, 0], ids=["alone", "with a mate"])
def lay(root: Path, request: pytest.FixtureRequest) -> Iterator[Callable[..., Applied]]:
    """Applies layers to `root`, and checks that nothing beside it changed."""

    def lay(*members: Member, blob: bytes | None = None, **options: object) -> Applied:
        fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY)
        before = len(os.listdir("/proc/self/fd"))
        options.setdefault("many", request.param)
        try:
            return apply(io.BytesIO(tar(*members) if blob is None else blob), fd, **options)
        finally:
            assert len(os.listdir("/proc/self/fd")) == before
            os.close(fd)
            assert (root.parent / "outside/victim").read_text() == "alive"
            assert os.listdir(root.parent / "outside") == ["victim"]
            assert stat.S_IMODE((root.parent / "outside").stat().st_mode) == 0o755

    gc.disable()  # it would close what earlier tests have left open, in the middle
    yield lay
    gc.enable()
