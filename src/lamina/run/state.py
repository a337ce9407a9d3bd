"""What has become of a container, and which process looks after it.

creating ── created ── running ⇄ paused ── exited ── (running again) ── removing ── gone
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from lamina.errors import Corrupt
from lamina.late import json
from lamina.run.owner import Owner, owner_from_json
from lamina.values import dataclass, field, replace

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

LOST = 255  # the exit status of a container that ended with nobody looking


class Status(StrEnum):
    """Docker's words, plus "creating", which Docker does not show."""

    CREATING = "creating"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    EXITED = "exited"
    REMOVING = "removing"
    DEAD = "dead"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """A moment of a container's life; only who holds its lock may write the next."""

    status: Status
    owner: Owner | None = None  # who creates, watches or removes it now
    process: Owner | None = None  # its first process, as this host sees it
    exit_code: int = 0
    started: int | None = None  # ns
    finished: int | None = None  # ns
    error: str = ""  # why it did not start
    oom_killed: bool = False
    handle: Mapping[str, Any] = field(default_factory=dict)  # what the runtime needs to find it

    @property
    def is_running(self) -> bool:
        return self.status in (Status.RUNNING, Status.PAUSED)

    def encode(self) -> bytes:
        record: dict[str, object] = {name: getattr(self, name) for name in State.__slots__}
        for name in ("owner", "process"):
            owner = getattr(self, name)
            record[name] = owner and owner.to_json()
        return json.dumps(record, separators=(",", ":")).encode()

    def but(self, **changes: Any) -> State:
        """This state with some fields changed."""
        return replace(self, **changes)


def decode(data: bytes) -> State:
    """The state that `encode` wrote; Corrupt if the bytes are anything else."""
    try:
        record = json.loads(data)
        record["status"] = Status(record["status"])
        record["owner"] = owner_from_json(record["owner"])
        record["process"] = owner_from_json(record["process"])
        return State(**record)
    except (ValueError, KeyError, TypeError) as error:
        raise Corrupt(f"a container's state cannot be read: {error}") from None
