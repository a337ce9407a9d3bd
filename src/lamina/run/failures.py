"""Why a container did not run, with the exit status that Docker gives for it.

125  Lamina itself failed, or refused
126  the command is there but cannot be executed
127  the command is not there
"""

from __future__ import annotations

from lamina import errors
from lamina.errors import Denied, Error, NotFound

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from typing import Any

_KINDS: dict[str, type[Error]] = {
    kind.__name__: kind
    for kind in (
        errors.Invalid,
        errors.NotFound,
        errors.Conflict,
        errors.Corrupt,
        errors.Denied,
        errors.Unavailable,
        errors.Unsupported,
    )
}


class CommandNotFound(NotFound):
    """The container's command, or its interpreter, is not in the image."""

    exit_status = 127


class CommandDenied(Denied):
    """The container's command is there, but is no program that may be executed."""

    exit_status = 126


def told(error: Exception) -> dict[str, Any]:
    """An exception as the packet that tells a viewer of it."""
    if not isinstance(error, Error):
        kind = "Unavailable"
        message = f"the container's watcher failed: {type(error).__name__}: {error}"
        return {"event": "failed", "kind": kind, "message": message, "hint": None, "status": 125}
    kind = next(name for name, kind in _KINDS.items() if isinstance(error, kind))
    status = exit_status(error)
    return {
        "event": "failed",
        "kind": kind,
        "message": error.message,
        "hint": error.hint,
        "status": status,
    }


def raised(packet: dict[str, Any]) -> Error:
    """The exception that `told` made a packet of."""
    kind = {127: CommandNotFound, 126: CommandDenied}.get(packet["status"])
    return (kind or _KINDS[packet["kind"]])(packet["message"], hint=packet["hint"])


def exit_status(error: Exception) -> int:
    """What `run` exits with."""
    status = getattr(error, "exit_status", None)
    return status if isinstance(status, int) else 125
