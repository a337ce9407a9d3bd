from __future__ import annotations

import os
import signal

import pytest

from lamina.serve.metrics import Metrics
from lamina.serve.tally import _CELLS, Board, Own, Tally


@pytest.fixture(params=["own", "slot"])
def tally(request: pytest.FixtureRequest) -> Tally:
    return Own() if request.param == "own" else Board(2).slot(1)


def test_numbers_add_up_by_key(tally: Tally) -> None:
    tally.add(("a", "x\ny"), 1)
    tally.add(("a", "x\ny"), 0.5)
    tally.add(("b",), 7)
    assert tally.all() == {("a", "x\ny"): 1.5, ("b",): 7}
    tally.clear(("b",))
    assert tally.all().get(("b",), 0) == 0


def test_slots_are_added_up_and_nobody_clears_for_another() -> None:
    board = Board(2)
    first, second = board.slot(0), board.slot(1)
    first.add(("a",), 1)
    second.add(("b",), 5)
    second.add(("a",), 2)
    assert first.all() == second.all() == {("a",): 3, ("b",): 5}
    first.clear(("a",))
    assert second.all()[("a",)] == 2


def test_what_a_killed_process_has_counted_goes_on() -> None:
    board = Board(2)
    for number in range(3):
        child = os.fork()
        if not child:
            slot = board.slot(1)
            slot.add(("a",), 1)
            slot.add((f"only {number}",), 1)
            os.kill(os.getpid(), signal.SIGKILL)
        os.waitpid(child, 0)
    assert board.all() == {("a",): 3, ("only 0",): 1, ("only 1",): 1, ("only 2",): 1}


def test_a_full_slot_counts_on_what_it_has() -> None:
    slot = Board(1).slot(0)
    for number in range(_CELLS + 5):
        slot.add((str(number),), 1)
    slot.add(("7",), 1)
    found = slot.all()
    assert len(found) == _CELLS
    assert found[("7",)] == 2


def test_requests_under_way_are_none_when_a_process_begins_anew() -> None:
    board = Board(2)
    other = Metrics(board.slot(0))
    other.under_way.add(1)
    Metrics(board.slot(1)).under_way.add(4)
    Metrics(board.slot(1))
    assert "in_flight 1\n" in other.text()
