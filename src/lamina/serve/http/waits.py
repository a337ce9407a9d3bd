"""Waiting for something, in our own event loop (`lamina.serve.http.loop`) or in asyncio's.

An application may be served by either. Both await what follows `asyncio.Future`: it has
`add_done_callback`, `result`, `cancel`, `get_loop` and `_asyncio_future_blocking`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import suppress
from threading import local

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from collections.abc import Awaitable
    from typing import Any, TypeVar

    from lamina.serve.http.threads import Threads

    T = TypeVar("T")

here = local()  # `loop` is ours, while it runs in this thread


class Outcome:
    """What comes of work done elsewhere; awaited in the loop that it was made in.

    To cancel whoever waits does not end the work; in asyncio it waits for that.
    """

    _asyncio_future_blocking = False

    def __init__(self, loop: Any) -> None:
        self._loop = loop
        self._callbacks: list[tuple[Callable[[Outcome], object], Any]] = []
        self._is_done = False
        self._value: object = None
        self._error: BaseException | None = None

    def get_loop(self) -> Any:
        return self._loop

    def done(self) -> bool:
        return self._is_done

    def result(self) -> Any:
        if self._error is not None:
            raise self._error
        return self._value

    def cancel(self, msg: object = None) -> bool:
        return False

    def add_done_callback(
        self, callback: Callable[[Outcome], object], *, context: Any = None
    ) -> None:
        if self._is_done:
            self._loop.call_soon(callback, self, context=context)
        else:
            self._callbacks.append((callback, context))

    def settle(self, value: object, error: BaseException | None = None) -> None:
        """It is done. In the thread of the loop."""
        self._value, self._error, self._is_done = value, error, True
        for callback, context in self._callbacks:
            self._loop.call_soon(callback, self, context=context)
        self._callbacks.clear()

    def __await__(self) -> Generator[Any, None, Any]:
        if not self._is_done:
            self._asyncio_future_blocking = True
            yield self
        return self.result()


def running() -> Any:
    """The loop that runs in this thread: ours, or asyncio's."""
    ours = getattr(here, "loop", None)
    if ours is not None:
        return ours
    import asyncio

    return asyncio.get_running_loop()


def timeout(seconds: float) -> Any:
    """`asyncio.timeout`, in either loop."""
    ours = getattr(here, "loop", None)
    if ours is not None:
        return ours.timeout(seconds)
    import asyncio

    return asyncio.timeout(seconds)


async def sleep(seconds: float) -> None:
    loop = running()
    over: Outcome = Outcome(loop)
    loop.call_later(seconds, lambda: over.settle(None))
    await over


def in_thread(threads: Threads, work: Callable[..., T], *values: object) -> Awaitable[T]:
    """Work in a thread: it goes on even if nobody waits for it any more."""
    loop = running()
    outcome: Outcome = Outcome(loop)

    def do() -> None:
        value, error = None, None
        try:
            value = work(*values)
        except BaseException as failure:  # noqa: BLE001  # told to whoever waits
            error = failure
        with suppress(RuntimeError):  # the loop has ended: nobody waits
            loop.call_soon_threadsafe(outcome.settle, value, error)

    threads.submit(do)
    return outcome
