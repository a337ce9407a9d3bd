"""The event loop that requests are answered in: of asyncio what a registry needs, and no more.

To import asyncio takes 40 ms and 8 MiB, mostly for subprocesses, transports and TLS. What is
awaited here can be awaited in asyncio too (`lamina.serve.http.waits`).
"""

from __future__ import annotations

import heapq
import os
import select
import signal
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress
from itertools import count
from threading import Lock

from lamina.serve.http.waits import here

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

IN, OUT = select.EPOLLIN, select.EPOLLOUT
_MOST = 4096  # bytes of wake-ups read at once
_FEW = 100  # timers that may lie about when they are over
_serials = count()


class Cancelled(BaseException):
    """The task is to end: raised where it waits."""


class Task:
    """A coroutine that runs in the loop."""

    def __init__(self, loop: Loop, coroutine: Coroutine[Any, None, object]) -> None:
        self._loop = loop
        self._coroutine = coroutine
        self._awaited: Any = None
        self._is_cancelled = False
        loop.tasks.add(self)
        loop.call_soon(self._step)

    def done(self) -> bool:
        return self not in self._loop.tasks

    def cancel(self) -> None:
        """Raise Cancelled where it waits, soon."""
        self._is_cancelled = True
        awaited, self._awaited = self._awaited, None
        if awaited is not None:
            awaited.cancel()
            self._loop.call_soon(self._step)

    def _step(self, awaited: Any = None) -> None:
        if awaited is not self._awaited:
            return  # it waits for that no more
        self._awaited = None
        self._loop.task = self
        try:
            if self._is_cancelled:
                self._is_cancelled = False
                awaited = self._coroutine.throw(Cancelled())
            else:
                awaited = self._coroutine.send(None)
        except (StopIteration, Cancelled):
            self._loop.tasks.discard(self)
        except BaseException:
            self._loop.tasks.discard(self)
            raise
        else:
            self._wait(awaited)
        finally:
            self._loop.task = None

    def _wait(self, awaited: Any) -> None:
        if awaited is None:
            self._loop.call_soon(self._step)
            return
        awaited._asyncio_future_blocking = False
        self._awaited = awaited
        awaited.add_done_callback(self._step, context=None)
        if self._is_cancelled:  # it has cancelled itself
            self.cancel()


class Timer:
    """Something that is called later."""

    __slots__ = ("callback", "is_cancelled", "loop")

    def __init__(self, loop: Loop, callback: Callable[[], object]) -> None:
        self.loop = loop
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        if not self.is_cancelled:
            self.is_cancelled = True
            self.loop.forget_timers()


class Loop:
    """Calls what is due, in the thread that runs it, until `stop`."""

    def __init__(self) -> None:
        self.task: Task | None = None  # which runs now
        self.tasks: set[Task] = set()  # which have not ended
        self.moment = 0  # another number once something may have been asked since
        self._soon: deque[tuple[Callable[..., object], tuple[object, ...]]] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._over = 0  # timers that are cancelled
        self._wakes, self._wake = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.epoll()
        self._watched: dict[int, Callable[[int], object]] = {}
        self._bell = Lock()
        self._is_rung = False
        self._signals: dict[int, Callable[[], object]] = {}
        self._before: dict[int, Any] = {}  # what signals did before
        self._wake_before = -1
        self._is_stopped = False
        self.watch(self._wakes, IN, self._woken)

    # -- as asyncio's loop ---------------------------------------------------------------------

    def call_soon(self, callback: Callable[..., object], *values: Any, context: Any = None) -> None:
        self._soon.append((callback, values))

    def call_soon_threadsafe(
        self, callback: Callable[..., object], *values: Any, context: Any = None
    ) -> None:
        """RuntimeError if the loop has ended."""
        self._soon.append((callback, values))
        self._ring()

    def call_later(self, seconds: float, callback: Callable[[], object]) -> Timer:
        timer = Timer(self, callback)
        heapq.heappush(self._timers, (time.monotonic() + seconds, next(_serials), timer))
        return timer

    def timeout(self, seconds: float) -> _Timeout:
        return _Timeout(self, seconds)

    def create_task(self, coroutine: Coroutine[Any, None, object]) -> Task:
        return Task(self, coroutine)

    # ------------------------------------------------------------------------------------------

    def on_signal(self, number: int, callback: Callable[[], object]) -> None:
        """Call back at a signal. In the first thread only, which must be the one that runs this."""
        self._signals[number] = callback
        if not self._before:
            self._wake_before = signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        self._before[number] = signal.signal(number, lambda number, frame: None)
        signal.siginterrupt(number, False)

    def watch(self, fd: int, events: int, callback: Callable[[int], object]) -> None:
        """Call back with what is ready whenever `fd` is, until `forget`.

        `events` are `IN`, `OUT` and the like of `select.epoll`. It must not be closed before the
        turn in which it is forgotten ends: something else would get its number.
        """
        self._watched[fd] = callback
        self._poll.register(fd, events)

    def change(self, fd: int, events: int) -> None:
        """Wait for other events. That it is broken is told even if nothing is waited for."""
        self._poll.modify(fd, events)

    def forget(self, fd: int) -> None:
        del self._watched[fd]
        self._poll.unregister(fd)

    def on_end(self, fd: int, callback: Callable[[], object]) -> None:
        """Call back once, when the other end of a socket is closed or says something."""

        def end(events: int) -> None:
            self.forget(fd)
            callback()

        self.watch(fd, IN, end)

    def stop(self) -> None:
        self._is_stopped = True

    def run(self) -> None:
        """Serve callbacks until `stop`. What one raises is told to `sys.excepthook`."""
        here.loop = self
        try:
            while not self._is_stopped:
                self._turn()
            self._call_soon()
        finally:
            here.loop = None
            for number, before in self._before.items():
                signal.signal(number, before)
            if self._before:
                signal.set_wakeup_fd(self._wake_before)
            with self._bell:  # whoever rings must not ring at what else gets this number
                os.close(self._wake)
                os.close(self._wakes)
                self._wake = -1
            self._poll.close()

    def forget_timers(self) -> None:
        """Let go of timers that are cancelled, if they are many."""
        self._over += 1
        if self._over > _FEW and self._over * 2 > len(self._timers):
            self._timers = [each for each in self._timers if not each[2].is_cancelled]
            heapq.heapify(self._timers)
            self._over = 0

    def _turn(self) -> None:
        """Wait until something is due, and call what is. What that makes due is left."""
        ready = self._poll.poll(self._patience())
        self.moment += 1
        for fd, events in ready:
            callback = self._watched.get(fd)
            if callback is not None:  # else it was forgotten in this turn
                _called(callback, events)
        now = time.monotonic() if self._timers else 0.0
        while self._timers and self._timers[0][0] <= now:
            timer = heapq.heappop(self._timers)[2]
            if timer.is_cancelled:
                self._over = max(0, self._over - 1)
            else:
                timer.is_cancelled = True
                _called(timer.callback)
        self._call_soon()

    def _call_soon(self) -> None:
        for _ in range(len(self._soon)):
            due, values = self._soon.popleft()
            _called(due, *values)

    def _patience(self) -> float | None:
        """Seconds until the next timer; None if there is none."""
        if self._soon or self._is_stopped:
            return 0
        if not self._timers:
            return None
        return max(0.0, self._timers[0][0] - time.monotonic()) + 0.001

    def _ring(self) -> None:
        with self._bell:
            if self._wake < 0:
                raise RuntimeError("the loop has ended")
            if not self._is_rung:
                self._is_rung = True
                with suppress(BlockingIOError):  # then it is full of wake-ups
                    os.write(self._wake, b"\0")

    def _woken(self, events: int) -> None:
        numbers = set(os.read(self._wakes, _MOST))
        # Not before: else what rings in between is read too, and nobody rings any more. What came
        # until now is called in this turn.
        self._is_rung = False
        for number in numbers & self._signals.keys():
            self._signals[number]()


class _Timeout:
    """Ends the block of a task after a while, with TimeoutError."""

    def __init__(self, loop: Loop, seconds: float) -> None:
        assert loop.task is not None
        self._task = loop.task
        self._is_over = False
        self._timer = loop.call_later(seconds, self._end)

    async def __aenter__(self) -> None:
        pass

    async def __aexit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        self._timer.cancel()
        if self._is_over and kind is not None and issubclass(kind, Cancelled):
            raise TimeoutError

    def _end(self) -> None:
        self._is_over = True
        self._task.cancel()


def _called(callback: Callable[..., object], *values: object) -> None:
    try:
        callback(*values)
    except BaseException as error:  # noqa: BLE001  # all else goes on
        sys.excepthook(type(error), error, error.__traceback__)
