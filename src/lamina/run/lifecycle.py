"""Starting, stopping, pausing, waiting for and renaming containers.

Every function answers for what is true now: a container whose watcher was killed is mended first.
"""

from __future__ import annotations

import signal
import time

from lamina.errors import Conflict, NotFound, Unavailable
from lamina.run import control
from lamina.run.attach import Detached, Looking, Started, View
from lamina.run.container import Container
from lamina.run.failures import raised
from lamina.run.ground import Ground
from lamina.run.launcher import Launcher
from lamina.run.removal import mend, remove
from lamina.run.signals import parse_signal
from lamina.run.state import LOST, State, Status

STOP_TIMEOUT = 10  # seconds, Docker's
_KILL_TIMEOUT = 10  # seconds in which a killed process must be gone
_PAUSE = 0.01  # seconds between two looks at what cannot be waited for


def state_of(ground: Ground, container: Container) -> State:
    """The state as it truly is; NotFound if the container is gone."""
    state = ground.ledger.state(container.id)
    if state.owner is not None and not state.owner.is_alive():
        mended = mend(ground, container)
        if mended is None:
            raise NotFound(f'no such container "{container.name}"')
        return mended
    return state


def running(ground: Ground, container: Container) -> State:
    """The state of a container that runs; Conflict if it does not."""
    state = state_of(ground, container)
    if not state.is_running or state.process is None:
        raise Conflict(f'container "{container.name}" is not running')
    return state


def start(
    ground: Ground,
    container: Container,
    view: View | None,
    *,
    started: Started | None = None,
    launcher: Launcher | None = None,
) -> int | Detached | None:
    """Start it, and with a view look on until its end: the exit status then, None without.

    Raises what kept it from starting. One that runs already is only looked at. A `launcher` is
    one that was made ready before, and is used up.
    """
    if state_of(ground, container).is_running:
        return None if view is None else attach(ground, container, view)
    with launcher or Launcher(ground) as ready:
        conversation = ready.start(container, attached=view is not None)
    looking = Looking(conversation, view or View(proxy_signals=False))
    if view is None:
        looking.until_start(started)
        return None
    looking.attach()
    return looking.until_end(started)


def attach(ground: Ground, container: Container, view: View) -> int | Detached:
    """Look on until the end of a container that runs: its exit status."""
    state = running(ground, container)
    if state.status is Status.PAUSED:
        raise Conflict(
            f'container "{container.name}" is paused', hint="unpause it before attaching"
        )
    looking = Looking(control.connect(ground.ledger.directory(container.id)), view)
    looking.attach()
    return looking.until_end()


def wait(ground: Ground, container: Container) -> int:
    """The exit status, as soon as there is one; at once for a container that does not run."""
    while True:
        state = _known_state(ground, container)
        if state is None:
            return LOST
        if not state.is_running and state.owner is None:
            return state.exit_code
        try:
            conversation = control.connect(ground.ledger.directory(container.id))
        except Unavailable:
            # The watcher starts, or ends, or is dead and the container is not.
            time.sleep(_PAUSE)
            continue
        with conversation:
            while heard := control.receive(conversation):
                packet = heard[0]
                if packet["event"] == "ended":
                    return int(packet["status"])
                if packet["event"] == "failed":
                    raise raised(packet)


def _known_state(ground: Ground, container: Container) -> State | None:
    try:
        return state_of(ground, container)
    except NotFound:
        return None


def kill(ground: Ground, container: Container, number: int = signal.SIGKILL) -> None:
    """Send a signal; Conflict if it does not run. SIGKILL waits for the end."""
    state = running(ground, container)
    assert state.process is not None
    if not state.process.signal(number):
        raise Conflict(f'container "{container.name}" is not running')
    if number != signal.SIGKILL:
        return
    if state.status is Status.PAUSED:
        unpause(ground, container)
    if not state.process.ended(_KILL_TIMEOUT):
        raise Unavailable(f'container "{container.name}" was killed, but does not end')
    wait(ground, container)


def stop(
    ground: Ground, container: Container, *, number: int | None = None, timeout: int | None = None
) -> None:
    """Ask it to end, and kill it after `timeout` seconds (-1: never); fine if it does not run.

    Signal and timeout are the container's own if None.
    """
    try:
        state = running(ground, container)
    except Conflict:
        return
    assert state.process is not None
    if timeout is None:
        asked = container.options.stop_timeout
        timeout = STOP_TIMEOUT if asked is None else asked
    if number is None:
        number = parse_signal(container.stop_signal)
    state.process.signal(number)
    if state.status is Status.PAUSED:
        unpause(ground, container)
    if not state.process.ended(None if timeout < 0 else timeout):
        state.process.signal(signal.SIGKILL)
        if not state.process.ended(_KILL_TIMEOUT):
            raise Unavailable(f'container "{container.name}" was killed, but does not end')
    wait(ground, container)


def restart(
    ground: Ground, container: Container, *, number: int | None = None, timeout: int | None = None
) -> None:
    """Stop it if it runs, and start it."""
    stop(ground, container, number=number, timeout=timeout)
    start(ground, container, None)


def pause(ground: Ground, container: Container) -> None:
    """Freeze every process of it; Conflict if it does not run, or is paused."""
    state = running(ground, container)
    if state.status is Status.PAUSED:
        raise Conflict(f'container "{container.name}" is paused already')
    from lamina.run.freezer import freeze

    freeze(container.id, state)
    ground.ledger.change(
        container.id, lambda now: now.but(status=Status.PAUSED) if now.is_running else None
    )


def unpause(ground: Ground, container: Container) -> None:
    """Let it go on; Conflict if it is not paused."""
    state = running(ground, container)
    if state.status is not Status.PAUSED:
        raise Conflict(f'container "{container.name}" is not paused')
    from lamina.run.freezer import thaw

    thaw(container.id, state)
    ground.ledger.change(
        container.id, lambda now: now.but(status=Status.RUNNING) if now.is_running else None
    )


def rename(ground: Ground, container: Container, name: str) -> None:
    """Give it another name; Conflict if that is taken."""
    ground.ledger.rename(container.id, name)


def discard(
    ground: Ground, container: Container, *, force: bool = False, with_volumes: bool = False
) -> None:
    """Remove a container; `force` kills it first if it runs, and does not mind if it is gone."""
    if force:
        try:
            kill(ground, container)
        except Conflict:
            pass
        except NotFound:
            return
    try:
        remove(ground, container, with_volumes=with_volumes or container.options.remove)
    except NotFound:
        if not force:
            raise
