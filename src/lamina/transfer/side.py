"""Jobs done side by side in threads; the first failure stops them all."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from typing import BinaryIO

_MOMENT = 2.0  # seconds
Job = Callable[[], None]


class Stopped(Exception):  # not an error of its own: another job failed
    """Raised within a job that need not go on."""


class Stop:
    """Says to jobs that another one has failed."""

    def __init__(self) -> None:
        self._event = threading.Event()

    def set(self) -> None:
        self._event.set()

    def check(self) -> None:
        """Raise Stopped once it is set; called wherever a job has done a little more."""
        if self._event.is_set():
            raise Stopped


def side_by_side(jobs: Sequence[Job], workers: int, stop: Stop) -> None:
    """Do all jobs, `workers` at a time, in their order; raise what the first that failed raised.

    The jobs look at `stop` as they go. Interrupted, it waits a moment for them to clear up; one
    that waits for a peer ends with the process.
    """
    waiting = list(reversed(jobs))
    lock = threading.Lock()
    failures: list[BaseException] = []

    def work() -> None:
        while True:
            with lock:
                if not waiting or failures:
                    return
                job = waiting.pop()
            try:
                job()
            except Stopped:
                return
            except BaseException as error:  # noqa: BLE001  # carried over to the caller's thread
                with lock:
                    failures.append(error)
                stop.set()

    threads = [
        threading.Thread(target=work, name=f"lamina-transfer-{number}", daemon=True)
        for number in range(min(workers, len(jobs)))
    ]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join()
    except BaseException:
        stop.set()
        for thread in threads:
            thread.join(_MOMENT / len(threads))
        raise
    if failures:
        raise failures[0]


class Watched:
    """A stream that tells how far it is read, and stops where `stop` says so."""

    def __init__(self, stream: BinaryIO, tell: Callable[[int], None], stop: Stop) -> None:
        self._stream = stream
        self._tell = tell
        self._stop = stop
        self._done = 0

    def read(self, size: int = -1, /) -> bytes:
        self._stop.check()
        data = self._stream.read(size)
        self._done += len(data)
        self._tell(self._done)
        return data
