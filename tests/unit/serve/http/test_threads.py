from __future__ import annotations

import threading
import time

import pytest

from lamina.serve.http.threads import Threads


def test_work_is_done_side_by_side_up_to_the_limit_and_all_of_it_before_the_end() -> None:
    threads = Threads(3, "t")
    together = threading.Barrier(3)
    done: list[int] = []
    for _ in range(3):
        threads.submit(lambda: together.wait(10))
    for number in range(20):
        threads.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    threads.close()
    assert sorted(done) == list(range(20))
    with pytest.raises(RuntimeError):
        threads.submit(lambda: None)


def test_no_thread_is_started_while_one_is_free() -> None:
    threads = Threads(5, "t")
    names: set[str] = set()
    for number in range(5):
        threads.submit(lambda: names.add(threading.current_thread().name))
        until = time.monotonic() + 10
        while threads._idle != 1:  # which it says a little after its work is done
            assert time.monotonic() < until, number
    threads.close()
    assert len(names) == 1


def test_work_in_one_thread_keeps_its_order() -> None:
    threads = Threads(1, "t")
    done: list[int] = []
    for number in range(100):
        threads.submit(lambda number=number: done.append(number))  # type: ignore[misc]
    threads.close()
    assert done == list(range(100))
