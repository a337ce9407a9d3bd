from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import closing
from typing import Any

import pytest

from lamina.serve.http.loop import Cancelled, Loop, Task
from lamina.serve.http.threads import Threads
from lamina.serve.http.waits import Outcome, in_thread, running, sleep, timeout


def ended(main: Callable[[Loop], Coroutine[Any, None, object]]) -> object:
    """What `main` returns in a loop of its own, or raises."""
    loop = Loop()
    found: list[object] = []
    failed: list[BaseException] = []

    async def all_of_it() -> None:
        try:
            found.append(await main(loop))
        except BaseException as error:
            failed.append(error)
        loop.stop()

    loop.create_task(all_of_it())
    loop.run()
    if failed:
        raise failed[0]
    return found[0]


async def for_ever() -> None:
    await Outcome(running())


def test_a_task_gets_what_work_in_a_thread_returns_or_raises() -> None:
    def fail() -> None:
        raise ValueError("no")

    with closing(Threads(1, "t")) as threads:

        async def main(loop: Loop) -> object:
            with pytest.raises(ValueError, match="no"):
                await in_thread(threads, fail)
            job: Awaitable[int] = in_thread(threads, lambda x, y: x + y, 1, 2)
            return await job, await job

        assert ended(main) == (3, 3)


def test_what_waits_too_long_is_told_so_and_goes_on() -> None:
    async def main(loop: Loop) -> object:
        with pytest.raises(TimeoutError):
            async with timeout(0.001):
                await for_ever()
        async with timeout(60):
            await sleep(0)
        return "on"

    assert ended(main) == "on"


def test_a_task_that_is_cancelled_ends_after_its_finally() -> None:
    seen: list[str] = []

    async def waiting() -> None:
        try:
            await sleep(60)
        finally:
            await sleep(0)
            seen.append("finally")

    async def main(loop: Loop) -> object:
        task = loop.create_task(waiting())
        await sleep(0)
        task.cancel()
        assert not task.done()
        while not task.done():
            await sleep(0)
        return seen

    assert ended(main) == ["finally"]


def test_a_task_that_is_cancelled_before_it_began_never_begins() -> None:
    async def main(loop: Loop) -> object:
        task = loop.create_task(for_ever())
        task.cancel()
        await sleep(0)
        return task.done()

    assert ended(main) is True


def test_a_task_may_cancel_itself() -> None:
    async def own(loop: Loop) -> None:
        assert loop.task is not None
        loop.task.cancel()
        await for_ever()

    async def main(loop: Loop) -> object:
        task = loop.create_task(own(loop))
        while not task.done():
            await sleep(0)
        return "on"

    assert ended(main) == "on"


def test_cancelled_is_no_exception_that_handlers_catch() -> None:
    assert not issubclass(Cancelled, Exception)


def test_another_thread_wakes_the_loop() -> None:
    loop = Loop()
    thread = threading.Thread(target=lambda: loop.call_soon_threadsafe(loop.stop))
    loop.call_soon(thread.start)
    loop.run()
    thread.join()
    with pytest.raises(RuntimeError):
        loop.call_soon_threadsafe(loop.stop)


def test_a_signal_is_told_in_the_loop_and_means_afterwards_what_it_did() -> None:
    before = signal.getsignal(signal.SIGUSR1)
    loop = Loop()
    loop.on_signal(signal.SIGUSR1, loop.stop)
    loop.call_soon(lambda: os.kill(os.getpid(), signal.SIGUSR1))
    loop.run()
    assert signal.getsignal(signal.SIGUSR1) == before
    assert signal.set_wakeup_fd(-1) == -1


def test_the_end_of_a_socket_is_told_once() -> None:
    loop = Loop()
    ours, theirs = socket.socketpair()
    told: list[str] = []

    def end() -> None:
        told.append("end")
        loop.call_later(0.001, loop.stop)

    with ours:
        loop.on_end(ours.fileno(), end)
        loop.call_soon(theirs.close)
        loop.run()
    assert told == ["end"]


def test_timers_come_in_their_order_and_those_cancelled_do_not() -> None:
    loop = Loop()
    came: list[int] = []
    loop.call_later(0.002, loop.stop)
    loop.call_later(0.001, lambda: came.append(2))
    loop.call_later(0, lambda: came.append(1))
    for _ in range(1000):
        loop.call_later(0, lambda: came.append(0)).cancel()
    assert len(loop._timers) < 500
    loop.run()
    assert came == [1, 2]


def test_a_callback_that_raises_is_told_of_and_ends_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    told: list[str] = []
    monkeypatch.setattr("sys.excepthook", lambda kind, error, trace: told.append(str(error)))
    loop = Loop()

    def fail() -> None:
        raise ValueError("no")

    async def fails() -> None:
        fail()

    loop.call_soon(fail)
    task: Task = loop.create_task(fails())
    loop.call_later(0, loop.stop)
    loop.run()
    assert told == ["no", "no"]
    assert task.done()


def test_the_same_waits_work_in_asyncio() -> None:
    import asyncio

    with closing(Threads(1, "t")) as threads:

        async def main() -> int:
            await sleep(0)
            with pytest.raises(TimeoutError):
                async with timeout(0.001):
                    await asyncio.Event().wait()
            job: Awaitable[int] = in_thread(threads, int, "3")
            return await job + await job

        assert asyncio.run(main()) == 6


def test_no_wake_up_is_lost_among_many() -> None:
    loop = Loop()
    heard: list[bool] = []

    def ring() -> None:
        called = threading.Semaphore(0)
        for _ in range(2000):
            for _ in range(5):  # some while the loop reads the first
                loop.call_soon_threadsafe(called.release)
            if not all(called.acquire(timeout=10) for _ in range(5)):
                break
        else:
            heard.append(True)

    def wait(threads: list[threading.Thread]) -> None:
        for thread in threads:
            thread.join()
        loop.call_soon_threadsafe(loop.stop)

    ringing = [threading.Thread(target=ring) for _ in range(3)]
    for thread in ringing:
        thread.start()
    waiting = threading.Thread(target=wait, args=(ringing,))
    waiting.start()
    overdue = loop.call_later(30, loop.stop)
    loop.run()
    overdue.cancel()
    waiting.join()
    assert heard == [True] * 3
