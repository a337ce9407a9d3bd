"""Locks between processes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lamina.errors import Unavailable
from lamina.fs import lock


def test_two_share(tmp_path: Path) -> None:
    with lock.shared(tmp_path / "l"), lock.shared(tmp_path / "l", timeout=0):
        pass


def test_one_alone_keeps_the_other_out(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with lock.exclusive(path), pytest.raises(Unavailable, match="locked"):
        with lock.shared(path, timeout=0):
            pytest.fail("two hold it")


def test_a_sharer_keeps_the_one_alone_out(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with lock.shared(path), pytest.raises(Unavailable):
        with lock.exclusive(path, timeout=0.03):
            pytest.fail("two hold it")


def test_it_is_free_after_an_error(tmp_path: Path) -> None:
    path = tmp_path / "l"
    with pytest.raises(KeyError), lock.exclusive(path):
        raise KeyError
    with lock.exclusive(path, timeout=0):
        pass


def test_it_is_free_when_the_holder_dies(tmp_path: Path) -> None:
    path = tmp_path / "l"
    told, tell = os.pipe()
    child = os.fork()
    if not child:
        with lock.exclusive(path):
            os.write(tell, b"x")
            os._exit(0)
    os.read(told, 1)
    os.waitpid(child, 0)
    with lock.exclusive(path, timeout=0):
        pass
    os.close(told)
    os.close(tell)
