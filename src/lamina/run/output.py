"""What a container printed, and goes on to print (`lamina logs`)."""

from __future__ import annotations

import time
from collections.abc import Iterator

from lamina.errors import NotFound, Unsupported
from lamina.run.container import Container
from lamina.run.ground import Ground
from lamina.run.lifecycle import state_of
from lamina.run.logs import Record, read_log

_STEP = 0.05  # seconds between two looks at a log that is followed


def records(
    ground: Ground,
    container: Container,
    *,
    since: int | None = None,
    until: int | None = None,
    tail: int | None = None,
    follow: bool = False,
) -> Iterator[Record]:
    """The container's log as `read_log` has it; `follow` goes on until the container ends."""
    if container.options.log_driver == "none":
        raise Unsupported(
            f'container "{container.name}" keeps no log', hint='it was made with log driver "none"'
        )

    def more() -> bool:
        time.sleep(_STEP)
        try:
            state = state_of(ground, container)
        except NotFound:
            return False
        if until is not None and ground.clock() > until:
            return False
        return state.is_running or state.owner is not None

    path = f"{ground.ledger.directory(container.id)}/log.json"
    return read_log(path, since=since, until=until, tail=tail, follow=more if follow else None)
