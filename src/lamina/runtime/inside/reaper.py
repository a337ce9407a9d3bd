"""PID 1 for `init`: it passes signals on, buries orphans, and ends as its child does."""

from __future__ import annotations

import os

from lamina.fs import syscalls

TYPE_CHECKING = False  # the `typing` module is too heavy for here
if TYPE_CHECKING:
    from typing import NoReturn

_SIGCHLD, _SIGTTIN, _SIGTTOU = 17, 21, 22


def fork(*, with_terminal: bool) -> int:
    """fork(2): 0 in the child, in a group of its own and ready to execute; its PID in PID 1."""
    syscalls.block_signals()
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    if with_terminal:
        syscalls.ignore_or_default(_SIGTTOU, ignore=True)
        os.tcsetpgrp(0, os.getpid())
        syscalls.ignore_or_default(_SIGTTOU, ignore=False)
    syscalls.unblock_signals()
    return 0


def serve(child: int) -> NoReturn:
    """Wait for everything; end with the child's status, 128 + N if a signal ended it."""
    while True:
        number = syscalls.next_signal()
        if number == _SIGCHLD:
            status = _bury(child)
            if status is not None:
                os._exit(status)
        elif number not in (_SIGTTIN, _SIGTTOU):
            try:
                os.kill(child, number)
            except ProcessLookupError:
                pass


def _bury(child: int) -> int | None:
    found = None
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return found
        if pid == 0:
            return found
        if pid == child:
            code = os.waitstatus_to_exitcode(status)
            found = code if code >= 0 else 128 - code
