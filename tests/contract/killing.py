"""Killing a piece of work at every step that it can be seen to take."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable


def killed_at(step: int, work: Callable[[], object]) -> bool:
    """Do `work` in a child that is killed at its `step`-th audited call; whether it was.

    Opening, locking, renaming, removing and connecting are audited (docs.python.org, "Audit
    events table").
    """
    child = os.fork()
    if child == 0:
        try:
            left = step

            def count(event: str, _: object) -> None:
                nonlocal left
                if event.startswith(("open", "os.", "fcntl.", "sqlite3.")):
                    left -= 1
                    if left == 0:
                        os.kill(os.getpid(), signal.SIGKILL)

            sys.addaudithook(count)
            work()
            os._exit(0)
        finally:
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    assert os.WEXITSTATUS(status) == 0, "the work itself failed"
    return False


def every_kill(work: Callable[[], object], check: Callable[[], object]) -> int:
    """Kill `work` at each of its steps and `check` each time; how many steps there were."""
    step = 1
    while killed_at(step, work):
        check()
        step += 1
        assert step < 500
    check()
    return step - 1
