"""Our values behave as the standard library's dataclasses do."""

from __future__ import annotations

import copy
import dataclasses
import pickle
from collections.abc import Callable
from typing import Any

import pytest

from lamina import values


def family(dataclass: Callable[..., Any], field: Callable[..., Any]) -> tuple[type, type, type]:
    """The same three classes, made by one decorator or the other."""

    @dataclass(frozen=True, slots=True)
    class Point:
        x: int
        y: int = 2
        tags: list[str] = field(default_factory=list, hash=False)

        @property
        def total(self) -> int:
            return self.x + self.y

    @dataclass(frozen=True, slots=True, kw_only=True)
    class Named(Point):
        name: str
        secret: str = field(default="s", repr=False, compare=False)

    @dataclass(slots=True)
    class Box:
        inside: int = 0

        def __post_init__(self) -> None:
            self.inside += 1

    return Point, Named, Box


OURS = family(values.dataclass, values.field)
WORN = family(values.dataclass, values.field)  # used so often that they are compiled
THEIRS = family(dataclasses.dataclass, dataclasses.field)
for _ in range(50):
    WORN[0](1), WORN[1](1, name="n"), WORN[2]()


@pytest.mark.parametrize("index", [0, 1, 2])
def test_they_print_alike(index: int) -> None:
    def shown(classes: tuple[type, ...]) -> str:
        args: dict[str, Any] = [{"x": 1}, {"x": 1, "name": "n"}, {}][index]
        return repr(classes[index](**args))

    assert shown(OURS) == shown(THEIRS)


@pytest.mark.parametrize(
    ("point", "named", "box"), [OURS, WORN, THEIRS], ids=["ours", "worn", "theirs"]
)
def test_a_value_keeps_its_promises(point: Any, named: Any, box: Any) -> None:
    one = point(1)
    assert (one.x, one.y, one.tags, one.total) == (1, 2, [], 3)
    assert one == point(1, 2) != point(2)
    assert hash(one) == hash(point(1))
    assert point(1).tags is not point(1).tags
    assert point.__match_args__ == ("x", "y", "tags")
    assert named.__match_args__ == ("x", "y", "tags")
    assert named(1, name="a", secret="b") == named(1, name="a", secret="c")
    assert named(1, name="a") != one
    assert copy.deepcopy(one) == one
    assert not hasattr(one, "__dict__")
    with pytest.raises(AttributeError, match="cannot assign"):
        one.x = 3
    with pytest.raises(TypeError):
        point()
    with pytest.raises(TypeError):
        named(1, 2, [], "positional")
    assert box().inside == 1
    assert box(4) == box(4)
    with pytest.raises(TypeError):
        hash(box())


@pytest.mark.parametrize(
    ("args", "named"),
    [((), {}), ((1, 2, [], 4), {}), ((1,), {"x": 1}), ((1,), {"z": 2}), ((), {"y": 2})],
    ids=["too few", "too many", "twice", "unknown", "without the first"],
)
@pytest.mark.parametrize("decorator", [values, dataclasses], ids=["ours", "theirs"])
def test_wrong_arguments_are_refused(
    decorator: Any, args: tuple[Any, ...], named: dict[str, Any]
) -> None:
    point = family(decorator.dataclass, decorator.field)[0]
    for _ in range(2):
        with pytest.raises(TypeError, match="argument"):
            point(*args, **named)
    assert point(1).x == 1


def test_the_thousandth_instance_is_as_the_first() -> None:
    point, named, box = family(values.dataclass, values.field)
    assert len({(point(1), named(2, name="n"), box().inside) for _ in range(1000)}) == 1


def test_replace_changes_only_what_is_named() -> None:
    point = OURS[0]
    assert values.replace(point(1), y=5) == point(1, 5)
    assert dataclasses.replace(point(1), y=5) == point(1, 5)


@values.dataclass(frozen=True, slots=True)
class Kept:
    text: str


def test_a_frozen_value_can_be_pickled() -> None:
    assert pickle.loads(pickle.dumps(Kept("a"))) == Kept("a")
