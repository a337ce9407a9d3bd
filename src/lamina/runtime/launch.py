"""Hand orders to a spawned `init` or `shim`, and listen until the command runs or cannot."""

from __future__ import annotations

import errno
import os
from typing import Any

from lamina.fs import syscalls
from lamina.fs.mounts import Bind, RootPlan, reduced
from lamina.runtime.container import Source, StartFailed, Stdio, Tree, failure
from lamina.runtime.inside.report import receive, send
from lamina.runtime.spawn import Streams, spawn
from lamina.values import dataclass


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
    upper = None if plan.upper is None else os.path.abspath(plan.upper)
    work = None if plan.work is None else os.path.abspath(plan.work)
    return ("overlay", [os.path.abspath(path) for path in plan.lower], upper, work)


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
    orders_read, orders_write = os.pipe()
    report_read, report_write = os.pipe()
    try:
        try:
            streams = Streams(
                (stdio.stdin, stdio.stdout, stdio.stderr), (orders_read, report_write, *more)
            )
            first = spawn(module, streams)
        except OSError as error:
            hint = "this needs Linux 5.12 or later" if error.errno == errno.ENOSYS else None
            raise StartFailed(
                f"starting a container failed: {error.strerror}", hint=hint
            ) from error
        finally:
            os.close(orders_read)
            os.close(report_write)
        try:
            send(orders_write, orders)
        except BrokenPipeError:
            pass  # it died at once; the report, or its absence, says so
        return _listen(first, report_read, orders_write, is_parent=is_parent)
    finally:
        os.close(orders_write)
        os.close(report_read)


def _listen(first: int, report: int, acknowledge: int, *, is_parent: bool) -> Launched:
    pid = offered = terminal = refusal = None
    created: list[str] = []
    while (message := receive(report)) is not None:
        match message:
            case ("pid", number):
                pid = number
            case ("created", path):
                created.append(path)
            case ("terminal", fd):
                offered = fd
            case ("error", kind, text):
                refusal = failure(kind, text)
        holder = first if is_parent else pid
        if offered is not None and holder is not None and terminal is None:
            terminal = _fetch(holder, offered)
            send(acknowledge, "taken")
    if pid is not None and refusal is None:
        if not is_parent:
            os.waitpid(first, 0)
        return Launched(pid, first if is_parent else pid, terminal, tuple(created))
    os.waitpid(first, 0)
    if pid is not None and not is_parent:
        os.waitpid(pid, 0)
    if terminal is not None:
        os.close(terminal)
    raise refusal or StartFailed("the container ended before its command was started")


def _fetch(pid: int, fd: int) -> int:
    """Our own copy of a descriptor of a process."""
    pidfd = os.pidfd_open(pid)
    try:
        return syscalls.pidfd_getfd(pidfd, fd)
    finally:
        os.close(pidfd)
