"""A context, and a root to copy into."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from copies import Put, opened
from lamina.build.context import LocalContext
from lamina.build.copying import CopySpec, copy, select
from lamina.dockerfile.ignore import Ignore


@pytest.fixture
def context(tmp_path: Path) -> Path:
    path = tmp_path / "context"
    path.mkdir()
    return path


@pytest.fixture
def root(tmp_path: Path) -> Path:
    path = tmp_path / "root"
    path.mkdir(mode=0o755)
    return path


@pytest.fixture
def put(context: Path, root: Path) -> Put:
    def put(*sources: str, to: str, ignore: str | None = None, **more: Any) -> tuple[str, ...]:
        rules = Ignore.parse(ignore) if ignore is not None else None
        epoch = more.pop("epoch", None)
        spec = CopySpec(sources=sources, destination=to, **more)
        selection = select(LocalContext(context, rules), spec)
        with opened(root) as fd:
            return copy(selection, fd, epoch=epoch)

    return put
