"""A container from a clone of this process, where that is safe: nothing to start, nothing to read.

A new interpreter takes longer than all the rest of a start. A process of one thread can do without
it: its clone is PID 1 from the first moment, does what `init` does, and executes the command by way
of the `trampoline`.

    this process               its clone, PID 1
    clone ─────────────────────► descriptors and signals as a new login has them
                                 (or that of a first clone, which has entered a container)
    ◄─────────────────────────── "created", "terminal", "error" on 4; its end: the trampoline runs
    ◄─────────────────────────── an errno on 5; its end: the command runs
"""

from __future__ import annotations

import os
import sys

from lamina.fs import syscalls
from lamina.runtime import init, trampoline
from lamina.runtime.container import Stdio, failure
from lamina.runtime.inside import rights
from lamina.runtime.inside.report import send
from lamina.runtime.launch import Launched, abandon, listen, not_started

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any, NoReturn

_FIRST_FREE = 16  # above every number that a clone uses
_LAST_SIGNAL = 64
_MOST_ERRNO = 4095


def is_possible() -> bool:
    """Whether a clone of this process would do.

    Another thread could hold a lock that the clone waits for; names of files and words of the
    command are UTF-8 in a container, whatever this host's locale is.
    """
    return (
        trampoline.is_known()
        and sys.getfilesystemencoding() == "utf-8"
        and len(os.listdir("/proc/self/task")) == 1
    )


class Cloning:
    """As `launch.Waiting`, with nobody who waits: a clone is made when the orders are known."""

    def __init__(self, stdio: Stdio, enter: int | None = None) -> None:
        """`enter`: the pidfd of a container to enter. OSError where memory cannot be executed."""
        self._stdio = stdio
        self._enter = enter
        self._program = trampoline.make()

    def launch(self, orders: dict[str, Any], *, is_parent: bool = False) -> Launched:
        """As `launch.Waiting.launch`."""
        import signal

        is_entering = self._enter is not None
        if is_entering:
            orders["enter"] = trampoline.STATUS + 2
        init.load(orders["process"])
        hearing, ordering = os.pipe()
        listening, reporting = os.pipe()
        learning, telling = os.pipe()
        try:
            before = signal.pthread_sigmask(signal.SIG_SETMASK, signal.valid_signals())
            try:
                child = syscalls.clone(0 if is_entering else init.namespaces(orders))
                if not child:
                    self._become(orders, (hearing, reporting, telling))
            except OSError as error:
                raise not_started(error) from error
            finally:
                signal.pthread_sigmask(signal.SIG_SETMASK, before)
            for fd in (hearing, reporting, telling):
                os.close(fd)
            hearing = reporting = telling = -1
            pid = None if is_entering else child
            launched = listen(child, listening, ordering, is_parent=not is_entering, pid=pid)
            self._refuse(launched, orders["process"], learning)
            return launched
        finally:
            for fd in (hearing, ordering, listening, reporting, learning, telling):
                if fd >= 0:
                    os.close(fd)

    def _refuse(self, launched: Launched, process: dict[str, Any], learning: int) -> None:
        """Raise what the trampoline says, if anything.

        Who is in the container already may hold the other end for the moment of the trampoline; it
        need not be closed when the command runs, and what it says is only believed to be a number.
        """
        try:
            answer = _first_of(learning, launched.child)
            if len(answer) < 4:
                return
            number = -int.from_bytes(answer, sys.byteorder, signed=True) & _MOST_ERRNO
            refusal = rights.refusal(process["args"][0], number)
            raise failure(refusal.kind, refusal.message)
        except BaseException:
            abandon(launched.child)
            if launched.terminal is not None:
                os.close(launched.terminal)
            raise

    def _become(self, orders: dict[str, Any], pipes: tuple[int, int, int]) -> NoReturn:
        """In the clone: be as `init` is when its interpreter has started, and go on as it does."""
        import gc

        report = pipes[1]
        try:
            gc.disable()  # what the caller has open must not be closed by objects, but by number
            null = os.open(os.devnull, os.O_RDWR)
            own = (self._stdio.stdin, self._stdio.stdout, self._stdio.stderr)
            wanted = [null if fd is None else fd for fd in own] + [*pipes, self._program]
            if self._enter is not None:
                wanted.append(self._enter)
            for number, fd in enumerate([_lifted(fd) for fd in wanted]):
                os.dup2(fd, number, inheritable=number < 3 or number == trampoline.STATUS)
            report = init.REPORT
            syscalls.close_from(len(wanted))
            for number in range(1, _LAST_SIGNAL + 1):
                syscalls.ignore_or_default(number, ignore=False)
            syscalls.unblock_signals()
        except BaseException as error:  # noqa: BLE001  # there is no other ear
            send(report, "error", "setup", f"{type(error).__name__}: {error}")
            os._exit(init.SETUP_FAILED)
        if self._enter is None:
            init.follow(orders, program=trampoline.STATUS + 1)
        init.begin(orders, program=trampoline.STATUS + 1)

    def dismiss(self) -> None:
        """Close what is open; idempotent."""
        if self._program >= 0:
            os.close(self._program)
            self._program = -1

    def __enter__(self) -> Cloning:
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()


def _first_of(pipe: int, child: int) -> bytes:
    """What comes out of the pipe, or nothing if the child ends before."""
    import select

    pidfd = os.pidfd_open(child)
    try:
        poller = select.poll()
        for fd in (pipe, pidfd):
            poller.register(fd, select.POLLIN)
        ready = dict(poller.poll())
        return os.read(pipe, 4) if pipe in ready else b""
    finally:
        os.close(pidfd)


def _lifted(fd: int) -> int:
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE)
