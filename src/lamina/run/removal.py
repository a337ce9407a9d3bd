"""Taking containers away, whole or half made; every step is fine to repeat after a crash."""

from __future__ import annotations

from lamina.errors import Conflict, Corrupt, NotFound
from lamina.run import volumes
from lamina.run.container import Container
from lamina.run.ground import Ground
from lamina.run.owner import Owner
from lamina.run.state import LOST, State, Status


def remove(ground: Ground, container: Container, *, with_volumes: bool = False) -> None:
    """Remove a container that does not run; Conflict if it does, or if somebody removes it."""

    def claim(state: State) -> State:
        if state.is_running:
            raise Conflict(
                f'container "{container.name}" is {state.status}',
                hint="stop it first, or remove it by force",
            )
        if state.owner is not None and state.owner != Owner.me() and state.owner.is_alive():
            raise Conflict(f'container "{container.name}" is being used by another process')
        return state.but(status=Status.REMOVING, owner=Owner.me())

    ground.ledger.change(container.id, claim)
    dismantle(ground, container, with_volumes=with_volumes)


def dismantle(ground: Ground, container: Container, *, with_volumes: bool = True) -> None:
    """Delete layer, anonymous volumes, and the record last; the caller owns the container."""
    snapshotter = ground.snapshotter()
    try:
        draft = snapshotter.open_draft(container.draft_key)
    except NotFound:
        pass
    else:
        snapshotter.discard(draft)
    if with_volumes:
        for mount in container.mounts:
            if mount.anonymous:
                volumes.remove(ground.volumes, mount.name)
    ground.ledger.remove(container.id, container.name)


def reconcile(ground: Ground) -> None:
    """Finish or undo what processes left that were killed; cheap when there is nothing."""
    ledger = ground.ledger
    for id in ledger.live():
        try:
            state = ledger.state(id)
            if state.owner is None:
                ledger.change(id, lambda now: now if now.owner is None else None)
                continue
            if state.owner.is_alive():
                continue
            mend(ground, ledger.container(id))
        except NotFound:
            _sweep(ground, id)
        except Corrupt:
            _sweep(ground, id, torn=True)


def mend(ground: Ground, container: Container) -> State | None:
    """The truth of a container whose owner died; None if it is gone now.

    A container that lost its watcher but still runs is left alone, without an owner.
    """
    gone = False
    now = ground.clock()

    def settle(state: State) -> State | None:
        nonlocal gone
        if state.owner is None or state.owner.is_alive():
            return None
        if state.status in (Status.CREATING, Status.REMOVING):
            gone = True
            return state.but(status=Status.REMOVING, owner=Owner.me())
        if state.is_running:
            if state.process is not None and state.process.is_alive():
                return None
            gone = container.options.remove
            lost = state.but(status=Status.EXITED, owner=None, exit_code=LOST, finished=now)
            return lost.but(status=Status.REMOVING, owner=Owner.me()) if gone else lost
        gone = container.options.remove  # killed while it was being started
        return (
            state.but(status=Status.REMOVING, owner=Owner.me()) if gone else state.but(owner=None)
        )

    state = ground.ledger.change(container.id, settle)
    if gone:
        dismantle(ground, container)
        return None
    return state


def _sweep(ground: Ground, id: str, *, torn: bool = False) -> None:
    """Delete what a killed removal left, or a creation that had not come to its record.

    `torn`: its files were being written when the machine stopped, and hold nothing readable.
    """
    if len(id) != 64 or not (torn or ground.ledger.is_remains(id)):
        return
    snapshotter = ground.snapshotter()
    try:
        snapshotter.discard(snapshotter.open_draft(f"container-{id}"))
    except NotFound:
        pass
    ground.ledger.remove(id, "")
