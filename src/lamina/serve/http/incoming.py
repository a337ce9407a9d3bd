"""Requests out of what comes by a connection (RFC 9112), which httptools takes apart."""

from __future__ import annotations

from collections import deque
from urllib.parse import unquote

from httptools import HttpParserError, HttpParserUpgrade, HttpRequestParser

from lamina.serve.http.asgi import ZEROCOPY
from lamina.serve.http.exchange import Exchange

TYPE_CHECKING = False  # for type checkers: importing `typing` takes its time
if TYPE_CHECKING:
    from lamina.serve.http.asgi import Scope
    from lamina.serve.http.loop import Loop
    from lamina.serve.http.wires import Wire

HEAD_LIMIT = 512 << 10  # bytes before the body; the application has a limit of its own
HEADERS_LIMIT = 128  # lines
_ASGI = {"version": "3.0", "spec_version": "2.4"}


class Incoming:
    """What has come by one connection and is not answered yet."""

    def __init__(
        self, loop: Loop, wire: Wire, client: tuple[str, int], place: tuple[str, int]
    ) -> None:
        self.waiting: deque[Exchange] = deque()  # for their turn, the oldest first
        self.refusal: int | None = None  # the status for what comes after them
        self._loop = loop
        self._always = {
            "type": "http",
            "asgi": _ASGI,
            "scheme": wire.scheme,
            "root_path": "",
            "client": client,
            "server": place,
            "extensions": {ZEROCOPY: {}} if wire.sends_files else {},
        }
        self._parser: HttpRequestParser | None = HttpRequestParser(self)
        self._filling: Exchange | None = None  # of which more comes
        self._head = 0  # bytes of the next one that are here
        self._url = b""
        self._headers: list[tuple[bytes, bytes]] = []

    @property
    def is_empty(self) -> bool:
        """Whether nothing of a request is here that is not answered."""
        return not self._head and not self.waiting and self._filling is None

    @property
    def is_in_body(self) -> bool:
        """Whether more of a body comes next."""
        return self._filling is not None

    @property
    def held(self) -> int:
        """Bytes of that body that nobody has taken yet."""
        return self._filling.held if self._filling is not None else 0

    def feed(self, data: bytes) -> None:
        """More has come."""
        if self._parser is None:
            return
        if self._filling is None:
            self._head += len(data)
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            # Nothing else is spoken here, so it is answered as if that had not been offered. What
            # follows is not understood any more.
            self.refusal = 400
            if self.waiting:
                self.waiting[-1].keeps = False
        except HttpParserError:
            self.refusal = self.refusal or 400
            if self._filling is not None:
                self._filling.lose()  # nobody knows where its body ends
        if self._head > HEAD_LIMIT:
            self.refusal = 431

    def lose(self) -> None:
        """Nothing of it will be answered any more, and nothing may come."""
        self.refusal = self._parser = None  # which knows this object, as this object knows it
        for exchange in self.waiting:
            exchange.lose()
        self.waiting.clear()
        if self._filling is not None:
            self._filling.lose()
            self._filling = None

    # -- for the parser ------------------------------------------------------------------------

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        if len(self._headers) < HEADERS_LIMIT:
            self._headers.append((name.lower(), value))
        else:
            self.refusal = 431

    def on_headers_complete(self) -> None:
        headers, url = self._headers, self._url
        self._headers, self._url, self._head = [], b"", 0
        parser = self._parser
        assert parser is not None  # it calls this
        version = parser.get_http_version()
        hosts, expects = 0, False
        for name, value in headers:
            if name == b"host":
                hosts += 1
            elif name == b"expect" and value.lower() == b"100-continue":
                expects = version == "1.1"
        target = _origin(url)
        if version not in ("1.0", "1.1") or target is None or (hosts != 1 and version == "1.1"):
            self.refusal = self.refusal or 400
        if self.refusal is not None or target is None:
            return
        raw, _, query = target.partition(b"?")
        path = raw.decode("latin-1")
        scope: Scope = {
            **self._always,
            "http_version": version,
            "method": parser.get_method().decode("ascii"),
            "path": unquote(path) if "%" in path else path,
            "raw_path": raw,
            "query_string": query,
            "headers": headers,
        }
        keeps = parser.should_keep_alive()
        self._filling = Exchange(self._loop, scope, keeps=keeps, expects=expects)
        self.waiting.append(self._filling)

    def on_body(self, body: bytes) -> None:
        if self._filling is not None:
            self._filling.put(body)

    def on_message_complete(self) -> None:
        filling, self._filling = self._filling, None
        if filling is not None:
            filling.end()


def _origin(url: bytes) -> bytes | None:
    """What a target asks for here, also if the whole address is named (RFC 9112, section 3.2)."""
    if url.startswith(b"/"):
        return url
    scheme, mark, rest = url.partition(b"://")
    if not mark or scheme.lower() not in (b"http", b"https"):
        return b"*" if url == b"*" else None
    _, slash, path = rest.partition(b"/")
    return slash + path if slash else b"/"
