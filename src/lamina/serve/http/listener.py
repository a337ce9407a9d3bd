"""Serves an application to all who connect to a socket, in one event loop."""

from __future__ import annotations

import errno
import resource
import select
import socket
import time
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import suppress

from lamina.fs import syscalls
from lamina.serve.http.connection import Connection
from lamina.serve.http.loop import IN, Loop
from lamina.serve.http.threads import Threads
from lamina.serve.http.wires import Plain, Secure

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    import ssl
    from typing import Any

    from lamina.serve.http.asgi import Message, Scope

_PATIENCE = 1.0  # seconds for requests that are broken off
_TICK = 1.0  # seconds between two looks at who is late
_PAUSE = 0.1  # seconds without new clients, if there are too many
_MOST = 16_384  # clients
_AT_ONCE = 64  # new clients, before others have their turn
_SENDERS = 16  # threads that send files
_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (
    *(b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun"),
    *(b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"),
)


class Listener:
    """Takes connections, ends those that are late, and ends all of them in the end."""

    def __init__(
        self, app: Any, sock: socket.socket, context: ssl.SSLContext | None, grace: float
    ) -> None:
        """With a `context` TLS is spoken; requests have `grace` seconds to end after `stop`."""
        self.app: Callable[..., Awaitable[None]] = app
        self.at_once: Callable[[Scope], tuple[Message, Message] | None] = getattr(
            app, "at_once", _nothing
        )
        self.loop = Loop()
        self.threads = Threads(_SENDERS, "files")
        self.is_stopping = False
        self.place: tuple[str, int] = sock.getsockname()[:2]
        self.now = 0.0  # monotonic, not more than a second ago
        self.date = b""  # the last line of a head, and its end
        self._sock = sock
        self._grace = grace
        self._context = context
        self._connections: set[Connection] = set()
        descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        # Half of the descriptors are for what they ask for.
        self._most = min(descriptors // 2, _MOST) if descriptors >= 0 else _MOST
        self._is_listening = False
        self._is_ticking = False

    def stop(self) -> None:
        """Take no more requests, and let those under way end. In any thread."""
        with suppress(RuntimeError):  # it has ended already
            self.loop.call_soon_threadsafe(self._stop)

    def run(
        self,
        *,
        ready: Callable[[], None],
        signals: Sequence[int] = (),
        line: socket.socket | None = None,
    ) -> None:
        """Serve until `stop`, one of the signals, or the end of `line`."""
        for number in signals:
            self.loop.on_signal(number, self._stop)
        if line is not None:
            self.loop.on_end(line.fileno(), self._stop)
        self._sock.setblocking(False)
        self._listen()
        ready()
        self.loop.run()
        self.threads.close()

    # -- for connections -----------------------------------------------------------------------

    def begin(self, work: Coroutine[Any, None, None]) -> None:
        self.loop.create_task(work)

    def forget(self, connection: Connection) -> None:
        self._connections.discard(connection)
        if self.is_stopping and not self._connections:
            # Not before their sockets are closed and their tasks have ended.
            self.loop.call_soon(self._see_whether_over)

    # ------------------------------------------------------------------------------------------

    def _listen(self) -> None:
        if not self._is_listening and not self.is_stopping:
            self._is_listening = True
            self.loop.watch(self._sock.fileno(), IN | select.EPOLLEXCLUSIVE, self._accept)

    def _pause(self) -> None:
        if self._is_listening:
            self._is_listening = False
            self.loop.forget(self._sock.fileno())

    def _accept(self, events: int) -> None:
        for _ in range(_AT_ONCE):
            try:
                if len(self._connections) >= self._most:
                    raise OSError(errno.EMFILE, "too many clients")
                sock, address = self._sock.accept()
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    self._pause()
                    self.loop.call_later(_PAUSE, self._listen)
                    return
                continue  # that client has gone already
            self._tick()
            try:
                wire = Plain(sock) if self._context is None else Secure(sock, self._context)
            except OSError:
                sock.close()
                continue
            self._connections.add(Connection(self, wire, address[:2]))

    def _tick(self) -> None:
        """Know what time it is, as long as there are clients."""
        if not self._is_ticking:
            self._is_ticking = True
            self.now, self.date = time.monotonic(), _date()
            self.loop.call_later(_TICK, self._look)

    def _look(self) -> None:
        """End the connections of those who are late."""
        self.now, self.date = time.monotonic(), _date()
        for connection in list(self._connections):
            if connection.deadline < self.now:
                connection.close()
        if self._connections:
            self.loop.call_later(_TICK, self._look)
        else:
            self._is_ticking = False
            syscalls.give_back_heap()

    def _stop(self) -> None:
        if self.is_stopping:
            return
        self.is_stopping = True
        self._pause()
        for connection in list(self._connections):
            connection.stop()
        self.loop.call_later(self._grace, self._break_off)
        self.loop.call_soon(self._see_whether_over)

    def _see_whether_over(self) -> None:
        if not self._connections and not self.loop.tasks:
            self.loop.stop()
        elif not self._connections:
            self.loop.call_later(0.005, self._see_whether_over)

    def _break_off(self) -> None:
        """End requests that have not ended in time."""
        for task in list(self.loop.tasks):
            task.cancel()
        for connection in list(self._connections):
            connection.close()
        self.loop.call_later(_PATIENCE, self.loop.stop)


def _nothing(scope: Scope) -> None:
    """What an application knows at once that does not say."""


def _date() -> bytes:
    """The last line of a head, with the time of day, and its end (RFC 9110, section 5.6.7)."""
    year, month, day, hour, minute, second, weekday, *_ = time.gmtime()
    return b"\r\ndate: %b, %02d %b %d %02d:%02d:%02d GMT\r\n\r\n" % (
        *(_DAYS[weekday], day, _MONTHS[month - 1], year, hour, minute, second),
    )
