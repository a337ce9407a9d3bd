"""One suite runs on every snapshotter."""

from __future__ import annotations

from pathlib import Path

import pytest

from lamina.snapshot import (
    CopyingSnapshotter,
    ErofsSnapshotter,
    OverlaySnapshotter,
    Snapshotter,
    erofs_fault,
    overlay_fault,
)


@pytest.fixture(params=["overlay", "copying", "erofs", "erofs by loop"])
def shelf(request: pytest.FixtureRequest, tmp_path: Path) -> Snapshotter:
    if request.param == "copying":
        return CopyingSnapshotter(tmp_path / "copying")
    fault = overlay_fault(tmp_path)
    if fault is not None:
        pytest.skip(f"overlay does not work here: {fault}")
    if request.param == "overlay":
        return OverlaySnapshotter(tmp_path / "overlay")
    by_loop = request.param == "erofs by loop"
    fault = erofs_fault(tmp_path, by_loop=by_loop)
    if fault is not None:
        pytest.skip(f"EROFS does not work here: {fault}")
    return ErofsSnapshotter(tmp_path / "erofs", by_loop=by_loop)
