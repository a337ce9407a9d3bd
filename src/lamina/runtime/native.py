"""Containers by our own hands: namespaces, mounts and rights through plain system calls.

What happens inside is in `init`; here are the orders it gets and the end of its process.
"""

from __future__ import annotations

import os

from lamina.fs.mounts import RootPlan
from lamina.oci import bundle as oci
from lamina.runtime import bpf, cgroups, defaults, host
from lamina.runtime.container import (
    Bundle,
    Process,
    Ready,
    State,
    Stdio,
    start_time,
)
from lamina.runtime.launch import Launched, Waiting, launch, plan_words, source_words

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

    from lamina.runtime.fork import Cloning

_CONTAINER = 5  # where `init` finds the pidfd of the container to enter


class Native:
    """The default runtime. Needs root, Linux 5.12, and neither runc nor crun."""

    name = "native"

    def ready(self, stdio: Stdio) -> Ready:
        """As `Runtime.ready`."""
        host.check_rights(host.look())
        return _cloning(stdio) or Waiting("init", stdio)

    def start(
        self, bundle: Bundle, root: RootPlan, stdio: Stdio, ready: Ready | None = None
    ) -> Process:
        """As `Runtime.start`."""
        host.check_rights(host.look())
        resources = bundle.spec.resources
        found = cgroups.hierarchies()
        group = cgroups.ControlGroup(())
        if resources.is_limited:
            group = cgroups.create(bundle.id, resources, found)
        # An init stays, and is to be a small program.
        is_clonable = not bundle.init and _lets_through(bundle.spec.seccomp)
        filter = b"" if bundle.spec.seccomp is None else bpf.compile(bundle.spec.seccomp)
        if bundle.spec.process.terminal:
            stdio = Stdio()
        try:
            orders = _start_orders(bundle, root, group, found, filter)
            launched = self._launch(orders, stdio, ready, is_clonable=is_clonable)
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
            is_clonable=is_clonable,
        )
        return Process(
            child=launched.pid,
            state=state,
            terminal=launched.terminal,
            created=launched.created,
            finish=finish,
        )

    def _launch(
        self, orders: dict[str, Any], stdio: Stdio, ready: Ready | None, *, is_clonable: bool
    ) -> Launched:
        if not is_clonable:
            return launch("init", orders, stdio)
        if ready is not None:
            return ready.launch(orders)
        with self.ready(stdio) as own:
            return own.launch(orders)

    def exec(self, state: State, process: oci.Process, stdio: Stdio) -> Process:
        """As `Runtime.exec`."""
        host.check_rights(host.look())
        container = state.open()
        orders = _process_orders(process, state.filter, state.cgroups, die=True)
        if process.terminal:
            stdio = Stdio()
        try:
            own = _cloning(stdio, container) if state.is_clonable else None
            if own is None:
                orders["enter"] = _CONTAINER
                launched = launch("init", orders, stdio, (container,))
            else:
                with own:
                    launched = own.launch(orders)
        finally:
            os.close(container)
        return Process(child=launched.pid, state=state, terminal=launched.terminal)


def _lets_through(filter: oci.Seccomp | None) -> bool:
    """Whether a command can be executed by way of the trampoline."""
    if filter is None:
        return True
    from lamina.runtime import seccomp, trampoline

    return seccomp.allows(filter, trampoline.CALLS)


def _cloning(stdio: Stdio, enter: int | None = None) -> Cloning | None:
    """The quick way, where it is one."""
    from lamina.runtime import fork

    if not fork.is_possible():
        return None
    try:
        return fork.Cloning(stdio, enter)
    except OSError:
        return None  # this host executes no memory


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
