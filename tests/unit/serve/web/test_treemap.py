from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lamina.serve.web.treemap import Rect, squarify


def test_the_example_of_the_paper() -> None:
    rects = squarify([6, 6, 4, 3, 2, 2, 1], 6, 4)
    assert rects[:2] == [Rect(0, 0, 3, 2), Rect(0, 2, 3, 2)]
    assert rects[2].width == pytest.approx(12 / 7)
    assert rects[2].height == pytest.approx(7 / 3)


def test_one_number_gets_everything() -> None:
    assert squarify([7], 30, 20) == [Rect(0, 0, 30, 20)]


@pytest.mark.parametrize("sizes", [[], [0], [0, 0]], ids=str)
def test_nothing_has_no_rectangle(sizes: list[float]) -> None:
    assert squarify(sizes, 30, 20) == []


@given(st.lists(st.integers(1, 10**12), min_size=1, max_size=120))
def test_areas_are_as_the_numbers_and_nothing_sticks_out(sizes: list[int]) -> None:
    sizes.sort(reverse=True)
    rects = squarify(sizes, 1200, 480)
    total = sum(sizes)
    assert len(rects) == len(sizes)
    for size, rect in zip(sizes, rects, strict=True):
        assert rect.width * rect.height == pytest.approx(1200 * 480 * size / total, abs=1e-3)
        assert rect.x >= -1e-6
        assert rect.y >= -1e-6
        assert rect.x + rect.width <= 1200 + 1e-6
        assert rect.y + rect.height <= 480 + 1e-6


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=40))
def test_no_two_lie_on_each_other(sizes: list[int]) -> None:
    rects = squarify(sorted(sizes, reverse=True), 100, 100)
    for at, one in enumerate(rects):
        for two in rects[at + 1 :]:
            wide = min(one.x + one.width, two.x + two.width) - max(one.x, two.x)
            high = min(one.y + one.height, two.y + two.height) - max(one.y, two.y)
            assert wide < 1e-6 or high < 1e-6
