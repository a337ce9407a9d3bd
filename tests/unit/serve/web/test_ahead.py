from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any, cast

from lamina.errors import NotFound
from lamina.serve.web.ahead import Ahead
from lamina.serve.web.shelf import Shelf


class Slow:
    """A shelf on which one image takes as long as it is let."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.read: list[str] = []
        self.closed = 0

    def prepare(self, reference: str, entries: int, stopped: Callable[[], bool]) -> None:
        if reference == "gone":
            raise NotFound("it is gone")
        if reference == "endless":
            self.begun.set()
            while not stopped():
                threading.Event().wait(0.001)
            return
        self.read.append(f"{reference} {entries}")

    def close(self) -> None:
        self.closed += 1


def made(shelf: Any) -> Ahead:
    return Ahead(cast("Shelf", shelf), 7)


def test_what_was_put_is_read_in_its_order() -> None:
    shelf = Slow()
    ahead = made(shelf)
    done = threading.Event()
    for reference in ("a", "gone", "b"):
        ahead.put(reference)
    ahead._thread.submit(done.set)
    assert done.wait(20)
    ahead.close()
    assert shelf.read == ["a 7", "b 7"]
    assert shelf.closed == 3


def test_closing_does_not_wait_for_a_large_one() -> None:
    shelf = Slow()
    ahead = made(shelf)
    ahead.put("endless")
    assert shelf.begun.wait(20)
    for _ in range(500):
        ahead.put("more")
    ahead.close()
    ahead.put("late")
    assert shelf.read == []
