"""A crew: rows of steps in threads, no more at once than it has hands; and what goes beside."""

from __future__ import annotations

import threading

import pytest

from lamina.build.cache import Made
from lamina.build.crew import Answers, Beside, Crew, Row
from lamina.build.execute import Work
from lamina.build.graph import RunOp, Scratch, Step
from lamina.fs.mounts import Bind
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID, Digest
from lamina.snapshot import Draft

OP = RunOp(("true",), (), "/", "", (), "none", (), (), None, None, ())


def step(index: int) -> Step:
    return Step(index, OP, Scratch(), "RUN true", "0", "", 1, 1, None, True, "RUN true")


def row(*indices: int) -> Row:
    return tuple(step(index) for index in indices)


def made(row: Row) -> Answers:
    digests = {each.index: Digest.of(b"%d" % each.index) for each in row}
    return {
        index: (Made(Descriptor("x/y", digest, 1), DiffID(digest), ChainID(digest), "", 0.0),)
        for index, digest in digests.items()
    }


def work(index: int) -> Work:
    return Work(step(index), Draft(str(index), None, Bind("/")), 0.0, None)


def test_each_row_is_done_once_and_told_with_what_it_made() -> None:
    crew = Crew(made, 3)
    for index in range(0, 20, 2):
        crew.take(row(index, index + 1))
    told: Answers = {}
    for _ in range(10):
        told |= crew.next()
    assert told == made(row(*range(20)))
    assert crew.is_idle


def test_no_more_run_at_once_than_were_asked_for() -> None:
    meeting = threading.Barrier(2, timeout=30)
    lock, running, most = threading.Lock(), 0, 0

    def work(row: Row) -> Answers:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meeting.wait()  # both hands have to be busy, or this fails
        with lock:
            running -= 1
        return made(row)

    crew = Crew(work, 2)
    for index in range(6):
        crew.take(row(index))
    for _ in range(6):
        crew.next()
    assert most == 2


def test_what_a_step_raises_is_raised_again() -> None:
    def work(row: Row) -> Answers:
        raise KeyError(row[0].index)

    crew = Crew(work, 1)
    crew.take(row(7))
    with pytest.raises(KeyError, match="7"):
        crew.next()
    crew.close()
    assert crew.is_idle


def test_closing_waits_for_what_runs_and_forgets_the_rest() -> None:
    going, may_end, done = threading.Event(), threading.Event(), []

    def work(row: Row) -> Answers:
        going.set()
        assert may_end.wait(30)
        done.append(row[0].index)
        return made(row)

    crew = Crew(work, 1)
    for index in range(3):
        crew.take(row(index))
    assert going.wait(30)
    may_end.set()
    crew.close()
    assert done == [0]


def test_what_is_ended_beside_is_ended_in_order() -> None:
    ended: list[tuple[int, str]] = []

    def end(work: Work) -> None:
        ended.append((work.step.index, threading.current_thread().name))

    beside = Beside(end, ended.clear)
    for index in range(5):
        beside.put(work(index))
    beside.wait()
    assert [index for index, _ in ended] == list(range(5))
    assert threading.current_thread().name not in {name for _, name in ended}
    assert beside.error is None
    beside.wait()


def test_what_comes_after_a_fault_is_left() -> None:
    ended, told = [], []

    def end(work: Work) -> None:
        if work.step.index == 1:
            raise KeyError("full")
        ended.append(work.step.index)

    beside = Beside(end, lambda: told.append("failed"))
    for index in range(4):
        beside.put(work(index))
    beside.wait()
    assert (ended, told) == ([0], ["failed"])
    assert isinstance(beside.error, KeyError)


def test_nothing_beside_is_no_thread() -> None:
    before = threading.active_count()
    beside = Beside(print, print)
    assert threading.active_count() == before
    beside.wait()
