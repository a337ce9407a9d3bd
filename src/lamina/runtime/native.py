"""Containers by our own hands: namespaces, mounts and rights through plain system calls.

What happens inside is in `init`; here are the orders it gets and the end of its process.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import Any

from lamina.fs import syscalls
from lamina.fs.mounts import Bind, RootPlan, reduced
from lamina.oci import bundle as oci
from lamina.runtime import bpf, cgroups, defaults, host
from lamina.runtime.container import (
    Bundle,
    Process,
    Source,
    StartFailed,
    State,
    Stdio,
    Tree,
    failure,
    start_time,
)
from lamina.runtime.inside.report import receive, send
from lamina.runtime.spawn import Streams, spawn

_CONTAINER = 5  # where `init` finds the pidfd of the container to enter


class Native:
    """The default runtime. Needs root, Linux 5.12, and neither runc nor crun."""

    name = "native"

    def start(self, bundle: Bundle, root: RootPlan, stdio: Stdio) -> Process:
        """As `Runtime.start`."""
        host.check_rights(host.look())
        resources = bundle.spec.resources
        found = cgroups.hierarchies()
        group = cgroups.ControlGroup(())
        if resources.is_limited:
            group = cgroups.create(bundle.id, resources, found)
        filter = b"" if bundle.spec.seccomp is None else bpf.compile(bundle.spec.seccomp)
        try:
            launched = _launch(_start_orders(bundle, root, group, found, filter), stdio)
        except BaseException:
            group.remove()
            raise

        def finish() -> bool:
            killed = group.was_oom_killed()
            group.remove()
            return killed

        state = State(
            runtime=self.name,
            id=bundle.id,
            pid=launched.pid,
            started=start_time(launched.pid) or 0,
            process=bundle.spec.process,
            filter=filter,
            cgroups=group.directories,
        )
        return Process(
            child=launched.pid,
            state=state,
            terminal=launched.terminal,
            created=launched.created,
            finish=finish,
        )

    def exec(self, state: State, process: oci.Process, stdio: Stdio) -> Process:
        """As `Runtime.exec`."""
        host.check_rights(host.look())
        container = state.open()
        orders = _process_orders(process, state.filter, state.cgroups, die=True)
        orders["enter"] = _CONTAINER
        try:
            launched = _launch(orders, stdio, container)
        finally:
            os.close(container)
        return Process(child=launched.pid, state=state, terminal=launched.terminal)


@dataclass(frozen=True, slots=True)
class _Launched:
    pid: int
    terminal: int | None
    created: tuple[str, ...]


def _process_orders(
    process: oci.Process, filter: bytes, groups: tuple[str, ...], *, die: bool
) -> dict[str, Any]:
    number = defaults.CAPABILITIES.index
    return {
        "process": process.to_json(),
        "capabilities": sum(1 << number(name) for name in process.capabilities),
        "filter": filter,
        "cgroups": list(groups),
        "die": die,
    }


def _start_orders(
    bundle: Bundle,
    root: RootPlan,
    group: cgroups.ControlGroup,
    found: tuple[cgroups.Hierarchy, ...],
    filter: bytes,
) -> dict[str, Any]:
    """What `init` is told; plain values, as marshal takes them."""
    spec = bundle.spec
    rules = spec.resources.devices
    orders = _process_orders(spec.process, filter, group.directories, die=bundle.die_with_starter)
    return orders | {
        "config": spec.to_json(),
        "root": plan_words(root),
        "sources": {target: source_words(source) for target, source in bundle.sources.items()},
        "devices": [device.to_json() for device in (*defaults.DEVICES, *spec.devices)],
        "with_devices": bool(rules) and rules[0].allow,
        "hierarchies": cgroups.views(found),
        "scratch": os.path.dirname(os.path.abspath(__file__)),
        "init": bundle.init,
    }


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


def _launch(orders: dict[str, Any], stdio: Stdio, container: int | None = None) -> _Launched:
    """Spawn `init`, hand it its orders, and listen until the command runs or the start failed."""
    orders_read, orders_write = os.pipe()
    report_read, report_write = os.pipe()
    try:
        try:
            if orders["process"]["terminal"]:
                stdio = Stdio()
            more = (orders_read, report_write, *(() if container is None else (container,)))
            streams = Streams((stdio.stdin, stdio.stdout, stdio.stderr), more)
            first = spawn("init", streams)
        except OSError as error:
            raise _spawn_refusal(error) from error
        finally:
            os.close(orders_read)
            os.close(report_write)
        try:
            send(orders_write, orders)
        except BrokenPipeError:
            pass  # it died at once; the report, or its absence, says so
        return _listen(first, report_read, orders_write)
    finally:
        os.close(orders_write)
        os.close(report_read)


def _spawn_refusal(error: OSError) -> StartFailed:
    hint = None
    if error.errno == errno.ENOSYS:
        hint = "this needs Linux 5.12 or later"
    return StartFailed(f"starting a container failed: {error.strerror}", hint=hint)


def _listen(first: int, report: int, acknowledge: int) -> _Launched:
    pid = offered = terminal = refusal = None
    created: list[str] = []
    try:
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
            if offered is not None and pid is not None and terminal is None:
                terminal = _fetch(pid, offered)
                send(acknowledge, "taken")
    finally:
        os.waitpid(first, 0)
    if pid is not None and refusal is None:
        return _Launched(pid, terminal, tuple(created))
    if pid is not None:
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
