"""Lanes: a few large files at once are read here."""

from __future__ import annotations

from lamina.serve.lanes import LARGE, Lanes


def test_only_so_many_are_let_in_at_once() -> None:
    lanes = Lanes(2)
    assert [lanes.enter(LARGE) for _ in range(3)] == [True, True, False]
    lanes.leave()
    assert [lanes.enter(LARGE) for _ in range(2)] == [True, False]


def test_small_files_need_no_lane() -> None:
    lanes = Lanes(1)
    assert not lanes.enter(LARGE - 1)
    assert lanes.free == 1


def test_it_is_told_when_nobody_is_left() -> None:
    told: list[int] = []
    lanes = Lanes(2, idle=lambda: told.append(lanes.free))
    lanes.enter(LARGE)
    lanes.enter(LARGE)
    lanes.leave()
    assert told == []
    lanes.leave()
    assert told == [2]
