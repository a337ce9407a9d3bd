"""One more process in a container that runs already (`lamina exec`)."""

from __future__ import annotations

import os

from lamina.errors import Conflict, NotFound
from lamina.run.attach import Detached, Looking, View
from lamina.run.container import Container
from lamina.run.control import Conversation
from lamina.run.failures import told
from lamina.run.ground import Ground
from lamina.run.launcher import fork_watcher
from lamina.run.lifecycle import running
from lamina.run.pump import Pump
from lamina.run.state import LOST, State, Status
from lamina.run.streams import Streams
from lamina.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to execute, and as whom; None is as the container's first process."""

    args: tuple[str, ...]
    env: tuple[str, ...] = ()  # "K=V" sets, "K" unsets
    user: str | None = None
    workdir: str | None = None
    interactive: bool = False
    tty: bool = False
    privileged: bool = False


def execute(
    ground: Ground, container: Container, order: Order, view: View | None
) -> int | Detached | None:
    """Execute it, and with a view look on until its end: its exit status; None without.

    Conflict if the container does not run. Like a container's own process it is watched by a
    process of its own, so that one can leave it running.
    """
    state = running(ground, container)
    if state.status is Status.PAUSED:
        raise Conflict(
            f'container "{container.name}" is paused', hint="unpause it before executing in it"
        )

    def watch(conversation: Conversation) -> None:
        pump = Pump(log=None, stdin_once=True)
        viewer = pump.admit(conversation)
        if view is not None:
            pump.hear(viewer)
        _watch(ground, container, state, order, pump)

    ours, child = fork_watcher(watch)
    os.waitpid(child, 0)
    looking = Looking(ours, view or View(proxy_signals=False))
    if view is None:
        looking.until_start()
        return None
    looking.attach()
    return looking.until_end()


def _watch(ground: Ground, container: Container, state: State, order: Order, pump: Pump) -> None:
    try:
        packet = {"event": "ended", "status": _run(ground, container, state, order, pump)}
    except Exception as error:  # noqa: BLE001  # said to the one who waits for it
        packet = told(error)
    pump.close()
    pump.tell(packet)
    pump.let_go()


def _run(ground: Ground, container: Container, state: State, order: Order, pump: Pump) -> int:
    from lamina.runtime.accounts import read_accounts_at
    from lamina.runtime.command import exec_process
    from lamina.runtime.container import State as Handle
    from lamina.runtime.host import look

    handle = Handle.parse(state.handle)
    assert state.process is not None
    try:
        root = os.open(f"/proc/{state.process.pid}/root", os.O_PATH | os.O_DIRECTORY)
    except OSError:
        raise NotFound(f'container "{container.name}" is not running') from None
    try:
        accounts = read_accounts_at(root)
    finally:
        os.close(root)
    process = exec_process(
        handle.process,
        order.args,
        accounts,
        look(),
        env=order.env,
        user=order.user,
        cwd=order.workdir,
        tty=order.tty,
        size=pump.size,
        privileged=order.privileged,
    )
    streams = Streams(terminal=order.tty, stdin=order.interactive)
    try:
        runtime = ground.runtime(container.options.runtime)
        with runtime.exec(handle, process, streams.stdio()) as started:
            pump.begin(streams.started(started), listener=None, signal=started.signal)
            pump.tell({"event": "started"})
            pump.run(started.fileno())
            status = started.wait()
            return LOST if status is None else status
    finally:
        streams.close()
