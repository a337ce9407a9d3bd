"""How a command speaks with the process that watches a container: packets on a Unix socket.

A packet is one JSON object, perhaps with descriptors beside it (unix(7), SCM_RIGHTS).

    to the watcher    {"do": "attach", "streams": ["stdin", "stdout", "stderr"]}   + descriptors
                      {"do": "resize", "rows": 24, "columns": 80}
                      {"do": "signal", "number": 15}
    from the watcher  {"event": "started"}
                      {"event": "ended", "status": 0}
                      {"event": "failed", "kind": …, "message": …, "hint": …, "status": 127}

A client that goes away detaches; whoever stays hears how it ended.
"""

from __future__ import annotations

import _socket as socket  # which spares a command the enumerations and selectors of `socket`
import array
import os

from lamina.errors import Unavailable
from lamina.late import json

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from pathlib import Path
    from typing import Any

NAME = "control"
_LONGEST = 64 * 1024  # bytes of a packet
_MOST = 3  # descriptors beside one


class Conversation(socket.socket):
    """A socket for packets; a context manager that closes it."""

    def __init__(self, fileno: int | None = None) -> None:
        super().__init__(socket.AF_UNIX, socket.SOCK_SEQPACKET, fileno=fileno)

    def accept(self) -> Conversation:
        """The next one who calls at a listening socket."""
        return Conversation(self._accept()[0])  # type: ignore[attr-defined]  # typeshed lacks it

    def __enter__(self) -> Conversation:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def pair() -> tuple[Conversation, Conversation]:
    """Two ends of one conversation, for a watcher that is forked off."""
    ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    return Conversation(ends[0].detach()), Conversation(ends[1].detach())


def listen(directory: Path | str) -> Conversation:
    """The watcher's socket in a container's directory; one left by a dead watcher is replaced."""
    listener = Conversation()
    fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            os.unlink(NAME, dir_fd=fd)
        except FileNotFoundError:
            pass
        # Through the descriptor, for a socket's path may have 107 bytes only (unix(7)).
        listener.bind(f"/proc/self/fd/{fd}/{NAME}")
        os.chmod(NAME, 0o600, dir_fd=fd)
    finally:
        os.close(fd)
    listener.listen(16)
    return listener


def forget(directory: Path | str) -> None:
    """Remove the socket, so that nobody waits for a watcher that is about to end."""
    try:
        os.unlink(f"{directory}/{NAME}")
    except FileNotFoundError:
        pass


def connect(directory: Path | str) -> Conversation:
    """A conversation with the watcher; Unavailable if nobody watches."""
    client = Conversation()
    try:
        fd = os.open(directory, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            client.connect(f"/proc/self/fd/{fd}/{NAME}")
        finally:
            os.close(fd)
    except OSError:
        client.close()
        raise Unavailable("nobody watches the container") from None
    return client


def send(conversation: Conversation, packet: dict[str, Any], fds: tuple[int, ...] = ()) -> bool:
    """Send one packet; whether somebody was there to take it."""
    data = json.dumps(packet).encode()
    beside = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", fds))] if fds else []
    try:
        conversation.sendmsg([data], beside, socket.MSG_NOSIGNAL)
    except OSError:
        return False
    return True


def receive(conversation: Conversation) -> tuple[dict[str, Any], list[int]] | None:
    """The next packet and its descriptors, which the caller closes; None at the end."""
    numbers = array.array("i")
    room = socket.CMSG_SPACE(_MOST * numbers.itemsize)
    try:
        data, beside, _, _ = conversation.recvmsg(_LONGEST, room, socket.MSG_CMSG_CLOEXEC)
    except ConnectionError:
        return None
    for level, kind, content in beside:
        if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
            numbers.frombytes(content[: len(content) - len(content) % numbers.itemsize])
    if not data:
        return None
    packet = json.loads(data)
    return packet, list(numbers)
