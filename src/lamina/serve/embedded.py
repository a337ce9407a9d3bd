"""granian's own embedded server, for versions whose core is not known (`lamina.serve.core`)."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from granian._granian import SocketHolder
from granian.constants import HTTPModes, Interfaces, SSLProtocols
from granian.http import HTTP1Settings
from granian.server.embed import Server

from lamina.serve.core import BACKLOG, BUFFER, HEADERS_PATIENCE

if TYPE_CHECKING:
    import socket

    from lamina.serve.server import TLS


class Embedded:
    """Serves an application, in the thread that calls `run`; as `core.Core` does."""

    def __init__(self, app: Any, sock: socket.socket, tls: TLS | None, grace: float) -> None:
        self._server = _server(app, sock, tls, grace)
        self._loop = asyncio.new_event_loop()

    def stop(self) -> None:
        """Take no more requests, and let those under way end. In any thread."""
        try:
            self._loop.call_soon_threadsafe(self._server.stop)
        except RuntimeError:
            pass  # it has ended by itself

    def run(
        self,
        *,
        ready: Callable[[], None],
        signals: Sequence[int] = (),
        line: socket.socket | None = None,
    ) -> None:
        """Serve until `stop`, one of the signals, or the end of `line`."""
        loop = self._loop
        with asyncio.Runner(loop_factory=lambda: loop) as runner:
            runner.get_loop()
            for number in signals:
                loop.add_signal_handler(number, self._server.stop)
            if line is not None:
                loop.add_reader(line, self._line_ended, line)
            runner.run(self._serve(ready))

    def _line_ended(self, line: socket.socket) -> None:
        self._loop.remove_reader(line)  # nothing is ever said there: it has ended
        self._server.stop()

    async def _serve(self, ready: Callable[[], None]) -> None:
        task = asyncio.create_task(self._server.serve())
        ready()
        try:
            await task
        except TimeoutError:
            # A request has not ended in time and breaks off; granian then misses its own future.
            self._loop.set_exception_handler(lambda loop, context: None)


def _server(app: Any, sock: socket.socket, tls: TLS | None, grace: float) -> Any:
    class Handed(Server):
        """A server that listens at a socket which is there already."""

        def _init_shared_socket(self) -> None:
            self._ssp: Any = None
            holder: Any = SocketHolder  # its stub knows no arguments
            # granian closes what it is given.
            self._shd = holder(os.dup(sock.fileno()), False, BACKLOG)

    server: Any = Handed(
        app,
        interface=Interfaces.ASGINL,
        http=HTTPModes.auto if tls else HTTPModes.http1,
        websockets=False,
        log_enabled=False,
        backlog=BACKLOG,
        backpressure=BACKLOG,
        http1_settings=HTTP1Settings(header_read_timeout=HEADERS_PATIENCE, max_buffer_size=BUFFER),
        ssl_cert=tls.certificate if tls else None,
        ssl_key=tls.key if tls else None,
        ssl_protocol_min=SSLProtocols.tls12,
    )
    server.workers_kill_timeout = grace
    return server
