"""How files look, without reading them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.fs import looks


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "file"
    path.write_text("text")
    os.utime(path, ns=(1, 1))
    return path


@pytest.mark.parametrize(
    "change",
    [
        lambda path: path.write_text("other text"),
        lambda path: path.chmod(0o600),
        lambda path: os.utime(path, ns=(1, 2)),
        lambda path: (path.unlink(), path.write_text("text"), os.utime(path, ns=(1, 1))),
        lambda path: (path.rename(path.with_name("b")), path.symlink_to("b")),
        lambda path: path.unlink(),
    ],
    ids=["size", "mode", "time", "another file", "a link to it", "nothing"],
)
def test_a_file_that_changes_looks_different(change: object, file: Path) -> None:
    before = looks.seen([str(file)])[0]
    change(file)  # type: ignore[operator]
    assert looks.seen([str(file)])[0] != before


def test_nothing_has_a_look_too(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    seen, newest = looks.seen([f"{tmp_path}/none", f"{tmp_path}/file/below"])
    assert (seen, newest) == (2 * looks.ABSENT, 0)


def test_the_newest_change_is_told(file: Path) -> None:
    assert looks.seen([str(file), "/"])[1] >= os.lstat(file).st_ctime_ns
