"""How the inside tells the outside: marshalled tuples, each behind its length, over a pipe."""

from __future__ import annotations

import marshal
import os

TYPE_CHECKING = False  # the `typing` module is too heavy for here
if TYPE_CHECKING:
    from typing import Any


class Refused(Exception):
    """The start fails: `kind` is "not found", "not executable" or "setup"."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message


def send(fd: int, *message: Any) -> None:
    """One message, of values that marshal takes: the same interpreter reads them.

    Two processes may report at once: what fits PIPE_BUF (4096) is not torn apart, so lists are
    sent item by item.
    """
    data = marshal.dumps(message)
    data = len(data).to_bytes(4, "little") + data
    while data:
        data = data[os.write(fd, data) :]


def receive(fd: int) -> tuple[Any, ...] | None:
    """The next message; None at the end."""
    head = _exactly(fd, 4)
    if head is None:
        return None
    data = _exactly(fd, int.from_bytes(head, "little"))
    if data is None:
        return None
    message: tuple[Any, ...] = marshal.loads(data)
    return message


def _exactly(fd: int, size: int) -> bytes | None:
    data = b""
    while len(data) < size:
        piece = os.read(fd, size - len(data))
        if not piece:
            return None
        data += piece
    return data


def explain(what: str, error: OSError) -> str:
    """A message in plain words for a call that failed."""
    name = f' "{os.fsdecode(error.filename)}"' if error.filename else ""
    return f"{what}{name}: {os.strerror(error.errno or 0).lower()}"
