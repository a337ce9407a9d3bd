from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from lamina.errors import Error, NotFound, Unsupported
from lamina.image import view
from lamina.image.stack import Node
from lamina.image.view import Image, Layer
from lamina.layer.entry import Entry
from lamina.layer.limits import Limits, TooMuch
from lamina.oci.digest import Digest
from lamina.serve.web.looks import Looks
from lamina.serve.web.shelf import Sheet
from lamina.testing.images import image

Read = Callable[[Layer, Limits], Iterator[Entry]]


class Seen:
    """An image none of whose files can be read."""

    def __init__(self, found: Image) -> None:
        self.image = found

    def read(self, node: Node) -> Iterator[bytes]:
        raise NotFound("no files here")

    def read_whole(self, node: Node, limit: int) -> bytes:
        raise NotFound("no files here")

    def digest(self, node: Node) -> Digest:
        raise NotFound("no files here")


def sheet(key: str, read: Read, layers: int = 1) -> Sheet:
    made = image(*({f"/{n}": "x"} for n in range(layers)))
    sight = Seen(view.load(made, made.root))
    return Sheet("x", key, (), sight, None, (), read, {}, lambda: ())


def many(count: int, calls: list[int] | None = None) -> Read:
    def read(layer: Layer, limits: Limits) -> Iterator[Entry]:
        if calls is not None:
            calls.append(count)
        for number in range(count):
            yield Entry(f"f{number}")

    return read


def test_an_image_is_read_once() -> None:
    calls: list[int] = []
    looks = Looks()
    first = looks.of(sheet("a", many(3, calls)))
    assert looks.of(sheet("a", many(3, calls))) is first
    assert calls == [3]


def test_the_oldest_go_when_there_are_too_many_entries() -> None:
    calls: list[int] = []
    looks = Looks(entries=10)
    for key in ("a", "b", "a", "c", "a", "b"):
        looks.of(sheet(key, many(4, calls)))
    assert len(calls) == 4  # a, b, c, and b again


def test_an_image_that_is_too_large_is_refused_before_it_is_held() -> None:
    taken = []

    def read(layer: Layer, limits: Limits) -> Iterator[Entry]:
        for number in range(10**9):
            taken.append(number)
            yield Entry(f"f{number}")

    look = Looks(entries=100).of(sheet("a", read))
    assert len(taken) == 101
    assert look.broken is not None
    assert look.broken.layer == 1
    with pytest.raises(TooMuch, match="too large"):
        look.whole()


def test_names_and_attributes_count_too() -> None:
    def read(layer: Layer, limits: Limits) -> Iterator[Entry]:
        for number in range(1000):
            yield Entry(f"f{number}", xattrs={"user.x": b"x" * (1 << 20)})

    look = Looks().of(sheet("a", read))
    assert look.broken is not None
    assert isinstance(look.broken.error, TooMuch)


def test_what_lies_below_a_missing_layer_is_seen_and_looked_for_again() -> None:
    missing = [True]

    def read(layer: Layer, limits: Limits) -> Iterator[Entry]:
        if missing and layer.history is not None and layer.history.created_by == "layer 2":
            raise NotFound("it is not here")
        yield Entry(f"{layer.diff_id[-5:]}")

    looks = Looks()
    look = looks.of(sheet("a", read, layers=3))
    assert look.broken is not None
    assert (look.broken.layer, look.timeline.depth) == (2, 1)
    missing.clear()
    assert looks.of(sheet("a", read, layers=3)).timeline.depth == 3


@pytest.mark.parametrize("problem", [None, NotFound("gone")])
def test_what_is_no_image_is_said(problem: Error | None) -> None:
    nothing = Sheet("x", "x", (), None, problem, (), many(1), {}, lambda: ())
    with pytest.raises(NotFound if problem else Unsupported):
        Looks().of(nothing)
