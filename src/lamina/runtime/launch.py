"""Hand orders to a spawned `init` or `shim`, and listen until the command runs or cannot."""

from __future__ import annotations

import errno
import os
import signal

from lamina.errors import Error
from lamina.fs import syscalls
from lamina.fs.mounts import Bind, Erofs, RootPlan, image, reduced
from lamina.runtime.container import Source, StartFailed, Stdio, Tree, failure
from lamina.runtime.inside.report import receive, send
from lamina.runtime.spawn import Streams, spawn
from lamina.values import dataclass

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

_PATIENCE = 2000  # milliseconds for a failed start to clean up after itself


@dataclass(frozen=True, slots=True)
class Launched:
    """What runs now."""

    pid: int  # of the command, as this host counts
    child: int  # whom to wait for
    terminal: int | None  # the master side
    created: tuple[str, ...]  # mount points made in the root


def plan_words(plan: RootPlan) -> tuple[Any, ...]:
    """A mount plan as the inside reads it."""
    plan = reduced(plan)
    if isinstance(plan, Bind):
        return ("bind", os.path.abspath(plan.source), plan.read_only)
    if isinstance(plan, Erofs):
        return ("erofs", image(plan))
    upper = None if plan.upper is None else os.path.abspath(plan.upper)
    work = None if plan.work is None else os.path.abspath(plan.work)
    lower = [
        image(each) if isinstance(each, Erofs) else os.path.abspath(each) for each in plan.lower
    ]
    return ("overlay", lower, upper, work, plan.narrow, plan.volatile)


def source_words(source: Source) -> tuple[Any, ...]:
    """A source as the inside reads it."""
    if isinstance(source, Tree):
        return ("tree", plan_words(source.plan), source.path)
    return ("file", source.data, source.mode, source.uid, source.gid)


def launch(
    module: str,
    orders: dict[str, Any],
    stdio: Stdio,
    more: tuple[int, ...] = (),
    *,
    is_parent: bool = False,
) -> Launched:
    """Spawn `module`, and return once the command runs; raises what `Runtime.start` says.

    `more` are descriptors for it from 5 on. It ends at once, with the command as its sibling, or
    stays as the command's parent if `is_parent`.
    """
    return Waiting(module, stdio, more).launch(orders, is_parent=is_parent)


def not_started(error: OSError) -> StartFailed:
    """For a process that could not be made, to be raised."""
    hint = "this needs Linux 5.12 or later" if error.errno == errno.ENOSYS else None
    return StartFailed(f"starting a container failed: {error.strerror}", hint=hint)


class Waiting:
    """An `init` or `shim` that waits for its orders; it ends by itself if whoever made it does."""

    def __init__(self, module: str, stdio: Stdio, more: tuple[int, ...] = ()) -> None:
        """StartFailed if it cannot be spawned."""
        self._is_used = False
        orders, self._orders = os.pipe()
        self._report, report = os.pipe()
        streams = Streams((stdio.stdin, stdio.stdout, stdio.stderr), (orders, report, *more))
        try:
            self._first = spawn(module, streams)
        except OSError as error:
            self._close()
            raise not_started(error) from error
        except BaseException:
            self._close()
            raise
        finally:
            os.close(orders)
            os.close(report)

    def launch(self, orders: dict[str, Any], *, is_parent: bool = False) -> Launched:
        """As the function of that name; to be called once."""
        self._is_used = True
        try:
            try:
                send(self._orders, orders)
            except BrokenPipeError:
                pass  # it died at once; the report, or its absence, says so
            return listen(self._first, self._report, self._orders, is_parent=is_parent)
        finally:
            self._close()

    def dismiss(self) -> None:
        """End it if it was not used."""
        if not self._is_used:
            self._is_used = True
            self._close()
            os.waitpid(self._first, 0)

    def __enter__(self) -> Waiting:
        return self

    def __exit__(self, *_: object) -> None:
        self.dismiss()

    def _close(self) -> None:
        os.close(self._orders)
        os.close(self._report)


def listen(
    first: int, report: int, acknowledge: int, *, is_parent: bool, pid: int | None = None
) -> Launched:
    """Hear of a start to its end, `pid` being the command's if it is known already."""
    heard = _Heard(pid)
    try:
        while (message := receive(report)) is not None:
            heard.take(message)
            holder = first if is_parent else heard.pid
            if heard.offered is not None and holder is not None and heard.terminal is None:
                heard.terminal = _fetch(holder, heard.offered)
                send(acknowledge, "taken")
        refusal = heard.refusal
        if heard.pid is None and refusal is None:
            refusal = StartFailed("the container ended before its command was started")
        if refusal is not None:
            raise refusal
    except BaseException:
        # Also when somebody interrupts us: nothing that is half started may stay.
        abandon(first, None if is_parent else heard.pid)
        if heard.terminal is not None:
            os.close(heard.terminal)
        raise
    assert heard.pid is not None
    if not is_parent:
        os.waitpid(first, 0)
    child = first if is_parent else heard.pid
    return Launched(heard.pid, child, heard.terminal, tuple(heard.created))


class _Heard:
    """What the inside has reported so far."""

    def __init__(self, pid: int | None) -> None:
        self.pid = pid
        self.offered: int | None = None  # the terminal's number over there
        self.terminal: int | None = None  # our copy of it
        self.created: list[str] = []
        self.refusal: Error | None = None

    def take(self, message: tuple[Any, ...]) -> None:
        match message:
            case ("pid", number):
                self.pid = number
            case ("created", path):
                self.created.append(path)
            case ("terminal", fd):
                self.offered = fd
            case ("error", kind, text):
                self.refusal = failure(kind, text)


def abandon(*children: int | None) -> None:
    """End what was started; a shim ends its container first."""
    for child in children:
        if child is not None:
            try:
                os.kill(child, signal.SIGTERM)
                if not _ends_soon(child):
                    os.kill(child, signal.SIGKILL)
                os.waitpid(child, 0)
            except (ProcessLookupError, ChildProcessError):
                pass


def _ends_soon(child: int) -> bool:
    import select

    fd = os.pidfd_open(child)
    try:
        poller = select.poll()
        poller.register(fd, select.POLLIN)
        return bool(poller.poll(_PATIENCE))
    finally:
        os.close(fd)


def _fetch(pid: int, fd: int) -> int:
    """Our own copy of a descriptor of a process."""
    pidfd = os.pidfd_open(pid)
    try:
        return syscalls.pidfd_getfd(pidfd, fd)
    finally:
        os.close(pidfd)
