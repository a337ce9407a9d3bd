"""One request and its answer, as an application sees them (ASGI 3.0, "HTTP")."""

from __future__ import annotations

from collections import deque

from lamina.serve.http.asgi import ZEROCOPY
from lamina.serve.http.loop import Loop
from lamina.serve.http.waits import Outcome

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.serve.http.asgi import Message, Scope
    from lamina.serve.http.connection import Connection

_BODILESS = frozenset({204, 304})
_PHRASES = {
    200: b"OK",
    201: b"Created",
    202: b"Accepted",
    204: b"No Content",
    206: b"Partial Content",
    304: b"Not Modified",
    307: b"Temporary Redirect",
    308: b"Permanent Redirect",
    400: b"Bad Request",
    401: b"Unauthorized",
    403: b"Forbidden",
    404: b"Not Found",
    405: b"Method Not Allowed",
    408: b"Request Timeout",
    409: b"Conflict",
    412: b"Precondition Failed",
    413: b"Content Too Large",
    416: b"Range Not Satisfiable",
    429: b"Too Many Requests",
    431: b"Request Header Fields Too Large",
    500: b"Internal Server Error",
    503: b"Service Unavailable",
}


def status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b" % (status, _PHRASES.get(status, b""))


class Exchange:
    """A request that comes by a connection, and what is given to it. All in one event loop."""

    __slots__ = (
        "_connection",
        "_expects",
        "_has_gone",
        "_is_old",
        "_is_told",
        "_left",
        "_loop",
        "_pieces",
        "_start",
        "_waiting",
        "held",
        "is_begun",
        "is_over",
        "is_whole",
        "keeps",
        "scope",
    )

    def __init__(self, loop: Loop, scope: Scope, *, keeps: bool, expects: bool) -> None:
        self.scope = scope
        self.keeps = keeps  # whether the client may ask again by the same connection
        self.held = 0  # bytes of the request that nobody has taken yet
        self.is_whole = False  # the request
        self.is_begun = False  # the answer
        self.is_over = False  # the answer
        self._connection: Connection | None = None
        self._loop = loop
        self._expects = expects
        self._is_old = scope["http_version"] == "1.0"
        self._is_told = False  # that all of the request has come
        self._pieces: deque[bytes] = deque()
        self._has_gone = False
        self._waiting: Outcome | None = None
        self._start: Message | None = None
        self._left: int | None = None  # bytes that the client still waits for, if it knows

    # -- for the connection --------------------------------------------------------------------

    def begin(self, connection: Connection) -> None:
        """It is the turn of this request. Before that, and once the client has gone, none is held.

        Else whatever came by a connection would stay in memory until it is looked for in circles.
        """
        self._connection = connection

    def put(self, piece: bytes) -> None:
        """A piece of the request's body has come."""
        self._pieces.append(piece)
        self.held += len(piece)
        self._wake()

    def end(self) -> None:
        """All of the request has come."""
        self.is_whole = True
        self._wake()

    def lose(self) -> None:
        """The client has gone."""
        self._has_gone = True
        self._connection = None
        self._wake()

    def give(self, start: Message, body: Message) -> bool:
        """Give an answer that is in memory; whether the socket has taken all of it.

        Such answers are given again and again: how the headers are written is kept in `start`.
        """
        connection = self._connection
        written: bytes | None = start.get("written")
        if written is not None and connection is not None and self.keeps and not self._is_old:
            self.is_begun = self.is_over = True
            data = b"" if self.scope["method"] == "HEAD" else body["body"]
            return connection.write(b"%b%b%b" % (written, connection.date(), data))
        self._start = start
        return self._give(body["body"], more=False)

    # -- for the application -------------------------------------------------------------------

    async def receive(self) -> Message:
        """The next piece of the request's body; after the last, that the client has gone."""
        connection = self._connection
        if self._expects and connection is not None and not self.is_whole and not self.held:
            self._expects = False
            connection.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        while True:
            if self._pieces:
                piece = self._pieces.popleft()
                self.held -= len(piece)
                if self._connection is not None:
                    self._connection.take()
                self._is_told = self.is_whole and not self._pieces
                return {"type": "http.request", "body": piece, "more_body": not self._is_told}
            if self._has_gone:
                return {"type": "http.disconnect"}
            if self.is_whole and not self._is_told:
                self._is_told = True
                return {"type": "http.request", "body": b"", "more_body": False}
            self._waiting = Outcome(self._loop)
            try:
                await self._waiting
            finally:
                self._waiting = None

    async def send(self, message: Message) -> None:
        """Give a part of the answer; OSError if the client has gone.

        ValueError for what would be no answer of HTTP.
        """
        kind = message["type"]
        connection = self._connection
        if connection is None:
            raise ConnectionResetError("the client has gone")
        if kind == "http.response.start":
            self._start = message
        elif kind == "http.response.body":
            if not self._give(message.get("body", b""), more=message.get("more_body", False)):
                await connection.drained()
        elif kind == ZEROCOPY:
            await self._give_file(connection, message)
        else:
            raise ValueError(f'"{kind}" is no part of an answer')

    # ------------------------------------------------------------------------------------------

    def _give(self, data: bytes, *, more: bool) -> bool:
        connection = self._connection
        if connection is None:
            return True
        if self._start is not None:
            size = None if more else len(data)
            head = self._head(connection, self._start, size)
            self._start = None
            data = data if self._left is None else data[: self._left]
            self._count(len(data))
            data = head + data
        else:
            data = data if self._left is None else data[: self._left]
            self._count(len(data))
        self.is_over = not more
        if self.is_over and self._left:
            self.keeps = False  # the client waits for more, and has to hear that none comes
        return connection.write(data) if data else True

    async def _give_file(self, connection: Connection, message: Message) -> None:
        """Give bytes of a file without having them here (ASGI, "Zero Copy Send Extension")."""
        count = message["count"]
        if self._start is not None:
            more = message.get("more_body", False)
            head = self._head(connection, self._start, None if more else count)
            self._start = None
            if not connection.write(head, more=True):
                await connection.drained()
        if self._left is not None and count > self._left:
            raise ValueError("the file is longer than was promised")
        await connection.write_file(message["file"], message["offset"], count)
        self._count(count)
        self.is_over = not message.get("more_body", False)

    def _count(self, size: int) -> None:
        if self._left is not None:
            self._left -= size

    def _head(self, connection: Connection, start: Message, size: int | None) -> bytes:
        """What stands before the body, which has `size` bytes if that is known by now."""
        self.is_begun = True
        status: int = start["status"]
        lines = [status_line(status)]
        length = None
        for name, value in start["headers"]:
            if name == b"connection":
                self.keeps = self.keeps and value != b"close"
                continue
            if name == b"content-length":
                length = int(value)
            lines.append(b"%b: %b" % (name, value))
        if self.scope["method"] == "HEAD" or status in _BODILESS:
            self._left = 0
        elif length is not None:
            self._left = length
        elif size is not None:
            self._left = size
            lines.append(b"content-length: %d" % size)
        else:
            self.keeps = False  # it ends where the connection does
        if not self.keeps:
            lines.append(b"connection: close")
        elif self._is_old:
            lines.append(b"connection: keep-alive")
        head = b"\r\n".join(lines)
        if head.count(b"\n") >= len(lines) or head.count(b"\r") >= len(lines) or b"\0" in head:
            # Whoever chose that part of a value would say what else is answered.
            self.is_begun = False
            raise ValueError("a header holds the end of its line")
        if length is not None and self.keeps and not self._is_old:
            start["written"] = head
        return head + connection.date()

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.settle(None)
