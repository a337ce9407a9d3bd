"""A crew: steps in threads, no more at once than it has hands."""

from __future__ import annotations

import threading

import pytest

from lamina.build.cache import Made
from lamina.build.crew import Crew
from lamina.build.graph import RunOp, Scratch, Step
from lamina.oci.descriptor import Descriptor
from lamina.oci.digest import ChainID, DiffID, Digest

OP = RunOp(("true",), (), "/", "", (), "none", (), (), None, None, ())


def step(index: int) -> Step:
    return Step(index, OP, Scratch(), "RUN true", "0", "", 1, 1, None, True, "RUN true")


def made(step: Step) -> tuple[Made, ...]:
    digest = Digest.of(b"%d" % step.index)
    return (Made(Descriptor("x/y", digest, 1), DiffID(digest), ChainID(digest), "", 0.0),)


def test_each_step_is_done_once_and_told_with_what_it_made() -> None:
    crew = Crew(made, 3)
    for index in range(10):
        crew.take(step(index))
    told = dict(crew.next() for _ in range(10))
    assert {one.index: value for one, value in told.items()} == {
        index: made(step(index)) for index in range(10)
    }
    assert crew.is_idle


def test_no_more_run_at_once_than_were_asked_for() -> None:
    meeting = threading.Barrier(2, timeout=30)
    lock, running, most = threading.Lock(), 0, 0

    def work(step: Step) -> tuple[Made, ...]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        meeting.wait()  # both hands have to be busy, or this fails
        with lock:
            running -= 1
        return made(step)

    crew = Crew(work, 2)
    for index in range(6):
        crew.take(step(index))
    for _ in range(6):
        crew.next()
    assert most == 2


def test_what_a_step_raises_is_raised_again() -> None:
    def work(step: Step) -> tuple[Made, ...]:
        raise KeyError(step.index)

    crew = Crew(work, 1)
    crew.take(step(7))
    with pytest.raises(KeyError, match="7"):
        crew.next()
    crew.close()
    assert crew.is_idle


def test_closing_waits_for_what_runs_and_forgets_the_rest() -> None:
    going, may_end, done = threading.Event(), threading.Event(), []

    def work(step: Step) -> tuple[Made, ...]:
        going.set()
        assert may_end.wait(30)
        done.append(step.index)
        return made(step)

    crew = Crew(work, 1)
    for index in range(3):
        crew.take(step(index))
    assert going.wait(30)
    may_end.set()
    crew.close()
    assert done == [0]
