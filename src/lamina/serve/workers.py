"""Several processes that serve at one socket, and the one that starts them and waits.

The socket is made before, and all of them take connections from it: what waits there when one is
killed is taken by another. Each holds one end of a pair of sockets, by which it ends when the
first process is gone, and says why if it cannot serve.
"""

from __future__ import annotations

import os
import signal
import socket
import sys
import time
from collections.abc import Callable
from typing import NoReturn

from lamina.errors import Error, Unavailable
from lamina.values import dataclass

_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD)
_PAUSE = 1.0  # seconds before the next, after one that did not live as long
_LONGEST = 4000  # bytes of a reason

Log = Callable[[dict[str, object]], None]
Work = Callable[[int, socket.socket], None]


@dataclass(slots=True)
class _Worker:
    """A process that serves."""

    pid: int
    line: socket.socket  # our end
    began: float  # monotonic


def run(
    count: int,
    work: Work,
    *,
    grace: float,
    ready: Callable[[], None] = lambda: None,
    log: Log = lambda line: None,
) -> None:
    """Let `count` processes do `work`, and start another for each that ends.

    `ready` is called when all have been started. `work` gets its number, from 0 on, and the
    socket whose other end closes when it has to end. Returns after SIGTERM or SIGINT, when all
    have ended, with `grace` seconds for that; Unavailable if one of them fails. No threads may
    run when this is called.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    workers: dict[int, _Worker] = {}
    due: dict[int, float] = {}  # when to start another, monotonic
    try:
        for number in range(count):
            workers[number] = _start(number, work, workers, before)
        ready()
        while True:
            told = signal.sigtimedwait(_SIGNALS, _PAUSE if due else 3600.0)
            if told is not None and told.si_signo != signal.SIGCHLD:
                return
            now = time.monotonic()
            for number, worker, status in _reap(workers):
                _judge(worker, status, log)
                due[number] = now if now - worker.began > _PAUSE else now + _PAUSE
            for number in [number for number, at in due.items() if at <= now]:
                del due[number]
                workers[number] = _start(number, work, workers, before)
    finally:
        _stop(workers, grace)
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _judge(worker: _Worker, status: int, log: Log) -> None:
    """Unavailable if a worker has failed; else another may take its place."""
    reason = _reason(worker)
    if os.WIFEXITED(status) and os.WEXITSTATUS(status):
        raise Unavailable(f"a worker has failed: {reason or 'it does not say why'}")
    ended_by = os.WTERMSIG(status) if os.WIFSIGNALED(status) else None
    log({"event": "worker ended", "pid": worker.pid, "signal": ended_by})


def _start(
    number: int, work: Work, others: dict[int, _Worker], mask: set[signal.Signals] | set[int]
) -> _Worker:
    ours, theirs = socket.socketpair()
    pid = os.fork()
    if not pid:
        ours.close()
        for other in others.values():
            other.line.close()  # else it would not close when the first process is gone
        _serve(number, work, theirs, mask)
    theirs.close()
    return _Worker(pid, ours, time.monotonic())


def _serve(
    number: int, work: Work, line: socket.socket, mask: set[signal.Signals] | set[int]
) -> NoReturn:
    """Do the work in this process, and never return."""
    status = 1
    try:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        work(number, line)
        status = 0
    except Error as error:
        _tell(line, error.message)
    except BaseException as error:  # noqa: BLE001  # nothing may go up into what was forked
        _tell(line, f"{type(error).__name__}: {error}")
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _tell(line: socket.socket, reason: str) -> None:
    try:
        line.send(reason.encode()[:_LONGEST])
    except OSError:
        pass  # the first process is gone


def _reason(worker: _Worker) -> str:
    with worker.line:
        try:
            return worker.line.recv(_LONGEST, socket.MSG_DONTWAIT).decode("utf-8", "replace")
        except OSError:
            return ""


def _reap(workers: dict[int, _Worker]) -> list[tuple[int, _Worker, int]]:
    """Take out those that have ended: their numbers, and their statuses."""
    found = []
    for number, worker in list(workers.items()):
        pid, status = os.waitpid(worker.pid, os.WNOHANG)
        if pid:
            found.append((number, workers.pop(number), status))
    return found


def _stop(workers: dict[int, _Worker], grace: float) -> None:
    """Ask all to end, wait, and kill those that have not ended in time."""
    for worker in workers.values():
        os.kill(worker.pid, signal.SIGTERM)
    until = time.monotonic() + grace
    while workers:
        for _, worker, _ in _reap(workers):
            worker.line.close()
        left = until - time.monotonic()
        if not workers or left <= 0:
            break
        signal.sigtimedwait((signal.SIGCHLD,), left)
    for worker in workers.values():
        os.kill(worker.pid, signal.SIGKILL)
        os.waitpid(worker.pid, 0)
        worker.line.close()
