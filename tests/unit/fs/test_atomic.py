"""Files that are either the old one or the new one."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.fs import atomic


def test_write_makes_and_replaces(tmp_path: Path) -> None:
    path = tmp_path / "f"
    atomic.write(path, b"one")
    old = path.stat().st_ino
    atomic.write(path, b"two", 0o600)
    assert path.read_bytes() == b"two"
    assert path.stat().st_ino != old
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(tmp_path) == ["f"]


def test_mode_does_not_depend_on_the_umask(tmp_path: Path) -> None:
    old = os.umask(0o077)
    try:
        atomic.write(tmp_path / "f", b"")
    finally:
        os.umask(old)
    assert (tmp_path / "f").stat().st_mode & 0o777 == 0o644


def test_a_reader_keeps_the_old_content(tmp_path: Path) -> None:
    path = tmp_path / "f"
    atomic.write(path, b"old")
    with path.open("rb") as reader:
        atomic.write(path, b"new")
        assert reader.read() == b"old"


def test_failure_leaves_nothing_aside(tmp_path: Path) -> None:
    (tmp_path / "f").mkdir()
    with pytest.raises(IsADirectoryError):
        atomic.write(tmp_path / "f", b"data")
    assert os.listdir(tmp_path) == ["f"]


def test_write_all_goes_on_where_a_pipe_is_narrow() -> None:
    reader, writer = os.pipe()
    data = bytes(range(256)) * 1024
    child = os.fork()
    if not child:
        os.close(reader)
        atomic.write_all(writer, data)
        os._exit(0)
    os.close(writer)
    with open(reader, "rb") as stream:
        assert stream.read() == data
    os.waitpid(child, 0)


def test_a_result_is_there_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "f"
    with atomic.result(path) as file:
        file.write(b"old")
        assert not path.exists()
    with pytest.raises(RuntimeError), atomic.result(path) as file:
        file.write(b"new")
        raise RuntimeError
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["f"]


def test_a_result_that_cannot_be_is_told_by_its_own_name(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught, atomic.result(tmp_path / "none/f"):
        pass
    assert caught.value.filename == str(tmp_path / "none/f")


def test_a_result_goes_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("f")
    with atomic.result(tmp_path / "link") as file:
        file.write(b"text")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "f").read_bytes() == b"text"


def test_a_result_goes_into_a_pipe(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        with atomic.result(path) as file:
            file.write(b"text")
        assert os.read(reader, 9) == b"text"
    finally:
        os.close(reader)
    assert path.is_fifo()
