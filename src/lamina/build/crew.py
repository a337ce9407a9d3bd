"""Threads that do steps side by side, and what comes after one beside the next.

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
    from lamina.build.execute import Work

Row = tuple[Step, ...]  # each stands on the one before
Answers = dict[int, "tuple[Made, ...]"]  # by step: all layers of its tree
Do = Callable[[Row], Answers]
Ending = tuple[int, "Answers | BaseException"]


class Crew:
    """Does rows of steps in threads of its own, at most `most` at once; for one caller."""

    def __init__(self, do: Do, most: int) -> None:
        self._do_row = do
        self._most = most
        self._waiting: deque[Row] = deque()
        self._threads: dict[int, threading.Thread] = {}
        self._ended: SimpleQueue[Ending] = SimpleQueue()

    @property
    def is_idle(self) -> bool:
        return not self._threads

    def take(self, row: Row) -> None:
        """Do `row` as soon as a thread is free."""
        self._waiting.append(row)
        self._start()

    def next(self) -> Answers:
        """Wait for a row that has ended; raises what it raised."""
        first, outcome = self._ended.get()
        self._threads.pop(first).join()
        if isinstance(outcome, BaseException):
            raise outcome
        self._start()
        return outcome

    def close(self) -> None:
        """Forget what has not begun, and wait for what has."""
        self._waiting.clear()
        for thread in self._threads.values():
            thread.join()

    def _start(self) -> None:
        while self._waiting and len(self._threads) < self._most:
            row = self._waiting.popleft()
            thread = threading.Thread(target=self._do, args=(row,), name=row[0].label)
            self._threads[row[0].index] = thread
            thread.start()

    def _do(self, row: Row) -> None:
        first = row[0].index
        try:
            self._ended.put((first, self._do_row(row)))
        except BaseException as error:  # noqa: BLE001  # raised again by who waits
            self._ended.put((first, error))


class Beside:
    """Ends what was begun elsewhere, in a thread of its own, in the order of handing it over."""

    def __init__(self, end: Callable[[Work], object], failed: Callable[[], object]) -> None:
        """`failed` is called, from that thread, when `end` raises; what comes then is left."""
        self._end = end
        self._failed = failed
        self._queue: SimpleQueue[Work | None] = SimpleQueue()
        self._thread: threading.Thread | None = None
        self.error: BaseException | None = None

    def put(self, work: Work) -> None:
        """Have `work` ended when those before it are."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._run)
            self._thread.start()
        self._queue.put(work)

    def wait(self) -> None:
        """Wait for all that was handed over; no more may come."""
        if self._thread is not None:
            self._queue.put(None)
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while (work := self._queue.get()) is not None:
            if self.error is None:
                try:
                    self._end(work)
                except BaseException as error:  # noqa: BLE001  # whoever waits looks at it
                    self.error = error
                    self._failed()
