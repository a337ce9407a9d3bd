"""Threads that do steps side by side.

`concurrent.futures` would do, but to import it takes as long as a small step.
"""

from __future__ import annotations

import threading
from _queue import SimpleQueue  # `queue` itself brings `heapq` along
from collections import deque
from collections.abc import Callable

from lamina.build.graph import Step

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.build.cache import Made

Work = Callable[[Step], "tuple[Made, ...]"]
Ending = tuple[Step, "tuple[Made, ...] | BaseException"]


class Crew:
    """Does steps in threads of its own, at most `most` at once; for one caller."""

    def __init__(self, work: Work, most: int) -> None:
        self._work = work
        self._most = most
        self._waiting: deque[Step] = deque()
        self._threads: dict[int, threading.Thread] = {}
        self._ended: SimpleQueue[Ending] = SimpleQueue()

    @property
    def is_idle(self) -> bool:
        return not self._threads

    def take(self, step: Step) -> None:
        """Do `step` as soon as a thread is free."""
        self._waiting.append(step)
        self._start()

    def next(self) -> tuple[Step, tuple[Made, ...]]:
        """Wait for a step that has ended; raises what it raised."""
        step, outcome = self._ended.get()
        self._threads.pop(step.index).join()
        if isinstance(outcome, BaseException):
            raise outcome
        self._start()
        return step, outcome

    def close(self) -> None:
        """Forget what has not begun, and wait for what has."""
        self._waiting.clear()
        for thread in self._threads.values():
            thread.join()

    def _start(self) -> None:
        while self._waiting and len(self._threads) < self._most:
            step = self._waiting.popleft()
            thread = threading.Thread(target=self._do, args=(step,), name=step.label)
            self._threads[step.index] = thread
            thread.start()

    def _do(self, step: Step) -> None:
        try:
            self._ended.put((step, self._work(step)))
        except BaseException as error:  # noqa: BLE001  # raised again by who waits
            self._ended.put((step, error))
