"""Images that were pushed, looked at before anybody asks: in one thread that gives way."""

from __future__ import annotations

import os
import threading
from concurrent.futures import ThreadPoolExecutor

from lamina.errors import Error
from lamina.serve.web.shelf import Shelf

_WAITING = 100  # images; more are not waited for, and are read when somebody looks


class Ahead:
    """Reads what is in layers, up to `entries` of each, so that a page need not."""

    def __init__(self, shelf: Shelf, entries: int) -> None:
        self._shelf = shelf
        self._entries = entries
        self._room = threading.Semaphore(_WAITING)
        self._stopped = threading.Event()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="ahead", initializer=_give_way)

    def put(self, reference: str) -> None:
        """Read it some time; never waits."""
        if self._stopped.is_set() or not self._room.acquire(blocking=False):
            return
        self._thread.submit(self._read, reference)

    def close(self) -> None:
        """Stop, in the middle of a layer too."""
        self._stopped.set()
        self._thread.shutdown(wait=True, cancel_futures=True)

    def _read(self, reference: str) -> None:
        try:
            self._shelf.prepare(reference, self._entries, self._stopped.is_set)
        except (Error, OSError):
            pass  # said to whoever looks at it
        finally:
            self._shelf.close()
            self._room.release()


def _give_way() -> None:
    """Let every other thread go first: niceness is of single threads in Linux (sched(7))."""
    os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), 15)
