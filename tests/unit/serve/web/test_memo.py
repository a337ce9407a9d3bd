from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from lamina.serve.web.memo import Memo


def test_what_was_made_is_not_made_again() -> None:
    memo: Memo[str] = Memo()
    made: list[str] = []

    def make() -> str:
        made.append("x")
        return "x"

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: memo.of("a", make, len), range(20)))
    assert (found, made) == (["x"] * 20, ["x"])


def test_the_oldest_goes_when_there_are_too_many() -> None:
    memo: Memo[int] = Memo(kept=2)
    for key in ("a", "b", "a", "c"):
        memo.of(key, lambda: 1, lambda one: one)
    assert memo.of("a", lambda: 2, lambda one: one) == 1
    assert memo.of("b", lambda: 2, lambda one: one) == 2


def test_all_that_is_kept_has_a_weight() -> None:
    memo: Memo[int] = Memo(weight=10)
    for key, weight in (("a", 6), ("b", 6), ("heavy", 11)):
        memo.of(key, lambda weight=weight: weight, lambda one: one)
    assert memo.of("a", lambda: 1, lambda one: one) == 1
    assert memo.of("heavy", lambda: 2, lambda one: one) == 2


def test_a_failure_is_not_kept() -> None:
    memo: Memo[int] = Memo()
    with pytest.raises(ZeroDivisionError):
        memo.of("a", lambda: 1 // 0, lambda one: one)
    assert memo.of("a", lambda: 1, lambda one: one) == 1
