"""Threads for what must not keep the event loop waiting.

`concurrent.futures` would do, but to import it takes a tenth of a registry's start.
"""

from __future__ import annotations

from _queue import SimpleQueue  # `queue` itself brings `heapq` along
from collections.abc import Callable
from threading import Lock, Thread

Work = Callable[[], object]  # raises nothing


class Threads:
    """Do work in the order in which it comes; at most `most`, started when there is work."""

    def __init__(self, most: int, name: str) -> None:
        self._most = most
        self._name = name
        self._lock = Lock()
        self._threads: list[Thread] = []
        self._idle = 0
        self._is_closed = False
        self._work: SimpleQueue[Work | None] = SimpleQueue()

    def submit(self, work: Work) -> None:
        """RuntimeError after `close`."""
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the threads have ended")
            if self._idle:
                self._idle -= 1
            elif len(self._threads) < self._most:
                name = f"{self._name}-{len(self._threads)}"
                thread = Thread(target=self._run, name=name, daemon=True)
                self._threads.append(thread)
                thread.start()
            self._work.put(work)

    def close(self) -> None:
        """Wait until all work is done, and take no more."""
        with self._lock:
            self._is_closed = True
        for _ in self._threads:
            self._work.put(None)
        for thread in self._threads:
            thread.join()

    def _run(self) -> None:
        while (work := self._work.get()) is not None:
            work()
            del work  # else what it holds would wait with it for the next
            with self._lock:
                self._idle += 1
