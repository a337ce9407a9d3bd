"""One client's connection: its requests, one after the other, and their answers (RFC 9112)."""

from __future__ import annotations

import math
import os
import select
import socket
from contextlib import suppress

from lamina.serve.http.exchange import Exchange, status_line
from lamina.serve.http.incoming import Incoming
from lamina.serve.http.loop import IN, OUT, Cancelled
from lamina.serve.http.waits import Outcome, in_thread
from lamina.serve.http.wires import send_file

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.serve.http.listener import Listener
    from lamina.serve.http.wires import Wire

HEAD_PATIENCE = 30.0  # seconds from the first of them to the last
IDLE_PATIENCE = 75.0  # seconds between two requests
SEND_PATIENCE = 60.0  # seconds in which a client takes nothing
_LINGER = 2.0  # seconds in which what a client still sends is thrown away
_SMALL = 16 << 10  # bytes received at once
_LARGE = 256 << 10  # of a body
_HELD = 1 << 20  # bytes of a body that wait here for the application
_BROKEN = select.EPOLLHUP | select.EPOLLERR


class Connection:
    """Between a client and the application. All calls come from the event loop."""

    def __init__(self, listener: Listener, wire: Wire, client: tuple[str, int]) -> None:
        self.deadline = listener.now + HEAD_PATIENCE
        self._listener = listener
        self._loop = listener.loop
        self._wire = wire
        self._incoming = Incoming(self._loop, wire, client, listener.place)
        self._now: Exchange | None = None  # the one that is answered
        self._out: memoryview | None = None  # what the socket has not taken yet
        self._draining: Outcome | None = None
        self._events = IN
        self._is_paused = False
        self._is_lingering = False
        self._is_closed = False
        self._loop.watch(wire.fd, IN, self._ready)

    def close(self) -> None:
        """End it at once, whatever is under way."""
        if self._is_closed:
            return
        self._is_closed = True
        self._loop.forget(self._wire.fd)
        self._listener.forget(self)
        with suppress(OSError):
            self._wire.sock.shutdown(socket.SHUT_RDWR)
        self._incoming.lose()
        if self._now is not None:
            self._now.lose()
            self._now = None
        self._drain()
        self._loop.call_soon(self._wire.sock.close)

    def stop(self) -> None:
        """Take no more requests after the one under way."""
        if self._now is not None:
            self._now.keeps = False
        elif not self._incoming.waiting:
            self.close()

    # -- for the exchange ----------------------------------------------------------------------

    def date(self) -> bytes:
        """The last line of a head, and its end."""
        return self._listener.date

    def take(self) -> None:
        """The application has taken a piece of the request's body."""
        if self._is_paused and self._incoming.held < _HELD // 2:
            self._resume()

    def write(self, data: bytes, *, more: bool = False) -> bool:
        """Send; whether all was taken. Else nothing more may be sent until `drained`."""
        if self._is_closed:
            return True
        if self._out is not None:
            self._out = memoryview(bytes(self._out) + data)
            return False
        try:
            sent = self._wire.send(data, more=more)
        except OSError:
            self.close()
            return True
        if sent == len(data):
            return True
        self._out = memoryview(data)[sent:]
        self.deadline = self._listener.now + SEND_PATIENCE
        self._flush()
        return self._out is None

    async def drained(self) -> None:
        """Wait until the socket has taken everything; OSError if the client has gone."""
        if self._out is not None and not self._is_closed:
            await self._wait()
        if self._is_closed:
            raise ConnectionResetError("the client has gone")
        self.deadline = math.inf

    async def write_file(self, file: int, offset: int, count: int) -> None:
        """Send bytes of a file; OSError if the client has gone or the file is too short."""
        while count:
            if self._is_closed:
                raise ConnectionResetError("the client has gone")
            self.deadline = math.inf
            own = os.dup(self._wire.fd), os.dup(file)
            sent = await in_thread(self._listener.threads, send_file, *own, offset, count)
            offset += sent
            count -= sent
            if count and not self._is_closed:
                self.deadline = self._listener.now + SEND_PATIENCE
                await self._wait()
        self.deadline = math.inf

    # -- what comes ----------------------------------------------------------------------------

    def _ready(self, events: int) -> None:
        if events & _BROKEN:
            self.close()
            return
        if events & OUT:
            if self._out is not None:
                self._flush()
            else:
                self._drain()
        if events & IN and not self._is_paused:
            self._receive()

    def _receive(self) -> None:
        if self._is_closed or self._is_paused:
            return
        try:
            data = self._wire.receive(_LARGE if self._incoming.is_in_body else _SMALL)
        except OSError:
            self.close()
            return
        if data is None:
            return
        if not data:
            self._ended()
        elif not self._is_lingering:
            self._feed(data)
        if self._wire.has_more():
            self._loop.call_soon(self._receive)

    def _feed(self, data: bytes) -> None:
        incoming = self._incoming
        if self._now is None and incoming.is_empty:
            self.deadline = self._listener.now + HEAD_PATIENCE
        incoming.feed(data)
        if incoming.held > _HELD or incoming.refusal is not None:
            self._pause()
        if self._now is None:
            self._advance()
        elif incoming.waiting:
            self._pause()  # one is answered after the other

    def _ended(self) -> None:
        """The client sends nothing more."""
        if self._incoming.is_in_body or self._is_lingering or self._now is None:
            self.close()
        else:  # it may wait for the answer all the same
            self._now.keeps = False
            self._pause()

    # -- what is answered ----------------------------------------------------------------------

    def _advance(self) -> None:
        """Answer the requests that have come."""
        waiting = self._incoming.waiting
        while self._now is None and waiting and not self._is_closed:
            exchange = self._now = waiting.popleft()
            exchange.begin(self)
            self.deadline = math.inf
            if self._is_paused and not exchange.is_whole:
                self._resume()
            try:
                known = self._listener.at_once(exchange.scope)
            except Exception:  # noqa: BLE001  # the application tells of its own faults
                self._fail(exchange)
                return
            if known is None:
                self._listener.begin(self._answer(exchange))
                return
            if exchange.give(*known):
                self._finish(exchange)
                if waiting:  # whoever asked that may have heard of more than at the first
                    self._loop.moment += 1
            else:
                self._listener.begin(self._answered(exchange))
        refusal = self._incoming.refusal
        if self._now is None and not waiting and refusal is not None:
            self._refuse(refusal)

    async def _answer(self, exchange: Exchange) -> None:
        try:
            await self._listener.app(exchange.scope, exchange.receive, exchange.send)
        except Cancelled:
            self.close()
            raise
        except Exception:  # noqa: BLE001  # the application tells of its own faults
            self._fail(exchange)
        else:
            self._finish(exchange)
            self._advance()

    async def _answered(self, exchange: Exchange) -> None:
        """Wait until an answer that is given has gone."""
        with suppress(OSError):
            await self.drained()
            self._finish(exchange)
            self._advance()

    def _finish(self, exchange: Exchange) -> None:
        """The application has said all that it says to a request."""
        if self._is_closed:
            return
        if not exchange.is_over:
            self._fail(exchange)
            return
        self._now = None
        if not exchange.keeps or not exchange.is_whole:
            self._linger()
            return
        self.deadline = self._listener.now + IDLE_PATIENCE
        if self._listener.is_stopping and not self._incoming.waiting:
            self.close()
        elif self._is_paused and not self._incoming.waiting:
            self._resume()

    def _fail(self, exchange: Exchange) -> None:
        """The application has not said all: nobody may take what it said for the whole."""
        self._now = None
        if exchange.is_begun:
            self.close()
        else:
            self._refuse(self._incoming.refusal or 500)

    def _refuse(self, status: int) -> None:
        self._incoming.lose()
        self.write(status_line(status) + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
        self._linger()

    def _linger(self) -> None:
        """Close, but not before the client has had the answer (RFC 9112, section 9.6).

        What it still sends is thrown away: to close with bytes unread would take the answer along.
        """
        if self._is_closed:
            return
        self._is_lingering = True
        self._incoming.lose()
        self.deadline = self._listener.now + _LINGER
        try:
            self._wire.end()
        except OSError:
            self.close()
            return
        if self._is_paused:
            self._resume()

    # -- the socket ----------------------------------------------------------------------------

    def _flush(self) -> None:
        """Send what is left, as far as the socket takes it."""
        while self._out is not None:
            try:
                sent = self._wire.send(self._out)
            except OSError:
                self.close()
                return
            if not sent:
                self._await(self._events | OUT)
                return
            self.deadline = self._listener.now + SEND_PATIENCE
            self._out = self._out[sent:] if sent < len(self._out) else None
        self._drain()

    async def _wait(self) -> None:
        """Wait until the socket takes more, or has taken everything."""
        self._await(self._events | OUT)
        self._draining = Outcome(self._loop)
        try:
            await self._draining
        finally:
            self._draining = None

    def _drain(self) -> None:
        """Let whoever waits for the socket go on."""
        if not self._is_closed:
            self._await(self._events & ~OUT)
        if self._draining is not None and not self._draining.done():
            self._draining.settle(None)

    def _pause(self) -> None:
        if not self._is_paused and not self._is_closed:
            self._is_paused = True
            self._await(self._events & ~IN)

    def _resume(self) -> None:
        self._is_paused = False
        self._await(self._events | IN)
        if self._wire.has_more():
            self._loop.call_soon(self._receive)

    def _await(self, events: int) -> None:
        if events != self._events and not self._is_closed:
            self._events = events
            self._loop.change(self._wire.fd, events)
